package controllers

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// What a platform's policy refuses in a spec.
func TestRefusals(t *testing.T) {
	model, other := strings.Repeat("a", 64), strings.Repeat("b", 64)
	gpus := func(n string, pods int32) func(*v1alpha1.DatasetAuditSpec) {
		return func(s *v1alpha1.DatasetAuditSpec) {
			s.Runner.Resources.Limits = corev1.ResourceList{"nvidia.com/gpu": resource.MustParse(n), "memory": resource.MustParse("64Gi")}
			s.Runner.Parallelism = &pods
		}
	}
	bounded := func(b v1alpha1.PolicyBounds) v1alpha1.DatasetAuditPolicySpec {
		return v1alpha1.DatasetAuditPolicySpec{Allows: b}
	}
	required := func(r v1alpha1.PolicyRequirements) v1alpha1.DatasetAuditPolicySpec {
		return v1alpha1.DatasetAuditPolicySpec{Requires: r}
	}
	for name, test := range map[string]struct {
		asked v1alpha1.DatasetAuditPolicySpec
		spec  func(*v1alpha1.DatasetAuditSpec)
		want  string // begins so; empty: nothing is refused
	}{
		"nothing asked":   {v1alpha1.DatasetAuditPolicySpec{}, gpus("8", 100), ""},
		"another method":  {required(v1alpha1.PolicyRequirements{Method: v1alpha1.MethodReference}), nil, "duplicates.method is Local"},
		"the same method": {required(v1alpha1.PolicyRequirements{Method: v1alpha1.MethodLocal}), nil, ""},
		"no split":        {required(v1alpha1.PolicyRequirements{EvaluationSplits: []string{"test"}}), nil, "dataset.evaluationSplits lacks test"},
		"the split": {required(v1alpha1.PolicyRequirements{EvaluationSplits: []string{"test"}}), func(s *v1alpha1.DatasetAuditSpec) {
			s.Dataset.EvaluationSplits = []string{"val", "test"}
		}, ""},
		"no reference": {required(v1alpha1.PolicyRequirements{References: []string{"mmlu"}}), nil, "references lacks mmlu"},
		"the reference": {required(v1alpha1.PolicyRequirements{References: []string{"mmlu"}}), func(s *v1alpha1.DatasetAuditSpec) {
			s.References = []v1alpha1.ReferenceSpec{{Name: "mmlu"}}
		}, ""},
		"no schedule":    {required(v1alpha1.PolicyRequirements{Schedule: true}), nil, "schedule is absent"},
		"a schedule":     {required(v1alpha1.PolicyRequirements{Schedule: true}), func(s *v1alpha1.DatasetAuditSpec) { s.Schedule = &v1alpha1.ScheduleSpec{Cron: "@daily"} }, ""},
		"no image named": {bounded(v1alpha1.PolicyBounds{Images: []string{"registry.example"}}), nil, ""},
		"another image": {bounded(v1alpha1.PolicyBounds{Images: []string{"registry.example"}}), func(s *v1alpha1.DatasetAuditSpec) { s.Runner.Image = "registry.example.evil/runner" },
			"runner.image registry.example.evil/runner is not among registry.example"},
		"another model": {bounded(v1alpha1.PolicyBounds{ModelSHA256: []string{model}}), func(s *v1alpha1.DatasetAuditSpec) { s.Model.SHA256 = other }, "model.sha256"},
		"no digest":     {bounded(v1alpha1.PolicyBounds{ModelSHA256: []string{model}}), nil, "model.sha256"},
		"the model":     {bounded(v1alpha1.PolicyBounds{ModelSHA256: []string{model}}), func(s *v1alpha1.DatasetAuditSpec) { s.Model.SHA256 = model }, ""},
		"the built-in":  {bounded(v1alpha1.PolicyBounds{ModelSHA256: []string{model}}), func(s *v1alpha1.DatasetAuditSpec) { s.Model.Builtin = v1alpha1.BuiltinPixels }, ""},
		"no model":      {bounded(v1alpha1.PolicyBounds{ModelSHA256: []string{model}}), func(s *v1alpha1.DatasetAuditSpec) { s.Model = nil }, ""},
		"many pods":     {bounded(v1alpha1.PolicyBounds{Parallelism: new(int32(4))}), gpus("0", 5), "runner.parallelism is 5, at most 4"},
		"enough pods":   {bounded(v1alpha1.PolicyBounds{Parallelism: new(int32(4))}), gpus("0", 4), ""},
		"many GPUs":     {bounded(v1alpha1.PolicyBounds{GPUs: new(int32(4))}), gpus("2", 3), "its pods have 6 GPUs at once, at most 4"},
		"enough GPUs":   {bounded(v1alpha1.PolicyBounds{GPUs: new(int32(4))}), gpus("2", 2), ""},
		"no GPUs":       {bounded(v1alpha1.PolicyBounds{GPUs: new(int32(0))}), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			spec := audits.New("cars").Spec
			if test.spec != nil {
				test.spec(&spec)
			}
			got := strings.Join(refusals(&test.asked, &spec), "; ")
			if (got == "") != (test.want == "") || !strings.HasPrefix(got, test.want) {
				t.Errorf("refused: %q, want %q", got, test.want)
			}
		})
	}
}

