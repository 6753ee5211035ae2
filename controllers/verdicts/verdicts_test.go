package verdicts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
	"github.com/datasetaudit/dataset-audit/test/managers"
	"github.com/datasetaudit/dataset-audit/test/needs"
	"github.com/datasetaudit/dataset-audit/test/roles"
)

// lab is a real API server with the policies of config/governance, set to deny, and the writer with the rights of its
// roles.
type lab struct {
	*testing.T
	config *rest.Config
	admin  client.Client
	scheme *runtime.Scheme
}

func newLab(t *testing.T) *lab {
	t.Helper()
	needs.ControlPlane(t)
	ctrl.SetLogger(zap.New(zap.WriteTo(&strings.Builder{})))
	folder := filepath.Join("..", "..", "config")
	env := &envtest.Environment{CRDDirectoryPaths: []string{filepath.Join(folder, "crd", "bases")}, ErrorIfCRDPathMissing: true}
	l := &lab{T: t, scheme: runtime.NewScheme()}
	l.must(errors.Join(clientgoscheme.AddToScheme(l.scheme), v1alpha1.AddToScheme(l.scheme)))
	var err error
	l.config, err = env.Start()
	l.must(err)
	t.Cleanup(func() { _ = env.Stop() })
	l.admin, err = client.New(l.config, client.Options{Scheme: l.scheme})
	l.must(err)
	manager, err := roles.Manager(env, l.admin, filepath.Join(folder, "rbac", "role.yaml"), filepath.Join(folder, "governance", "operator", "role.yaml"))
	l.must(err)
	for _, file := range []string{"compliant.yaml", "named.yaml", "bindings.yaml", "exempted.yaml", "requester.yaml", "defaults.yaml"} {
		l.apply(filepath.Join(folder, "governance", file))
	}
	eventually(t, func() error { // policies find a new kind after a moment
		probe := audits.New("probe")
		probe.Namespace = "default"
		return l.admin.Create(t.Context(), probe, client.DryRunAll)
	})
	mgr, err := managers.New(manager, l.scheme)
	l.must(err)
	l.must((&Writer{Client: mgr.GetClient()}).SetupWithManager(mgr))
	t.Cleanup(managers.Start(mgr, func(err error) { t.Errorf("manager: %v", err) }))
	return l
}

// apply creates the objects of a file, bindings with Deny in the place of Warn.
func (l *lab) apply(file string) {
	l.Helper()
	data, err := os.ReadFile(file)
	l.must(err)
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(strings.ReplaceAll(string(data), "[Warn, Audit]", "[Deny]")), 1<<16)
	for {
		object := &unstructured.Unstructured{}
		if decoder.Decode(object) != nil {
			return
		}
		if err := l.admin.Create(l.Context(), object); err != nil {
			l.Fatalf("%s: %v", file, err)
		}
	}
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// as is a client of somebody in these groups.
func (l *lab) as(name string, groups ...string) client.Client {
	l.Helper()
	impersonated := rest.CopyConfig(l.config)
	impersonated.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: append(groups, "system:masters")}
	c, err := client.New(impersonated, client.Options{Scheme: l.scheme})
	l.must(err)
	return c
}

func (l *lab) namespace(labels map[string]string) string {
	l.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "lab-", Labels: labels}}
	l.must(l.admin.Create(l.Context(), namespace))
	return namespace.Name
}

// audit makes one that is compliant, or changes what it says.
func (l *lab) audit(namespace, name string, status metav1.ConditionStatus, message string) {
	l.Helper()
	audit := audits.New(name)
	audit.Namespace = namespace
	if err := l.admin.Create(l.Context(), audit); err != nil {
		l.must(client.IgnoreAlreadyExists(err))
		l.must(l.admin.Get(l.Context(), client.ObjectKeyFromObject(audit), audit))
	}
	audit.Status.ObservedGeneration = audit.Generation
	audit.Status.Result = &v1alpha1.ResultStatus{RunID: "r", SummarySHA256: strings.Repeat("0", 64), InputHash: "h", HashVersion: 1, CompletedAt: metav1.Now(), Summary: &v1alpha1.AuditSummary{
		SchemaVersion: v1alpha1.SummarySchemaVersion, Dataset: v1alpha1.SummaryDataset{Revision: "v1", Digest: "sha256:00"}, Layers: []v1alpha1.LayerSummary{{
			Layer: "l", Dimensions: 1, Components: 1, Threshold: v1alpha1.ThresholdSummary{Strategy: v1alpha1.ThresholdSlope, Distance: "1"},
			WeightedEffectiveSize: "1",
		}},
	}}
	meta.SetStatusCondition(&audit.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionCompliant, Status: status, Reason: "x", Message: message, ObservedGeneration: audit.Generation,
	})
	l.must(l.admin.Status().Update(l.Context(), audit))
}

