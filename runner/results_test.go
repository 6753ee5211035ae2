package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// clusterLine is what tests look at of a line of clusters.jsonl.
type clusterLine struct {
	Cluster       int
	Mean, MaxLink float64
	Members       []memberLine
}

type memberLine struct {
	ID, Split, Label string
	Index            int
	Distance         float64
	Baseline         bool
}

func clusterLines(t *testing.T, out string) []clusterLine {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(out, v1alpha1.FileClusters))
	if err != nil {
		t.Fatal(err)
	}
	var lines []clusterLine
	for line := range bytes.Lines(data) {
		var c clusterLine
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, c)
	}
	return lines
}

// table reads a file of results: a map from column to cell for each row.
func table(t *testing.T, out, file string) []map[string]string {
	t.Helper()
	in, err := os.Open(filepath.Join(out, file))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	rows, err := csv.NewReader(in).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var records []map[string]string
	for _, row := range rows[1:] {
		cells := map[string]string{}
		for i, name := range rows[0] {
			cells[name] = row[i]
		}
		records = append(records, cells)
	}
	return records
}

func summary(t *testing.T, out string) v1alpha1.AuditSummary {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(out, v1alpha1.FileSummary))
	if err != nil {
		t.Fatal(err)
	}
	var s v1alpha1.AuditSummary
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// clusterOf says in which cluster a sample is: the IDs of its members, or nothing.
func clusterOf(lines []clusterLine, id string) []string {
	for _, c := range lines {
		var ids []string
		for _, m := range c.Members {
			ids = append(ids, m.ID)
		}
		if slices.Contains(ids, id) {
			return ids
		}
	}
	return nil
}
