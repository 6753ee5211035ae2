// Package report writes down what an audit found: the summary, the clusters, the tables for a cleaned or newly split
// dataset, and the page to look at. docs/results.md describes every file field by field.
//
// The same findings give the same bytes. What differs from run to run (run, versions, cost) is only in summary.json and
// in the footer of the page and in the commands that it proposes. Text from the dataset, whatever it holds, is escaped in each format's own way; bytes that
// are no UTF-8 become U+FFFD, so that every file stays readable, and a sample's index is what identifies it.
package report

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/croissant"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/familiarity"
	"github.com/datasetaudit/dataset-audit/internal/findings"
	"github.com/datasetaudit/dataset-audit/internal/labels"
	"github.com/datasetaudit/dataset-audit/internal/quality"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// Findings is everything that a run has to report.
type Findings struct {
	// Audit is what was asked for.
	Audit *v1alpha1.DatasetAudit
	// Samples are the rows: the readable samples, in the dataset's order, then those of the baseline. They are
	// Result.Samples of each layer.
	Samples []duplicates.Sample
	// Skipped are the samples that could not be read, in the dataset's order.
	Skipped []Skipped
	// Ignored are the files that were taken for no samples, nil for none, and Warnings what could be read in another
	// way.
	Ignored  *v1alpha1.IgnoredFiles
	Warnings []string
	// Digest of the dataset, "sha256:…", and Location, where it was read. Folder holds its files, below the folder in which
	// the run was started; empty for one elsewhere.
	Digest, Location, Folder string
	// Model is nil for format Embeddings.
	Model *v1alpha1.SummaryModel
	// Layers in the order of the spec, at least one.
	Layers []Layer
	// EvaluationSplits are the splits that must not leak into the others.
	EvaluationSplits []string
	// Verdicts are what reviewers said before, Reviewed what the summary says of them; nothing if there are none.
	Verdicts []v1alpha1.Verdict
	Reviewed *v1alpha1.SummaryVerdicts
	// Baseline is nil for an audit without one.
	Baseline *v1alpha1.SummaryBaseline
	// References are the sets that the dataset was compared with.
	References []v1alpha1.SummaryReference
	// Gated: the summary says what the policy came to. In a cluster the operator says it.
	Gated bool
	// Repeat is the command that audits again, and Clean the one that writes a copy of the dataset without what could go,
	// but for where to. Marks is the file that is proposed for verdicts. Empty in a cluster.
	Repeat, Clean, Marks string
	// Croissant is the dataset's metadata, to be written with what was found; nil for none.
	Croissant *croissant.Metadata

	// Measures of a row's image, and whether it has any; nil where quality is not reported.
	Measures func(row int) (quality.Measures, bool)

	Run      v1alpha1.SummaryRun
	Versions v1alpha1.SummaryVersions
	Cost     v1alpha1.SummaryCost

	// Images reads the encoded images at the given indices of the dataset's order, which ascend. An error of the
	// sequence ends the report. Nil for format Embeddings: the page then shows names alone.
	Images func(ctx context.Context, indices []int) iter.Seq2[Image, error]

	poor *poor // what the measures come to, once it was asked for
}

// Image is a sample's encoded image. The bytes are the receiver's.
type Image struct {
	Index int
	Bytes []byte
	// Err says why this one can't be read. It has no picture then.
	Err error
}

// Layer is what was found by the vectors of one layer.
type Layer struct {
	// Name as the spec has it.
	Name string
	// Dimensions of the embeddings, Components that were left to compare, and components that were dropped as noise.
	Dimensions, Components, DroppedComponents int
	Strategy                                  v1alpha1.ThresholdStrategy
	Result                                    *duplicates.Result
	// Search says how neighbors were searched.
	Search v1alpha1.SearchSummary
	// Familiarity and Suspects are nil where they are not reported. Suspects number labels as Classes does.
	Familiarity *familiarity.Result
	Suspects    *labels.Result
	Classes     []string
	// Map is the place of each row in the plane, N×2; nil where it is not reported.
	Map []float32
	// References are what the dataset was compared with, in the order of Findings.References.
	References []Reference
}

// Reference is what the dataset has in common with a reference.
type Reference struct {
	Name       string
	Samples    []duplicates.Sample
	Comparison *duplicates.Comparison
	// Thumbnail returns the JPEG file of a sample of it, nil where its owner gave none.
	Thumbnail func(sample int) []byte
}

// Skipped is a sample that could not be read.
type Skipped struct{ ID, Reason string }

// audited are the samples that are not the baseline's.
func (f *Findings) audited() []duplicates.Sample {
	return f.Layers[0].Result.Samples[:f.Layers[0].Result.Audited()]
}

