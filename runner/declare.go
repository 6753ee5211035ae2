package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/audit"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// declared is what flags say of an audit, in the place of fields of its manifest. Without a manifest they declare all of
// it, and what they leave open is found in the dataset and the model.
type declared struct {
	format, preset, method, threshold, inspection, search string
	layers, splits, evaluationSplits, rules, reports      []string
}

func (d *declared) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&d.format, "format", "", "format of the dataset (default: found)")
	flags.StringSliceVar(&d.layers, "layer", nil, "layer of the model; several give a result each (default: the last features)")
	flags.StringVar(&d.preset, "preset", "", "how images become the model's input: MobileNet, ImageNet, CLIP, UnitRange, ByteRange, CaffeBGR (default: guessed)")
	flags.StringVar(&d.method, "method", "", "Local or Reference (default: Local)")
	flags.StringVar(&d.threshold, "threshold", "", "the rate of false pairs of method Local, such as 0.01, or a strategy of Reference: Slope=5, Percentile=99.5, Distance=5.1, Cosine=0.95")
	flags.StringVar(&d.inspection, "inspection", "", "Pixels or None (default: Pixels for method Local and images)")
	flags.StringVar(&d.search, "search", "", "Exact or Approximate, which looks for neighbors around each sample alone and says what share it finds (default: Exact)")
	flags.StringSliceVar(&d.reports, "reports", nil, "parts of the report beside Duplicates: Familiarity, Labels, Quality, Map (default: Quality)")
	flags.StringSliceVar(&d.splits, "splits", nil, "audit only these splits")
	flags.StringSliceVar(&d.evaluationSplits, "evaluation-splits", nil, "splits that must not leak into the others (default: those that are called test, val and the like)")
	flags.StringArrayVar(&d.rules, "rule", nil, "what the dataset must fulfill, such as 'layer.leakage.samples == 0'; otherwise the exit code is 77")
	fixed := func(flag string, values ...string) {
		if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // the flag was added above
		}
	}
	fixed("format", "ImageFolder", "Manifest", "WebDataset", "Parquet", "TFRecord", "CIFAR", "IDX", "Embeddings")
	fixed("preset", "MobileNet", "ImageNet", "CLIP", "UnitRange", "ByteRange", "CaffeBGR")
	fixed("method", "Local", "Reference")
	fixed("inspection", "Pixels", "None")
	fixed("search", "Exact", "Approximate")
	fixed("reports", "Familiarity", "Labels", "Quality", "Map")
}

// any tells whether a flag says anything.
func (d *declared) any() bool {
	texts := d.format + d.preset + d.method + d.threshold + d.inspection + d.search
	return texts != "" || d.layers != nil || d.splits != nil || d.evaluationSplits != nil || d.rules != nil || d.reports != nil
}

// edit writes what the flags say into a manifest.
func (d *declared) edit(object map[string]any) error {
	set := func(value any, fields ...string) error {
		return usageIf(unstructured.SetNestedField(object, value, append([]string{"spec"}, fields...)...))
	}
	for _, field := range []struct {
		value string
		path  []string
	}{
		{d.format, []string{"dataset", "format"}},
		{d.preset, []string{"model", "preprocessing", "preset"}},
		{d.method, []string{"duplicates", "method"}},
		{d.inspection, []string{"duplicates", "inspection"}},
		{d.search, []string{"duplicates", "search"}},
	} {
		if field.value != "" {
			if err := set(field.value, field.path...); err != nil {
				return err
			}
		}
	}
	for _, field := range []struct {
		values []string
		path   []string
	}{
		{d.layers, []string{"model", "layers"}},
		{d.splits, []string{"dataset", "splits"}},
		{d.evaluationSplits, []string{"dataset", "evaluationSplits"}},
		{withDuplicates(d.reports), []string{"reports"}},
	} {
		if field.values != nil {
			if err := set(anyOf(field.values), field.path...); err != nil {
				return err
			}
		}
	}
	if d.threshold != "" {
		threshold, err := parseThreshold(d.threshold)
		if err != nil {
			return usage(err)
		}
		if err := set(threshold, "duplicates", "threshold"); err != nil {
			return err
		}
	}
	if len(d.rules) > 0 {
		rules, _, err := unstructured.NestedSlice(object, "spec", "policy", "rules")
		if err != nil {
			return usage(err)
		}
		return set(addRules(rules, d.rules), "policy", "rules")
	}
	return nil
}

