// Package audit is the run as a reader would tell it: read the dataset, embed it, reduce the vectors, search neighbors,
// form clusters, report. Everything costly leaves checkpoints in a work folder, and a later run goes on from there.
package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/baseline"
	"github.com/datasetaudit/dataset-audit/internal/croissant"
	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/duplicates"
	"github.com/datasetaudit/dataset-audit/internal/embed"
	"github.com/datasetaudit/dataset-audit/internal/pca"
	"github.com/datasetaudit/dataset-audit/internal/report"
	"github.com/datasetaudit/dataset-audit/internal/spill"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
	"github.com/datasetaudit/dataset-audit/policy"
)

// Progress is told how a run gets on. Its methods may be called concurrently.
type Progress interface {
	// Stage begins a stage that has total units of work, 0 if unknown.
	Stage(stage v1alpha1.Stage, total int64)
	// Add says that n more units are done.
	Add(n int64)
	// Note says something worth knowing, in a sentence.
	Note(note string)
	// Estimate says what the whole run takes, by a probe at its beginning.
	Estimate(d time.Duration)
}

// A Run is one audit on one machine.
type Run struct {
	// ID names the run in its summary; empty when it was started by hand.
	ID string
	// Audit is valid and defaulted.
	Audit *v1alpha1.DatasetAudit
	// InputSHA256 is the digest of the manifest that Audit was read from, in lower-case hexadecimal.
	InputSHA256 string
	// Embedded says that stage Embed has computed all vectors in the work folder for this very manifest: the model is
	// not opened.
	Embedded bool
	// Searched says that stage Neighbors has left neighbors beside the vectors.
	Searched bool
	// Dataset, Model and Out are paths or URLs of object storage; Dataset and Model override the sources of the spec.
	Dataset, Model, Out string
	// Baseline and Verdicts override those of the spec too: the folder or URL of an earlier audit's results, and the
	// file or URL of a review.
	Baseline, Verdicts string
	// References override those of the spec by name, and add to them.
	References []NamedFile
	// Work is the local folder for checkpoints. Vectors are kept in it, or in the folder or URL that Vectors says.
	Work, Vectors string
	// Listed: the summary says by a digest which files there were to read, so that later runs may be spared.
	Listed bool
	// Croissant is the dataset's metadata: the results have it with what was found, and files that it describes otherwise
	// are told. Nil for none.
	Croissant *croissant.Metadata
	// Gated: the policy is part of the results. A rule that doesn't compile is refused before any work, and the summary
	// says what the others came to. In a cluster the operator does both.
	Gated bool
	// Repeat, Clean and Marks are for the commands on the page; see report.Findings.
	Repeat, Clean, Marks string
	// Threads bounds what runs at once.
	Threads int
	// Version of the runner.
	Version  string
	Progress Progress

	modelFile string       // the local one
	space     *spill.Space // for what is as large as the dataset, while a layer is looked at
	exchange  *exchange    // nil where neighbors are not handed on
	embedding bool         // in stage Embed
	// searched is the approximate search that found least since howSearched was asked, and searchedRecall its recall.
	searched       v1alpha1.SearchSummary
	searchedRecall float64
}

// Execute runs the whole audit and writes its results to Out, summary.json last. Every error is a *v1alpha1.RunError.
func (r *Run) Execute(ctx context.Context) (*v1alpha1.AuditSummary, error) {
	summary, err := r.execute(ctx)
	return summary, classify(ctx, err)
}

