package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/corona10/goimagehash"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// A bench plants copies and audits them by each method.
type bench struct {
	auditor
	images string
	models []benchModel
	copies int
	seeds  int
}

// A benchModel is a file and how to use it, or without a file the builtin of its name.
type benchModel struct{ Name, Path, Layer, Preset string }

// all are the models, the builtin one last.
func (b *bench) all() []benchModel {
	return append(slices.Clone(b.models), benchModel{Name: string(v1alpha1.BuiltinPixels)})
}

// spec is the model in a manifest.
func (m benchModel) spec() map[string]any {
	if m.Path == "" {
		return map[string]any{"builtin": m.Name}
	}
	return map[string]any{
		"source": map[string]any{"persistentVolumeClaim": map[string]any{"claimName": "models", "path": "model.onnx"}},
		"layers": []string{m.Layer}, "preprocessing": map[string]any{"preset": m.Preset},
	}
}

// A method is what is compared: the duplicates of a spec, and those that rank further pairs in the same way.
type method struct {
	name          string
	flags, ranked map[string]any
}

func threshold(strategy, field, value string) map[string]any {
	return map[string]any{"threshold": map[string]any{"strategy": strategy, field: value}}
}

func reference(name string, flags map[string]any) method {
	return method{name, flags, threshold("Percentile", "percentile", "50")}
}

func local(name, inspection, rate string) method {
	spec := func(rate string) map[string]any {
		return map[string]any{"method": "Local", "inspection": inspection, "threshold": map[string]any{"rate": rate}}
	}
	return method{name, spec(rate), spec("0.5")}
}

var methods = []method{
	reference("Reference, Slope(5)", map[string]any{"threshold": map[string]any{"sensitivity": 5}}),
	reference("Reference, Slope(20)", map[string]any{"threshold": map[string]any{"sensitivity": 20}}),
	reference("Reference, Percentile(98.5)", threshold("Percentile", "percentile", "98.5")),
	reference("Reference, Percentile(99.5)", threshold("Percentile", "percentile", "99.5")),
	{"Cosine > 0.9", threshold("Cosine", "similarity", "0.9"), threshold("Cosine", "similarity", "0.5")},
	local("Local, q = 0.01", "None", "0.01"),
	local("Local + Pixels, q = 0.01", "Pixels", "0.01"),
}

// hashMethods need no model. Ten of 64 bits is what duplicate finders allow.
var hashMethods = []struct {
	name string
	hash hasher
}{{"pHash, at most 10 bits", goimagehash.PerceptionHash}, {"dHash, at most 10 bits", goimagehash.DifferenceHash}}

const (
	hashBits   = 10
	rankedBits = 14
)

// run prints a table for each half and model, the hashes' first.
func (b *bench) run(ctx context.Context, w io.Writer) error {
	for half, says := range []string{"The half that the method was tuned on", "The other half"} {
		datasets := make([]planting, b.seeds)
		for seed := range datasets {
			var err error
			if datasets[seed], err = b.plant(half, seed+1); err != nil {
				return err
			}
		}
		results := newResults()
		for i := range datasets {
			if err := datasets[i].hashes(results); err != nil {
				return err
			}
		}
		results.print(w, fmt.Sprintf("%s: %d datasets of %d images, %d of them planted copies; no model", says, b.seeds, datasets[0].truth.Samples, len(datasets[0].truth.Planted)))
		for _, model := range b.all() {
			results := newResults()
			for i := range datasets {
				if err := datasets[i].audits(ctx, b, model, results); err != nil {
					return err
				}
			}
			results.print(w, says+"; "+model.Name)
		}
		hashes, err := hashPairs(datasets[0].images(), hashMethods[0].hash, hashBits)
		if err != nil {
			return err
		}
		cleaned, err := datasets[0].cleaned(ctx, b, hashes)
		if err != nil {
			return err
		}
		if err := cleaned.printNull(ctx, w, b, "Without copies that the oracle sees or that were judged"); err != nil {
			return err
		}
	}
	drawn, err := b.drawClasses()
	if err != nil {
		return err
	}
	return drawn.printNull(ctx, w, b, "Drawn images of many small classes, no copies among them")
}

// A planting is a dataset with planted copies.
type planting struct {
	folder string
	truth  truth
	oracle *oracle
}

func (p planting) images() string { return filepath.Join(p.folder, "images") }