// Begin removes what an earlier run left in out that would vouch for the files to come: its summary, which says that they
// are complete and its own, and then the files that not every run writes.
func Begin(ctx context.Context, out *storage.Bucket) error {
	for _, name := range []string{
		v1alpha1.FileSummary, v1alpha1.FileQuality, v1alpha1.FileFamiliarity, v1alpha1.FileLabels, v1alpha1.FileMap,
	} {
		if err := out.Delete(ctx, name); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return nil
}

// Write writes all files into out and returns the summary. The summary's file is the last: where it is, everything is.
// Progress, if not nil, is called with the name of each file before it is written. Errors name the file; those of
// reading images name the sample too.
func Write(ctx context.Context, out *storage.Bucket, f *Findings, progress func(file string)) (*v1alpha1.AuditSummary, error) {
	if len(f.Layers) == 0 {
		return nil, errors.New("report: there are no findings of any layer")
	}
	var summary *v1alpha1.AuditSummary
	var gate gate
	type file struct {
		name  string
		write func(io.Writer) error
	}
	files := []file{
		{v1alpha1.FileClusters, f.writeClusters},
		{v1alpha1.FileClustersParquet, f.writeParquet},
		{v1alpha1.FilePairs, f.writePairs},
		{v1alpha1.FileGroups, f.writeGroups},
		{v1alpha1.FileKeep, f.writeKeep},
		{v1alpha1.FileRemove, f.writeRemove},
		{v1alpha1.FileJUnit, func(w io.Writer) error { return f.writeJUnit(w, summary, gate) }},
		{v1alpha1.FileSARIF, f.writeSARIF},
		{v1alpha1.FileMarkdown, func(w io.Writer) error { return f.writeMarkdown(w, summary, gate) }},
		{v1alpha1.FileReport, func(w io.Writer) error { return f.writePage(ctx, w, summary, gate) }},
	}
	if f.Measures != nil {
		files = append(files, file{v1alpha1.FileQuality, f.writeQuality})
	}
	if f.anyLayer(func(l *Layer) bool { return l.Familiarity != nil }) {
		files = append(files, file{v1alpha1.FileFamiliarity, f.writeFamiliarity})
	}
	if f.anyLayer(func(l *Layer) bool { return l.Suspects != nil }) {
		files = append(files, file{v1alpha1.FileLabels, f.writeLabels})
	}
	if f.anyLayer(func(l *Layer) bool { return l.Map != nil }) {
		files = append(files, file{v1alpha1.FileMap, f.writeMap})
	}
	if f.Croissant != nil {
		files = append(files, file{v1alpha1.FileCroissant, func(w io.Writer) error { return f.writeCroissant(w, summary) }})
	}
	f.Run.Files = nil
	for _, file := range files { // as long as they can be, so that the summary has room for them
		f.Run.Files = append(f.Run.Files, v1alpha1.SummaryFile{Name: file.name, SHA256: strings.Repeat("0", 2*sha256.Size), Bytes: math.MaxInt64})
	}
	summary = Summarize(f)
	gate = f.gate(summary)
	if f.Gated {
		summary.Policy = gate.summary()
	}
	for i, file := range files {
		written, err := writeFile(ctx, out, file.name, file.write, progress)
		if err != nil {
			return nil, err
		}
		summary.Run.Files[i] = written
	}
	_, err := writeFile(ctx, out, v1alpha1.FileSummary, func(w io.Writer) error { return writeSummary(w, summary) }, progress)
	return summary, err
}

// writeFile writes a file, and says what it wrote.
func writeFile(ctx context.Context, out *storage.Bucket, name string, write func(io.Writer) error, progress func(file string)) (v1alpha1.SummaryFile, error) {
	if progress != nil {
		progress(name)
	}
	digest := sha256.New()
	var size counter
	err := out.Write(ctx, name, func(w io.Writer) error {
		digest.Reset() // it may be written again
		size = 0
		buffered := bufio.NewWriterSize(io.MultiWriter(w, digest, &size), 1<<16)
		if err := write(buffered); err != nil {
			return err
		}
		return buffered.Flush()
	})
	if err != nil {
		return v1alpha1.SummaryFile{}, fmt.Errorf("report: %s: %w", name, err)
	}
	return v1alpha1.SummaryFile{Name: name, SHA256: hex.EncodeToString(digest.Sum(nil)), Bytes: int64(size)}, nil
}

// A counter counts the bytes that are written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// writeCroissant writes the dataset's metadata with the findings of the first layer.
func (f *Findings) writeCroissant(w io.Writer, summary *v1alpha1.AuditSummary) error {
	var sentences []string
	for _, finding := range findings.Layer(&summary.Layers[0], &summary.Dataset, f.Audit.Spec.Dataset.EvaluationSplits) {
		sentences = append(sentences, finding.Text)
	}
	data, err := f.Croissant.Annotate(summary, f.Audit.Spec.Duplicates.EffectiveMethod(), sentences)
	if err == nil {
		_, err = w.Write(data)
	}
	return err
}

func writeSummary(w io.Writer, summary *v1alpha1.AuditSummary) error {
	data, err := encode(summary)
	if err == nil {
		_, err = w.Write(data)
	}
	return err
}

// maxClusterSize is the size above which clusters, and groups of copies, are not spelled out.
func (f *Findings) maxClusterSize() int {
	if size := f.Audit.Spec.Duplicates.MaxClusterSize; size != nil {
		return int(*size)
	}
	return v1alpha1.DefaultMaxClusterSize
}

// clusterKey names a cluster by its medoid's ID, which lasts between runs while indices shift.
func clusterKey(medoid string) string {
	hash := sha256.Sum256([]byte(medoid))
	return hex.EncodeToString(hash[:8])
}

// joined is how the labels of a sample stand in one field.
func joined(labels []string) string { return text.Valid(strings.Join(labels, "|")) }

// anyLayer says whether something holds of a layer.
func (f *Findings) anyLayer(is func(l *Layer) bool) bool {
	return slices.ContainsFunc(f.Layers, func(l Layer) bool { return is(&l) })
}
