package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/audit"
	"github.com/datasetaudit/dataset-audit/internal/croissant"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/policy"
)

type auditFlags struct {
	file, dataset, model, out, work string
	vectors                         string
	baseline, verdicts              string
	references                      []string
	threads                         int
	stage, shard, inputSHA256       string
	croissant                       string
	metadata                        *croissant.Metadata // nil without --croissant
	embedded, searched, listed      bool
	printManifest                   bool
	declared                        declared
	output                          format
	pod                             pod
}

// defaultOut is the folder for the results.
const defaultOut = "out"

func newAuditCommand() *cobra.Command {
	f := auditFlags{output: formatTable}
	cmd := &cobra.Command{
		Use:   "audit [DATASET]",
		Short: "Audit a dataset for near duplicates",
		Long: `Audit a dataset for near duplicates, without a cluster. DATASET is a folder, a file or a URL of object storage. What
is not said is found or guessed, and told: the format, and the layer and the preset of --model. Without a model, images are
compared by a builtin one. --print-manifest shows the DatasetAudit that repeats the audit, here or in a cluster.

With -f, a DatasetAudit says what to do: the same file that kubectl applies. DATASET (or --dataset) and --model say where the
data lies here, and the other flags take the place of its fields.

The results are files in --out: report.html to look at, summary.json, clusters.jsonl, clusters.parquet, pairs.csv, groups.csv,
keep.csv and remove.csv; junit.xml, findings.sarif and summary.md for CI; with output.baseline also baseline.safetensors, which
later audits compare with (--baseline). What was marked in report.html and exported is respected with --verdicts. What the
dataset shares with benchmarks or private test sets is found with --reference and the file that "runner reference" writes.

Rules, of --rule or of the manifest's policy, are evaluated over the findings. Where one of severity Fail is violated or can't
be evaluated, the exit code is 77. The results are there all the same.

An interrupted audit goes on from its last checkpoint when it is started again, and one with another threshold or another
reduction doesn't run the model again.`,
		Example: `  runner audit ./images
  runner audit ./images --model model.onnx --rule 'layer.leakage.samples == 0'
  runner audit -f audit.yaml --dataset ./images --model ./model.onnx --out ./out`,
		Args: datasetArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.takeDataset(args); err != nil {
				return err
			}
			return f.run(cmd)
		},
		ValidArgsFunction: completeFolders,
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "file", "f", "", "the DatasetAudit, YAML or JSON; - for standard input")
	flags.StringVar(&f.dataset, "dataset", "", "folder or URL of the dataset, instead of dataset.source")
	flags.StringVar(&f.model, "model", "", "file or URL of the ONNX model, instead of model.source")
	flags.StringVar(&f.baseline, "baseline", "", "folder or URL of an earlier audit's results, instead of baseline")
	flags.StringArrayVar(&f.references, "reference", nil, "NAME=FILE or FILE or URL of a reference, such as a benchmark, that the dataset must not hold; repeat it for several (see runner reference)")
	flags.StringVar(&f.verdicts, "verdicts", "", "file or URL of exported verdicts, instead of duplicates.verdicts")
	flags.StringVar(&f.croissant, "croissant", "", "file or URL of the dataset's metadata in Croissant: it says format and evaluation splits where nothing else does, and croissant.json of the results has the findings besides")
	f.declared.addFlags(cmd)
	flags.BoolVar(&f.printManifest, "print-manifest", false, "print the DatasetAudit that these flags come to, and do nothing else")
	flags.StringVar(&f.out, "out", defaultOut, "folder or URL for the results")
	flags.StringVar(&f.work, "work", "", "folder for checkpoints (default: .work in the folder for the results)")
	flags.StringVar(&f.vectors, "vectors", "", "folder or URL that keeps vectors for later audits, also of other datasets (default: in --work)")
	flags.IntVar(&f.threads, "threads", runtime.GOMAXPROCS(0), "threads that compute at once; the findings don't depend on it")
	flags.StringVar(&f.stage, "stage", "", "run one stage only: Embed or, after it, Neighbors, for a whole run that then uses what they computed; or Read, which lists all that is read and prints a digest that changes with it")
	flags.StringVar(&f.shard, "shard", "0/1", "with --stage: which part of the dataset, INDEX/COUNT, from 0")
	flags.BoolVar(&f.embedded, "embedded", false, "stage Embed has filled the work folder for this manifest: don't open the model")
	flags.BoolVar(&f.searched, "searched", false, "take the neighbors that stage Neighbors has found")
	flags.BoolVar(&f.listed, "listed", false, "put the digest of --stage Read into the summary: while it stays, another audit would find the same")
	flags.StringVar(&f.inputSHA256, "input-sha256", "", "refuse the file of -f unless it has this digest")
	addOutputFlag(cmd, &f.output)
	f.pod.addFlags(cmd)
	for _, err := range []error{
		cmd.MarkFlagFilename("file", "yaml", "yml", "json"), cmd.MarkFlagDirname("dataset"), cmd.MarkFlagFilename("model", "onnx"),
		cmd.MarkFlagDirname("baseline"), cmd.MarkFlagFilename("verdicts", "json"),
		cmd.MarkFlagDirname("out"), cmd.MarkFlagDirname("work"), cmd.MarkFlagDirname("vectors"), flags.MarkHidden("embedded"), flags.MarkHidden("searched"), flags.MarkHidden("input-sha256"),
		cmd.RegisterFlagCompletionFunc("stage", cobra.FixedCompletions([]string{string(v1alpha1.StageRead), string(v1alpha1.StageEmbed), string(v1alpha1.StageNeighbors)}, cobra.ShellCompDirectiveNoFileComp)),
	} {
		if err != nil {
			panic(err) // the flags were added above
		}
	}
	return cmd
}