// starts creates a Job, and says what the API server says to it.
func (l *lab) starts(c client.Client, namespace string, annotations map[string]string, change ...func(*batchv1.Job)) error {
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "train-", Annotations: annotations}}
	job.Spec.Template.Spec = corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "i"}}}
	for _, f := range change {
		f(job)
	}
	return c.Create(l.Context(), job)
}

// A Job starts if the audits that it names are compliant, in namespaces that ask for it, and whoever may be exempt is.
func TestAdmission(t *testing.T) {
	l := newLab(t)
	gated, free := l.namespace(map[string]string{"datasetaudit.io/gate": ""}), l.namespace(nil)
	names := func(audits string) map[string]string { return map[string]string{v1alpha1.AnnotationAudits: audits} }
	exempt := map[string]string{v1alpha1.AnnotationAudits: "leaky", "datasetaudit.io/exempt": "we know"}
	ada := l.as("ada")

	// Where no verdicts are, nothing that is named may be used.
	eventually(t, func() error {
		if err := l.starts(ada, gated, names("clean")); !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
			return fmt.Errorf("it is told %w", err)
		}
		return nil
	})
	l.audit(gated, "clean", metav1.ConditionTrue, "Fulfilled: 1 of 1 rules")
	l.audit(gated, "leaky", metav1.ConditionFalse, "Violated: no-leakage (layer.leakage.samples = 3)")
	eventually(t, func() error { return l.starts(ada, gated, names("clean")) })
	bySet := func(job *batchv1.Job) {
		job.OwnerReferences = []metav1.OwnerReference{{APIVersion: "jobset.x-k8s.io/v1alpha2", Kind: "JobSet", Name: "set", UID: "u", Controller: new(true)}}
	}
	for name, test := range map[string]struct {
		who         client.Client
		namespace   string
		annotations map[string]string
		change      func(*batchv1.Job)
		want        string // empty: it starts
	}{
		"compliant":                   {ada, gated, names("clean"), nil, ""},
		"with its namespace":          {ada, gated, names(gated + "/clean , clean"), nil, ""},
		"of its revision":             {ada, gated, names("clean@v1"), nil, ""},
		"of its digest":               {ada, gated, names(gated + "/clean@sha256:00"), nil, ""},
		"of another revision":         {ada, gated, names("clean@v2"), nil, "clean@v2 (of v1: Fulfilled: 1 of 1 rules)"},
		"leaky":                       {ada, gated, names("clean, leaky"), nil, "datasets that may not be used: leaky (of v1: Violated: no-leakage (layer.leakage.samples = 3))"},
		"absent":                      {ada, gated, names("absent"), nil, "absent ()"},
		"of another namespace":        {ada, gated, names(free + "/clean"), nil, "/clean ()"},
		"too many":                    {ada, gated, names(strings.Repeat("clean,", 17)), nil, "more than 16 audits"},
		"names none":                  {ada, gated, nil, nil, "name the audits of its datasets"},
		"names nothing":               {ada, gated, names(" "), nil, "name"},
		"names commas":                {ada, gated, names(" , ,"), nil, "name"},
		"not gated":                   {ada, free, names("absent"), nil, ""},
		"exempt":                      {l.as("eve", "datasetaudit:exempters"), gated, exempt, nil, ""},
		"exempt, who may not be":      {ada, gated, exempt, nil, "leaky (of v1: Violated"},
		"may be exempt, and is not":   {l.as("eve", "datasetaudit:exempters"), gated, names("leaky"), nil, "leaky (of v1: Violated"},
		"the operator":                {l.as("system:serviceaccount:dataset-audit-system:dataset-audit-manager"), gated, nil, nil, ""},
		"of a JobSet":                 {l.as("system:serviceaccount:jobset-system:jobset"), gated, nil, bySet, ""},
		"as if of a JobSet":           {ada, gated, nil, bySet, "name the audits"},
		"as if, by an account of its": {l.as("system:serviceaccount:" + gated + ":default"), gated, nil, bySet, "name the audits"},
	} {
		err := l.starts(test.who, test.namespace, test.annotations, func(job *batchv1.Job) {
			if test.change != nil {
				test.change(job)
			}
		})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		} else if err != nil {
			t.Logf("%s: %v", name, err)
		}
	}

	// Whoever exempts a job is told so, and counted.
	if exempted := l.counted("datasets-exempted.datasetaudit.io"); exempted != 1 {
		t.Errorf("%d exemptions are counted", exempted)
	}

	// What changes, changes the verdict, and who writes another one is overruled.
	l.audit(gated, "clean", metav1.ConditionUnknown, "the results are of another age")
	eventually(t, func() error {
		if err := l.starts(ada, gated, names("clean")); err == nil || !strings.Contains(err.Error(), "another age") {
			return fmt.Errorf("it is told %w", err)
		}
		return nil
	})
	there := &v1alpha1.DatasetVerdicts{}
	l.must(l.admin.Get(t.Context(), client.ObjectKey{Namespace: gated, Name: v1alpha1.VerdictsName}, there))
	for i := range there.Verdicts {
		there.Verdicts[i].Compliant = true
	}
	l.must(l.admin.Update(t.Context(), there))
	eventually(t, func() error {
		l.must(l.admin.Get(t.Context(), client.ObjectKeyFromObject(there), there))
		for _, v := range there.Verdicts {
			if v.Compliant {
				return fmt.Errorf("%s is compliant", v.Audit)
			}
		}
		return nil
	})
}