func (b *bench) plant(half, seed int) (planting, error) {
	p := planting{folder: filepath.Join(b.work, fmt.Sprintf("half-%d-seed-%d-copies-%d", half, seed, b.copies))}
	p.oracle = newOracle(p.images())
	content, err := os.ReadFile(filepath.Join(p.folder, "truth.json"))
	if os.IsNotExist(err) {
		if err = writePlanted(b.images, p.folder, half, b.copies, uint64(seed)); err == nil {
			content, err = os.ReadFile(filepath.Join(p.folder, "truth.json"))
		}
	}
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(content, &p.truth)
}

func (p planting) hashes(into *results) error {
	for _, m := range hashMethods {
		ranking, err := hashPairs(p.images(), m.hash, rankedBits)
		if err != nil {
			return err
		}
		flagged := slices.Clone(ranking)
		flagged = slices.DeleteFunc(flagged, func(q pair) bool { return q.distance > hashBits })
		s := evaluate(p.truth.Planted, flagged, ranking, p.oracle.copies)
		s.largest = largestChain(flagged)
		into.add(m.name, s)
	}
	return nil
}

// audit audits the images by one model.
func (p planting) audit(ctx context.Context, b *bench, model benchModel, duplicates map[string]any) (*audit, error) {
	duplicates["maxClusterSize"] = 100_000 // so that every pair and cluster is listed
	return b.auditor.run(ctx, filepath.Join(p.folder, strings.ReplaceAll(model.Name, " ", "-")), p.images(), model.Path, map[string]any{
		"dataset": map[string]any{"format": "ImageFolder", "source": map[string]any{"persistentVolumeClaim": map[string]any{"claimName": "images", "path": "images"}}},
		"model":   model.spec(), "duplicates": duplicates,
	})
}

func (p planting) audits(ctx context.Context, b *bench, model benchModel, into *results) error {
	rankings := map[string]*audit{} // Reference ranks alike for every threshold
	for _, m := range methods {
		key := fmt.Sprint(m.ranked)
		if rankings[key] == nil {
			ranked, err := p.audit(ctx, b, model, m.ranked)
			if err != nil {
				return err
			}
			rankings[key] = ranked
		}
		flagged, err := p.audit(ctx, b, model, m.flags)
		if err != nil {
			return err
		}
		s := evaluate(p.truth.Planted, flagged.pairs, rankings[key].pairs, p.oracle.copies)
		s.largest = flagged.largest
		into.add(m.name, s)
	}
	return nil
}

// largestChain is the size of the largest cluster that pairs make.
func largestChain(pairs []pair) int {
	parent := map[string]string{}
	var find func(id string) string
	find = func(id string) string {
		if p, known := parent[id]; known && p != id {
			parent[id] = find(p)
			return parent[id]
		}
		parent[id] = id
		return id
	}
	for _, p := range pairs {
		parent[find(p.a)] = find(p.b)
	}
	sizes, largest := map[string]int{}, 0
	for id := range parent {
		root := find(id)
		sizes[root]++
		largest = max(largest, sizes[root])
	}
	return largest
}

// results are the scores of several datasets, by method in the order in which they came.
type results struct {
	order  []string
	scores map[string]*score
	counts map[string]int
}

func newResults() *results {
	return &results{scores: map[string]*score{}, counts: map[string]int{}}
}

func (r *results) add(name string, s score) {
	if r.scores[name] == nil {
		r.order = append(r.order, name)
		r.scores[name] = &score{planted: map[string]int{}, found: map[string]int{}}
	}
	r.scores[name].add(s)
	r.counts[name]++
}

func (r *results) print(w io.Writer, title string) {
	fmt.Fprintf(w, "\n%s\n\n| method | pairs | recall | precision ≥ | AP | largest |", title)
	for _, edit := range planted {
		fmt.Fprintf(w, " %s |", edit.Kind)
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("--:|", 5+len(planted)))
	for _, name := range r.order {
		s, n := r.scores[name], r.counts[name]
		fmt.Fprintf(w, "| %s | %d | %.3f | %.3f | %.3f | %d |", name, s.pairs/n, s.recall(), s.precision(), s.ranked/float64(n), s.largest)
		for _, edit := range planted {
			fmt.Fprintf(w, " %.2f |", ratio(s.found[edit.Kind], s.planted[edit.Kind]))
		}
		fmt.Fprintln(w)
	}
}