func (r *Run) execute(ctx context.Context) (*v1alpha1.AuditSummary, error) {
	started := time.Now()
	out, err := storage.Create(ctx, r.Out)
	if err != nil {
		return nil, invalidIfAbsent(v1alpha1.ExitInvalidUsage, fmt.Errorf("results: %w", err))
	}
	defer func() { _ = out.Close() }() // what was written is durable already
	unlock, err := r.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	sources, err := r.listed(ctx)
	if err != nil {
		return nil, err
	}
	if r.Searched {
		r.exchange = &exchange{input: r.InputSHA256}
	}
	e, err := r.embedded(ctx)
	if err != nil {
		return nil, err
	}
	defer e.close()
	if r.Embedded && sources != e.in.sources {
		sources = "" // the model, which stage Embed read, may be another one by now
	}
	e.in.sources = sources
	inspection := r.inspection(e.in, e.set)
	defer inspection.close()
	fits, err := r.findAll(ctx, e, inspection)
	if err != nil {
		return nil, err
	}
	e.findings.Cost.InspectionSeconds = inspection.seconds()
	summary, err := r.report(ctx, out, e, fits, inspection, started)
	if err == nil && r.exchange != nil {
		if err := r.exchange.clear(ctx); err != nil {
			r.Progress.Note(fmt.Sprintf("What the pods handed on was not removed: %v", err)) // it only takes room
		}
	}
	return summary, err
}

// embedded is an audit whose vectors are all there.
type embedded struct {
	in       *inputs
	set      *vectors.Set
	findings *report.Findings
	counts   embed.Counts
	// apart are the rows that reviewers judged apart.
	apart [][]int
}

func (e *embedded) close() {
	if e.set != nil {
		e.set.Close()
	}
	e.in.close()
}

