// Package index looks through a folder or object storage for the results of audits, and writes one page about all of
// them.
//
// Results are wherever a summary.json lies: below NAMESPACE/AUDIT/RUN, where the operator puts them, or in any other
// folder. Hidden folders are passed over, and links between folders are not followed. Of each summary only what the
// page shows is kept.
package index

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/findings"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// FileName is how the page is called unless its user names it.
const FileName = "index.html"

const (
	// maxSummary bounds a summary.json in bytes. Ours fit into a ConfigMap, but for the outcomes of rules.
	maxSummary = 1 << 20
	// maxRead is how many summaries are read: those that were written last.
	maxRead = 20_000
	// readers is how many are read at once, since an object store takes its time for each.
	readers = 16
	// maxRuns is how many runs of an audit are kept, the newest.
	maxRuns = 50
	// maxText bounds each text that is kept, in bytes.
	maxText = 200
)

// ErrNone is what Collect fails with where it finds no results that it can read.
var ErrNone = errors.New("no results of audits: name the --out of an audit, a folder above it, or the URL of spec.output.objectStorage")

// An Index is what lies in one place.
type Index struct {
	// Place names it: the last part of a folder's path, or a URL without its options.
	Place string
	// Audits are sorted, the worst first.
	Audits []Audit
	// Runs is the number of all runs that were read, also of those that Audits leaves out.
	Runs int
	// Unread are the results and folders that could not be read, by place.
	Unread []Unread
	// Passed is the number of older results that were not read, because there are too many.
	Passed int
}

// An Audit has one run at least.
type Audit struct {
	// Name is what its runs say, mostly NAMESPACE/NAME. Where they say nothing, it is the folder of the newest one.
	Name string
	// Runs begin with the newest.
	Runs []Run
	// Older is the number of runs that are left out of Runs.
	Older int
}

// A Run is what the page shows of one summary. The figures are those of the first layer.
type Run struct {
	// Folder holds the results. It is relative to the place, and "." for the place itself.
	Folder string
	// Report says that report.html is there, too.
	Report bool
	// ID is that of a run of the operator; empty for one by hand.
	ID string
	// Completed is zero where the summary doesn't say it.
	Completed time.Time

	// Verdict is what the rules came to; empty if that is not stored.
	Verdict metav1.ConditionStatus
	// Violated names the rules of severity Fail that are violated.
	Violated string

	// Layer is the first, and Layers how many there are.
	Layer  string
	Layers int

	Samples, Duplicates, Clusters, Effective int64
	// Leaked is nil where leakage was not judged.
	Leaked *int64

	Method string
	// Model is its name, empty for embeddings; ModelDigest is that of all that it computes with.
	Model, ModelDigest string
	// Location is where the dataset was read, and Digest is of its content.
	Location, Digest string

	audit string // as the summary names it
}

// Unread is a folder with results that could not be read, or a folder that could not be listed.
type Unread struct{ Folder, Reason string }

// Collect reads what lies in a folder or object storage. What can't be read is among the Unread, unless it is
// everything: then the error is ErrNone, or that of the storage. Verdicts, which may be nil, take the place of those that
// are stored.
func Collect(ctx context.Context, location string, verdicts Verdicts) (*Index, error) {
	bucket, err := storage.Open(ctx, location)
	if err != nil {
		return nil, err
	}
	defer func() { _ = bucket.Close() }() // was only read
	x := &Index{Place: bucket.String()}
	var found []result
	if folder, local := storage.LocalPath(location); local {
		if folder, err = filepath.Abs(folder); err != nil {
			return nil, fmt.Errorf("name the folder by its whole path: %w", err)
		}
		x.Place = filepath.Base(folder)
		found, err = x.walk(ctx, folder)
	} else {
		found, err = x.list(ctx, bucket)
	}
	if err != nil {
		return nil, err
	}
	if len(found) > maxRead {
		slices.SortFunc(found, func(a, b result) int {
			return cmp.Or(cmp.Compare(b.written, a.written), strings.Compare(a.folder, b.folder))
		})
		x.Passed = len(found) - maxRead
		found = found[:maxRead]
	}
	runs, err := x.read(ctx, bucket, found, verdicts)
	if err != nil {
		return nil, err
	}
	if len(runs) == 0 {
		return nil, x.none()
	}
	x.Runs, x.Audits = len(runs), group(runs)
	return x, nil
}