// An image belongs to a repository, to the folders around it and to its registry, and to nothing of a longer name.
func TestIsImageOf(t *testing.T) {
	const image = "registry.example:5000/team/runner@sha256:00"
	for allowed, want := range map[string]bool{
		"registry.example:5000": true, "registry.example:5000/": true, "registry.example:5000/team": true, "registry.example:5000/team/": true,
		"registry.example:5000/team/runner": true, image: true,
		"registry.example": true, "registry.example/": false, "registry.ex": false, "registry.example:5000/te": false, "registry.example:5000/team/run": false,
		"registry.example:5000/team/runner/": false, "": false,
	} {
		if got := isImageOf(image, allowed); got != want {
			t.Errorf("%q: %v", allowed, got)
		}
	}
}

// The platform's rules stand beside the audit's, which can neither remove nor replace them.
func TestPlatformRules(t *testing.T) {
	leakage := v1alpha1.PolicyRule{Name: "leakage", Expression: "layer.leakage.samples == 0", Severity: v1alpha1.SeverityFail}
	always := v1alpha1.PolicyRule{Name: "leakage", Expression: "layer.samples > 0", Severity: v1alpha1.SeverityFail}
	typo := v1alpha1.PolicyRule{Name: "typo", Expression: "layer.leakagee.samples == 0", Severity: v1alpha1.SeverityFail}
	asks := func(name string, change func(*v1alpha1.DatasetAuditPolicySpec)) v1alpha1.DatasetAuditPolicy {
		p := v1alpha1.DatasetAuditPolicy{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 3}}
		change(&p.Spec)
		return p
	}
	rules := func(rules ...v1alpha1.PolicyRule) func(*v1alpha1.DatasetAuditPolicySpec) {
		return func(s *v1alpha1.DatasetAuditPolicySpec) { s.Rules = rules }
	}
	for name, test := range map[string]struct {
		own                  []v1alpha1.PolicyRule
		policies             []v1alpha1.DatasetAuditPolicy
		wantCompliant, ready string
		wantRules            []string
		wantProblem          string
	}{
		"none":                {nil, nil, "Unknown/NoPolicy", "True/Succeeded", nil, ""},
		"the platform's only": {nil, []v1alpha1.DatasetAuditPolicy{asks("all", rules(leakage))}, "False/RulesViolated", "True/Succeeded", []string{"all/leakage Violated"}, ""},
		"one of the same name": {
			[]v1alpha1.PolicyRule{always},
			[]v1alpha1.DatasetAuditPolicy{asks("all", rules(leakage)), asks("vision", rules(always))},
			"False/RulesViolated", "True/Succeeded", []string{"all/leakage Violated", "vision/leakage Fulfilled", "leakage Fulfilled"}, "",
		},
		"one that does not compile": {
			[]v1alpha1.PolicyRule{always},
			[]v1alpha1.DatasetAuditPolicy{asks("all", rules(typo)), asks("vision", rules(always))},
			"Unknown/InvalidPolicy", "True/Succeeded", nil, `rule "typo"`,
		},
		"what is not allowed": {
			[]v1alpha1.PolicyRule{always},
			[]v1alpha1.DatasetAuditPolicy{asks("all", func(s *v1alpha1.DatasetAuditPolicySpec) { s.Requires.Schedule = true })},
			"False/Forbidden", "False/Forbidden", nil, "schedule is absent",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := done()
			s.Spec.Policy.Rules, s.o.policies = test.own, test.policies
			run := s.Status.Run.ID
			s.store()
			if got := reasonOf(s.DatasetAudit, v1alpha1.ConditionCompliant); got != test.wantCompliant {
				t.Errorf("Compliant is %s: %s", got, messageOf(s.DatasetAudit, v1alpha1.ConditionCompliant))
			}
			if got := reasonOf(s.DatasetAudit, v1alpha1.ConditionReady); got != test.ready {
				t.Errorf("Ready is %s", got)
			}
			var got []string
			for _, r := range s.Status.Rules {
				got = append(got, r.Name+" "+string(r.Outcome))
			}
			if diff := cmp.Diff(test.wantRules, got); diff != "" {
				t.Error(diff)
			}
			if s.Status.Run.ID != run {
				t.Error("a policy starts a run")
			}
			if len(s.Status.Policies) != len(test.policies) {
				t.Fatalf("policies: %+v", s.Status.Policies)
			}
			for i, p := range s.Status.Policies {
				if p.Name != test.policies[i].Name || p.Generation != 3 || i == 0 && !strings.Contains(p.Problem, test.wantProblem) || i > 0 && p.Problem != "" {
					t.Errorf("%+v", p)
				}
			}
		})
	}
}

