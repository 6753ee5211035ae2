package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/evidence"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// verifyFlags are what evidence is held against.
type verifyFlags struct {
	auditFlags
	key, results string
	compliant    bool
}

func newVerifyCommand() *cobra.Command {
	f := verifyFlags{}
	cmd := &cobra.Command{
		Use:   "verify EVIDENCE",
		Short: "Check the signed evidence of an audit, its results, and whether the dataset is still the audited one",
		Long: `Check evidence that an operator has signed (kubectl dataset-audit evidence NAME): its signature by --key, with --results that the
summary is the one that it is about, and with --dataset that the dataset still has the digest that was audited, for which
all of it is read. What does not hold ends with exit code 76, and says what.`,
		Example: `  runner verify cifar10.json --key evidence.pub
  runner verify cifar10.json --key evidence.pub --results s3://audits/vision/cifar10/r1
  runner verify cifar10.json --key evidence.pub --dataset ./images -f audit.yaml --compliant`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.verify(cmd, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.key, "key", "", "file with the operator's public key, PEM (required)")
	flags.StringVar(&f.results, "results", "", "folder or URL of the run's results, with summary.json")
	flags.StringVar(&f.dataset, "dataset", "", "folder or URL of the dataset, to see whether it is still the audited one")
	flags.StringVarP(&f.file, "file", "f", "", "the DatasetAudit, whose dataset says which samples count")
	flags.BoolVar(&f.compliant, "compliant", false, "exit with code 77 unless the verdict is that the dataset is compliant")
	for _, err := range []error{cmd.MarkFlagRequired("key"), cmd.MarkFlagFilename("file", "yaml", "yml", "json"), cmd.MarkFlagDirname("dataset")} {
		if err != nil {
			panic(err) // the flags were added above
		}
	}
	return cmd
}

func (f *verifyFlags) verify(cmd *cobra.Command, file string) error {
	data, err := readBounded(file, evidence.MaxEnvelope)
	if err != nil {
		return usage(err)
	}
	public, err := readBounded(f.key, evidence.MaxEnvelope)
	if err != nil {
		return usage(fmt.Errorf("--key: %w", err))
	}
	key, err := evidence.ReadKey(public)
	if err != nil {
		return usage(fmt.Errorf("--key: %w", err))
	}
	statement, err := key.Open(cmd.Context(), data)
	if err != nil {
		return mismatch("%s is no evidence of this key: %w", text.Name(file), err)
	}
	told := []string{"signature"}
	if f.results != "" {
		files, err := f.checkSummary(cmd.Context(), statement)
		if err != nil {
			return err
		}
		told = append(told, files)
	}
	if f.dataset != "" || f.file != "" {
		if err := f.checkDataset(cmd, statement); err != nil {
			return err
		}
		told = append(told, "dataset")
	}
	if err := printStatement(cmd.OutOrStdout(), statement, told); err != nil {
		return printed(err)
	}
	if verdict := statement.Predicate.Verdict; f.compliant && verdict.Compliant != "True" {
		return v1alpha1.NewRunError(v1alpha1.ExitNotCompliant, fmt.Errorf("the dataset is not compliant: %s", text.Name(verdict.Reason)))
	}
	return nil
}

func mismatch(format string, args ...any) error {
	return v1alpha1.NewRunError(v1alpha1.ExitDigestMismatch, fmt.Errorf(format, args...))
}

// checkSummary holds the stored summary against the statement, and the other files against the summary. It returns what
// was checked: results of earlier versions have no digests of other files.
func (f *verifyFlags) checkSummary(ctx context.Context, s *evidence.Statement) (checked string, err error) {
	bucket, err := storage.Open(ctx, f.results)
	if err != nil {
		return "", usage(fmt.Errorf("--results: %w", err))
	}
	defer func() { _ = bucket.Close() }() // was only read
	data, err := bucket.ReadAll(ctx, v1alpha1.FileSummary, maxSummary)
	if err != nil {
		return "", usage(fmt.Errorf("--results: %w", err))
	}
	if got, want := fmt.Sprintf("%x", sha256.Sum256(data)), s.Predicate.Summary.SHA256; got != want {
		return "", mismatch("%s has the SHA-256 %s, and the evidence is about one with %s: it was changed, or is of another run", v1alpha1.FileSummary, got, text.Name(want))
	}
	summary := &v1alpha1.AuditSummary{}
	if err := json.Unmarshal(data, summary); err != nil {
		return "", mismatch("%s can't be read: %w", v1alpha1.FileSummary, err)
	}
	for _, file := range summary.Run.Files {
		if err := checkFile(ctx, bucket, file); err != nil {
			return "", err
		}
	}
	if len(summary.Run.Files) == 0 {
		return "summary alone", nil
	}
	return "results", nil
}

// checkFile holds a file of results against the summary.
func checkFile(ctx context.Context, bucket *storage.Bucket, file v1alpha1.SummaryFile) error {
	r, err := bucket.Open(ctx, file.Name)
	if err != nil {
		return mismatch("%s: %w", text.Name(file.Name), err)
	}
	defer func() { _ = r.Close() }() // was only read
	hash := sha256.New()
	if _, err := io.Copy(hash, r); err != nil {
		return fmt.Errorf("read %s: %w", text.Name(file.Name), err)
	}
	if got := fmt.Sprintf("%x", hash.Sum(nil)); got != file.SHA256 {
		return mismatch("%s has the SHA-256 %s, and the run wrote one with %s: it was changed", text.Name(file.Name), got, text.Name(file.SHA256))
	}
	return nil
}

// checkDataset holds the dataset as it is now against the statement.
func (f *verifyFlags) checkDataset(cmd *cobra.Command, s *evidence.Statement) error {
	digest, samples, err := f.digest(cmd)
	if err != nil {
		return err
	}
	if want := s.DatasetDigest(); digest != want {
		return mismatch("the dataset of %d samples has the digest %s, and %s was audited: it has changed since", samples, digest, text.Name(want))
	}
	return nil
}

// asked says what asked for a run, and who, as far as that is known.
func asked(run *evidence.Run) string {
	out := ""
	if run.Trigger != "" {
		out = ", " + string(run.Trigger)
	}
	if run.RequestedBy != "" {
		out += " by " + run.RequestedBy
	}
	return out
}

func printStatement(w io.Writer, s *evidence.Statement, checked []string) error {
	p := &s.Predicate
	lines := []string{
		fmt.Sprintf("Holds: %s", strings.Join(checked, ", ")),
		fmt.Sprintf("Dataset: %s, %s, %d samples", s.Subject[0].Name, s.DatasetDigest(), p.Samples),
		fmt.Sprintf("Audit: %s/%s, run %s, %s%s", p.Audit.Namespace, p.Audit.Name, p.Run.ID, p.Run.CompletedAt, asked(&p.Run)),
		fmt.Sprintf("Compliant: %s, %s", p.Verdict.Compliant, p.Verdict.Reason),
	}
	for _, r := range p.Verdict.Rules {
		lines = append(lines, strings.TrimSuffix(fmt.Sprintf("  %s %s (%s): %s. %s", r.Outcome, r.Name, r.Severity, r.Expression, r.Message), ". "))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, text.Line(line)); err != nil {
			return err
		}
	}
	return nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // was only read
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if int64(len(data)) > limit {
		return nil, errors.New(file + " is too large")
	}
	return data, nil
}
