package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/audit"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// digestFlags are those of an audit that decide which samples there are.
type digestFlags struct {
	auditFlags
	expect string
}

func newDigestCommand() *cobra.Command {
	f := digestFlags{}
	cmd := &cobra.Command{
		Use:   "digest [DATASET]",
		Short: "Say the digest of a dataset, or whether it is still the one that was audited",
		Long: `Say the digest of a dataset: that of its samples' names, splits, labels and bytes, in order. It is what the results of an
audit call dataset.digest. The whole dataset is read. With --expect, exit with code 76 if it is another one.`,
		Example: `  runner digest ./images
  runner digest ./images -f audit.yaml --expect out/summary.json
  runner digest -f audit.yaml --expect sha256:0f3a…`,
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
	flags.StringVarP(&f.file, "file", "f", "", "the DatasetAudit, YAML or JSON: its dataset says which samples count; - for standard input")
	flags.StringVar(&f.dataset, "dataset", "", "folder or URL of the dataset, instead of dataset.source")
	flags.StringVar(&f.declared.format, "format", "", "format of the dataset (default: found)")
	flags.StringVar(&f.expect, "expect", "", "the digest that it should have, or a summary.json, its folder or URL")
	for _, err := range []error{cmd.MarkFlagFilename("file", "yaml", "yml", "json"), cmd.MarkFlagDirname("dataset")} {
		if err != nil {
			panic(err) // the flags were added above
		}
	}
	return cmd
}

func (f *digestFlags) run(cmd *cobra.Command) error {
	want, then, err := expected(cmd.Context(), f.expect)
	if err != nil {
		return usage(fmt.Errorf("--expect: %w", err))
	}
	digest, samples, err := f.digest(cmd)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), digest); err != nil {
		return printed(err)
	}
	if want == "" || want == digest {
		return nil
	}
	was := ""
	if then >= 0 {
		was = fmt.Sprintf(" of %d samples", then)
	}
	return mismatch("the dataset of %d samples is not the audited one%s, which has %s: audit it again", samples, was, want)
}

// digest reads the dataset that flags and manifest name, and returns its digest and its number of samples.
func (f *auditFlags) digest(cmd *cobra.Command) (digest string, samples int, err error) {
	work, err := os.MkdirTemp("", "dataset-audit-digest-")
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.close()
	spec, _, _, err := f.load(cmd.Context(), cmd.InOrStdin(), progress.Note)
	if err != nil {
		return "", 0, err
	}
	run := audit.Run{Audit: spec, Dataset: f.dataset, Work: work, Progress: progress}
	return run.Digest(cmd.Context())
}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// maxSummary bounds a summary that is read, in bytes.
const maxSummary = 64 << 20

// expected is a digest itself, or that of a summary, with its number of samples; −1 if that is not known.
func expected(ctx context.Context, expect string) (digest string, samples int64, err error) {
	switch {
	case expect == "":
		return "", -1, nil
	case digestForm.MatchString(expect):
		return expect, -1, nil
	}
	if !strings.HasSuffix(expect, ".json") {
		expect = strings.TrimSuffix(expect, "/") + "/" + v1alpha1.FileSummary
	}
	data, err := storage.ReadFile(ctx, expect, maxSummary)
	if err != nil {
		return "", 0, err
	}
	summary := &v1alpha1.AuditSummary{}
	if err := json.Unmarshal(data, summary); err != nil {
		return "", 0, fmt.Errorf("%s is no summary: %w", text.Name(expect), err)
	}
	if !digestForm.MatchString(summary.Dataset.Digest) {
		return "", 0, fmt.Errorf("%s has no digest of a dataset", text.Name(expect))
	}
	return summary.Dataset.Digest, summary.Dataset.Samples + summary.Dataset.Skipped.Samples, nil
}