// The platform's defaults are written into audits that say nothing else, in the namespaces that are labeled.
func TestDefaults(t *testing.T) {
	l := newLab(t)
	labeled, other := l.namespace(map[string]string{"datasetaudit.io/gate": ""}), l.namespace(nil)
	create := func(namespace string, change func(*v1alpha1.DatasetAudit)) *v1alpha1.DatasetAudit {
		t.Helper()
		audit := audits.New("")
		audit.Namespace, audit.Name, audit.GenerateName = namespace, "", "audit-"
		change(audit)
		l.must(l.admin.Create(t.Context(), audit))
		return audit
	}
	open := func(*v1alpha1.DatasetAudit) {}
	eventually(t, func() error { // the policy holds a moment after it was made
		audit := create(labeled, open)
		if s := audit.Spec.Schedule; s == nil || s.Cron != "@daily" || s.Runs != v1alpha1.RunsIfChanged || len(audit.Spec.Policy.Rules) != 1 {
			return fmt.Errorf("schedule %+v, policy %+v", s, audit.Spec.Policy)
		}
		return nil
	})
	own := create(labeled, func(a *v1alpha1.DatasetAudit) {
		a.Spec.Schedule = &v1alpha1.ScheduleSpec{Cron: "@weekly"}
		a.Spec.Policy.Rules = []v1alpha1.PolicyRule{{Name: "mine", Expression: "true", Severity: v1alpha1.SeverityWarn}}
	})
	if own.Spec.Schedule.Cron != "@weekly" || own.Spec.Schedule.Runs != "" || len(own.Spec.Policy.Rules) != 1 || own.Spec.Policy.Rules[0].Name != "mine" {
		t.Errorf("what an audit says is changed: %+v, %+v", own.Spec.Schedule, own.Spec.Policy)
	}
	if elsewhere := create(other, open); elsewhere.Spec.Schedule != nil || len(elsewhere.Spec.Policy.Rules) > 0 {
		t.Errorf("another namespace: %+v, %+v", elsewhere.Spec.Schedule, elsewhere.Spec.Policy)
	}
}

// counted is how many objects a policy has warned of, by the API server's metrics.
func (l *lab) counted(policy string) (n int) {
	l.Helper()
	clientset, err := kubernetes.NewForConfig(l.config)
	l.must(err)
	metrics, err := clientset.RESTClient().Get().AbsPath("/metrics").DoRaw(l.Context())
	l.must(err)
	for line := range strings.Lines(string(metrics)) {
		if !strings.HasPrefix(line, "apiserver_validating_admission_policy_check_total{") || !strings.Contains(line, policy) || !strings.Contains(line, `enforcement_action="warn"`) {
			continue
		}
		fields := strings.Fields(line)
		count, err := strconv.Atoi(fields[len(fields)-1])
		l.must(err)
		n += count
	}
	return n
}