// embedded opens all that an audit reads, and embeds what is not embedded yet.
func (r *Run) embedded(ctx context.Context) (_ *embedded, err error) {
	e := &embedded{}
	if e.in, err = r.open(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	review, reviewed, err := r.review(ctx)
	if err != nil {
		return nil, err
	}
	if e.in.baseline, err = r.openBaseline(ctx, e.in); err != nil {
		return nil, err
	}
	if err := r.openReferences(ctx, e.in); err != nil {
		return nil, err
	}
	if e.set, e.findings, e.counts, err = r.embedWhole(ctx, e.in); err != nil {
		return nil, err
	}
	e.findings.Verdicts, e.findings.Reviewed, e.findings.Baseline = review, reviewed, e.in.baseline.summary()
	e.findings.References = summaryReferences(e.in.references)
	e.apart = r.apart(review, e.findings.Samples)
	return e, nil
}

// findAll finds the duplicates by each layer, and what it shares with each reference. In stage Neighbors it finds only
// neighbors.
func (r *Run) findAll(ctx context.Context, e *embedded, inspection *inspection) ([]fit, error) {
	in := e.in
	r.space = spill.In(r.Work)
	if r.exchange != nil {
		r.exchange.space = r.space
	}
	fits := make([]fit, len(in.store.Layers))
	for i, layer := range in.store.Layers {
		if len(in.store.Layers) > 1 {
			r.Progress.Note("Layer " + layer.Name)
		}
		fits[i].rows = e.set.Layer(i)
		if in.baseline != nil {
			fits[i].rows = joined{e.set.Layer(i), in.baseline.Layers[i].Embeddings, len(in.baseline.Samples)}
		}
		found, err := r.layer(ctx, layer, &fits[i], e.findings, in.baseline.layer(i), inspection, e.apart)
		if err != nil && !errors.Is(err, errFound) {
			return nil, fmt.Errorf("layer %s: %w", layer.Name, err)
		}
		for _, ref := range in.references {
			compared, err := r.compare(ctx, ref, i, e.set.Layer(i), e.findings.Samples[:len(e.set.Index)], inspection)
			if err != nil && !errors.Is(err, errFound) {
				return nil, fmt.Errorf("layer %s: reference %s: %w", layer.Name, ref.name, err)
			}
			found.References = append(found.References, compared)
		}
		if found.Search = r.howSearched(); found.Search.Method == v1alpha1.SearchApproximate {
			e.findings.Warnings = append(e.findings.Warnings, fmt.Sprintf("layer %s: neighbors were searched around each sample alone, among %s of all: of the nearest ones %s were found (at least %s)",
				layer.Name, percent(found.Search.ComparedShare), percent(found.Search.Recall), percent(found.Search.RecallAtLeast)))
		}
		e.findings.Layers = append(e.findings.Layers, found)
	}
	return fits, nil
}

// Embed embeds the samples of one shard of several: number shard, from 0, of shards. The others may run elsewhere at the
// same time with the same work folder; the whole run then finds all vectors there.
func (r *Run) Embed(ctx context.Context, shard, shards int) error {
	r.embedding = true
	err := func() error {
		sources, err := r.listed(ctx)
		if err != nil {
			return err
		}
		in, err := r.open(ctx)
		if err != nil {
			return err
		}
		defer in.close()
		in.sources = sources
		if shard == 0 {
			r.estimate(ctx, in)
		}
		n := in.dataset.Len()
		if _, err = r.embed(ctx, in, shard*n/shards, (shard+1)*n/shards); err != nil {
			return err
		}
		return r.handOver(ctx, in)
	}()
	return classify(ctx, err)
}

// inputs are what an audit reads, opened and checked.
type inputs struct {
	bucket  *storage.Bucket
	dataset *dataset.Dataset
	network *embed.Network // nil for a dataset of embeddings, and where stage Embed has run it
	model   *model         // nil for a dataset of embeddings
	store   *vectors.Store
	kept    *kept
	// sources is the digest of what there was to read when the run or, in stages, its stage Embed began.
	sources string
	// baseline is nil for an audit without one, and where only a part is embedded.
	baseline *base
	// references are opened where they are compared with.
	references []*reference
	// doubts say what of the model or the dataset's metadata may be wrong.
	doubts []string
}

func (in *inputs) close() {
	if in.baseline != nil {
		in.baseline.Close()
	}
	for _, ref := range in.references {
		ref.Close()
	}
	if in.network != nil {
		_ = in.network.Close() // memory only
	}
	if in.bucket != nil {
		_ = in.bucket.Close() // was only read
	}
	if in.kept != nil {
		in.kept.close()
	}
}

// open lists the dataset and loads the model, and refuses what can't work before any costly work begins.
func (r *Run) open(ctx context.Context) (_ *inputs, err error) {
	in := &inputs{}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	if _, err := r.options(nil); err != nil {
		return nil, err
	}
	if r.Gated {
		if _, err := policy.Compile(r.Audit.Spec.Policy); err != nil {
			return nil, v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, err)
		}
	}
	location, err := r.datasetLocation()
	if err != nil {
		return nil, err
	}
	if r.Audit.Spec.Dataset.Format != v1alpha1.FormatEmbeddings && !r.Embedded {
		if in.network, err = r.openNetwork(ctx); err != nil { // before a listing that may take long
			return nil, err
		}
		in.model = r.modelOf(in.network)
	}
	r.Progress.Stage(v1alpha1.StageRead, 0)
	if err := r.list(ctx, in, location); err != nil {
		return nil, err
	}
	r.Progress.Add(int64(in.dataset.Len()))
	if err := r.checkEvaluation(in.dataset); err != nil {
		return nil, err
	}
	r.describe(in.dataset)
	if in.doubts, err = r.described(ctx, in.bucket); err != nil {
		return nil, err
	}
	if err := r.checkBroken(in.dataset); err != nil {
		return nil, err
	}
	if in.kept, err = openKept(ctx, r.Work, r.Vectors); err != nil {
		return nil, err
	}
	if r.exchange != nil {
		r.exchange.kept = in.kept
	}
	if r.Embedded {
		return in, r.takeOver(ctx, in)
	}
	o := vectors.Options{Recipe: embed.Recipe(in.network, &r.Audit.Spec), Layers: []vectors.Layer{{Name: "embeddings", Dimensions: in.dataset.Dimensions()}}}
	if in.network != nil {
		o.Layers = in.network.Layers
	}
	if r.exchange != nil && in.network != nil { // what other kinds of machines have embedded is not embedded again
		left, _, err := r.handovers(ctx, in)
		if err != nil {
			return nil, err
		}
		o.Before = recipesOf(left)
	}
	return in, r.openStore(ctx, in, o)
}

