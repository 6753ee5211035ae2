package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// cleaned are the images of a planting without the planted copies, and without one of each two that the oracle takes
// for copies among all pairs that any method ranks, or that are judged copies. What is found of them still is false, or
// a copy that nobody has looked at.
func (p planting) cleaned(ctx context.Context, b *bench, hashes []pair) (planting, error) {
	out := planting{folder: p.folder + "-cleaned", oracle: p.oracle}
	removed := map[string]bool{}
	for _, c := range p.truth.Planted {
		removed[c.Copy] = true
	}
	for line := range strings.Lines(judged) {
		for _, name := range strings.Split(strings.TrimSpace(line), ",")[1:] {
			removed[name] = true
		}
	}
	rankings := [][]pair{hashes}
	for _, model := range b.all() {
		for _, m := range methods {
			found, err := p.audit(ctx, b, model, m.ranked)
			if err != nil {
				return out, err
			}
			rankings = append(rankings, found.pairs)
		}
	}
	for _, ranking := range rankings {
		for _, q := range ranking {
			if !removed[q.a] && !removed[q.b] && p.oracle.copies(q.a, q.b) {
				removed[q.b] = true
			}
		}
	}
	if err := os.RemoveAll(out.images()); err != nil {
		return out, err
	}
	root := os.DirFS(p.images())
	return out, walk(root, func(name string) error {
		if removed[name] {
			return nil
		}
		out.truth.Samples++
		return link(filepath.Join(p.images(), filepath.FromSlash(name)), filepath.Join(out.images(), filepath.FromSlash(name)))
	})
}

// Of the images without copies, so many sets are drawn, each a dataset and a reference that share nothing.
const (
	cleanSets      = 20
	cleanDataset   = 300
	cleanReference = 100
)

// printApart says how often a reference that shares nothing with a dataset is said to.
func (p planting) printApart(ctx context.Context, w io.Writer, b *bench) error {
	var names []string
	if err := walk(os.DirFS(p.images()), func(name string) error {
		names = append(names, name)
		return nil
	}); err != nil {
		return err
	}
	if len(names) < cleanDataset+cleanReference {
		return fmt.Errorf("%s: %d images are too few", p.images(), len(names))
	}
	rates := []string{"0.01", "0.1"}
	fmt.Fprintf(w, "\n%d datasets of %d of these images and references of %d others: pairs found, and the references with any\n\n", cleanSets, cleanDataset, cleanReference)
	fmt.Fprint(w, "| model | q = 0.01 | with any | q = 0.1 | with any |\n|---|--:|--:|--:|--:|\n")
	for _, model := range b.all() {
		pairs, with := make([]int, len(rates)), make([]int, len(rates))
		for seed := range cleanSets {
			c := contaminated{folder: p.folder + "-apart"}
			if err := os.RemoveAll(c.folder); err != nil {
				return err
			}
			for i, at := range rand.New(rand.NewPCG(uint64(seed), 4)).Perm(len(names))[:cleanDataset+cleanReference] {
				folder := c.dataset()
				if i < cleanReference {
					folder = c.reference()
				}
				if err := link(filepath.Join(p.images(), names[at]), filepath.Join(folder, names[at])); err != nil {
					return err
				}
			}
			file := filepath.Join(c.folder, "reference.safetensors")
			if err := b.reference(ctx, filepath.Join(c.folder, "reference-work"), c.reference(), model, file); err != nil {
				return err
			}
			for i, rate := range rates {
				spec := model.manifest(nil)
				spec["duplicates"] = local("", "Pixels", rate).flags
				found, err := b.auditor.run(ctx, c.folder, c.dataset(), model.Path, spec, "--reference", "r="+file)
				if err != nil {
					return err
				}
				if n := int(found.summary.Layers[0].References[0].Pairs); n > 0 {
					pairs[i] += n
					with[i]++
				}
			}
		}
		fmt.Fprintf(w, "| %s |", model.Name)
		for i := range rates {
			fmt.Fprintf(w, " %.2f | %d |", float64(pairs[i])/cleanSets, with[i])
		}
		fmt.Fprintln(w)
	}
	return nil
}

// link gives a file another name, in a folder that may not be there yet.
func link(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Link(from, to)
}

// printNull says what is found where there are no copies.
func (p planting) printNull(ctx context.Context, w io.Writer, b *bench, says string) error {
	fmt.Fprintf(w, "\n%s: pairs found among %d images\n\n| model |", says, p.truth.Samples)
	columns := []method{local("Local, q = 0.01", "None", "0.01"), local("Local, q = 0.1", "None", "0.1"), local("Local + Pixels, q = 0.01", "Pixels", "0.01"), local("Local + Pixels, q = 0.1", "Pixels", "0.1"), methods[0]}
	for _, m := range columns {
		fmt.Fprintf(w, " %s |", m.name)
	}
	fmt.Fprint(w, "\n|---|--:|--:|--:|--:|--:|\n")
	for _, model := range b.all() {
		fmt.Fprintf(w, "| %s |", model.Name)
		for _, m := range columns {
			found, err := p.audit(ctx, b, model, m.flags)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, " %d |", len(found.pairs))
		}
		fmt.Fprintln(w)
	}
	return p.printApart(ctx, w, b)
}