// datasetArg lets a command have one argument at most.
func datasetArg(cmd *cobra.Command, args []string) error {
	if err := cobra.MaximumNArgs(1)(cmd, args); err != nil {
		return usage(fmt.Errorf("%w: the dataset; see %s --help", err, cmd.CommandPath()))
	}
	return nil
}

// completeFolders lets a shell complete folders as arguments.
func completeFolders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// takeDataset takes the dataset from the arguments.
func (f *auditFlags) takeDataset(args []string) error {
	if len(args) == 0 {
		return nil
	}
	if f.dataset != "" && f.dataset != args[0] {
		return usage(fmt.Errorf("%s and --dataset %s: name the dataset once; see --help", args[0], f.dataset))
	}
	f.dataset = args[0]
	return nil
}

func (f *auditFlags) run(cmd *cobra.Command) error {
	if f.threads < 1 {
		return usage(fmt.Errorf("--threads: %d, must be at least 1", f.threads))
	}
	if f.work == "" {
		f.work = f.defaultWork()
	}
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.close()
	if err := f.readCroissant(cmd.Context()); err != nil {
		return err
	}
	spec, digest, manifest, err := f.load(cmd.Context(), cmd.InOrStdin(), progress.Note)
	if err != nil {
		return err
	}
	if f.printManifest {
		_, err := io.WriteString(cmd.OutOrStdout(), manifest)
		return printed(err)
	}
	references, err := namedFiles(f.references)
	if err != nil {
		return usage(err)
	}
	run := audit.Run{
		ID: f.pod.run, Audit: spec, References: references, InputSHA256: digest, Embedded: f.embedded, Searched: f.searched, Listed: f.listed, Gated: !f.pod.is(), Dataset: f.dataset, Model: f.model, Baseline: f.baseline, Verdicts: f.verdicts, Out: f.out, Work: f.work, Vectors: f.vectors, Croissant: f.metadata,
		Repeat: f.repeat(), Clean: f.clean(), Marks: place(f.out, v1alpha1.DefaultVerdictsKey),
		Threads: f.threads, Version: version, Progress: progress,
	}
	if f.embedded && spec.Spec.Model == nil {
		return usage(errors.New("--embedded: the audit has no model, so there is no stage Embed"))
	}
	switch v1alpha1.Stage(f.stage) {
	case "":
		return f.whole(cmd.Context(), cmd.OutOrStdout(), &run, progress)
	case v1alpha1.StageEmbed:
		return f.shardOf(cmd.Context(), &run, run.Embed)
	case v1alpha1.StageNeighbors:
		return f.shardOf(cmd.Context(), &run, run.Neighbors)
	case v1alpha1.StageRead:
		return f.look(cmd.Context(), cmd.OutOrStdout(), &run)
	default:
		return usage(fmt.Errorf("--stage: %q is not a stage that runs alone: Read, Embed and Neighbors are", f.stage))
	}
}

func (f *auditFlags) whole(ctx context.Context, w io.Writer, run *audit.Run, progress *progress) error {
	if err := f.pod.follow(ctx, run); err != nil {
		return err
	}
	summary, err := run.Execute(ctx)
	if err != nil {
		return err
	}
	if err := f.pod.deliver(ctx, run, summary); err != nil {
		return err
	}
	progress.close()
	if f.output == formatTable {
		err = printed(printSummary(w, summary, run.Audit.Spec.Dataset.EvaluationSplits, run.Audit.Spec.Policy.Rules, f.out))
	} else {
		err = printAs(w, f.output, summary)
	}
	if err != nil {
		return err
	}
	return complies(summary.Policy)
}

