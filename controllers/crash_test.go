package controllers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// writes are the requests of an operator that change something, events and leases not counted. At one of them the
// operator can be killed: it is as if its process had ended before, or just after, the API server did what was asked.
type writes struct {
	mu     sync.Mutex
	done   []string
	events int
	killAt int // from 1; 0: never
	after  bool
	dead   chan struct{}
}

var errKilled = errors.New("the operator's process has ended")

// count puts w between an operator and the API server.
func (w *writes) count(config *rest.Config) {
	w.dead = make(chan struct{})
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) { return w.roundTrip(next, request) })
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

func (w *writes) roundTrip(next http.RoundTripper, request *http.Request) (*http.Response, error) {
	if w.killed() {
		return nil, errKilled
	}
	if request.Method == http.MethodGet {
		return next.RoundTrip(request)
	}
	if strings.Contains(request.URL.Path, "/events") {
		w.mu.Lock()
		w.events++
		w.mu.Unlock()
		return next.RoundTrip(request)
	}
	w.mu.Lock()
	w.done = append(w.done, request.Method+" "+request.URL.Path)
	kill := len(w.done) == w.killAt
	w.mu.Unlock()
	if !kill {
		return next.RoundTrip(request)
	}
	if w.after {
		if response, err := next.RoundTrip(request); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	}
	close(w.dead)
	return nil, errKilled
}

func (w *writes) killed() bool {
	select {
	case <-w.dead:
		return true
	default:
		return false
	}
}

func (w *writes) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.done...)
}

// writesOfARun is how many writes a first run takes from apply to the end, if nothing goes wrong: the run in status,
// three ConfigMaps, record, account, role, binding and Job, three statuses (started, working, results), and the end of
// role and binding. None can be spared: the run must be known before its children, the children before the pod, a
// change before what follows it. Here the pod is quicker than the operator sometimes, which then spares the status that
// says it works.
const writesOfARun = 14

// TestKilledBetweenWrites kills the operator before and after each of its writes, and starts it again.
func TestKilledBetweenWrites(t *testing.T) {
	for at := 1; at <= writesOfARun; at++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, done %v", at, after), func(t *testing.T) {
				if w := killed(t, audits.New("cars"), at, after, 1); !w.killed() && at < writesOfARun-1 {
					t.Errorf("only %d writes: %q", len(w.seen()), w.seen())
				}
			})
		}
	}
}

// TestKilledBetweenSteps does so where a run has three Jobs, from the first one on: each of the others adds its Job and
// two statuses at most.
func TestKilledBetweenSteps(t *testing.T) {
	audit := audits.New("cars")
	audit.Spec.Runner.Parallelism = new(int32(2))
	audit.Spec.Workspace = &v1alpha1.WorkspaceSpec{PersistentVolumeClaim: &v1alpha1.ClaimSource{ClaimName: "scratch"}}
	for at := 8; at <= writesOfARun+6; at++ {
		t.Run(fmt.Sprintf("write %d, done %v", at, at%2 == 0), func(t *testing.T) {
			if w := killed(t, audit.DeepCopy(), at, at%2 == 0, 3); !w.killed() && at <= writesOfARun { // and two Jobs more
				t.Errorf("only %d writes: %q", len(w.seen()), w.seen())
			}
		})
	}
}

// killed kills the operator at one of its writes of a run, starts it again, and holds that the run has so many Jobs and
// ends as if nothing had happened.
func killed(t *testing.T, audit *v1alpha1.DatasetAudit, at int, after bool, jobs int) *writes {
	t.Helper()
	l := newLab(t)
	made := l.watchJobs()
	ctx, cancel := context.WithCancel(l.ctx)
	done := make(chan struct{})
	go func() { l.play(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })

	w := &writes{killAt: at, after: after}
	stop := l.start(w.count)
	l.apply(audit)
	l.eventually("the kill, or the end", func() error {
		if w.killed() || reasonOf(l.get("cars"), v1alpha1.ConditionReady) == "True/Succeeded" && settled(l, l.get("cars")) {
			return nil
		}
		return fmt.Errorf("writes so far: %q", w.seen())
	})
	stop()
	l.start()
	got := l.ready("cars")
	l.eventually("role and binding go", func() error {
		if !settled(l, got) {
			return fmt.Errorf("there are %q", l.ofAudit(got))
		}
		return nil
	})
	if names := made(); len(names) != jobs {
		t.Errorf("Jobs: %q, want %d", names, jobs)
	}
	if run := got.Status.Run; run.Attempt != 1 || run.Trigger != v1alpha1.TriggerSpecChanged || len(got.Status.History) != 1 {
		t.Errorf("run %+v, history %+v", run, got.Status.History)
	}
	return w
}

func settled(l *lab, audit *v1alpha1.DatasetAudit) bool {
	for _, child := range l.ofAudit(audit) {
		if strings.Contains(child, "Role") {
			return false
		}
	}
	return true
}

// watchJobs returns the names of all Jobs that were ever made in the lab's namespace.
func (l *lab) watchJobs() func() []string {
	l.Helper()
	events, err := l.admin.Watch(l.ctx, &batchv1.JobList{}, client.InNamespace(l.namespace))
	l.must(err)
	l.Cleanup(events.Stop)
	var mu sync.Mutex
	var names []string
	go func() {
		for event := range events.ResultChan() {
			if job, ok := event.Object.(*batchv1.Job); ok && event.Type == apiwatch.Added {
				mu.Lock()
				names = append(names, job.Name)
				mu.Unlock()
			}
		}
	}()
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), names...)
	}
}

// A look at an audit that is older than what it would remove, as a cache may give, removes nothing.
func TestStaleLook(t *testing.T) {
	l := newLab(t)
	l.start()
	l.apply(audits.New("cars"))
	l.pod()
	stale := l.is("cars", v1alpha1.ConditionReady, "Unknown/Starting")
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Duplicates.Neighbors = new(int32(5)) })
	l.eventually("the next run's Job", func() error {
		jobs := l.jobs()
		return unless(len(jobs) == 1 && jobs[0].Labels[v1alpha1.LabelRun] != stale.Status.Run.ID, "not yet")
	})
	r := &Reconciler{Client: l.admin, APIReader: l.admin}
	job := l.jobs()[0]
	if err := r.act(l.ctx, stale, &plan{remove: []client.Object{&job}}); !errors.Is(err, errStale) {
		t.Errorf("error is %v", err)
	}
	if len(l.jobs()) != 1 {
		t.Error("the Job is gone")
	}
}
