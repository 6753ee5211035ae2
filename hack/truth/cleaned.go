package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// cleaned are the images of a planting without the planted copies, and without one of each two that the oracle takes
// for copies among all pairs that any method ranks. What is found of them still is false, or a copy that only people
// see.
func (p planting) cleaned(ctx context.Context, b *bench, hashes []pair) (planting, error) {
	out := planting{folder: p.folder + "-cleaned", oracle: p.oracle}
	removed := map[string]bool{}
	for _, c := range p.truth.Planted {
		removed[c.Copy] = true
	}
	rankings := [][]pair{hashes}
	for _, model := range b.models {
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
		to := filepath.Join(out.images(), filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.Link(filepath.Join(p.images(), filepath.FromSlash(name)), to)
	})
}

// printCleaned says what is found where the oracle sees no copies any more.
func (p planting) printCleaned(ctx context.Context, w io.Writer, b *bench) error {
	fmt.Fprintf(w, "\nWithout copies that the oracle sees: pairs found among %d images\n\n| model |", p.truth.Samples)
	columns := []method{local("Local, q = 0.01", "None", "0.01"), local("Local, q = 0.1", "None", "0.1"), local("Local + Pixels, q = 0.01", "Pixels", "0.01"), local("Local + Pixels, q = 0.1", "Pixels", "0.1"), methods[0]}
	for _, m := range columns {
		fmt.Fprintf(w, " %s |", m.name)
	}
	fmt.Fprint(w, "\n|---|--:|--:|--:|--:|--:|\n")
	for _, model := range b.models {
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
	return nil
}