// What a policy does not allow starts no run, and a run that lives goes on.
func TestForbiddenRun(t *testing.T) {
	forbid := []v1alpha1.DatasetAuditPolicy{{ObjectMeta: metav1.ObjectMeta{Name: "all"}, Spec: v1alpha1.DatasetAuditPolicySpec{Requires: v1alpha1.PolicyRequirements{Schedule: true}}}}
	s := newScene()
	s.o.policies = forbid
	s.store()
	if s.Status.Run != nil || reasonOf(s.DatasetAudit, v1alpha1.ConditionStalled) != "True/Forbidden" {
		t.Errorf("run %+v, Stalled %s", s.Status.Run, reasonOf(s.DatasetAudit, v1alpha1.ConditionStalled))
	}
	s = running()
	s.o.policies = forbid
	s.store()
	if !live(s.Status.Run) || reasonOf(s.DatasetAudit, v1alpha1.ConditionCompliant) != "False/Forbidden" {
		t.Errorf("run %+v", s.Status.Run)
	}
}

// Results expire by the strictest policy, at that very moment.
func TestExpiry(t *testing.T) {
	s := done()
	s.Spec.Policy = policyRules(v1alpha1.PolicyRule{Name: "x", Expression: "layer.samples > 0", Severity: v1alpha1.SeverityFail})
	for _, days := range []int{30, 7} {
		p := v1alpha1.DatasetAuditPolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("days-%d", days)}}
		p.Spec.Requires.MaxAge = &metav1.Duration{Duration: time.Duration(days) * 24 * time.Hour}
		s.o.policies = append(s.o.policies, p)
	}
	const week = 7 * 24 * time.Hour
	s.o.now = planTime.Add(week - time.Minute)
	p := s.plan()
	s.Status = p.status
	if got := reasonOf(s.DatasetAudit, v1alpha1.ConditionCompliant); got != "True/RulesFulfilled" || p.requeueAfter != time.Minute || !s.Status.ValidUntil.Equal(new(metav1.NewTime(planTime.Add(week)))) {
		t.Errorf("before: %s, looks again after %s, valid until %s", got, p.requeueAfter, s.Status.ValidUntil)
	}
	s.o.now = planTime.Add(week)
	s.store()
	if got := reasonOf(s.DatasetAudit, v1alpha1.ConditionCompliant); got != "Unknown/Expired" || !strings.Contains(messageOf(s.DatasetAudit, v1alpha1.ConditionCompliant), "days-7") || len(s.Status.Rules) > 0 {
		t.Errorf("after: %s: %s", got, messageOf(s.DatasetAudit, v1alpha1.ConditionCompliant))
	}
}

