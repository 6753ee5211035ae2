package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/embed"
	"github.com/datasetaudit/dataset-audit/internal/findings"
	"github.com/datasetaudit/dataset-audit/internal/images"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// describe says what the dataset was understood to be, before any costly work begins.
func (r *Run) describe(d *dataset.Dataset) {
	var names, splits []string
	for _, split := range d.Splits() {
		names = append(names, split.Name)
	}
	evaluation := r.evaluationSplits(names)
	for _, split := range d.Splits() {
		text := fmt.Sprintf("%s %d", cmp.Or(split.Name, "(none)"), split.Samples)
		if slices.Contains(evaluation, split.Name) {
			text += " (evaluation)"
		}
		splits = append(splits, text)
	}
	if len(names) > 1 || names[0] != "" {
		r.Progress.Note("Splits: " + list(splits))
	}
	for _, asked := range r.Audit.Spec.Dataset.EvaluationSplits {
		if !slices.ContainsFunc(evaluation, func(split string) bool { return strings.EqualFold(split, asked) }) {
			r.Progress.Note(fmt.Sprintf("dataset.evaluationSplits: no audited sample is in a split %q", asked))
		}
	}
	if files := ignored(d); files != nil {
		r.Progress.Note(fmt.Sprintf("Files of the dataset that are not samples, ignored: %d (%s)", files.Files, files))
	}
	for _, warning := range d.Warnings() {
		r.Progress.Note("Careful: " + warning)
	}
}

// described says what the dataset's metadata says otherwise of its files.
func (r *Run) described(ctx context.Context, bucket *storage.Bucket) ([]string, error) {
	if r.Croissant == nil {
		return nil, nil
	}
	objects, err := bucket.List(ctx, "")
	if err != nil {
		return nil, err
	}
	var files []string
	for _, o := range objects {
		if !strings.HasPrefix(o.Key, ".") && !strings.Contains(o.Key, "/.") { // hidden
			files = append(files, o.Key)
		}
	}
	var warnings []string
	missing, undescribed := r.Croissant.Files(files)
	if len(missing) > 0 {
		warnings = append(warnings, "the Croissant metadata names files that are not there: "+list(missing))
	}
	if undescribed > 0 {
		warnings = append(warnings, fmt.Sprintf("the Croissant metadata does not describe %s of the dataset: it may be of another version", findings.Count(int64(undescribed), "file", "files")))
	}
	for _, warning := range warnings {
		r.Progress.Note("Careful: " + warning)
	}
	return warnings, nil
}

// checkEvaluation refuses a split for evaluation that the dataset doesn't have: with a name mistyped, nothing would leak.
// Those of a baseline have names of their own.
func (r *Run) checkEvaluation(d *dataset.Dataset) error {
	if r.Baseline != "" || r.Audit.Spec.Baseline != nil {
		return nil
	}
	for _, asked := range r.Audit.Spec.Dataset.EvaluationSplits {
		if !slices.ContainsFunc(d.AllSplits(), func(split string) bool { return strings.EqualFold(split, asked) }) {
			return v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, fmt.Errorf(
				"dataset.evaluationSplits: no sample is in a split %q; the dataset's splits are %s", asked, cmp.Or(list(d.AllSplits()), "none")))
		}
	}
	return nil
}

// doubtful is how many samples are looked at to doubt a preset.
const doubtful = 8

// doubtPreset holds the preset against what the model makes of a few samples.
func (r *Run) doubtPreset(ctx context.Context, in *inputs) error {
	if in.network == nil || in.network.Builtin {
		return nil
	}
	n := min(doubtful, in.dataset.Len())
	indices := make([]int, n)
	for i := range indices {
		indices[i] = i * in.dataset.Len() / n
	}
	var samples [][]byte
	for sample, err := range in.dataset.Pick(ctx, indices) {
		if err != nil {
			return err
		}
		if sample.Err == nil {
			samples = append(samples, sample.Bytes)
		}
	}
	decoder := images.Decoder{IgnoreOrientation: r.Audit.Spec.Dataset.IgnoreOrientation}
	if doubt := embed.DoubtPreset(r.modelFile, r.Audit.Spec.Model, decoder, samples); doubt != "" {
		in.doubts = append(in.doubts, doubt)
		r.Progress.Note("Careful: " + doubt)
	}
	return nil
}

// list joins the first of many.
func list(items []string) string {
	const most = 12
	if len(items) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(items[:most], ", "), len(items)-most)
	}
	return strings.Join(items, ", ")
}

// evaluationSplits are those of the splits that must not leak into the others: those that the spec names, without
// regard to case, else those that are called like it.
func (r *Run) evaluationSplits(splits []string) []string {
	var found []string
	asked := r.Audit.Spec.Dataset.EvaluationSplits
	for _, split := range splits {
		is := dataset.IsEvaluation(split)
		if len(asked) > 0 {
			is = slices.Contains(asked, split) || slices.ContainsFunc(asked, func(name string) bool {
				return strings.EqualFold(name, split) && !slices.Contains(splits, name)
			})
		}
		if is && !slices.Contains(found, split) {
			found = append(found, split)
		}
	}
	return found
}

// checkBroken refuses a dataset of which the listing shows already that too much can't be read.
func (r *Run) checkBroken(d *dataset.Dataset) error {
	broken, first := d.Broken()
	if broken == 0 {
		return nil
	}
	allowed, err := r.Audit.Spec.Dataset.AllowsUnreadable(int64(broken), int64(d.Len()))
	if err != nil {
		return v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, err)
	}
	if allowed && broken < d.Len() {
		return nil
	}
	return v1alpha1.NewRunError(v1alpha1.ExitInvalidDataset, fmt.Errorf(
		"dataset: %d of %d samples can't be read, more than dataset.maxUnreadable allows; the first: %w", broken, d.Len(), first))
}

// maxEndings is how many kinds of ignored files the summary tells apart.
const maxEndings = 32

// ignored is what the summary says of the files that are not samples.
func ignored(d *dataset.Dataset) *v1alpha1.IgnoredFiles {
	files := d.Ignored()
	if files.Files() == 0 {
		return nil
	}
	out := &v1alpha1.IgnoredFiles{Files: files.Files()}
	for _, ending := range files.Endings() {
		if len(out.Endings) < maxEndings {
			out.Endings = append(out.Endings, v1alpha1.EndingFiles{Ending: ending, Files: files[ending]})
		}
	}
	return out
}
