package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// maxClusters bounds what is unpacked of a ConfigMap.
const maxClusters = 1 << 30

func reportCommand(c *cluster) *cobra.Command {
	var file string
	var noOpen, local bool
	cmd := &cobra.Command{
		Use: "report NAME", Short: "Save an audit's report and open it in a browser", Args: cobra.ExactArgs(1), ValidArgsFunction: c.complete,
		Long: "Save the page of an audit's clusters and open it in a browser. It comes from the object storage that spec.output names, with the\ncredentials of the Secret that the audit names there, if you may read it, or with your own if you say so.",
		RunE: func(cmd *cobra.Command, args []string) error {
			audit, err := c.get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if file == "" {
				file = audit.Name + "-" + v1alpha1.FileReport
			}
			environment := os.Environ()
			body, err := c.stored(cmd.Context(), audit, v1alpha1.FileReport, local)
			if err != nil {
				return err
			}
			defer body.Close()
			if file == "-" {
				_, err = io.Copy(cmd.OutOrStdout(), body)
				return err
			}
			if err := save(file, body); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), file)
			if noOpen {
				return nil
			}
			return open(file, environment)
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "file to save it in, - for standard output (default NAME-report.html)")
	addLocalCredentials(cmd, &local)
	cmd.Flags().BoolVar(&noOpen, "no-open", false, "only save it")
	return cmd
}

func addLocalCredentials(cmd *cobra.Command, local *bool) {
	cmd.Flags().BoolVar(local, "local-credentials", false, "open the object storage with the credentials of this machine: only if you trust the URL in the audit")
}

func clustersCommand(c *cluster) *cobra.Command {
	var local bool
	cmd := &cobra.Command{
		Use: "clusters NAME", Short: "Print an audit's clusters, a JSON object a line", Args: cobra.ExactArgs(1), ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			audit, err := c.get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			body, err := c.clusters(cmd.Context(), audit, local)
			if err != nil {
				return err
			}
			defer body.Close()
			if !term.IsTerminal(int(os.Stdout.Fd())) {
				_, err = io.Copy(cmd.OutOrStdout(), body)
				return err
			}
			lines := bufio.NewReader(body)
			for {
				line, err := lines.ReadString('\n')
				if _, err := io.WriteString(cmd.OutOrStdout(), text.Visible(line)); err != nil {
					return err
				}
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
			}
		},
	}
	addLocalCredentials(cmd, &local)
	return cmd
}

// clusters are those of the latest results: all in object storage, the tightest in a ConfigMap.
func (c *cluster) clusters(ctx context.Context, audit *v1alpha1.DatasetAudit, local bool) (io.ReadCloser, error) {
	result := audit.Status.Result
	if result == nil || result.ClustersConfigMap == "" {
		return c.stored(ctx, audit, v1alpha1.FileClusters, local)
	}
	stored := &corev1.ConfigMap{}
	if err := c.client.Get(ctx, client.ObjectKey{Namespace: audit.Namespace, Name: result.ClustersConfigMap}, stored); err != nil {
		return nil, err
	}
	packed := stored.BinaryData[v1alpha1.FileClustersGzip]
	if got := fmt.Sprintf("%x", sha256.Sum256(packed)); result.ClustersSHA256 != "" && got != result.ClustersSHA256 {
		return nil, fmt.Errorf("ConfigMap %s: %s has the SHA-256 %s, and the run wrote %s: someone changed it", stored.Name, v1alpha1.FileClustersGzip, got, result.ClustersSHA256)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("ConfigMap %s: %s: %w", stored.Name, v1alpha1.FileClustersGzip, err)
	}
	return io.NopCloser(&limited{unpacked, maxClusters}), nil
}

// limited fails, instead of ending, where more comes than may.
type limited struct {
	io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errors.New("it unpacks to more than may be")
	}
	return n, err
}