// A policy holds for the namespaces that it selects, from the moment that it is there until it goes, without any run.
func TestPlatform(t *testing.T) {
	l := newLab(t)
	l.platform = true
	l.start()
	namespace := &corev1.Namespace{}
	namespace.Name = l.namespace
	labeled := func(value string) {
		l.must(l.admin.Patch(l.ctx, namespace, client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"metadata":{"labels":{"team":%q}}}`, value))))
	}
	labeled("vision")
	p := &v1alpha1.DatasetAuditPolicy{ObjectMeta: metav1.ObjectMeta{Name: l.namespace}}
	p.Spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "vision", "kubernetes.io/metadata.name": l.namespace}}
	p.Spec.Rules = []v1alpha1.PolicyRule{{Name: "no-leakage", Expression: "layer.leakage.samples == 0", Severity: v1alpha1.SeverityFail}}
	l.must(l.admin.Create(l.ctx, p))
	l.Cleanup(func() { _ = l.admin.Delete(context.Background(), p) })
	says := func(want, message string) {
		t.Helper()
		l.eventually("the policy says so", func() error {
			l.must(l.admin.Get(l.ctx, client.ObjectKeyFromObject(p), p))
			c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady)
			if c == nil || c.ObservedGeneration != p.Generation || string(c.Status) != want || !strings.Contains(c.Message, message) {
				return fmt.Errorf("%+v", c)
			}
			return nil
		})
	}
	says("True", "held against it")

	l.apply(audits.New("cars"))
	l.succeeds(l.pod())
	run := l.ready("cars").Status.Run.ID
	l.is("cars", v1alpha1.ConditionCompliant, "False/RulesViolated")
	change := func(f func(*v1alpha1.DatasetAuditPolicySpec)) {
		t.Helper()
		l.must(l.admin.Get(l.ctx, client.ObjectKeyFromObject(p), p))
		f(&p.Spec)
		l.must(l.admin.Update(l.ctx, p))
	}
	change(func(s *v1alpha1.DatasetAuditPolicySpec) { s.Rules[0].Expression = "layer.leakage.samples == 3" })
	l.is("cars", v1alpha1.ConditionCompliant, "True/RulesFulfilled")
	labeled("speech")
	l.is("cars", v1alpha1.ConditionCompliant, "Unknown/NoPolicy")
	labeled("vision")
	l.is("cars", v1alpha1.ConditionCompliant, "True/RulesFulfilled")
	change(func(s *v1alpha1.DatasetAuditPolicySpec) { s.Rules[0].Expression = "layer.leakage.sample == 3" })
	l.is("cars", v1alpha1.ConditionCompliant, "Unknown/InvalidPolicy")
	says("False", "no-leakage")
	change(func(s *v1alpha1.DatasetAuditPolicySpec) {
		s.Rules[0].Expression = "layer.labels.all(a, layer.labels.all(b, layer.labels.all(c, layer.labels.all(d, a.name != b.name || c.name != d.name))))"
	})
	says("False", "cost")
	change(func(s *v1alpha1.DatasetAuditPolicySpec) { s.Rules[0].Expression = "layer.local.fit == '1'" }) // there is none
	l.is("cars", v1alpha1.ConditionCompliant, "Unknown/NotEvaluated")
	change(func(s *v1alpha1.DatasetAuditPolicySpec) { s.Requires.EvaluationSplits = []string{"test"} })
	l.is("cars", v1alpha1.ConditionCompliant, "False/Forbidden")
	l.must(l.admin.Delete(l.ctx, p))
	got := l.is("cars", v1alpha1.ConditionCompliant, "Unknown/NoPolicy")
	if got.Status.Run.ID != run || len(got.Status.Policies) > 0 {
		t.Errorf("run %s, policies %+v", got.Status.Run.ID, got.Status.Policies)
	}
}

// BenchmarkPolicy is how long a new policy takes to be evaluated over the stored results of AUDITS audits, and how many
// writes it costs.
func BenchmarkPolicy(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv("AUDITS"))
	if err != nil {
		n = 100
	}
	l := openLab(b)
	l.platform = true
	stored := done().Status
	for i := range n {
		audit := audits.New(fmt.Sprintf("audit-%05d", i))
		audit.Namespace = l.namespace
		l.must(l.admin.Create(l.ctx, audit))
		audit.Status = *stored.DeepCopy()
		audit.Status.Run.InputHash, audit.Status.Result.InputHash = inputHash(&audit.Spec), inputHash(&audit.Spec)
		audit.Status.ObservedGeneration = 1
		l.must(l.admin.Status().Update(l.ctx, audit))
	}
	l.start()
	count := func(reason string) (found int) {
		list := &v1alpha1.DatasetAuditList{}
		l.must(l.admin.List(l.ctx, list, client.InNamespace(l.namespace)))
		for i := range list.Items {
			if reasonOf(&list.Items[i], v1alpha1.ConditionCompliant) == reason {
				found++
			}
		}
		return found
	}
	waitFor := func(reason string) {
		for count(reason) < n {
			time.Sleep(50 * time.Millisecond)
		}
	}
	waitFor("Unknown/NoPolicy")
	writes := func() (sum int64) {
		list := &v1alpha1.DatasetAuditList{}
		l.must(l.admin.List(l.ctx, list, client.InNamespace(l.namespace)))
		version, err := strconv.ParseInt(list.ResourceVersion, 10, 64)
		l.must(err)
		return version
	}
	for b.Loop() {
		p := &v1alpha1.DatasetAuditPolicy{ObjectMeta: metav1.ObjectMeta{Name: l.namespace}}
		p.Spec.Rules = []v1alpha1.PolicyRule{{Name: "no-leakage", Expression: "layer.leakage.samples == 0", Severity: v1alpha1.SeverityFail}}
		before, begin := writes(), time.Now()
		l.must(l.admin.Create(l.ctx, p))
		waitFor("False/RulesViolated")
		b.ReportMetric(time.Since(begin).Seconds(), "s")
		b.ReportMetric(float64(writes()-before)/float64(n), "writes/audit")
		l.must(l.admin.Delete(l.ctx, p))
		waitFor("Unknown/NoPolicy")
	}
}
