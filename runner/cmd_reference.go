package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/audit"
	"github.com/datasetaudit/dataset-audit/internal/findings"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// referenceFlags are those of an audit that decide vectors, and what the file holds.
type referenceFlags struct {
	auditFlags
	asked audit.Reference
}

func newReferenceCommand() *cobra.Command {
	f := referenceFlags{}
	cmd := &cobra.Command{
		Use:   "reference [DATASET]",
		Short: "Write what audits need to tell whether a dataset holds samples of this one",
		Long: `Write what audits need to tell whether a dataset holds samples of this one: a benchmark, or a private test set. The file has
the samples' embeddings, their names, splits and labels, digests, and sketches of 32×32 pixels. It goes to those who audit
(runner audit --reference, or spec.references), and the images stay with their owner.

Vectors can only be compared if they were made in one way. Use the model, the layer and the preset that the audits use: take
their flags, or -f with their manifest.

The sketches are small pictures, and embeddings tell much of an image. --sketches=false leaves the sketches out: pairs are
then judged by embeddings alone. --names=false leaves out names, splits and labels. --thumbnails adds pictures of up to 128
pixels, which the report of an audit then shows.`,
		Example: `  runner reference ./benchmark --model model.onnx --out benchmark.safetensors
  runner audit ./images --model model.onnx --reference benchmark.safetensors`,
		Args: datasetArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.takeDataset(args); err != nil {
				return err
			}
			return f.write(cmd)
		},
		ValidArgsFunction: completeFolders,
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "file", "f", "", "the DatasetAudit whose dataset, model and layers are taken, YAML or JSON; - for standard input")
	flags.StringVar(&f.dataset, "dataset", "", "folder or URL of the dataset, instead of dataset.source")
	flags.StringVar(&f.model, "model", "", "file or URL of the ONNX model, instead of model.source")
	flags.StringVar(&f.declared.format, "format", "", "format of the dataset (default: found)")
	flags.StringSliceVar(&f.declared.layers, "layer", nil, "layer of the model; several may be asked for (default: the last features)")
	flags.StringVar(&f.declared.preset, "preset", "", "how images become the model's input (default: guessed)")
	flags.StringSliceVar(&f.declared.splits, "splits", nil, "take only these splits")
	flags.BoolVar(&f.asked.Sketches, "sketches", true, "with sketches of 32×32 pixels, so that images can be compared once more")
	flags.BoolVar(&f.asked.Thumbnails, "thumbnails", false, "with small pictures for the report")
	flags.BoolVar(&f.asked.Names, "names", true, "with the samples' names, splits and labels")
	flags.StringVar(&f.out, "out", v1alpha1.FileReference, "file or URL to write")
	flags.StringVar(&f.work, "work", "", "folder for checkpoints (default: beside the file, .work-NAME)")
	flags.StringVar(&f.vectors, "vectors", "", "folder or URL that keeps vectors for later audits, also of other datasets (default: in --work)")
	flags.IntVar(&f.threads, "threads", runtime.GOMAXPROCS(0), "threads that compute at once")
	for _, err := range []error{
		cmd.MarkFlagFilename("file", "yaml", "yml", "json"), cmd.MarkFlagDirname("dataset"), cmd.MarkFlagFilename("model", "onnx"),
		cmd.MarkFlagFilename("out", "safetensors"), cmd.MarkFlagDirname("work"),
	} {
		if err != nil {
			panic(err) // the flags were added above
		}
	}
	return cmd
}

func (f *referenceFlags) write(cmd *cobra.Command) error {
	if f.threads < 1 {
		return usage(fmt.Errorf("--threads: %d, must be at least 1", f.threads))
	}
	if f.work == "" {
		f.work = f.workBeside()
	}
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.close()
	spec, digest, _, err := f.load(cmd.Context(), cmd.InOrStdin(), progress.Note)
	if err != nil {
		return err
	}
	run := audit.Run{
		Audit: spec, InputSHA256: digest, Dataset: f.dataset, Model: f.model, Out: f.out, Work: f.work, Vectors: f.vectors,
		Threads: f.threads, Version: version, Progress: progress,
	}
	samples, err := run.WriteReference(cmd.Context(), f.asked)
	if err != nil {
		return err
	}
	progress.close()
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s holds %s. To audit a dataset against it:\n  %s\n", f.out, findings.Count(int64(samples), "sample", "samples"), f.use())
	return printed(err)
}

// use is the command that audits a dataset against the file.
func (f *referenceFlags) use() string {
	command := []string{"runner audit DATASET"}
	for _, flag := range []struct{ name, value string }{
		{"-f", f.file}, {"--model", f.model}, {"--layer", strings.Join(f.declared.layers, ",")}, {"--preset", f.declared.preset}, {"--reference", f.out},
	} {
		if flag.value != "" && flag.value != "-" {
			command = append(command, flag.name, text.Shell(flag.value))
		}
	}
	return strings.Join(command, " ")
}