// Who asks for a run is written down by the API server, and nobody can say it was somebody else.
func TestRequester(t *testing.T) {
	l := newLab(t)
	ada, eve := l.as("ada"), l.as("eve")
	audit := audits.New("cars")
	audit.Namespace, audit.Annotations = "default", map[string]string{v1alpha1.AnnotationRequestedBy: "somebody else"}
	eventually(t, func() error { // the policy holds a moment after it was made
		early := audit.DeepCopy()
		early.Name = "early"
		if err := ada.Create(t.Context(), early); err != nil {
			return err
		}
		defer l.must(l.admin.Delete(t.Context(), early.DeepCopy()))
		if by := early.Annotations[v1alpha1.AnnotationRequestedBy]; by != "ada" {
			return fmt.Errorf("requested by %q", by)
		}
		return nil
	})
	l.must(ada.Create(t.Context(), audit))
	for _, step := range []struct {
		name   string
		who    client.Client
		change func(*v1alpha1.DatasetAudit)
		want   string
	}{
		{"a label", eve, func(a *v1alpha1.DatasetAudit) { a.Labels = map[string]string{"a": "b"} }, "ada"},
		{"a queue", eve, func(a *v1alpha1.DatasetAudit) { a.Labels[v1alpha1.LabelQueueName] = "gpus" }, "eve"},
		{"another queue", ada, func(a *v1alpha1.DatasetAudit) { a.Labels[v1alpha1.LabelQueueName] = "cpus" }, "ada"},
		{"the annotation", eve, func(a *v1alpha1.DatasetAudit) { a.Annotations[v1alpha1.AnnotationRequestedBy] = "bob" }, "ada"},
		{"no annotation", eve, func(a *v1alpha1.DatasetAudit) { a.Annotations = nil }, "ada"},
		{"a request", eve, func(a *v1alpha1.DatasetAudit) { a.Annotations[v1alpha1.AnnotationRequestedAt] = "now" }, "eve"},
		{"the spec, as somebody else", ada, func(a *v1alpha1.DatasetAudit) {
			a.Spec.Suspend, a.Annotations[v1alpha1.AnnotationRequestedBy] = true, "bob"
		}, "ada"},
	} {
		before := audit.DeepCopy()
		step.change(audit)
		l.must(step.who.Patch(t.Context(), audit, client.MergeFrom(before)))
		if got := audit.Annotations[v1alpha1.AnnotationRequestedBy]; got != step.want {
			t.Errorf("%s: requested by %q, want %q", step.name, got, step.want)
		}
	}
}

func eventually(t *testing.T, get func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := get()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// A verdict is what the conditions of an audit come to.
func TestVerdictOf(t *testing.T) {
	until := metav1.NewTime(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	for name, test := range map[string]struct {
		change func(*v1alpha1.DatasetAudit)
		want   v1alpha1.DatasetVerdict
	}{
		"compliant": {func(*v1alpha1.DatasetAudit) {}, v1alpha1.DatasetVerdict{Compliant: true, Message: "yes", Until: &until}},
		"changed":   {func(a *v1alpha1.DatasetAudit) { a.Generation++ }, v1alpha1.DatasetVerdict{Message: "the operator has not looked at it yet", Until: &until}},
		"failed": {func(a *v1alpha1.DatasetAudit) {
			meta.SetStatusCondition(&a.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: "x", Message: "run r failed"})
		}, v1alpha1.DatasetVerdict{Message: "run r failed", Until: &until}},
		"unknown": {func(a *v1alpha1.DatasetAudit) { a.Status.Conditions[0].Status = metav1.ConditionUnknown }, v1alpha1.DatasetVerdict{Message: "yes", Until: &until}},
	} {
		audit := audits.New("cars")
		audit.Status.ValidUntil = &until
		audit.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionCompliant, Status: metav1.ConditionTrue, Message: "yes"}}
		test.change(audit)
		got := verdictOf(audit)
		test.want.Audit, test.want.Dataset = "cars", "pvc://data/cars"
		if got != test.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
