package gate

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta2"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// writesOfALife is what the gate writes for a job that waits and starts: that the check is active, why the job is held, that
// it is deactivated and activated again, and that it may start.
const writesOfALife = 5

var errKilled = errors.New("the gate's process has ended")

// A killer ends a gate at one of its writes, before it is done or after. Events don't count.
type killer struct {
	at     int32
	after  bool
	writes atomic.Int32
	dead   atomic.Bool
}

func (k *killer) of(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			if k.dead.Load() {
				return nil, errKilled
			}
			if request.Method == http.MethodGet || strings.Contains(request.URL.Path, "/events") || k.writes.Add(1) != k.at {
				return next.RoundTrip(request)
			}
			if k.after {
				if response, err := next.RoundTrip(request); err == nil {
					_ = response.Body.Close()
				}
			}
			k.dead.Store(true)
			return nil, errKilled
		})
	})
	return config
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// A gate that is killed around any of its writes, and started again, holds a job and lets it start as if nothing had
// happened.
func TestKilledBetweenWrites(t *testing.T) {
	needs.ControlPlane(t)
	s, err := newServer() // of its own: the others' gate would do the work
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.env.Stop() })
	for at := range int32(writesOfALife) {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, done %v", at+1, after), func(t *testing.T) {
				l := openLab(t, s, nil)
				k := &killer{at: at + 1, after: after}
				stop, err := s.guard(k.of(s.manager))
				l.must(err)
				defer func() { stop() }()
				restarted := false
				becomes := func(what string, ok func(*kueue.Workload) bool) *kueue.Workload {
					t.Helper()
					w := &kueue.Workload{}
					l.eventually(what, func() error {
						if k.dead.Load() && !restarted {
							stop()
							stop, err = s.guard(s.manager)
							l.must(err)
							restarted = true
						}
						l.must(l.admin.Get(t.Context(), client.ObjectKey{Namespace: l.namespace, Name: "train"}, w))
						if !ok(w) {
							return fmt.Errorf("%q, active %v, %+v", w.Annotations, active(w), w.Status.AdmissionChecks)
						}
						return nil
					})
					return w
				}
				l.workload("train", named("late"))
				w := becomes("it is held", held)
				quota := func(reserved metav1.ConditionStatus, evicted metav1.ConditionStatus) {
					l.status(w, func(w *kueue.Workload) {
						meta.SetStatusCondition(&w.Status.Conditions, metav1.Condition{Type: kueue.WorkloadEvicted, Status: evicted, Reason: kueue.WorkloadDeactivated})
						meta.SetStatusCondition(&w.Status.Conditions, metav1.Condition{Type: kueue.WorkloadQuotaReserved, Status: reserved, Reason: "x"})
					})
				}
				quota(metav1.ConditionFalse, metav1.ConditionTrue)
				l.audit("late")
				w = becomes("it is active again", func(w *kueue.Workload) bool { return active(w) && w.Annotations[v1alpha1.AnnotationHeld] == "" })
				quota(metav1.ConditionTrue, metav1.ConditionFalse)
				becomes("it may start", func(w *kueue.Workload) bool { return w.Status.AdmissionChecks[0].State == kueue.CheckStateReady })
				if !k.dead.Load() {
					t.Errorf("it wrote only %d times", k.writes.Load())
				}
			})
		}
	}
}
