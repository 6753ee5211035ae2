package audit

import (
	"context"
	"fmt"
	"image"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/embed"
	"github.com/datasetaudit/dataset-audit/internal/familiarity"
	"github.com/datasetaudit/dataset-audit/internal/images"
	"github.com/datasetaudit/dataset-audit/internal/neighbors"
	"github.com/datasetaudit/dataset-audit/internal/pca"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// A Plan says what an audit would take, by what a probe of it took on this machine. Times are in seconds.
type Plan struct {
	// Samples of the dataset, and of these Kept, whose vectors are there already.
	Samples int `json:"samples"`
	Kept    int `json:"kept"`
	// Layers are how many vectors a sample has, Dimensions their sum, and Components the largest number that is kept of one.
	Layers     int `json:"layers"`
	Dimensions int `json:"dimensions"`
	Components int `json:"components"`
	// ReadBytes are those of the samples that are not kept, and VectorBytes what is kept of all.
	ReadBytes   int64 `json:"readBytes"`
	VectorBytes int64 `json:"vectorBytes"`
	// Embedding is the time that a sample takes to be read and embedded, and Scoring that of a thousand million
	// multiplications of the search for neighbors.
	Embedding float64 `json:"embeddingSeconds"`
	Scoring   float64 `json:"scoringSeconds"`
	// Runs are by the number of pods, each as fast as this machine.
	Runs []PlannedRun `json:"runs"`
}

// PlannedRun is what an audit would take with so many pods.
type PlannedRun struct {
	Pods      int     `json:"pods"`
	Embed     float64 `json:"embedSeconds"`
	Neighbors float64 `json:"neighborsSeconds"`
	// Rest is the reduction, the inspection, and the densities and the map of the last pod. Clusters and report come on
	// top, some minutes for millions.
	Rest float64 `json:"restSeconds"`
	// Memory is that of the last pod at its peak, in bytes.
	Memory int64 `json:"memoryBytes"`
}

const (
	// probeSamples are embedded to see how long one takes, and probeQueries of probeRows compared with all of them.
	probeSamples = 64
	probeRows    = 64 << 10
	probeQueries = 4 << 10
	// lookSeconds is what the inspection of a pair takes on one core, and most what is inspected; see docs/method.md.
	lookSeconds = 0.4e-3
	mostLooks   = 1_000_000
	// densitySeconds is what a layer's densities take on one core, for each row and for each of the rows that mixtures
	// are fitted to, and mapSeconds what its map takes for each row; see docs/reports.md.
	densitySeconds, fitSeconds = 28e-6, 0.45e-3
	mapSeconds                 = 0.22e-3
)

// PlanFor tries a few samples and rows, and says what the whole would take with each number of pods. Every error is a
// *v1alpha1.RunError.
func (r *Run) PlanFor(ctx context.Context, pods ...int) (*Plan, error) {
	p, err := r.plan(ctx, pods)
	return p, classify(ctx, err)
}

func (r *Run) plan(ctx context.Context, pods []int) (*Plan, error) {
	in, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer in.close()
	return r.planOf(ctx, in, pods)
}

const (
	// estimateFrom is the number of samples from which a run in a cluster is probed: fewer take no longer than a probe
	// does. Neither do wider layers than estimateWidth.
	estimateFrom  = 50_000
	estimateWidth = 2048
)

// estimate says what the run takes, in seconds, 0 if that is not known.
func (r *Run) estimate(ctx context.Context, in *inputs) float64 {
	if r.ID == "" || in.dataset.Len() < estimateFrom || slices.ContainsFunc(in.store.Layers, func(l vectors.Layer) bool { return l.Dimensions > estimateWidth }) {
		return 0
	}
	pods := 1
	if p := r.Audit.Spec.Runner.Parallelism; p != nil {
		pods = int(*p)
	}
	p, err := r.planOf(ctx, in, []int{pods})
	if err != nil {
		r.Progress.Note(fmt.Sprintf("What the run will take is not known: %v", err)) // the run meets it, too, if it matters
		return 0
	}
	seconds := p.Runs[0].Embed + p.Runs[0].Neighbors + p.Runs[0].Rest
	r.Progress.Estimate(time.Duration(seconds * float64(time.Second)))
	return seconds
}

// planOf tries what in has opened.
func (r *Run) planOf(ctx context.Context, in *inputs, pods []int) (*Plan, error) {
	p := &Plan{Samples: in.dataset.Len(), Layers: len(in.store.Layers)}
	for i := range p.Samples {
		if in.store.Knows(i) {
			p.Kept++
		}
	}
	reduce := 0.0
	for _, layer := range in.store.Layers {
		p.Dimensions += layer.Dimensions
		components := min(r.reduction(p.Samples, layer.Dimensions).components, layer.Dimensions, max(p.Samples, 1))
		p.Components = max(p.Components, components)
		seconds, err := r.probeReduction(ctx, p.Samples, layer.Dimensions, components)
		if err != nil {
			return nil, err
		}
		reduce += seconds
	}
	p.VectorBytes = int64(p.Samples) * int64(4*p.Dimensions)
	size, decoding, err := r.probeSamples(ctx, in, p)
	if err != nil {
		return nil, err
	}
	p.ReadBytes = int64(size * float64(p.Samples-p.Kept))
	if p.Scoring, err = r.probeNeighbors(ctx, p.Components); err != nil {
		return nil, err
	}
	rest := reduce + r.planReports(p)
	if r.inspects() {
		n := float64(p.Samples)
		rest += float64(p.Layers)*min(2*n, mostLooks)*lookSeconds/float64(r.Threads) + min(n, 2*mostLooks)*decoding
	}
	for _, pods := range pods {
		n, c := float64(p.Samples), float64(p.Components)
		run := PlannedRun{Pods: pods, Embed: p.Embedding * float64(p.Samples-p.Kept) / float64(pods), Rest: rest, Memory: p.memory(r.neighbors())}
		run.Neighbors = float64(p.Layers) * n * n * c * p.Scoring / 1e9 / float64(pods)
		if r.approximates(p.Samples) {
			run.Neighbors *= neighbors.MostShare
		}
		switch {
		case r.approximates(p.Samples):
		case pods > 1:
			run.Neighbors += reduce
		case p.lists(r.neighbors()) > 0: // each pair is looked at once
			run.Neighbors /= 2
		}
		p.Runs = append(p.Runs, run)
	}
	return p, nil
}

// planReports is what densities and maps take.
func (r *Run) planReports(p *Plan) float64 {
	n, each := float64(p.Samples), 0.0
	if r.Audit.Spec.Has(v1alpha1.ReportFamiliarity) {
		each += n*densitySeconds + min(n, familiarity.FittedRows)*fitSeconds
	}
	if r.Audit.Spec.Has(v1alpha1.ReportMap) {
		each += n * mapSeconds
	}
	return float64(p.Layers) * each / float64(r.Threads)
}

// neighbors is how many the audit asks for.
func (r *Run) neighbors() int {
	o, err := r.options(nil)
	if err != nil {
		return 0 // open has refused it
	}
	return o.Neighbors
}

// memory is that of the pod which compares all: rows in float64 and once more in float32, the neighbors of each, what is
// known of samples, the vectors as the kernel maps them, and a third more, since freed memory is not given back at once;
// and the program.
func (p *Plan) memory(k int) int64 {
	row := 8*p.Components + 4*p.Components + 12*k + 500 + 4*p.Dimensions
	return int64(p.Samples)*int64(row+p.lists(k))*4/3 + 150<<20
}

// lists are the bytes of a row's shortlist, which let a search of all rows look at each pair once; 0 where they take too
// much. See neighbors.Search.
func (p *Plan) lists(k int) int {
	if size := 16 * (k + 6); size*p.Samples <= max(256<<20, 4*p.Components*p.Samples) {
		return size
	}
	return 0
}

// probeSamples embeds some samples, and says how many bytes one has and how long it takes to decode.
func (r *Run) probeSamples(ctx context.Context, in *inputs, p *Plan) (size, decoding float64, err error) {
	n := min(probeSamples, p.Samples)
	if in.network == nil { // vectors take so little that 64 of them are all overhead
		n = min(probeRows, p.Samples)
	}
	from := (p.Samples - n) / 2
	decoder, read := images.Decoder{IgnoreOrientation: r.Audit.Spec.Dataset.IgnoreOrientation}, 0
	for sample, err := range in.dataset.Samples(ctx, from, from+n) {
		if err != nil {
			return 0, 0, err
		}
		read += len(sample.Bytes) + 4*len(sample.Vector)
		started := time.Now()
		if sample.Bytes != nil {
			_ = decoder.With(new(image.RGBA), sample.Bytes, func(*image.RGBA) {}) // what can't be decoded takes time, too
		}
		decoding += time.Since(started).Seconds()
	}
	aside, err := os.MkdirTemp("", "dataset-audit-plan-")
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = os.RemoveAll(aside) }()
	store, err := vectors.Open(ctx, vectors.Options{Folder: aside, Recipe: in.store.Recipe, Layers: in.store.Layers, Place: in.store.Place}) // which asks for nothing
	if err != nil {
		return 0, 0, err
	}
	started := time.Now()
	job := embed.Job{Dataset: in.dataset, Store: store, Network: in.network, Decoder: decoder, From: from, To: from + n, Threads: r.Threads}
	if _, err := job.Run(ctx); err != nil {
		return 0, 0, err
	}
	p.Embedding = time.Since(started).Seconds() / float64(max(n, 1))
	return float64(read) / float64(max(n, 1)), decoding / float64(max(n, 1)) / float64(r.Threads), nil
}