// stored opens a file of the latest results in object storage.
func (c *cluster) stored(ctx context.Context, audit *v1alpha1.DatasetAudit, file string, local bool) (io.ReadCloser, error) {
	result, place := audit.Status.Result, audit.Spec.Output.ObjectStorage
	switch {
	case result == nil:
		return nil, fmt.Errorf("%s has no results yet", audit.Name)
	case result.SummaryURL == "":
		return nil, fmt.Errorf("%s keeps no files: spec.output.objectStorage says where; its clusters are in a ConfigMap: kubectl dataset-audit clusters %s", audit.Name, audit.Name)
	case place == nil:
		return nil, fmt.Errorf("%s no longer names the object storage of its results, %s", audit.Name, result.SummaryURL)
	}
	if !local {
		if err := c.takeCredentials(ctx, audit, place); err != nil {
			return nil, err
		}
	}
	location := strings.TrimSuffix(result.SummaryURL, "/"+v1alpha1.FileSummary)
	if _, options, ok := strings.Cut(place.URL, "?"); ok {
		location += "?" + options
	}
	bucket, err := storage.Open(ctx, location)
	if err != nil {
		return nil, err
	}
	body, err := bucket.Open(ctx, file)
	if err != nil {
		return nil, errors.Join(err, bucket.Close())
	}
	return &closing{body, bucket}, nil
}

// closing closes the bucket after its object.
type closing struct {
	io.ReadCloser
	bucket *storage.Bucket
}

func (c *closing) Close() error { return errors.Join(c.ReadCloser.Close(), c.bucket.Close()) }

// credentialPrefixes begin the variables by which object storage is opened.
var credentialPrefixes = []string{"AWS_", "AZURE_", "GOOGLE_"}

// takeCredentials lets this process open the audit's object storage with the audit's own credentials, and with no
// others: whoever writes an audit chooses the host that its URL names, and must not get those of whoever looks at it.
func (c *cluster) takeCredentials(ctx context.Context, audit *v1alpha1.DatasetAudit, place *v1alpha1.ObjectStorage) error {
	if place.SecretRef == nil {
		return fmt.Errorf("the audit names no Secret for %s: --local-credentials takes those of this machine", place.Place())
	}
	secret := &corev1.Secret{}
	if err := c.client.Get(ctx, client.ObjectKey{Namespace: audit.Namespace, Name: place.SecretRef.Name}, secret); err != nil {
		return fmt.Errorf("the audit's credentials (--local-credentials takes those of this machine): %w", err)
	}
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); isCredential(name) {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	for name, value := range map[string]string{"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	for name, value := range secret.Data {
		if isCredential(name) {
			if err := os.Setenv(name, string(value)); err != nil {
				return err
			}
		}
	}
	return nil
}

func isCredential(name string) bool {
	return slices.ContainsFunc(credentialPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// save writes a file that is seen whole or not at all, or straight to what is not a file.
func save(file string, body io.Reader) error {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		out, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, body)
		return errors.Join(err, out.Close())
	}
	aside, err := os.CreateTemp(filepath.Dir(file), ".report-*")
	if err != nil {
		return err
	}
	defer os.Remove(aside.Name())
	_, err = io.Copy(aside, body)
	if err := errors.Join(err, aside.Sync(), aside.Close()); err != nil {
		return err
	}
	return os.Rename(aside.Name(), file)
}

// open shows a file as the desktop does, in an environment that is given: this process' own holds credentials by then.
func open(file string, environment []string) error {
	program := map[string]string{"darwin": "open", "windows": "explorer"}[runtime.GOOS]
	if program == "" {
		program = "xdg-open"
	}
	found, err := exec.LookPath(program)
	if errors.Is(err, exec.ErrNotFound) {
		return nil // no desktop: the file's name has been printed
	}
	if err != nil {
		return err
	}
	cmd := exec.Command(found, file) // outlives this process
	cmd.Env = environment
	return cmd.Start()
}
