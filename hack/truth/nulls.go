package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
)

// rows is the number of embeddings of a dataset without copies.
const rows = 2000

// A null is a kind of embeddings among which there are no copies.
type null struct {
	name    string
	columns int
	row     func(r *rand.Rand, x []float64) // fills in one
}

func normal(r *rand.Rand, x []float64) {
	for i := range x {
		x[i] = r.NormFloat64()
	}
}

// newNulls draws what rows of a dataset have in common.
func newNulls(seed uint64) []null {
	shared := rand.New(rand.NewPCG(seed, 1))
	return []null{
		{"normal, 8 dimensions", 8, normal},
		{"normal, 64 dimensions", 64, normal},
		{"normal, 512 dimensions", 512, normal},
		{"heavy tails (Student's t, 3 degrees), 64", 64, func(r *rand.Rand, x []float64) {
			normal(r, x)
			scale := math.Sqrt(3 / (sq(r.NormFloat64()) + sq(r.NormFloat64()) + sq(r.NormFloat64())))
			for i := range x {
				x[i] *= scale
			}
		}},
		{"spectrum falling as 1/k, half of it cut at zero, 256", 256, func(r *rand.Rand, x []float64) {
			for i := range x {
				x[i] = max(r.NormFloat64()/float64(1+i), 0)
			}
		}},
		{"sparse, one in ten of 256", 256, func(r *rand.Rand, x []float64) {
			for i := range x {
				if x[i] = 0; r.IntN(10) == 0 {
					x[i] = r.NormFloat64()
				}
			}
		}},
		clustered("20 clusters of equal size, 64", shared, 20, func(int) float64 { return 0.3 }),
		clustered("20 clusters of spreads from 0.1 to 1, 64", shared, 20, func(cluster int) float64 { return 0.1 * math.Pow(10, float64(cluster)/19) }),
		clustered("200 clusters of about ten, 64", shared, 200, func(int) float64 { return 0.3 }),
		manifold(shared, 2), manifold(shared, 5), manifold(shared, 10),
	}
}

func sq(x float64) float64 { return x * x }

// clustered are rows around centers that are drawn once, with spreads by cluster.
func clustered(name string, shared *rand.Rand, clusters int, spread func(cluster int) float64) null {
	const columns = 64
	centers := make([][]float64, clusters)
	for i := range centers {
		centers[i] = make([]float64, columns)
		normal(shared, centers[i])
	}
	return null{name, columns, func(r *rand.Rand, x []float64) {
		cluster := r.IntN(clusters)
		for i := range x {
			x[i] = centers[cluster][i] + spread(cluster)*r.NormFloat64()
		}
	}}
}

// manifold bends an evenly filled cube through waves into many dimensions.
func manifold(shared *rand.Rand, dimensions int) null {
	const columns = 256
	waves, phases := make([]float64, columns*dimensions), make([]float64, columns)
	normal(shared, waves)
	for i := range phases {
		phases[i] = 2 * math.Pi * shared.Float64()
	}
	return null{fmt.Sprintf("manifold of %d dimensions, bent, without noise, in %d", dimensions, columns), columns, func(r *rand.Rand, x []float64) {
		at := make([]float64, dimensions)
		for i := range at {
			at[i] = 2 * r.Float64()
		}
		for i := range x {
			angle := phases[i]
			for d, u := range at {
				angle += waves[i*dimensions+d] * u
			}
			x[i] = math.Sin(angle)
		}
	}}
}

// draw draws embeddings. The last ones are noisy copies of the first.
func (n null) draw(seed uint64, copies int, noise float64) [][]float64 {
	r := rand.New(rand.NewPCG(seed, 2))
	x := make([][]float64, rows)
	for i := range x {
		x[i] = make([]float64, n.columns)
		if source := i - (rows - copies); source >= 0 {
			for c, v := range x[source] {
				x[i][c] = v + noise*r.NormFloat64()
			}
		} else {
			n.row(r, x[i])
		}
	}
	return x
}

// writeNPY writes embeddings as an npy file.
func writeNPY(path string, x [][]float64) error {
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", len(x), len(x[0]))
	header += fmt.Sprintf("%*s\n", 63-(10+len(header))%64, "")
	out := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8))
	out = append(out, header...)
	for _, row := range x {
		for _, v := range row {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(v)))
		}
	}
	return write(path, out)
}

