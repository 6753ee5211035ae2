package embed

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// capacity is how many samples run through the model at once.
func (n *Network) capacity() int {
	if n.alone {
		return 1
	}
	return n.batch
}

// checkIndependence finds out whether a sample's vectors depend on its slot, or on what is beside it in the batch, as in
// models that are quantized dynamically, whose scale is that of the whole batch. Then each sample runs alone, so that
// vectors don't depend on the dataset's order. It is a test of two batches, not a proof: in the second, what is beside
// the sample is many times as large, and the sample is in another slot.
func (n *Network) checkIndependence() (err error) {
	if n.batch == 1 || n.Builtin {
		return nil
	}
	in, err := n.newInput()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.value.Destroy()) }()
	out, err := n.newOutputs()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.destroy()) }()
	var before [][]float32
	for turn := range 2 {
		for slot, r := range in.rows {
			if slot%2 == turn {
				r.set(probe(n.prepare.values(), 1, 1), 1, 0, 0, 1)
			} else {
				r.set(probe(n.prepare.values(), uint64(2+slot+turn), 1+39*float32(turn)), 1, 0, 0, 1)
			}
		}
		if err := out.run(in); err != nil {
			return fmt.Errorf("model: run it on a batch of %d: %w", n.batch, err)
		}
		var vectors [][]float32
		for slot := turn; slot < n.batch; slot += 2 {
			for i, layer := range n.Layers {
				vectors = append(vectors, slices.Clone(out.values[i][slot*layer.Dimensions:(slot+1)*layer.Dimensions]))
			}
		}
		if before == nil {
			before = vectors[:len(n.Layers)]
		}
		for i, vector := range vectors {
			if !slices.EqualFunc(before[i%len(n.Layers)], vector, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
				n.runAlone()
				return nil
			}
		}
	}
	return nil
}

// runAlone gives each sample a batch to itself: of one where the model takes any number, else the rest is padding.
func (n *Network) runAlone() {
	if n.input.Batch == 0 {
		n.batch = 1
	}
	n.alone = true
}

// probe is noise of a size.
func probe(values int, seed uint64, size float32) []float32 {
	random := rand.New(rand.NewPCG(seed, 6))
	x := make([]float32, values)
	for i := range x {
		x[i] = size * random.Float32()
	}
	return x
}
