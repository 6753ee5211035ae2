package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/baseline"
)

// referenceSizes are how many images references have. The audited dataset has datasetSize others, if there are so many,
// and edited copies of mostCopied of the reference's.
var referenceSizes = []int{40, 200, 600, 6000}

const (
	datasetSize = 1500
	mostCopied  = 180
	mostAsked   = 20_000
)

// fixedCosines are what other tools take for copies: DINOv2 0.45 between what it curates and benchmarks, and 0.6 within,
// by a descriptor that was trained for copies; fastdup 0.9; SemDeDup and others up to 0.95.
var fixedCosines = []float64{0.45, 0.6, 0.9, 0.95}

// A contaminated dataset holds copies of a reference's images.
type contaminated struct {
	folder  string
	held    map[string]bool // the reference's images
	planted []copied
	oracle  *oracle
}

func (c *contaminated) dataset() string   { return filepath.Join(c.folder, "dataset") }
func (c *contaminated) reference() string { return filepath.Join(c.folder, "reference") }
func (c *contaminated) joint() string     { return filepath.Join(c.folder, "joint") }

// contaminate divides images into a reference and a dataset, and plants edited copies of the one in the other.
func contaminate(from, to string, size, copies int, seed uint64) (*contaminated, error) {
	c := &contaminated{folder: to, held: map[string]bool{}, oracle: newOracle(filepath.Join(to, "joint"))}
	if err := os.RemoveAll(to); err != nil {
		return nil, err
	}
	var originals []string
	err := walk(os.DirFS(from), func(name string) error {
		originals = append(originals, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(originals) < size+datasetSize/10 {
		return nil, fmt.Errorf("%s: %d images are too few for a reference of %d and a dataset", from, len(originals), size)
	}
	r := rand.New(rand.NewPCG(seed, 3))
	r.Shuffle(len(originals), func(i, j int) { originals[i], originals[j] = originals[j], originals[i] })
	put := func(folder, name string, content []byte) error {
		if err := write(filepath.Join(folder, name), content); err != nil {
			return err
		}
		return write(filepath.Join(c.joint(), name), content)
	}
	for i, name := range originals[:min(len(originals), size+datasetSize)] {
		content, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return nil, err
		}
		folder := c.dataset()
		if i < size {
			folder, c.held[name] = c.reference(), true
		}
		if err := put(folder, name, content); err != nil {
			return nil, err
		}
		if i >= min(size, copies) {
			continue
		}
		edit := planted[i%len(planted)]
		edited, extension, err := edit.File(r, content, ".png")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		changed := fmt.Sprintf("%s-%08x%s", strings.TrimSuffix(name, path.Ext(name)), r.Uint32(), extension)
		if err := put(c.dataset(), changed, edited); err != nil {
			return nil, err
		}
		c.planted = append(c.planted, copied{edit.Kind, name, changed})
	}
	return c, nil
}

// across are the pairs of an image of the dataset and one of the reference.
func (c *contaminated) across(pairs []pair) []pair {
	return slices.DeleteFunc(slices.Clone(pairs), func(p pair) bool { return c.held[p.a] == c.held[p.b] })
}

func (c *contaminated) evaluate(pairs []pair) score {
	pairs = c.across(pairs)
	before := c.oracle.copies
	if len(pairs) > mostAsked { // nearly all of them are false, and the oracle is slow
		before = func(string, string) bool { return false }
	}
	return evaluate(c.planted, pairs, nil, before)
}

// manifest is that of an audit by method Local with inspection.
func (m benchModel) manifest(output map[string]any) map[string]any {
	return map[string]any{
		"dataset": map[string]any{"format": "ImageFolder", "source": map[string]any{"persistentVolumeClaim": map[string]any{"claimName": "images", "path": "images"}}},
		"model":   m.spec(), "duplicates": map[string]any{"maxClusterSize": 100_000}, "output": output,
	}
}

// reference writes the file of a reference. Embeddings are shared with audits of the same work folder.
func (a auditor) reference(ctx context.Context, work, dataset string, model benchModel, out string) error {
	manifest, err := json.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": v1alpha1.Kind, "metadata": map[string]any{"name": "truth"}, "spec": model.manifest(nil),
	})
	if err != nil {
		return err
	}
	arguments := []string{"reference", dataset, "-f", "-", "--out", out, "--work", work}
	if model.Path != "" {
		arguments = append(arguments, "--model", model.Path)
	}
	command := exec.CommandContext(ctx, a.runner, arguments...)
	command.Stdin = strings.NewReader(string(manifest))
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s reference: %w\n%s", a.runner, err, said)
	}
	return nil
}