// withDuplicates puts the part that is always reported before others.
func withDuplicates(reports []string) []string {
	if reports == nil || slices.Contains(reports, string(v1alpha1.ReportDuplicates)) {
		return reports
	}
	return slices.Concat([]string{string(v1alpha1.ReportDuplicates)}, reports)
}

// addRules adds expressions as rules of severity Fail, with names that the others don't have.
func addRules(rules []any, expressions []string) []any {
	taken := map[any]bool{}
	for _, rule := range rules {
		if fields, ok := rule.(map[string]any); ok {
			taken[fields["name"]] = true
		}
	}
	number := 0
	for _, expression := range expressions {
		name := ""
		for name == "" || taken[name] {
			number++
			name = fmt.Sprintf("rule-%d", number)
		}
		rules = append(rules, map[string]any{"name": name, "expression": expression, "severity": string(v1alpha1.SeverityFail)})
	}
	return rules
}

// parseThreshold reads a number, the rate of method Local, or STRATEGY=NUMBER.
func parseThreshold(text string) (map[string]any, error) {
	strategy, value, named := strings.Cut(text, "=")
	if !named {
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return map[string]any{"rate": text}, nil
		}
		strategy = text
	}
	fields := map[string]string{"Slope": "sensitivity", "Percentile": "percentile", "Distance": "distance", "Cosine": "similarity", "FalseDiscovery": "rate"}
	field, known := fields[strategy]
	if !known {
		return nil, fmt.Errorf("--threshold: %q is neither a rate such as 0.01 nor Slope=5, Percentile=99.5, Distance=5.1, Cosine=0.95 or FalseDiscovery=0.01", text)
	}
	out := map[string]any{"strategy": strategy}
	switch {
	case !named:
	case field == "sensitivity":
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("--threshold: the sensitivity %q is not a whole number", value)
		}
		out[field] = n
	default:
		out[field] = value
	}
	return out, nil
}

// complete fills in what neither manifest nor flags say and must be known: where the data is, and where there is no
// manifest its format, and the model's layer and preset. What is found or guessed is said.
func (f *auditFlags) complete(ctx context.Context, object map[string]any, note func(string)) error {
	has := func(fields ...string) bool {
		_, found, _ := unstructured.NestedFieldNoCopy(object, append([]string{"spec"}, fields...)...)
		return found
	}
	set := func(value any, fields ...string) error {
		return usageIf(unstructured.SetNestedField(object, value, append([]string{"spec"}, fields...)...))
	}
	if f.dataset != "" && !has("dataset", "source") {
		if err := set(sourceOf(f.dataset), "dataset", "source"); err != nil {
			return err
		}
	}
	if f.model != "" && has("model") && !has("model", "source") && !has("model", "builtin") {
		if err := set(sourceOf(f.model), "model", "source"); err != nil {
			return err
		}
	}
	if f.file != "" {
		return nil // what a manifest lacks is a mistake
	}
	if err := f.describe(has, set, note); err != nil {
		return err
	}
	if !has("dataset", "format") {
		format, err := audit.DetectFormat(ctx, f.dataset)
		if err != nil {
			return err
		}
		note(fmt.Sprintf("dataset.format: %s, by the names of its files (--format)", format))
		if err := set(string(format), "dataset", "format"); err != nil {
			return err
		}
	}
	if format, _, _ := unstructured.NestedString(object, "spec", "dataset", "format"); format == string(v1alpha1.FormatEmbeddings) {
		return nil
	}
	if f.model == "" {
		note("model: the builtin Pixels, which compares what images show where; --model takes an ONNX model, which knows more")
		return set(string(v1alpha1.BuiltinPixels), "model", "builtin")
	}
	if err := set(sourceOf(f.model), "model", "source"); err != nil {
		return err
	}
	if f.declared.layers != nil && f.declared.preset != "" {
		return nil
	}
	proposal, err := (&audit.Run{Model: f.model, Work: f.work}).Propose(ctx, f.declared.layers == nil)
	if err != nil {
		return err
	}
	if f.declared.layers == nil {
		note(fmt.Sprintf("model.layers: %s, %s (--layer; `runner layers %s` lists all)", proposal.Layer, proposal.WhyLayer, f.model))
		if err := set([]any{proposal.Layer}, "model", "layers"); err != nil {
			return err
		}
		if proposal.Token != nil {
			if err := set(int64(*proposal.Token), "model", "pooling", "token"); err != nil {
				return err
			}
		}
	}
	if f.declared.preset == "" {
		note(fmt.Sprintf("model.preprocessing.preset: %s, a guess: %s (--preset)", proposal.Preset, proposal.WhyPreset))
		return set(string(proposal.Preset), "model", "preprocessing", "preset")
	}
	return nil
}