// probeNeighbors is how long a thousand million multiplications take.
func (r *Run) probeNeighbors(ctx context.Context, components int) (float64, error) {
	rows := noise(probeRows, max(components, 1))
	x := neighbors.Matrix[float64]{Data: make([]float64, len(rows.values)), N: rows.n, D: rows.d}
	for i, v := range rows.values {
		x.Data[i] = float64(v)
	}
	started := time.Now()
	if _, err := neighbors.Search(ctx, x, neighbors.Options{K: max(r.neighbors()-1, 1), To: probeQueries, Threads: r.Threads}); err != nil {
		return 0, err
	}
	return time.Since(started).Seconds() / (float64(probeQueries) * probeRows * float64(rows.d) / 1e9), nil
}

// probeValues is how many numbers are reduced at least: fewer take no time that could be told from the clock's.
const probeValues = 1 << 20

// probeReduction is how long n rows take to fit and to transform: what two numbers of rows take tells what each takes, and
// what all take together.
func (r *Run) probeReduction(ctx context.Context, n, dimensions, components int) (float64, error) {
	if dimensions > pca.MaxDimensions { // the other solver's time is not probed
		return 0, nil
	}
	seconds := func(rows int) (float64, error) {
		x := noise(rows, dimensions)
		started := time.Now()
		model, err := pca.Exact(ctx, x, min(components, rows), r.Threads, nil)
		if err == nil {
			_, err = model.Transform(ctx, x, r.Threads, nil)
		}
		return time.Since(started).Seconds(), err
	}
	few := max(2*dimensions, probeValues/dimensions)
	if _, err := seconds(few); err != nil { // the first one pays for memory, too
		return 0, err
	}
	one, err := seconds(few)
	if err != nil {
		return 0, err
	}
	two, err := seconds(3 * few)
	if err != nil {
		return 0, err
	}
	each := max(0, two-one) / float64(2*few)
	return max(0, one+each*float64(n-few)), nil
}

// random is a matrix of noise.
type random struct {
	values []float32
	n, d   int
}

func noise(n, d int) random {
	source := rand.New(rand.NewPCG(1, 1))
	x := random{make([]float32, n*d), n, d}
	for i := range x.values {
		x.values[i] = float32(source.NormFloat64())
	}
	return x
}

func (x random) Len() int                     { return x.n }
func (x random) Dimensions() int              { return x.d }
func (x random) Read(from int, dst []float32) { copy(dst, x.values[from*x.d:]) }
