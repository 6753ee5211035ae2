package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// An auditor runs audits as a user does.
type auditor struct{ runner, work string }

// A pair is two samples that a method takes for copies. The smaller its distance, the surer it is.
type pair struct {
	a, b     string // in byte order
	distance float64
}

func newPair(a, b string, distance float64) pair { return pair{min(a, b), max(a, b), distance} }

// An audit is what one found.
type audit struct {
	pairs   []pair
	summary v1alpha1.AuditSummary
	largest int
}

// run audits a folder by a manifest, whose kind and name are added, and by further flags. Embeddings stay in the folder of
// the dataset for other manifests.
func (a auditor) run(ctx context.Context, folder, dataset, model string, spec map[string]any, flags ...string) (*audit, error) {
	manifest, err := json.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": v1alpha1.Kind, "metadata": map[string]any{"name": "truth"}, "spec": spec,
	})
	if err != nil {
		return nil, err
	}
	out := filepath.Join(folder, "out")
	arguments := []string{"audit", "-f", "-", "--dataset", dataset, "--out", out, "--work", filepath.Join(folder, "work")}
	if model != "" {
		arguments = append(arguments, "--model", model)
	}
	command := exec.CommandContext(ctx, a.runner, append(arguments, flags...)...)
	command.Stdin = bytes.NewReader(manifest)
	if said, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s audit of %s: %w\n%s", a.runner, manifest, err, said)
	}
	return readAudit(out)
}

func readAudit(folder string) (*audit, error) {
	found := &audit{}
	content, err := os.ReadFile(filepath.Join(folder, v1alpha1.FileSummary))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(content, &found.summary); err != nil {
		return nil, err
	}
	if content, err = os.ReadFile(filepath.Join(folder, v1alpha1.FilePairs)); err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, row := range rows[1:] {
		distance, err := strconv.ParseFloat(row[5], 64)
		if err != nil {
			return nil, err
		}
		found.pairs = append(found.pairs, newPair(row[3], row[4], distance))
	}
	if content, err = os.ReadFile(filepath.Join(folder, v1alpha1.FileClusters)); err != nil {
		return nil, err
	}
	for line := range bytes.Lines(content) {
		var cluster struct{ Size int }
		if err := json.Unmarshal(line, &cluster); err != nil {
			return nil, err
		}
		found.largest = max(found.largest, cluster.Size)
	}
	return found, nil
}