// complies is an error unless the policy, if there is one, lets the dataset pass.
func complies(p *v1alpha1.SummaryPolicy) error {
	if p == nil || p.Compliant == metav1.ConditionTrue {
		return nil
	}
	_, _, message := policy.Compliance(p.Rules)
	return v1alpha1.NewRunError(v1alpha1.ExitNotCompliant, fmt.Errorf("the dataset does not comply with the policy. %s", message))
}

// readCroissant reads the dataset's metadata, if it is named.
func (f *auditFlags) readCroissant(ctx context.Context) error {
	if f.croissant == "" {
		return nil
	}
	data, err := storage.ReadFile(ctx, f.croissant, croissant.MaxBytes)
	if err != nil {
		return usage(fmt.Errorf("--croissant: %w", err))
	}
	if f.metadata, err = croissant.Parse(data); err != nil {
		return usage(fmt.Errorf("--croissant %s: %w", f.croissant, err))
	}
	return nil
}

// look says whether a run would read anything else than the last one did: by a digest, empty where it can't be known.
func (f *auditFlags) look(ctx context.Context, w io.Writer, run *audit.Run) error {
	digest, err := run.Sources(ctx)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w, digest); err != nil {
		return printed(err)
	}
	terminate(f.pod.termination, v1alpha1.TerminationMessage{SourcesSHA256: digest})
	return nil
}

// shardOf runs a stage for one shard. The first shard speaks for all of them: several would overwrite each other's
// progress.
func (f *auditFlags) shardOf(ctx context.Context, run *audit.Run, stage func(ctx context.Context, shard, shards int) error) error {
	index, count, err := parseShard(f.shard)
	if err != nil {
		return usage(err)
	}
	if index == 0 {
		if err := f.pod.follow(ctx, run); err != nil {
			return err
		}
	}
	if err := stage(ctx, index, count); err != nil {
		return err
	}
	terminate(f.pod.termination, v1alpha1.TerminationMessage{})
	return nil
}

// defaultWork is beside the results where they are local; for remote ones a folder of the user's cache that another
// start with the same place for results finds again.
func (f *auditFlags) defaultWork() string {
	if local, ok := storage.LocalPath(f.out); ok {
		return filepath.Join(local, ".work")
	}
	return f.cachedWork()
}

// workBeside is defaultWork where out is a file.
func (f *auditFlags) workBeside() string {
	if local, ok := storage.LocalPath(f.out); ok {
		return filepath.Join(filepath.Dir(local), ".work-"+filepath.Base(local))
	}
	return f.cachedWork()
}

func (f *auditFlags) cachedWork() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "dataset-audit", fmt.Sprintf("work-%x", sha256.Sum256([]byte(f.out)))[:21])
}

// namedFiles reads NAME=FILE, or FILE, whose name is then that of the file.
func namedFiles(flags []string) ([]audit.NamedFile, error) {
	var out []audit.NamedFile
	for _, flag := range flags {
		name, location, named := strings.Cut(flag, "=")
		if !named || strings.ContainsAny(name, "/?") { // a path or a URL with options
			location = flag
			place, _, _ := strings.Cut(location, "?")
			name = auditName(strings.TrimSuffix(place, path.Ext(place)))
		}
		if location == "" || len(validation.IsDNS1123Label(name)) > 0 {
			return nil, fmt.Errorf("--reference: %q is not NAME=FILE with a NAME of small letters, digits and hyphens, such as imagenet-val=val.safetensors", flag)
		}
		if slices.ContainsFunc(out, func(f audit.NamedFile) bool { return f.Name == name }) {
			return nil, fmt.Errorf("--reference: two are called %s: give them names, as in NAME=FILE", name)
		}
		out = append(out, audit.NamedFile{Name: name, Location: location})
	}
	return out, nil
}

func parseShard(text string) (index, count int, err error) {
	before, after, ok := strings.Cut(text, "/")
	if ok {
		index, err = strconv.Atoi(before)
		if err == nil {
			count, err = strconv.Atoi(after)
		}
	}
	if !ok || err != nil || count < 1 || index < 0 || index >= count {
		return 0, 0, fmt.Errorf("--shard: %q is not INDEX/COUNT with 0 ≤ INDEX < COUNT, such as 0/5", text)
	}
	return index, count, nil
}