// none says what is wrong with a place of which nothing was read.
func (x *Index) none() error {
	if len(x.Unread) == 0 {
		return fmt.Errorf("%s holds %w", text.Quoted(x.Place), ErrNone)
	}
	first := x.Unread[0]
	return fmt.Errorf("%s holds %w. %s there could not be read: %s: %s", text.Quoted(x.Place), ErrNone,
		findings.Count(int64(len(x.Unread)), "place", "places"), text.Quoted(first.Folder), first.Reason)
}

// A result is a summary.json that was found.
type result struct {
	folder  string
	report  bool
	written int64 // in seconds since 1970
}

// passedOver says whether what has this name is not looked into: checkpoints and vectors lie in hidden folders, and
// lost+found is root's own, at the top of every ext4 volume.
func passedOver(name string) bool {
	return strings.HasPrefix(name, ".") && name != "." || name == "lost+found"
}

// walk finds the results in a local folder. Unlike a listing of storage it doesn't enter hidden folders, which may hold
// many files, and goes on where a folder can't be read.
func (x *Index) walk(ctx context.Context, folder string) ([]result, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // was only read
	var found []result
	err = fs.WalkDir(root.FS(), ".", func(key string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && key == ".":
			return err
		case err != nil:
			x.skip(key, err)
			return fs.SkipDir
		case entry.IsDir() && passedOver(entry.Name()):
			return fs.SkipDir
		case !entry.Type().IsRegular() || entry.Name() != v1alpha1.FileSummary:
			return nil
		}
		r := result{folder: path.Dir(key)}
		if info, err := entry.Info(); err == nil { // else reading it says what is wrong
			r.written = info.ModTime().Unix()
		}
		page, err := root.Lstat(path.Join(r.folder, v1alpha1.FileReport))
		r.report = err == nil && page.Mode().IsRegular()
		found = append(found, r)
		return nil
	})
	return found, err
}

// list finds the results in an object store, which lists all that it holds.
func (x *Index) list(ctx context.Context, bucket *storage.Bucket) ([]result, error) {
	objects, err := bucket.List(ctx, "")
	if err != nil {
		return nil, err
	}
	var found []result
	reports := map[string]bool{}
	for _, o := range objects {
		folder, name := path.Dir(o.Key), path.Base(o.Key)
		if name != v1alpha1.FileSummary && name != v1alpha1.FileReport || slices.ContainsFunc(strings.Split(folder, "/"), passedOver) {
			continue
		}
		switch {
		case name == v1alpha1.FileReport:
			reports[folder] = o.Err == nil
		case o.Err != nil:
			x.skip(folder, o.Err)
		default:
			found = append(found, result{folder: folder, written: o.Modified})
		}
	}
	for i := range found {
		found[i].report = reports[found[i].folder]
	}
	return found, nil
}

// skip remembers what could not be read. Only the cause is told: the place is there already, and a path of this machine
// has no business on a page for others.
func (x *Index) skip(folder string, err error) {
	if stored, ok := errors.AsType[*storage.Error](err); ok {
		err = stored.Err
	} else if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err
	}
	x.Unread = append(x.Unread, Unread{folder, bounded(text.Line(err.Error()))})
}

