package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/datasetaudit/dataset-audit/config/crd"
	"github.com/datasetaudit/dataset-audit/internal/audit"
	"github.com/datasetaudit/dataset-audit/internal/demo"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

var (
	pythonBlock  = regexp.MustCompile("(?s)```python\n(.*?)```")
	pythonImport = regexp.MustCompile(`(?m)^(?:import|from) ([a-z_0-9]+)`)
)

// TestPython runs the snippets of docs/python.md on an audit of the demo, those whose libraries are here.
func TestPython(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's, which has Debian's libraries
	if _, err := os.Stat(python); err != nil {
		t.Skip("there is no Python here: ", err)
	}
	needs.Runtime(t)
	folder, _ := writeDemo(t, 1)
	spec, err := crd.Load(demo.AuditYAML)
	if err != nil {
		t.Fatal(err)
	}
	a := audit.Run{
		Audit: spec, Dataset: filepath.Join(folder, "images"), Model: filepath.Join(folder, "model.onnx"), Out: filepath.Join(folder, "out"),
		Work: t.TempDir(), Threads: 2, Progress: quiet{},
	}
	if _, err := a.Execute(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/python.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := pythonBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 8 {
		t.Fatalf("%d snippets", len(blocks))
	}
	for _, block := range blocks {
		name, _, _ := strings.Cut(strings.TrimSpace(block[1]), "\n\n")
		t.Run(name, func(t *testing.T) {
			for _, module := range pythonImport.FindAllStringSubmatch(block[1], -1) {
				if err := exec.CommandContext(t.Context(), python, "-c", "import "+module[1]).Run(); err != nil {
					t.Skip("there is no ", module[1], " here")
				}
			}
			command := exec.CommandContext(t.Context(), python, "-c", block[1])
			command.Dir = folder
			out, err := command.CombinedOutput()
			if err != nil || len(out) == 0 {
				t.Errorf("%v: %s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}