// list opens the place of the dataset and lists its samples.
func (r *Run) list(ctx context.Context, in *inputs, location string) (err error) {
	var file string
	if in.bucket, file, err = storage.OpenAt(ctx, location); err != nil {
		return invalidIfAbsent(v1alpha1.ExitInvalidDataset, fmt.Errorf("dataset: %w", err))
	}
	in.dataset, err = dataset.OpenFile(ctx, in.bucket, file, r.Audit.Spec.Dataset, r.Audit.Spec.Duplicates.Removal.Column)
	return invalidIfAbsent(v1alpha1.ExitInvalidDataset, err)
}

func (r *Run) openNetwork(ctx context.Context) (*embed.Network, error) {
	spec := r.Audit.Spec.Model
	if spec == nil {
		return nil, v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, errors.New("model: required for a dataset of images"))
	}
	path := ""
	if spec.Builtin == "" {
		var err error
		if path, err = r.fetchModel(ctx); err != nil {
			return nil, err
		}
	} else if r.Model != "" {
		return nil, v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, fmt.Errorf("model.builtin is %s, and --model names a file: leave one out", spec.Builtin))
	}
	r.modelFile = path
	network, err := embed.OpenNetwork(path, spec, r.Audit.Spec.Runner.ExecutionProvider)
	if err != nil {
		return nil, err
	}
	if network.Note != "" {
		r.Progress.Note(network.Note)
	}
	return network, nil
}

// embedWhole embeds all that is not embedded yet, and begins the report. The caller closes the set.
func (r *Run) embedWhole(ctx context.Context, in *inputs) (*vectors.Set, *report.Findings, embed.Counts, error) {
	if err := r.doubtPreset(ctx, in); err != nil {
		return nil, nil, embed.Counts{}, err
	}
	estimated := 0.0
	if r.alone() {
		estimated = r.estimate(ctx, in)
	}
	set, counts, err := r.readVectors(ctx, in)
	if err != nil {
		return nil, nil, counts, err
	}
	if !r.partial() { // one pod is enough
		r.sweep(ctx, in.kept)
	}
	findings, err := r.findings(in, set)
	if err != nil {
		set.Close()
		return nil, nil, counts, err
	}
	if estimated > 0 {
		findings.Cost.EstimatedSeconds = new(v1alpha1.NewDecimal(math.Round(estimated)))
	}
	return set, findings, counts, nil
}

// findings begins the report: the samples that have vectors, and those that have none.
func (r *Run) findings(in *inputs, set *vectors.Set) (*report.Findings, error) {
	f := &report.Findings{Audit: r.Audit, Gated: r.Gated, Croissant: r.Croissant, Repeat: r.Repeat, Clean: r.Clean, Marks: r.Marks, Location: r.datasetPlace(), Folder: r.datasetFolder(), Ignored: ignored(in.dataset), Warnings: append(in.doubts, in.dataset.Warnings()...)}
	digester := dataset.NewDigester()
	for i, record := range set.Records {
		info := in.dataset.Info(i)
		if record.Unreadable != "" {
			f.Skipped = append(f.Skipped, report.Skipped{ID: info.ID, Reason: record.Unreadable})
		}
		digester.Add(info, record.Digest)
	}
	f.Digest = fmt.Sprintf("sha256:%x", digester.Sum())
	f.Measures = r.measured(set)
	if err := r.checkUnreadable(f.Skipped, len(set.Records)); err != nil {
		return nil, err
	}
	for _, i := range set.Index {
		info, record := in.dataset.Info(i), &set.Records[i]
		sample := duplicates.Sample{
			Index: i, ID: info.ID, Split: info.Split, Labels: info.Labels, Group: info.Group, Score: info.Score,
			Pixels: record.Pixels, Taken: record.Taken, Camera: record.Camera,
		}
		if in.dataset.Dimensions() == 0 {
			sample.Picture = duplicates.Picture{Bytes: binary.LittleEndian.Uint64(record.Digest[:]), Pixels: record.Picture}
		}
		f.Samples = append(f.Samples, sample)
	}
	f.Samples = append(f.Samples, in.baseline.samples()...)
	f.EvaluationSplits = r.evaluationSplits(splitsOf(f.Samples))
	if in.model != nil {
		f.Model = &v1alpha1.SummaryModel{Name: in.model.Name, Location: in.model.Location, SHA256: in.model.SHA256, Digest: in.model.Digest}
		f.Versions.ExecutionProvider, f.Versions.Device, f.Versions.ONNXRuntime = in.model.Provider, in.model.Device, in.model.Runtime
		f.Images = func(ctx context.Context, indices []int) iter.Seq2[report.Image, error] {
			return func(yield func(report.Image, error) bool) {
				for sample, err := range in.dataset.Pick(ctx, indices) {
					if !yield(report.Image{Index: sample.Index, Bytes: sample.Bytes, Err: sample.Err}, err) || err != nil {
						return
					}
				}
			}
		}
	}
	return f, nil
}

