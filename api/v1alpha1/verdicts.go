package v1alpha1

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// ReviewVerdict is what a reviewer says of some samples.
// +kubebuilder:validation:Enum=Copies;NotCopies;Unsure
type ReviewVerdict string

const (
	// VerdictCopies says that they are copies of each other.
	VerdictCopies ReviewVerdict = "Copies"
	// VerdictNotCopies says that no two of them are.
	VerdictNotCopies ReviewVerdict = "NotCopies"
	// VerdictUnsure says that the reviewer could not tell.
	VerdictUnsure ReviewVerdict = "Unsure"
)

// Bounds of a Review.
const (
	MaxReviewBytes      = 16 << 20
	MaxVerdicts         = 100_000
	MaxVerdictMembers   = 1024
	ReviewSchemaVersion = 1
)

// Review is what reviewers said of the clusters of an audit: the file that report.html exports and
// spec.duplicates.verdicts names.
type Review struct {
	// schemaVersion is ReviewSchemaVersion.
	// +required
	SchemaVersion int64 `json:"schemaVersion"`
	// audit is the one that was reviewed, namespace/name.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	Audit string `json:"audit,omitempty"`
	// verdicts are each about other samples.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100000
	Verdicts []Verdict `json:"verdicts"`
}

// Verdict is what a reviewer says of a cluster.
type Verdict struct {
	// verdict is Copies, NotCopies or Unsure.
	// +required
	Verdict ReviewVerdict `json:"verdict"`
	// members are the IDs of the samples that it is about, at least two.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=2
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=4096
	Members []string `json:"members"`
	// reviewer is who said it, as they call themselves. Nothing proves it.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reviewer string `json:"reviewer,omitempty"`
	// time is when, as RFC 3339 has it.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	Time string `json:"time,omitempty"`
	// reason is why.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
}

// ParseReview reads a review. Its errors name the verdict that is wrong.
func ParseReview(data []byte) (*Review, error) {
	review := &Review{}
	if err := json.Unmarshal(data, review); err != nil {
		return nil, fmt.Errorf("not a review as report.html exports it: %w", err)
	}
	if review.SchemaVersion != ReviewSchemaVersion {
		return nil, fmt.Errorf("schemaVersion is %d, and %d can be read", review.SchemaVersion, ReviewSchemaVersion)
	}
	if n := len(review.Verdicts); n > MaxVerdicts {
		return nil, fmt.Errorf("%d verdicts, at most %d can be read", n, MaxVerdicts)
	}
	for i, v := range review.Verdicts {
		switch v.Verdict {
		case VerdictCopies, VerdictNotCopies, VerdictUnsure:
		default:
			return nil, fmt.Errorf("verdicts[%d]: %q is not one of Copies, NotCopies and Unsure", i, v.Verdict)
		}
		if n := len(v.Members); n < 2 || n > MaxVerdictMembers {
			return nil, fmt.Errorf("verdicts[%d]: %d members, must be 2 to %d", i, n, MaxVerdictMembers)
		}
		for _, text := range []struct {
			name, value string
			most        int
		}{{"reviewer", v.Reviewer, 128}, {"time", v.Time, 40}, {"reason", v.Reason, 1024}} {
			if utf8.RuneCountInString(text.value) > text.most {
				return nil, fmt.Errorf("verdicts[%d]: %s has more than %d characters", i, text.name, text.most)
			}
		}
		members := slices.Sorted(slices.Values(v.Members))
		if len(slices.Compact(members)) < len(v.Members) {
			return nil, fmt.Errorf("verdicts[%d]: a member stands there twice", i)
		}
	}
	return review, nil
}