// nulls prints how many pairs are found among embeddings without copies, and what share of the pairs found is false
// where there are some.
func nulls(ctx context.Context, w io.Writer, a auditor, seeds int) error {
	rates := []string{"0.01", "0.1"}
	fmt.Fprintf(w, "\n%d datasets of %d embeddings without copies each: pairs found, and the datasets with any\n\n", seeds, rows)
	fmt.Fprint(w, "| embeddings | Local, q = 0.01 | with any | Local, q = 0.1 | with any | fit | Reference, Slope(5) |\n|---|--:|--:|--:|--:|--:|--:|\n")
	for kind := range newNulls(0) {
		var name string
		pairs, with, reference, fit := [2]int{}, [2]int{}, 0, 0.0
		for seed := range seeds {
			n := newNulls(uint64(seed))[kind]
			name = n.name
			folder := filepath.Join(a.work, fmt.Sprintf("null-%d-%d", kind, seed))
			if err := writeNPY(filepath.Join(folder, "embeddings", "embeddings.npy"), n.draw(uint64(seed), 0, 0)); err != nil {
				return err
			}
			for i, rate := range rates {
				found, err := a.embeddings(ctx, folder, map[string]any{"method": "Local", "threshold": map[string]any{"rate": rate}})
				if err != nil {
					return err
				}
				pairs[i] += len(found.pairs)
				if len(found.pairs) > 0 {
					with[i]++
				}
				if i == 0 {
					x, err := found.summary.Layers[0].Local.Fit.Float64()
					if err != nil {
						return err
					}
					fit += x / float64(seeds)
				}
			}
			found, err := a.embeddings(ctx, folder, map[string]any{"method": "Reference"})
			if err != nil {
				return err
			}
			reference += len(found.pairs)
		}
		fmt.Fprintf(w, "| %s | %.1f | %d | %.1f | %d | %.2f | %d |\n", name, float64(pairs[0])/float64(seeds), with[0], float64(pairs[1])/float64(seeds), with[1], fit, reference/seeds)
	}

	const copies = 200
	fmt.Fprintf(w, "\n%d datasets of %d embeddings, %d of them noisy copies: the share of the pairs found that is false, and of the copies that are found\n\n", seeds, rows, copies)
	fmt.Fprint(w, "| embeddings | q = 0.01 | found | q = 0.1 | found | q = 0.5 | found |\n|---|--:|--:|--:|--:|--:|--:|\n")
	for _, kind := range []int{1, 3, 7, 11} {
		var name string
		rates := []string{"0.01", "0.1", "0.5"}
		hits, others := make([]int, len(rates)), make([]int, len(rates))
		for seed := range seeds {
			n := newNulls(uint64(seed))[kind]
			name = n.name
			folder := filepath.Join(a.work, fmt.Sprintf("copies-%d-%d", kind, seed))
			if err := writeNPY(filepath.Join(folder, "embeddings", "embeddings.npy"), n.draw(uint64(seed), copies, 0.05)); err != nil {
				return err
			}
			for i, rate := range rates {
				found, err := a.embeddings(ctx, folder, map[string]any{"method": "Local", "threshold": map[string]any{"rate": rate}})
				if err != nil {
					return err
				}
				for _, p := range found.pairs {
					if sourceOf(p.a, copies) == sourceOf(p.b, copies) {
						hits[i]++
					} else {
						others[i]++
					}
				}
			}
		}
		fmt.Fprintf(w, "| %s |", name)
		for i := range rates {
			fmt.Fprintf(w, " %.3f | %.3f |", 1-ratio(hits[i], hits[i]+others[i]), ratio(hits[i], copies*seeds))
		}
		fmt.Fprintln(w)
	}
	return nil
}

// embeddings audits a dataset of embeddings.
func (a auditor) embeddings(ctx context.Context, folder string, duplicates map[string]any, flags ...string) (*audit, error) {
	duplicates["maxClusterSize"] = rows
	spec := map[string]any{
		"dataset":    map[string]any{"format": "Embeddings", "source": map[string]any{"persistentVolumeClaim": map[string]any{"claimName": "embeddings"}}},
		"duplicates": duplicates,
	}
	if duplicates["method"] == "Reference" { // whose default is more than some have
		spec["reduction"] = map[string]any{"pca": map[string]any{"components": 8}}
	}
	return a.run(ctx, folder, filepath.Join(folder, "embeddings"), "", spec, flags...)
}

// sourceOf is the row that a sample is a copy of, or its own; such IDs are embeddings:42.
func sourceOf(id string, copies int) int {
	row := 0
	if _, err := fmt.Sscanf(id, "embeddings:%d", &row); err != nil {
		return -1
	}
	if source := row - (rows - copies); source >= 0 {
		return source
	}
	return row
}