// splitsOf are the splits of samples, each once.
func splitsOf(samples []duplicates.Sample) []string {
	var splits []string
	seen := map[string]bool{}
	for _, s := range samples {
		if !seen[s.Split] {
			seen[s.Split] = true
			splits = append(splits, s.Split)
		}
	}
	return splits
}

func (r *Run) checkUnreadable(skipped []report.Skipped, total int) error {
	allowed, err := r.Audit.Spec.Dataset.AllowsUnreadable(int64(len(skipped)), int64(total))
	if err != nil {
		return v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, err)
	}
	if allowed && len(skipped) < total {
		return nil
	}
	problem := "more than dataset.maxUnreadable allows"
	if len(skipped) == total {
		problem = "so there is nothing to audit"
	}
	var first []string
	for _, s := range skipped[:min(3, len(skipped))] {
		first = append(first, fmt.Sprintf("%s (%s)", s.ID, s.Reason))
	}
	return v1alpha1.NewRunError(v1alpha1.ExitInvalidDataset, fmt.Errorf(
		"dataset: %d of %d samples can't be read, %s; the first: %s",
		len(skipped), total, problem, strings.Join(first, "; ")))
}

// fit is what was fitted on a layer, and the rows that it was applied to.
type fit struct {
	rows  rows
	model *pca.Model
}

// rows is a matrix of embeddings, read whole or by the row.
type rows interface {
	pca.Rows
	duplicates.Rows
}

// maxNearMisses bounds the pairs beyond the threshold that the report shows.
const maxNearMisses = 20_000

// layer reduces one layer's embeddings and finds the duplicates in it.
func (r *Run) layer(ctx context.Context, layer vectors.Layer, f *fit, findings *report.Findings, old *baseline.Layer, inspection *inspection, apart [][]int) (report.Layer, error) {
	none := report.Layer{}
	options, err := r.options(findings.EvaluationSplits)
	if err != nil {
		return none, err
	}
	options.Apart, options.NearMisses = apart, maxNearMisses
	inspection.joins(&options)
	listener := r.listen(&options)
	if old != nil {
		options.Norms, options.Scale = old.Norms, old.Scale
		if r.Audit.Spec.Duplicates.Threshold.Strategy.Relative() {
			options.Strategy = duplicates.Frozen{Distance: old.Threshold}
		}
	}
	defer r.space.Free()
	var reduced []float64
	if f.model, reduced, err = r.reduce(ctx, f.rows, r.reduction(f.rows.Len(), f.rows.Dimensions()), old); err != nil {
		return none, err
	}
	classes := r.classes(findings.Samples)
	familiar, err := r.familiarity(ctx, findings, classes, reduced, f.model.K())
	if err != nil {
		return none, err
	}
	result, err := duplicates.Find(ctx, findings.Samples, reduced, f.model.K(), f.rows, options)
	if err != nil {
		return none, err
	}
	if err := checkVectors(layer.Name, result); err != nil {
		return none, err
	}
	placed, err := r.layOut(ctx, listener, result)
	if err != nil {
		return none, err
	}
	return report.Layer{
		Name: layer.Name, Dimensions: layer.Dimensions,
		Components: f.model.K() - result.DroppedColumns, DroppedComponents: f.model.Dropped,
		Strategy: r.Audit.Spec.Duplicates.Threshold.Strategy, Result: result,
		Familiarity: familiar, Suspects: r.suspects(listener, classes, result), Classes: classes.names, Map: placed,
	}, nil
}

