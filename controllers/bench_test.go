package controllers

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// BenchmarkAudits creates AUDITS audits at once, runs all to their end, and then lets the operator look at all of them
// again as often as in ten minutes with a resync every minute: what it costs, and that the last costs no write.
func BenchmarkAudits(b *testing.B) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		b.Skip("KUBEBUILDER_ASSETS names no control plane: make bench-controller sets it")
	}
	n, err := strconv.Atoi(os.Getenv("AUDITS"))
	if err != nil {
		n = 1000
	}
	for b.Loop() {
		benchmarkAudits(b, n)
	}
}

func benchmarkAudits(b *testing.B, n int) {
	l := openLab(b)
	created := l.jobTimes()
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	counter := &writes{}
	memory := heap()
	stop := l.start(counter.count)
	reconciles := reconcileCount(b)

	begin := time.Now()
	applied := make([]time.Time, n)
	parallel(n, func(i int) {
		applied[i] = time.Now()
		l.apply(audits.New(fmt.Sprintf("audit-%04d", i)))
	})
	applying := time.Since(begin)
	go l.play(ctx)
	ready := &v1alpha1.DatasetAuditList{}
	for deadline := time.Now().Add(20 * time.Minute); ; {
		l.must(l.admin.List(ctx, ready, client.InNamespace(l.namespace)))
		left := 0
		for i := range ready.Items {
			if reasonOf(&ready.Items[i], v1alpha1.ConditionReady) != "True/Succeeded" {
				left++
			}
		}
		if left == 0 {
			break
		}
		if time.Now().After(deadline) {
			b.Fatalf("%d audits are not ready", left)
		}
		time.Sleep(time.Second)
	}
	total := time.Since(begin)
	l.eventually("all roles are gone", func() error { return l.noRoles() })
	written := len(counter.seen())
	byKind := kindsOf(counter.seen())
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		b.Logf("%6.3f writes an audit: %s", float64(byKind[kind])/float64(n), kind)
	}

	times := created()
	latencies := make([]time.Duration, 0, n)
	for i, at := range applied {
		latencies = append(latencies, times[fmt.Sprintf("audit-%04d", i)].Sub(at))
	}
	slices.Sort(latencies)
	b.ReportMetric(float64(reconcileCount(b)-reconciles)/float64(n), "reconciles/audit")
	b.ReportMetric(float64(written)/float64(n), "writes/audit")
	counter.mu.Lock()
	b.ReportMetric(float64(counter.events)/float64(n), "events/audit")
	counter.mu.Unlock()
	b.ReportMetric(latencies[n/2].Seconds(), "p50-s-to-Job")
	b.ReportMetric(latencies[n*99/100].Seconds(), "p99-s-to-Job")
	b.ReportMetric(applying.Seconds(), "s-to-apply-all")
	b.ReportMetric(total.Seconds(), "s-to-all-Ready")
	b.ReportMetric((heap()-memory)/(1<<20), "MiB-heap")

	// A restart is a look at every audit; ten of them are ten resyncs.
	stop()
	counter = &writes{}
	for range 10 {
		before := reconcileCount(b)
		again := l.start(counter.count)
		l.eventually("a look at all", func() error {
			if seen := reconcileCount(b) - before; seen < n {
				return fmt.Errorf("%d of %d", seen, n)
			}
			return nil
		})
		again()
	}
	idle := counter.seen()
	b.ReportMetric(float64(len(idle)), "idle-writes")
	if len(idle) > 0 {
		b.Errorf("audits at rest are written: %q", idle)
	}
}

// kindsOf counts writes by what they do to which resource.
func kindsOf(written []string) map[string]int {
	counts := map[string]int{}
	for _, line := range written {
		method, path, _ := strings.Cut(line, " ")
		parts := strings.Split(path, "/")
		if at := slices.Index(parts, "namespaces"); at >= 0 && at+2 < len(parts) {
			parts = parts[at+2:]
		}
		kind := method + " " + parts[0]
		if len(parts) > 2 {
			kind += "/" + parts[2]
		}
		counts[kind]++
	}
	return counts
}

func parallel(n int, f func(int)) {
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for i := worker; i < n; i += 8 {
				f(i)
			}
		})
	}
	wait.Wait()
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// reconcileCount is how often the controller has looked at an audit in this process.
func reconcileCount(b *testing.B) int {
	families, err := metrics.Registry.Gather()
	if err != nil {
		b.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() == "controller_runtime_reconcile_total" {
			for _, m := range family.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return int(sum)
}

// jobTimes returns when each audit's first Job was seen.
func (l *lab) jobTimes() func() map[string]time.Time {
	l.Helper()
	events, err := l.admin.Watch(l.ctx, &batchv1.JobList{}, client.InNamespace(l.namespace))
	l.must(err)
	l.Cleanup(events.Stop)
	var mu sync.Mutex
	seen := map[string]time.Time{}
	go func() {
		for event := range events.ResultChan() {
			if job, ok := event.Object.(*batchv1.Job); ok && event.Type == apiwatch.Added {
				mu.Lock()
				seen[job.Labels[v1alpha1.LabelAudit]] = time.Now()
				mu.Unlock()
			}
		}
	}()
	return func() map[string]time.Time {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(seen)
	}
}

func (l *lab) noRoles() error {
	for _, list := range []client.ObjectList{&rbacv1.RoleList{}, &rbacv1.RoleBindingList{}} {
		if err := l.admin.List(l.ctx, list, client.InNamespace(l.namespace)); err != nil {
			return err
		}
		if n := meta.LenList(list); n > 0 {
			return fmt.Errorf("%d left", n)
		}
	}
	return nil
}
