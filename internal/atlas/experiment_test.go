package atlas

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

func load(path string) []float32 {
	f, _ := os.Open(path)
	b, _ := io.ReadAll(f)
	b = b[128:]
	x := make([]float32, len(b)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return x
}

func ranks(x []float32, n, d int) [][]int32 {
	out := make([][]int32, n)
	dist := make([]float32, n)
	for i := range n {
		for j := range n {
			var s float32
			for k := range d {
				e := x[i*d+k] - x[j*d+k]
				s += e * e
			}
			dist[j] = s
		}
		dist[i] = -1
		o := make([]int32, n)
		for j := range o {
			o[j] = int32(j)
		}
		slices.SortFunc(o, func(a, b int32) int {
			if dist[a] < dist[b] {
				return -1
			} else if dist[a] > dist[b] {
				return 1
			}
			return 0
		})
		r := make([]int32, n)
		for p, j := range o {
			r[j] = int32(p)
		}
		out[i] = r
	}
	return out
}

func score(r [][]int32, y []float32, n int) string {
	nb, _ := neighbors.Search(nil2(), neighbors.Matrix[float32]{Data: y, N: n, D: 2}, neighbors.Options{K: 10})
	var t float64
	in10, in30 := 0, 0
	for at, j := range nb.Index {
		k := r[at/10][j]
		if k > 10 {
			t += float64(k - 10)
		} else {
			in10++
		}
		if k <= 30 {
			in30++
		}
	}
	N := float64(n)
	return fmt.Sprintf("trust %.4f in10 %.4f in30 %.4f", 1-2/(N*10*(2*N-30-1))*t, float64(in10)/N/10, float64(in30)/N/10)
}

func TestExperiment(t *testing.T) {
	all := load("/tmp/y.npy")
	const n, d = 3600, 256
	x := make([]float32, 0, n*d)
	for i := 0; i < n; i++ {
		x = append(x, all[2*i*d:(2*i+1)*d]...)
	}
	r := ranks(x, n, d)
	start := make([]float32, 2*n)
	for i := range n {
		start[2*i], start[2*i+1] = x[i*d], x[i*d+1]
	}
	t.Log("PCA", score(r, start, n))
	nb, _ := neighbors.Search(nil2(), neighbors.Matrix[float32]{Data: x, N: n, D: d}, neighbors.Options{K: 15})
	g := Graph{n, 15, nb.Index, nb.Distance}
	run := func(name string, epochs int) {
		begin := time.Now()
		y, _ := Layout(nil2(), g, start, Options{Threads: 2, Epochs: epochs})
		took := time.Since(begin)
		lo, hi := slices.Min(y), slices.Max(y)
		t.Log(name, epochs, score(r, y, n), took, lo, hi, debugSide, debugSpacing, debugZ)
	}
	for _, u := range []bool{true, false} {
		uniform = u
		run(fmt.Sprint("uniform=", u), 750)
	}
	run("", 500)
	run("", 300)
	run("", 200)
	earlyShare = 0.5
	run("early half", 300)
	earlyShare = 0.33
	late = 2
	run("late 2", 300)
	late = 4
	run("late 4", 300)
	late = 1
	stale = 2
	run("stale 2", 300)
	stale = 3
	run("stale 3", 300)
	stale = 1
	rate = 0.5
	run("rate .5", 300)
	rate = 2
	run("rate 2", 300)
	rate = 1
	momentum = .9
	run("momentum .9", 300)
	momentum = .8
	spacingFinest = 1
	run("spacing 1", 300)
	spacingFinest = .75
	run("spacing .75", 300)
	spacingFinest = .5
	perplexityShare = 0.33
	run("perplexity .33", 300)
	perplexityShare = 0.9
	run("perplexity .9", 300)
}
