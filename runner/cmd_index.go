package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/findings"
	"github.com/datasetaudit/dataset-audit/internal/index"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

func newIndexCommand() *cobra.Command {
	out, audits := "", ""
	cmd := &cobra.Command{
		Use:   "index FOLDER|URL",
		Short: "Write one page about all audits of a folder or object storage",
		Long: `Write index.html, a page about all audits whose results lie below a folder or URL: the --out of audits, or the URL of
spec.output.objectStorage. For each audit it shows the verdict where the results hold one, the figures of the newest run, how
they changed from run to run, and links to the report. The worst audits come first. The page needs no network.

Results are found wherever a summary.json lies. Hidden folders are passed over. Runs belong together that name the same audit
and lie in one folder. What can't be read is counted and named on the page.

The page is as of now: run the command again after audits, by hand or on a schedule.`,
		Example: `  runner index ./audits
  runner index s3://audits
  runner index s3://audits/vision --out vision.html
  kubectl get datasetaudits -A -o json | runner index s3://audits --audits -`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return indexed(cmd.Context(), writeIndex(cmd, args[0], out, audits))
		},
		ValidArgsFunction: completeFolders,
	}
	cmd.Flags().StringVar(&out, "out", "", "file or URL to write (default: index.html in the place itself); links need the same bucket, or files on one machine")
	cmd.Flags().StringVar(&audits, "audits", "", "the cluster's audits, as kubectl get datasetaudits -A -o json prints them: the page then has the operator's verdicts; - for standard input")
	if err := errors.Join(cmd.MarkFlagFilename("out", "html"), cmd.MarkFlagFilename("audits", "json")); err != nil {
		panic(err) // the flag was added above
	}
	return cmd
}

// indexed gives an error its exit code.
func indexed(ctx context.Context, err error) error {
	if err == nil || errors.As(err, new(*v1alpha1.RunError)) {
		return err
	}
	code := v1alpha1.ExitStorage
	switch kind := storage.KindOf(err); {
	case ctx.Err() != nil:
		code = v1alpha1.ExitInterrupted
	case errors.Is(err, index.ErrNone), kind == storage.NotFound, kind == storage.Invalid:
		code = v1alpha1.ExitInvalidUsage
	case kind == storage.Full:
		code = v1alpha1.ExitDiskFull
	}
	return v1alpha1.NewRunError(code, err)
}

// maxAudits bounds the list of a cluster's audits.
const maxAudits = 512 << 20

// clusterVerdicts are those of the audits in a file, or on standard input where it is called -.
func clusterVerdicts(stdin io.Reader, file string) (index.Verdicts, error) {
	if file == "" {
		return nil, nil
	}
	var data []byte
	var err error
	if file == "-" {
		data, err = io.ReadAll(io.LimitReader(stdin, maxAudits))
	} else {
		data, err = readBounded(file, maxAudits)
	}
	if err != nil {
		return nil, usage(fmt.Errorf("--audits: %w", err))
	}
	verdicts, err := index.ReadVerdicts(data)
	if err != nil {
		return nil, usage(fmt.Errorf("--audits %s: %w", file, err))
	}
	return verdicts, nil
}

func writeIndex(cmd *cobra.Command, place, out, audits string) error {
	ctx := cmd.Context()
	verdicts, err := clusterVerdicts(cmd.InOrStdin(), audits)
	if err != nil {
		return err
	}
	bucket, key, shown, err := openIndex(ctx, place, out)
	if err != nil {
		return err
	}
	defer func() { _ = bucket.Close() }() // what was written is durable already
	found, err := index.Collect(ctx, place, verdicts)
	if err != nil {
		return err
	}
	base, linked := ".", true
	if out != "" {
		base, linked = index.Base(place, out)
	}
	if err := bucket.Write(ctx, key, func(w io.Writer) error { return found.Write(w, time.Now(), base, linked) }); err != nil {
		return err
	}
	said := fmt.Sprintf("%s shows %s with %s.", shown, findings.Count(int64(len(found.Audits)), "audit", "audits"), findings.Count(int64(found.Runs), "run", "runs"))
	if n := int64(len(found.Unread)); n > 0 {
		said += fmt.Sprintf(" %s could not be read: the page says which, and why.", findings.Count(n, "place", "places"))
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
	return printed(err)
}

// openIndex opens the place to write to. It fails before anything is read where the page could not be written.
func openIndex(ctx context.Context, of, out string) (bucket *storage.Bucket, key, shown string, err error) {
	if out == "" {
		if bucket, err = storage.Open(ctx, of); err != nil {
			return nil, "", "", err
		}
		if err := replaceable(ctx, bucket); err != nil {
			_ = bucket.Close() // nothing was written
			return nil, "", "", err
		}
		return bucket, index.FileName, strings.TrimSuffix(bucket.String(), "/") + "/" + index.FileName, nil
	}
	if file, local := storage.LocalPath(out); local {
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			return nil, "", "", usage(fmt.Errorf("--out %s is a folder: name a file, such as %s", out, place(out, index.FileName)))
		}
	}
	folder, key, err := storage.SplitKey(out)
	if err != nil {
		return nil, "", "", usage(fmt.Errorf("--out: %w", err))
	}
	bucket, err = storage.Create(ctx, folder)
	shown, _, _ = strings.Cut(out, "?") // options are not part of the place
	return bucket, key, shown, err
}

// replaceable refuses to take the place of an index.html that somebody else made.
func replaceable(ctx context.Context, bucket *storage.Bucket) error {
	const head = 4096
	r, err := bucket.OpenRange(ctx, index.FileName, 0, head)
	if storage.KindOf(err) == storage.NotFound && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // was only read
	begin, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if !index.Ours(begin) {
		return usage(fmt.Errorf("%s has an %s that this command did not write: name another file with --out", bucket, index.FileName))
	}
	return nil
}
