package report

import (
	"fmt"
	"path"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// A step is something to do next, and the command that does it.
type step struct{ What, Command string }

// steps says what to do about the findings, by the commands of who started the run.
func (f *Findings) steps(summary *v1alpha1.AuditSummary) []step {
	first := &summary.Layers[0]
	rule := "layer.redundantSamples == 0"
	if first.Leakage != nil {
		rule = "layer.leakage.samples == 0"
	}
	if f.Repeat == "" {
		return f.clusterSteps(first, rule)
	}
	var out []step
	if first.Clusters > 0 {
		again := f.Repeat
		if f.Verdicts == nil {
			again += " --verdicts " + text.Shell(f.Marks)
		}
		out = append(out, step{"Mark below what are no copies, export it to " + f.Marks + " (runner serve keeps it there for you), and audit again: what you marked stays apart.", again})
	}
	format, drawn := f.Audit.Spec.Dataset.Format, f.Audit.Spec.Dataset.Source.Builtin != ""
	if first.RedundantSamples > 0 && !drawn && (format == v1alpha1.FormatImageFolder || format == v1alpha1.FormatManifest) {
		target, layer := "clean", ""
		if len(summary.Layers) > 1 { // the first, as in the figures of a status
			layer = " --layer " + text.Shell(first.Layer)
		}
		if format == v1alpha1.FormatManifest {
			target = "clean.csv"
		}
		out = append(out, step{"Write a copy of the dataset without what could go. The dataset itself stays as it is.", f.Clean + layer + " --to " + target})
	}
	gated := f.Repeat
	if len(f.Audit.Spec.Policy.Rules) == 0 {
		gated += " --rule " + text.Shell(rule)
	}
	return append(out, step{"Let CI refuse the dataset: the exit code is 77 where a rule is violated.", gated})
}

func (f *Findings) clusterSteps(first *v1alpha1.LayerSummary, rule string) []step {
	name := path.Join(f.Audit.Namespace, f.Audit.Name)
	if f.Audit.Namespace == "" {
		return nil
	}
	namespaced := fmt.Sprintf("%s --namespace %s", text.Shell(f.Audit.Name), text.Shell(f.Audit.Namespace))
	var out []step
	if first.Clusters > 0 {
		out = append(out, step{"Mark below what are no copies, export it, and name it in duplicates.verdicts of " + name + ": the next run keeps it apart.",
			"kubectl create configmap " + text.Shell(f.Audit.Name+"-verdicts") + " --from-file=verdicts.json --namespace " + text.Shell(f.Audit.Namespace)})
	}
	if len(f.Audit.Spec.Policy.Rules) == 0 {
		return append(out, step{"Add a rule to spec.policy.rules, so that the condition Compliant says whether the dataset may be used.",
			"kubectl patch datasetaudit " + namespaced + " --type merge --patch " + text.Shell(fmt.Sprintf(`{"spec":{"policy":{"rules":[{"name":"gate","expression":%q,"severity":"Fail"}]}}}`, rule))})
	}
	return append(out, step{"Let a pipeline wait for the policy's word.", "kubectl wait --for=condition=Compliant datasetaudit/" + namespaced})
}