// describe takes what the dataset's metadata says and nothing else did.
func (f *auditFlags) describe(has func(fields ...string) bool, set func(value any, fields ...string) error, note func(string)) error {
	if f.metadata == nil {
		return nil
	}
	if format := f.metadata.Format(); format != "" && !has("dataset", "format") {
		note(fmt.Sprintf("dataset.format: %s, by its Croissant metadata (--format)", format))
		if err := set(string(format), "dataset", "format"); err != nil {
			return err
		}
	}
	splits := f.metadata.EvaluationSplits()
	if len(splits) == 0 || has("dataset", "evaluationSplits") {
		return nil
	}
	note(fmt.Sprintf("dataset.evaluationSplits: %s, by its Croissant metadata (--evaluation-splits)", strings.Join(splits, ", ")))
	return set(anyOf(splits), "dataset", "evaluationSplits")
}

// sourceOf is the source of what lies at a path or URL. For a path it only stands in: the flag says where to read.
func sourceOf(location string) map[string]any {
	local, isLocal := storage.LocalPath(location)
	if !isLocal {
		return map[string]any{"objectStorage": map[string]any{"url": location}}
	}
	claim := map[string]any{"claimName": unnamedClaim}
	if info, err := os.Stat(local); err != nil || !info.IsDir() {
		claim["path"] = filepath.Base(local)
	}
	return map[string]any{"persistentVolumeClaim": claim}
}

// unnamedClaim is the claim of a manifest whose data is only known by a path on this machine.
const unnamedClaim = "name-me"

// blank is a manifest that flags declare.
func blank(dataset string) []byte {
	data, err := yaml.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": v1alpha1.Kind,
		"metadata": map[string]any{"name": auditName(dataset)}, "spec": map[string]any{},
	})
	if err != nil {
		panic(err) // texts
	}
	return data
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// auditName makes the name of an audit of the last part of a location.
func auditName(location string) string {
	location, _, _ = strings.Cut(location, "?")
	name := strings.Trim(notName.ReplaceAllString(strings.ToLower(path.Base(strings.TrimRight(location, "/"))), "-"), "-")
	name = strings.Trim(name[:min(len(name), 40)], "-")
	if name == "" {
		return "dataset"
	}
	return name
}

// manifestOf is the manifest that repeats an audit, with what was found and guessed.
func manifestOf(object map[string]any) (string, error) {
	data, err := yaml.Marshal(object)
	if err != nil {
		return "", err
	}
	lines := strings.Split(string(data), "\n")
	at := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, "claimName: "+unnamedClaim) })
	if at < 0 {
		return string(data), nil
	}
	return "# Name the claims that hold dataset and model in the cluster, or put objectStorage: {url: …} or image: {reference: …} there.\n" + string(data), nil
}

func anyOf(values []string) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

func usageIf(err error) error {
	if err == nil {
		return nil
	}
	return usage(err)
}

// errNothing is of a command line that names neither manifest nor dataset.
var errNothing = errors.New("name the dataset, as in `runner audit ./images`, or a manifest, as in `runner audit -f audit.yaml`")
