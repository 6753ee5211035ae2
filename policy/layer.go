package policy

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/google/cel-go/interpreter"
	"k8s.io/apimachinery/pkg/runtime"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// layer is a LayerSummary, and what is known of all layers alike, as a rule sees it.
type layer struct {
	name string
	// variables are what a rule names: layer, groups and quality.
	variables map[string]any
	// err is why they can't be had.
	err error
	// cut says why a list does not hold everything, by the list's name.
	cut map[string]string
}

func newLayers(summary *v1alpha1.AuditSummary) []layer {
	if summary == nil {
		return nil
	}
	groups, groupsErr := map[string]any{}, error(nil)   // without any field if the dataset names no groups
	quality, qualityErr := map[string]any{}, error(nil) // likewise where nobody measured
	if summary.Dataset.Quality != nil {
		whole := summary.Dataset.Quality.DeepCopy()
		for i := range whole.Problems { // they may not hold everything, and a rule could not tell
			whole.Problems[i].Splits, whole.Problems[i].Labels, whole.Problems[i].Worst = nil, nil, nil
		}
		quality, qualityErr = runtime.DefaultUnstructuredConverter.ToUnstructured(whole)
	}
	if summary.Dataset.Groups != nil {
		groups, groupsErr = runtime.DefaultUnstructuredConverter.ToUnstructured(summary.Dataset.Groups)
		if groups["crossing"] != nil && groups["worst"] == nil {
			groups["worst"] = []any{}
		}
	}
	layers := make([]layer, len(summary.Layers))
	for i := range summary.Layers {
		l := &summary.Layers[i]
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(l)
		delete(fields, "distanceQuantiles")
		// JSON omits an empty list. Where it is empty because nothing was found it is not an absent figure.
		if leakage, ok := fields["leakage"].(map[string]any); ok && leakage["pairs"] == nil {
			leakage["pairs"] = []any{}
		}
		if sequences, ok := fields["sequences"].(map[string]any); ok && sequences["worst"] == nil {
			sequences["worst"] = []any{}
		}
		if l.Clusters == 0 && err == nil {
			fields["topClusters"] = []any{}
		}
		layers[i] = layer{
			name: l.Layer, variables: map[string]any{layerVariable: fields, groupsVariable: groups, qualityVariable: quality},
			err: errors.Join(err, groupsErr, qualityErr), cut: cutLists(summary, l),
		}
	}
	return layers
}

// cutLists finds the lists that may not hold everything: those of a truncated summary, and those that are as long as
// they may be.
func cutLists(summary *v1alpha1.AuditSummary, l *v1alpha1.LayerSummary) map[string]string {
	cut := map[string]string{}
	largest := func(list string, length, bound int) {
		switch {
		case summary.Truncated:
			cut[list] = "was cut so that the summary fits its ConfigMap"
		case length >= bound:
			cut[list] = fmt.Sprintf("may hold only the largest %d", bound)
		}
	}
	largest("layer.splits", len(l.Splits), v1alpha1.MaxSummaryGroups)
	largest("layer.labels", len(l.Labels), v1alpha1.MaxSummaryGroups)
	if l.Leakage != nil {
		largest("layer.leakage.pairs", len(l.Leakage.Pairs), v1alpha1.MaxLeakagePairs)
	}
	if groups := summary.Dataset.Groups; groups != nil {
		largest("groups.worst", len(groups.Worst), v1alpha1.MaxCrossingGroups)
	}
	if l.Sequences != nil {
		largest("layer.sequences.worst", len(l.Sequences.Worst), v1alpha1.MaxCrossingGroups)
	}
	largest("layer.topClusters", len(l.TopClusters), math.MaxInt) // the tightest ones are all that it means to hold
	return cut
}

// listsCut is the error of an expression that reads a list that may not hold everything.
func (e *expression) listsCut(l layer) error {
	for _, f := range e.fields {
		for _, list := range f.lists {
			if why, ok := l.cut[list]; ok {
				return fmt.Errorf("%s %s", list, why)
			}
		}
	}
	return nil
}

// explain says what CEL's error means for the rule. It names an absent field in full: CEL names the last part of it
// only.
func (e *expression) explain(err error, l layer) error {
	if _, ok := errors.AsType[interpreter.EvalCancelledError](err); ok {
		return fmt.Errorf("the evaluation costs more than %d units: nest fewer loops, compare less text", celconfig.PerCallLimit)
	}
	key, isAbsence := strings.CutPrefix(err.Error(), "no such key: ")
	if !isAbsence {
		return err
	}
	for _, f := range e.fields {
		if _, present := l.lookUp(f.path); len(present) < len(f.path) && f.path[len(present)] == key {
			return fmt.Errorf("%s is absent from the results", dotted(f.path[:len(present)+1]))
		}
	}
	return fmt.Errorf("%s is absent from the results", key)
}

// figures are the numbers and texts that the expression read of a layer.
func (e *expression) figures(l layer) string {
	var figures []string
	for _, f := range e.fields {
		value, present := l.lookUp(f.path)
		if len(present) < len(f.path) {
			continue
		}
		if f.scalar {
			figures = append(figures, fmt.Sprintf("%s = %v", f, value))
		} else if f.String() == "layer.references" {
			figures = append(figures, found(value))
		}
	}
	if len(figures) == 0 {
		return "the expression is false"
	}
	return strings.Join(figures, ", ")
}

// maxNamed is how many references the message of a rule names.
const maxNamed = 4

// found names the references that the dataset holds something of.
func found(references any) string {
	items, _ := references.([]any)
	var named []string
	for _, item := range items {
		if r, _ := item.(map[string]any); r["samples"] != int64(0) {
			named = append(named, fmt.Sprintf("%v %v", r["name"], r["samples"]))
		}
	}
	if more := len(named) - maxNamed; more > 0 {
		named = append(named[:maxNamed], fmt.Sprintf("%d more", more))
	}
	if len(named) == 0 {
		return "layer.references: no samples in any"
	}
	return "samples in layer.references: " + strings.Join(named, ", ")
}

// lookUp is the value at a path, and the part of the path that is there.
func (l layer) lookUp(path []string) (value any, present []string) {
	value = l.variables
	for i, name := range path {
		object, _ := value.(map[string]any)
		inner, ok := object[name]
		if !ok {
			return nil, path[:i]
		}
		value = inner
	}
	return value, path
}
