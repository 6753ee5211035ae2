package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/layouts"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// The same images have the same embeddings and clusters in whatever format they are stored, and so have the same
// vectors.
func TestEveryFormatHasTheSameClusters(t *testing.T) {
	needs.Runtime(t)
	samples := layouts.Generate(80)
	f := fixture{t.TempDir()}
	f.write(t, "model.onnx", convolution())
	first := map[bool]map[string]string{} // by whether they are images
	for name, layout := range layouts.All() {
		t.Run(name, func(t *testing.T) {
			dir, out := t.TempDir(), t.TempDir()
			if err := layout.Write(dir, samples); err != nil {
				t.Fatal(err)
			}
			images := layout.Spec.Format != v1alpha1.FormatEmbeddings
			spec := manifest(string(layout.Spec.Format), "  output: {embeddings: true}")
			if !images {
				spec = strings.Replace(spec, spec[strings.Index(spec, "  model:"):strings.Index(spec, "  reduction:")], "", 1)
			}
			f.write(t, "audit.yaml", []byte(spec))
			args := []string{"audit", "-f", f.path("audit.yaml"), "--dataset", dir, "--out", out}
			if images {
				args = append(args, "--model", f.path("model.onnx"))
			}
			if code, _, stderr := run(t, args...); code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			got := withoutIDs(t, out)
			if len(got["clusters"]) == 0 || strings.Count(got["clusters"], "\n") < 4 {
				t.Fatalf("clusters: %q", got["clusters"])
			}
			if first[images] == nil {
				first[images] = got
			}
			if diff := cmp.Diff(first[images], got); diff != "" {
				t.Errorf("findings differ from those of another format:\n%s", diff)
			}
		})
	}
}

// withoutIDs are the findings, samples by their index: IDs differ between formats.
func withoutIDs(t *testing.T, out string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, c := range clusterLines(t, out) {
		line := fmt.Sprint(c.Cluster, c.Mean, c.MaxLink)
		for _, m := range c.Members {
			line += fmt.Sprint(" ", m.Index, m.Split, m.Label, m.Distance)
		}
		got["clusters"] += line + "\n"
	}
	vectors, err := filepath.Glob(filepath.Join(out, "*.npy"))
	if err != nil || len(vectors) != 1 {
		t.Fatalf("embeddings: %v %v", vectors, err)
	}
	data, err := os.ReadFile(vectors[0])
	if err != nil {
		t.Fatal(err)
	}
	got["embeddings"] = string(data)
	return got
}
