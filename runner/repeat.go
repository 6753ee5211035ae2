package main

import (
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// repeat is the command that does this audit again, for the page.
func (f *auditFlags) repeat() string {
	if f.pod.is() || f.file == "-" {
		return ""
	}
	command := f.command("runner audit")
	add := func(flag, value string) {
		if value != "" {
			command += " " + flag + " " + text.Shell(value)
		}
	}
	add("--model", f.model)
	add("--baseline", f.baseline)
	for _, reference := range f.references {
		add("--reference", reference)
	}
	add("--verdicts", f.verdicts)
	add("--croissant", f.croissant)
	for _, flag := range []struct {
		name   string
		values []string
	}{
		{"--layer", f.declared.layers}, {"--splits", f.declared.splits}, {"--evaluation-splits", f.declared.evaluationSplits},
		{"--reports", f.declared.reports},
	} {
		add(flag.name, strings.Join(flag.values, ","))
	}
	add("--format", f.declared.format)
	add("--preset", f.declared.preset)
	add("--method", f.declared.method)
	add("--threshold", f.declared.threshold)
	add("--inspection", f.declared.inspection)
	add("--search", f.declared.search)
	for _, rule := range f.declared.rules {
		add("--rule", rule)
	}
	if f.out != defaultOut {
		add("--out", f.out)
	}
	return command
}

// clean is the command that writes a copy of the dataset without what could go.
func (f *auditFlags) clean() string {
	if f.pod.is() || f.file == "-" {
		return ""
	}
	command := f.command("runner apply --remove " + text.Shell(place(f.out, v1alpha1.FileRemove)))
	if f.declared.format != "" {
		command += " --format " + text.Shell(f.declared.format)
	}
	return command
}

// command adds what every command has: the dataset and the manifest.
func (f *auditFlags) command(program string) string {
	if f.dataset != "" {
		program += " " + text.Shell(f.dataset)
	}
	if f.file != "" {
		program += " -f " + text.Shell(f.file)
	}
	return program
}
