package audit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// review reads what reviewers said of earlier runs, and what the summary says of that; nothing if the spec names no
// file.
func (r *Run) review(ctx context.Context) ([]v1alpha1.Verdict, *v1alpha1.SummaryVerdicts, error) {
	location := r.Verdicts
	if location == "" {
		source := r.Audit.Spec.Duplicates.Verdicts
		if source == nil {
			return nil, nil, nil
		}
		if source.ObjectStorage == nil {
			return nil, nil, v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, errors.New(
				"duplicates.verdicts is a ConfigMap of a cluster: name the file here with --verdicts"))
		}
		location = source.ObjectStorage.URL
	}
	data, err := storage.ReadFile(ctx, location, v1alpha1.MaxReviewBytes)
	if err != nil {
		return nil, nil, invalidIfAbsent(v1alpha1.ExitInvalidSpec, fmt.Errorf("duplicates.verdicts: %w", err))
	}
	summary := &v1alpha1.SummaryVerdicts{SHA256: fmt.Sprintf("%x", sha256.Sum256(data))}
	if source := r.Audit.Spec.Duplicates.Verdicts; source != nil {
		if err := pinned("duplicates.verdicts", source.SHA256, summary.SHA256); err != nil {
			return nil, nil, err
		}
	}
	review, err := v1alpha1.ParseReview(data)
	if err != nil {
		return nil, nil, v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, fmt.Errorf("duplicates.verdicts: %s: %w", location, err))
	}
	reviewers := map[string]bool{}
	for _, v := range review.Verdicts {
		if v.Verdict == v1alpha1.VerdictNotCopies && v.Reviewer != "" {
			reviewers[text.Cut(text.Name(v.Reviewer), maxReviewerBytes)] = true
		}
		switch v.Verdict {
		case v1alpha1.VerdictCopies:
			summary.Copies++
		case v1alpha1.VerdictNotCopies:
			summary.NotCopies++
		case v1alpha1.VerdictUnsure:
			summary.Unsure++
		}
	}
	summary.Reviewers = slices.Sorted(maps.Keys(reviewers))
	summary.Reviewers = summary.Reviewers[:min(len(summary.Reviewers), v1alpha1.MaxReviewers)]
	return review.Verdicts, summary, nil
}

// maxReviewerBytes bounds a name in the summary.
const maxReviewerBytes = 128

// pinned refuses what a field of the spec names by another digest.
func pinned(field, want, got string) error {
	if want == "" || want == got {
		return nil
	}
	return v1alpha1.NewRunError(v1alpha1.ExitDigestMismatch, fmt.Errorf(
		"%s.sha256: what lies there has %s, not %s: someone changed it; look at it, and give the spec the digest of what you trust", field, got, want))
}

// apart are the rows that reviewers judged to be no copies of each other. Of samples that are not there, a note says
// so.
func (r *Run) apart(verdicts []v1alpha1.Verdict, samples []duplicates.Sample) [][]int {
	rows := map[string]int{}
	for _, v := range verdicts {
		if v.Verdict == v1alpha1.VerdictNotCopies {
			for _, id := range v.Members {
				rows[id] = -1
			}
		}
	}
	if len(rows) == 0 {
		return nil
	}
	for row, s := range samples {
		if at, judged := rows[s.ID]; judged && at < 0 { // an ID of the baseline comes after the audited ones
			rows[s.ID] = row
		}
	}
	var sets [][]int
	missing := 0
	for _, v := range verdicts {
		if v.Verdict != v1alpha1.VerdictNotCopies {
			continue
		}
		var set []int
		for _, id := range v.Members {
			if row := rows[id]; row >= 0 {
				set = append(set, row)
			} else {
				missing++
			}
		}
		sets = append(sets, set)
	}
	if missing > 0 {
		r.Progress.Note(fmt.Sprintf("duplicates.verdicts: members that are not in the dataset, ignored: %d", missing))
	}
	return sets
}