// compared are the ways to find what a dataset shares with a reference.
var compared = []string{"one joint audit", "reference", "reference, no sketches", "baseline"}

// references prints what is found of copies that were planted of references of several sizes, by the first model and by
// the builtin one.
func (b *bench) references(ctx context.Context, w io.Writer) error {
	for _, model := range append(slices.Clone(b.models[:min(1, len(b.models))]), benchModel{Name: string(v1alpha1.BuiltinPixels)}) {
		fmt.Fprintf(w, "\nCopies of references in datasets of up to %d images, %d datasets of each size; %s: recall, and pairs beside them\n\n| images of the reference |", datasetSize, b.seeds, model.Name)
		columns := slices.Clone(compared)
		for _, cosine := range fixedCosines {
			columns = append(columns, fmt.Sprintf("cosine > %g", cosine))
		}
		fmt.Fprintf(w, " %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("--:|", len(columns)))
		for _, size := range referenceSizes {
			totals := make([]score, len(columns))
			for i := range totals {
				totals[i] = score{planted: map[string]int{}, found: map[string]int{}}
			}
			for seed := range b.seeds {
				c, err := contaminate(b.images, filepath.Join(b.work, "contaminated"), size, mostCopied, uint64(seed))
				if err != nil {
					return err
				}
				scores, err := c.compare(ctx, b.auditor, model)
				if err != nil {
					return err
				}
				for i := range totals {
					totals[i].add(scores[i])
				}
			}
			fmt.Fprintf(w, "| %d |", size)
			for _, s := range totals {
				fmt.Fprintf(w, " %.3f, %d |", s.recall(), s.others)
			}
			fmt.Fprintln(w)
		}
	}
	return nil
}

// compare scores each way.
func (c *contaminated) compare(ctx context.Context, a auditor, model benchModel) ([]score, error) {
	at := func(name string) string { return filepath.Join(c.folder, name) }
	file, own := at("reference.safetensors"), at("dataset.safetensors")
	if err := a.reference(ctx, at("reference-work"), c.reference(), model, file); err != nil {
		return nil, err
	}
	if err := a.reference(ctx, at("dataset-audit/work"), c.dataset(), model, own); err != nil {
		return nil, err
	}
	var scores []score
	audit := func(folder, dataset string, spec map[string]any, flags ...string) error {
		found, err := a.run(ctx, at(folder), dataset, model.Path, spec, flags...)
		if err != nil {
			return err
		}
		scores = append(scores, c.evaluate(found.pairs))
		return nil
	}
	if err := audit("joint-audit", c.joint(), model.manifest(nil)); err != nil {
		return nil, err
	}
	if err := audit("dataset-audit", c.dataset(), model.manifest(nil), "--reference", "r="+file); err != nil {
		return nil, err
	}
	blind := model.manifest(nil)
	blind["duplicates"] = map[string]any{"maxClusterSize": 100_000, "inspection": "None"}
	if err := audit("dataset-audit", c.dataset(), blind, "--reference", "r="+file); err != nil {
		return nil, err
	}
	if _, err := a.run(ctx, at("reference-audit"), c.reference(), model.Path, model.manifest(map[string]any{"baseline": true})); err != nil {
		return nil, err
	}
	if err := audit("dataset-audit", c.dataset(), model.manifest(nil), "--baseline", at("reference-audit/out")); err != nil {
		return nil, err
	}
	pairs, err := cosinePairs(own, file, slices.Min(fixedCosines))
	if err != nil {
		return nil, err
	}
	for _, least := range fixedCosines {
		scores = append(scores, c.evaluate(slices.DeleteFunc(slices.Clone(pairs), func(p pair) bool { return 1-p.distance < least })))
	}
	return scores, nil
}

// cosinePairs are the pairs across two files whose embeddings have at least this cosine.
func cosinePairs(a, b string, least float64) ([]pair, error) {
	unit := func(x []float32) []float32 {
		sum := 0.0
		for _, v := range x {
			sum += float64(v) * float64(v)
		}
		out := make([]float32, len(x))
		for i, v := range x {
			out[i] = v / float32(math.Sqrt(max(sum, 1e-30)))
		}
		return out
	}
	one, err := baseline.Open(a)
	if err != nil {
		return nil, err
	}
	defer one.Close()
	two, err := baseline.Open(b)
	if err != nil {
		return nil, err
	}
	defer two.Close()
	others := make([][]float32, len(two.Samples))
	for j := range others {
		others[j] = unit(two.Layers[0].Embeddings.Row(j))
	}
	var pairs []pair
	for i := range one.Samples {
		x := unit(one.Layers[0].Embeddings.Row(i))
		for j, y := range others {
			var sum float32
			for k, v := range x {
				sum += v * y[k]
			}
			if float64(sum) >= least {
				pairs = append(pairs, newPair(one.Samples[i].ID, two.Samples[j].ID, 1-float64(sum)))
			}
		}
	}
	return pairs, nil
}

// cleanReferences prints how often a reference that shares nothing with a dataset is said to.
func cleanReferences(ctx context.Context, w io.Writer, a auditor, seeds int) error {
	const held = 500
	fmt.Fprintf(w, "\n%d datasets of %d embeddings and references of %d others each, that share nothing: pairs found, and the references with any\n\n", seeds, rows-held, held)
	fmt.Fprint(w, "| embeddings | q = 0.01 | with any | q = 0.1 | with any |\n|---|--:|--:|--:|--:|\n")
	for kind := range newNulls(0) {
		name, pairs, with := "", [2]int{}, [2]int{}
		for seed := range seeds {
			n := newNulls(uint64(seed))[kind]
			name = n.name
			folder := filepath.Join(a.work, fmt.Sprintf("clean-%d-%d", kind, seed))
			all := n.draw(uint64(seed), 0, 0)
			if err := writeNPY(filepath.Join(folder, "embeddings", "embeddings.npy"), all[held:]); err != nil {
				return err
			}
			if err := writeNPY(filepath.Join(folder, "others", "embeddings.npy"), all[:held]); err != nil {
				return err
			}
			file := filepath.Join(folder, "others.safetensors")
			if said, err := exec.CommandContext(ctx, a.runner, "reference", filepath.Join(folder, "others"), "--format", "Embeddings", "--out", file).CombinedOutput(); err != nil {
				return fmt.Errorf("%s reference: %w\n%s", a.runner, err, said)
			}
			for i, rate := range []string{"0.01", "0.1"} {
				found, err := a.embeddings(ctx, folder, map[string]any{"method": "Local", "threshold": map[string]any{"rate": rate}}, "--reference", "others="+file)
				if err != nil {
					return err
				}
				n := int(found.summary.Layers[0].References[0].Pairs)
				pairs[i] += n
				if n > 0 {
					with[i]++
				}
			}
		}
		fmt.Fprintf(w, "| %s | %.2f | %d | %.2f | %d |\n", name, float64(pairs[0])/float64(seeds), with[0], float64(pairs[1])/float64(seeds), with[1])
	}
	return nil
}
