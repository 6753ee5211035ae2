package report

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// SARIF 2.1.0, as far as code scanning shows it: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string       `json:"id"`
		Name             string       `json:"name"`
		ShortDescription sarifMessage `json:"shortDescription"`
		Help             sarifMessage `json:"help"`
		Configuration    struct {
			Level string `json:"level"`
		} `json:"defaultConfiguration"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		Level        string            `json:"level"`
		Message      sarifMessage      `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Related      []sarifLocation   `json:"relatedLocations,omitempty"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
	}
)

// maxSARIF bounds the results: GitHub shows no more of a file.
const maxSARIF = 5000

// The rules, those that one would act on first.
const (
	sarifLeakage   = "leakage"
	sarifReference = "contamination"
	sarifConflict  = "label-conflict"
	sarifDuplicate = "near-duplicate"
)

var sarifRules = []struct{ id, name, level, short, help string }{
	{sarifLeakage, "Leakage", "error", "An evaluation sample has a copy among the others",
		"What a model is evaluated on must not be what it was trained on. Take one of the two out: remove.csv proposes which."},
	{sarifReference, "Contamination", "error", "A sample is in a reference that a model is to be measured by",
		"What a model is measured by must not be what it was trained on. remove.csv proposes to take out what is in a reference."},
	{sarifConflict, "LabelConflict", "warning", "Two copies bear labels that contradict each other",
		"One of the labels is wrong, or the picture bears both. Look at the pair and correct it."},
	{sarifDuplicate, "NearDuplicate", "note", "A sample is a near duplicate of another one",
		"Copies count twice in training and in figures. remove.csv lists what could go."},
}

// writeSARIF writes the pairs of copies as results, one a pair, those that leak first, then what references hold, then
// contradictions, then others. A sample's location is its ID, below the folder of the dataset where that is a part of the folder in which the
// run was started, as a repository's is.
func (f *Findings) writeSARIF(w io.Writer) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "dataset-audit"}
	for _, r := range sarifRules {
		rule := sarifRule{ID: r.id, Name: r.name, ShortDescription: sarifMessage{r.short}, Help: sarifMessage{r.help}}
		rule.Configuration.Level = r.level
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
	}
	found := map[string][]sarifResult{}
	for _, l := range f.Layers {
		samples := l.Result.Samples
		l.Result.EachPair(min(f.maxClusterSize(), maxExpanded), func(a, b int, link duplicates.Link) {
			rule, one, other := f.sarifRule(samples[a], samples[b])
			if len(found[rule]) < maxSARIF {
				found[rule] = append(found[rule], f.sarifResult(rule, l.Name, one, other, "the baseline", sarifKind(l.Result.Exact(a, b), link)))
			}
		})
		for _, ref := range l.References {
			for _, m := range ref.Comparison.Matches {
				if len(found[sarifReference]) < maxSARIF {
					found[sarifReference] = append(found[sarifReference], f.sarifResult(
						sarifReference, l.Name, samples[m.Row], ref.Samples[m.Sample], "reference "+ref.Name, sarifKind(m.Exact, m.Link)))
				}
			}
		}
	}
	for _, r := range sarifRules {
		for _, result := range found[r.id][:min(len(found[r.id]), maxSARIF-len(run.Results))] {
			result.Level = r.level
			run.Results = append(run.Results, result)
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", " ")
	return encoder.Encode(sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}

func sarifKind(exact bool, link duplicates.Link) string {
	if exact {
		return "an exact copy"
	}
	return fmt.Sprintf("a near duplicate (distance %s)", significant(link.Distance))
}

// sarifRule says what is wrong with a pair, and which of the two it is to be shown at.
func (f *Findings) sarifRule(a, b duplicates.Sample) (rule string, one, other duplicates.Sample) {
	evaluated := func(s duplicates.Sample) bool { return slices.Contains(f.EvaluationSplits, s.Split) }
	switch {
	case b.Baseline && evaluated(a) != evaluated(b):
		return sarifLeakage, a, b
	case b.Baseline && duplicates.Disjoint(a.Labels, b.Labels):
		return sarifConflict, a, b
	case b.Baseline:
		return sarifDuplicate, a, b
	case evaluated(a) && !evaluated(b):
		return sarifLeakage, a, b
	case evaluated(b) && !evaluated(a):
		return sarifLeakage, b, a
	case duplicates.Disjoint(a.Labels, b.Labels):
		return sarifConflict, a, b
	default:
		return sarifDuplicate, b, a // the later one is the copy
	}
}

// sarifResult says that one is a copy of another, which may be one of a baseline or reference, elsewhere.
func (f *Findings) sarifResult(rule, layer string, one, other duplicates.Sample, elsewhere, what string) sarifResult {
	described := func(s duplicates.Sample) string {
		var about []string
		if s.Split != "" {
			about = append(about, s.Split)
		}
		about = append(about, s.Labels...)
		if s.Baseline {
			about = append(about, "of "+elsewhere)
		}
		name := text.Visible(s.ID)
		if len(about) > 0 {
			name += " (" + text.Visible(strings.Join(about, ", ")) + ")"
		}
		return name
	}
	return sarifResult{
		RuleID:       rule,
		Message:      sarifMessage{fmt.Sprintf("%s is %s of %s by layer %s.", described(one), what, described(other), text.Visible(layer))},
		Locations:    []sarifLocation{f.sarifAt(one)},
		Related:      f.sarifRelated(other),
		Fingerprints: map[string]string{"pair/v1": clusterKey(one.ID + "\x00" + other.ID + "\x00" + layer)},
	}
}

// sarifRelated is where the other sample is: one of the baseline is not among these files.
func (f *Findings) sarifRelated(other duplicates.Sample) []sarifLocation {
	if other.Baseline {
		return nil
	}
	return []sarifLocation{f.sarifAt(other)}
}

// sarifAt is where a sample is.
func (f *Findings) sarifAt(s duplicates.Sample) sarifLocation {
	place := text.Valid(s.ID)
	if f.Folder != "" {
		place = path.Join(filepath.ToSlash(f.Folder), place)
	}
	var l sarifLocation
	l.Physical.Artifact.URI = (&url.URL{Path: place}).String()
	return l
}