// reduce fits what is asked for on rows, or takes what was fitted on a baseline, and applies it to them. The search for
// neighbors, which comes next, is then announced. The caller frees r.space when it is done with the rows.
func (r *Run) reduce(ctx context.Context, x rows, asked reduction, old *baseline.Layer) (model *pca.Model, reduced []float64, err error) {
	advance := func(n int) { r.Progress.Add(int64(n)) }
	if old != nil {
		r.Progress.Stage(v1alpha1.StageReduce, int64(x.Len()))
		model = frozen(old)
	} else {
		r.Progress.Stage(v1alpha1.StageReduce, 2*int64(x.Len())) // every row is read to fit and to transform
		if model, err = r.fit(ctx, x, asked, advance); err != nil {
			return nil, nil, err
		}
	}
	reduced = spill.Make[float64](r.space, x.Len()*model.K())
	if err := model.TransformInto(ctx, reduced, x, r.Threads, advance); err != nil {
		return nil, nil, err
	}
	r.Progress.Stage(v1alpha1.StageNeighbors, int64(x.Len()))
	return model, reduced, nil
}

// A layer is dead, or a decoder wrong, where more than one in deadShare samples has the vector of another picture. In a
// handful it may be the pictures.
const (
	deadShare = 10
	handful   = 3
)

// checkVectors refuses a layer that gives different pictures one vector.
func checkVectors(layer string, r *duplicates.Result) error {
	if r.EqualVectors < handful || r.EqualVectors*deadShare <= len(r.Samples) {
		return nil
	}
	return v1alpha1.NewRunError(v1alpha1.ExitInvalidResult, fmt.Errorf(
		"layer %q gives %d of %d samples the very vector of another one, though their pixels differ: it does not tell these pictures apart; choose another layer, or look at model.preprocessing, whose crop may leave out what differs",
		layer, r.EqualVectors, len(r.Samples)))
}

func (r *Run) fit(ctx context.Context, x pca.Rows, asked reduction, advance func(n int)) (model *pca.Model, err error) {
	if asked.batch == 0 {
		model, err = pca.Exact(ctx, x, asked.components, r.Threads, advance)
	} else {
		model, err = pca.Incremental(ctx, x, asked.components, asked.batch, advance)
	}
	if err == nil && asked.held > 0 {
		model = model.Holding(asked.held)
	}
	return model, err
}

// report writes the results.
func (r *Run) report(ctx context.Context, out *storage.Bucket, e *embedded, fits []fit, inspection *inspection, started time.Time) (*v1alpha1.AuditSummary, error) {
	in, f := e.in, e.findings
	r.Progress.Stage(v1alpha1.StageReport, 0)
	if err := report.Begin(ctx, out); err != nil {
		return nil, err
	}
	if r.Audit.Spec.Output.Embeddings {
		if err := writeEmbeddings(ctx, out, e.set); err != nil {
			return nil, err
		}
	}
	if r.Audit.Spec.Output.Baseline {
		if err := r.writeBaseline(ctx, out, in, f, fits, inspection); err != nil {
			return nil, err
		}
	}
	f.Run = r.summaryRun(started)
	f.Run.SourcesSHA256 = in.sources
	f.Versions.Runner = r.Version
	addCost(&f.Cost, started, e.counts)
	return report.Write(ctx, out, f, func(string) { r.Progress.Add(1) })
}