// read reads the summaries, and leaves those out that it can't.
func (x *Index) read(ctx context.Context, bucket *storage.Bucket, found []result, verdicts Verdicts) ([]Run, error) {
	runs, failed := make([]*Run, len(found)), make([]error, len(found))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i := range found {
		group.Go(func() error {
			data, err := bucket.ReadAll(ctx, path.Join(found[i].folder, v1alpha1.FileSummary), maxSummary)
			if err == nil {
				runs[i], err = parse(data)
			}
			if err == nil {
				runs[i].Folder, runs[i].Report = found[i].folder, found[i].report
				verdicts.judge(runs[i], fmt.Sprintf("%x", sha256.Sum256(data)))
			}
			failed[i] = err
			return context.Cause(ctx)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var out []Run
	for i, r := range found {
		if failed[i] != nil {
			x.skip(r.folder, failed[i])
			continue
		}
		out = append(out, *runs[i])
	}
	slices.SortFunc(x.Unread, func(a, b Unread) int { return strings.Compare(a.Folder, b.Folder) })
	return out, nil
}

// stored is what is read of a summary.json: less than v1alpha1.AuditSummary, so that a small file of empty lists, which
// anyone may have put there, doesn't need a hundred times its size.
type stored struct {
	SchemaVersion int32 `json:"schemaVersion"`
	Run           struct {
		ID          string       `json:"id"`
		Audit       string       `json:"audit"`
		CompletedAt *metav1.Time `json:"completedAt"`
	} `json:"run"`
	Dataset struct {
		Location string `json:"location"`
		Digest   string `json:"digest"`
	} `json:"dataset"`
	Model  *v1alpha1.SummaryModel `json:"model"`
	Layers storedLayers           `json:"layers"`
	Policy *struct {
		Compliant metav1.ConditionStatus `json:"compliant"`
		Rules     []struct {
			Name     string                  `json:"name"`
			Severity v1alpha1.PolicySeverity `json:"severity"`
			Outcome  v1alpha1.RuleOutcome    `json:"outcome"`
		} `json:"rules"`
	} `json:"policy"`
}

// storedLayers is the first layer, and how many there are.
type storedLayers struct {
	first storedLayer
	n     int
}

// UnmarshalJSON keeps no more than the first of a list that may be as long as the file.
func (l *storedLayers) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if token, err := decoder.Token(); err != nil || token != json.Delim('[') {
		return errors.New("layers are not a list")
	}
	for decoder.More() {
		var skipped json.RawMessage
		into := any(&skipped)
		if l.n == 0 {
			into = &l.first
		}
		if err := decoder.Decode(into); err != nil {
			return err
		}
		l.n++
	}
	return nil
}

type storedLayer struct {
	Layer            string `json:"layer"`
	Samples          int64  `json:"samples"`
	Clusters         int64  `json:"clusters"`
	DuplicateSamples int64  `json:"duplicateSamples"`
	EffectiveSize    int64  `json:"effectiveSize"`
	Threshold        struct {
		Strategy v1alpha1.ThresholdStrategy `json:"strategy"`
	} `json:"threshold"`
	Local   *struct{} `json:"local"`
	Leakage *struct {
		Samples int64 `json:"samples"`
	} `json:"leakage"`
}

// parse reads a summary.
func parse(data []byte) (*Run, error) {
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("not JSON of an audit: %w", err)
	}
	switch {
	case s.SchemaVersion == 0 || s.Layers.n == 0 || s.Dataset.Digest == "":
		return nil, errors.New("not the summary of an audit: another program wrote it")
	case s.SchemaVersion > v1alpha1.SummarySchemaVersion:
		return nil, fmt.Errorf("its schemaVersion is %d, and this program reads up to %d: take a later version of it", s.SchemaVersion, v1alpha1.SummarySchemaVersion)
	}
	l := &s.Layers.first
	r := &Run{
		ID: bounded(s.Run.ID), audit: bounded(s.Run.Audit),
		Layer: bounded(l.Layer), Layers: s.Layers.n,
		Samples: l.Samples, Duplicates: l.DuplicateSamples, Clusters: l.Clusters, Effective: l.EffectiveSize,
		Method: l.method(), Location: bounded(s.Dataset.Location), Digest: bounded(s.Dataset.Digest),
	}
	if s.Run.CompletedAt != nil {
		r.Completed = s.Run.CompletedAt.UTC()
	}
	if l.Leakage != nil {
		r.Leaked = new(l.Leakage.Samples)
	}
	figures := []int64{r.Samples, r.Duplicates, r.Clusters, r.Effective, r.leaked()}
	if slices.Min(figures) < 0 || slices.Max(figures) > math.MaxInt64/2 { // their differences are shown
		return nil, errors.New("its figures can't be those of an audit: another program wrote it, or it is damaged")
	}
	if m := s.Model; m != nil {
		r.Model = bounded(cmp.Or(m.Name, path.Base(m.Location)))
		r.ModelDigest = bounded(cmp.Or(m.Digest, m.SHA256))
	}
	if p := s.Policy; p != nil {
		r.Verdict = metav1.ConditionUnknown
		if p.Compliant == metav1.ConditionTrue || p.Compliant == metav1.ConditionFalse {
			r.Verdict = p.Compliant
		}
		var violated []string
		for _, rule := range p.Rules {
			if rule.Severity == v1alpha1.SeverityFail && rule.Outcome == v1alpha1.RuleViolated {
				violated = append(violated, rule.Name)
			}
		}
		if len(violated) > 0 {
			r.Violated = strings.Clone(findings.Names(violated, "and"))
		}
	}
	return r, nil
}

// method is the method in words.
func (l *storedLayer) method() string {
	if l.Local != nil {
		return string(v1alpha1.MethodLocal)
	}
	method := string(v1alpha1.MethodReference)
	if l.Threshold.Strategy != "" {
		method += " by " + string(l.Threshold.Strategy)
	}
	return bounded(method)
}

// bounded is a text that may be kept: short, in one line, and holding on to nothing larger.
func bounded(s string) string {
	return strings.Clone(text.Cut(text.Name(text.Prefix(s, 4*maxText)), maxText))
}

func (r *Run) leaked() int64 {
	if r.Leaked == nil {
		return 0
	}
	return *r.Leaked
}

// group puts runs together that name the same audit and lie in one folder. The name alone would not do: by hand, an
// audit is called after the last part of its dataset's path, such as images, and what one tenant wrote may name
// another's audit.
func group(runs []Run) []Audit {
	type key struct{ name, above string }
	groups := map[key][]Run{}
	for _, r := range runs {
		k := key{r.audit, path.Dir(r.Folder)}
		groups[k] = append(groups[k], r)
	}
	var audits []Audit
	for k, runs := range groups {
		slices.SortFunc(runs, func(a, b Run) int {
			return cmp.Or(b.Completed.Compare(a.Completed), strings.Compare(a.Folder, b.Folder))
		})
		a := Audit{Name: cmp.Or(k.name, text.Name(runs[0].Folder)), Runs: runs}
		if len(runs) > maxRuns {
			a.Runs, a.Older = slices.Clone(runs[:maxRuns]), len(runs)-maxRuns
		}
		audits = append(audits, a)
	}
	slices.SortFunc(audits, worse)
	return audits
}

// worse sorts audits by their newest runs: by violated rules, then by leaks, undecided rules and duplicates.
func worse(a, b Audit) int {
	x, y := &a.Runs[0], &b.Runs[0]
	first := func(is func(*Run) bool) int {
		switch {
		case is(x) == is(y):
			return 0
		case is(x):
			return -1
		default:
			return 1
		}
	}
	return cmp.Or(
		first(func(r *Run) bool { return r.Verdict == metav1.ConditionFalse }),
		cmp.Compare(y.leaked(), x.leaked()),
		first(func(r *Run) bool { return r.Verdict == metav1.ConditionUnknown }),
		cmp.Compare(y.share(), x.share()),
		strings.Compare(a.Name, b.Name),
		strings.Compare(x.Folder, y.Folder),
	)
}

// share is that of the samples that are in clusters.
func (r *Run) share() float64 { return float64(r.Duplicates) / float64(max(r.Samples, 1)) }
