package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/runner/storage"
)

const (
	fileReport = "report.html"
	// maxClusters bounds what is unpacked of a ConfigMap.
	maxClusters = 1 << 30
)

func reportCommand(c *cluster) *cobra.Command {
	var file string
	var noOpen bool
	cmd := &cobra.Command{
		Use: "report NAME", Short: "Save an audit's report and open it in a browser", Args: cobra.ExactArgs(1), ValidArgsFunction: c.complete,
		Long: "Save the page of an audit's clusters and open it in a browser. It comes from the object storage that spec.output names, with the\ncredentials of this machine or, where it has none, with those of the Secret that the audit names, if you may read it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			audit, err := c.get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if file == "" {
				file = audit.Name + "-" + fileReport
			}
			body, err := c.stored(cmd.Context(), audit, fileReport)
			if err != nil {
				return err
			}
			defer body.Close()
			if err := save(file, body); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), file)
			if noOpen {
				return nil
			}
			return open(cmd.Context(), file)
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "file to save it in (default NAME-report.html)")
	cmd.Flags().BoolVar(&noOpen, "no-open", false, "only save it")
	return cmd
}

func clustersCommand(c *cluster) *cobra.Command {
	return &cobra.Command{
		Use: "clusters NAME", Short: "Print an audit's clusters, a JSON object a line", Args: cobra.ExactArgs(1), ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			audit, err := c.get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			body, err := c.clusters(cmd.Context(), audit)
			if err != nil {
				return err
			}
			defer body.Close()
			_, err = io.Copy(cmd.OutOrStdout(), body)
			return err
		},
	}
}

// clusters are those of the latest results: all in object storage, the tightest in a ConfigMap.
func (c *cluster) clusters(ctx context.Context, audit *v1alpha1.DatasetAudit) (io.ReadCloser, error) {
	result := audit.Status.Result
	if result == nil || result.ClustersConfigMap == "" {
		return c.stored(ctx, audit, v1alpha1.FileClusters)
	}
	stored := &corev1.ConfigMap{}
	if err := c.client.Get(ctx, client.ObjectKey{Namespace: audit.Namespace, Name: result.ClustersConfigMap}, stored); err != nil {
		return nil, err
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(stored.BinaryData[v1alpha1.FileClustersGzip]))
	if err != nil {
		return nil, fmt.Errorf("ConfigMap %s: %s: %w", stored.Name, v1alpha1.FileClustersGzip, err)
	}
	return io.NopCloser(io.LimitReader(unpacked, maxClusters)), nil
}

// stored opens a file of the latest results in object storage.
func (c *cluster) stored(ctx context.Context, audit *v1alpha1.DatasetAudit, file string) (io.ReadCloser, error) {
	result, place := audit.Status.Result, audit.Spec.Output.ObjectStorage
	switch {
	case result == nil:
		return nil, fmt.Errorf("%s has no results yet", audit.Name)
	case result.SummaryURL == "":
		return nil, fmt.Errorf("%s keeps no files: spec.output.objectStorage says where; its clusters are in a ConfigMap: kubectl dataset-audit clusters %s", audit.Name, audit.Name)
	case place == nil:
		return nil, fmt.Errorf("%s no longer names the object storage of its results, %s", audit.Name, result.SummaryURL)
	}
	if err := c.lendCredentials(ctx, audit, place); err != nil {
		return nil, err
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

// lendCredentials puts the audit's own credentials into this process' environment, unless it has some.
func (c *cluster) lendCredentials(ctx context.Context, audit *v1alpha1.DatasetAudit, place *v1alpha1.ObjectStorage) error {
	if place.SecretRef == nil {
		return nil
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_STORAGE_ACCOUNT"} {
		if os.Getenv(name) != "" {
			return nil
		}
	}
	secret := &corev1.Secret{}
	if err := c.client.Get(ctx, client.ObjectKey{Namespace: audit.Namespace, Name: place.SecretRef.Name}, secret); err != nil {
		return fmt.Errorf("there are no credentials for %s in the environment, and: %w", place.Place(), err)
	}
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN",
	} {
		if value, ok := secret.Data[name]; ok {
			if err := os.Setenv(name, string(value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// save writes a file that is seen whole or not at all.
func save(file string, body io.Reader) error {
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

// open shows a file as the desktop does.
func open(ctx context.Context, file string) error {
	program := map[string]string{"darwin": "open", "windows": "explorer"}[runtime.GOOS]
	if program == "" {
		program = "xdg-open"
	}
	if _, err := exec.LookPath(program); err != nil {
		return nil // no desktop: its name has been printed
	}
	return exec.CommandContext(ctx, program, file).Start()
}
