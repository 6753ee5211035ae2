package gate

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta2"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
	"github.com/datasetaudit/dataset-audit/test/managers"
	"github.com/datasetaudit/dataset-audit/test/needs"
	"github.com/datasetaudit/dataset-audit/test/roles"
)

// These tests run against a real API server with Kueue's definitions. What Kueue does to a Workload they do themselves:
// test/e2e has the real one.

// server is the API server, and the manager that runs the gate with the rights that its roles give it.
type server struct {
	env     *envtest.Environment
	admin   client.Client
	manager *rest.Config
}

// startServer is for the tests that share a gate.
var startServer = sync.OnceValues(func() (*server, error) {
	wasStarted = true
	s, err := newServer()
	if err == nil {
		_, err = s.guard(s.manager)
	}
	return s, err
})

var wasStarted bool

func TestMain(m *testing.M) {
	code := m.Run()
	if wasStarted {
		if s, err := startServer(); err == nil {
			_ = s.env.Stop()
		}
	}
	os.Exit(code)
}

func newServer() (_ *server, err error) {
	ctrl.SetLogger(zap.New(zap.WriteTo(&strings.Builder{})))
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kueue").Output()
	if err != nil {
		return nil, fmt.Errorf("where is Kueue: %w", err)
	}
	s := &server{env: &envtest.Environment{
		CRDDirectoryPaths: []string{
			filepath.Join("..", "..", "config", "crd", "bases"),
			filepath.Join(strings.TrimSpace(string(module)), "config", "components", "crd", "bases"),
		},
		ErrorIfCRDPathMissing: true,
	}}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme), kueue.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	restConfig, err := s.env.Start()
	if err != nil {
		return nil, err
	}
	if s.admin, err = client.New(restConfig, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	folder := filepath.Join("..", "..", "config")
	s.manager, err = roles.Manager(s.env, s.admin, filepath.Join(folder, "rbac", "role.yaml"), filepath.Join(folder, "gate", "role.yaml"))
	return s, err
}

// guard runs a gate until stop is called.
func (s *server) guard(as *rest.Config) (stop func(), err error) {
	mgr, err := managers.New(as, s.admin.Scheme())
	if err != nil {
		return nil, err
	}
	gate := &Gate{Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("gate"), Clock: clock.RealClock{}}
	if err := gate.SetupWithManager(mgr); err != nil {
		return nil, err
	}
	return managers.Start(mgr, func(err error) { panic(err) }), nil
}

// lab is a namespace with a queue's AdmissionCheck of its own.
type lab struct {
	*testing.T
	*server
	namespace string
	check     string
}

// newLab makes one whose gate asks for what spec says; nil: the check has no parameters.
func newLab(t *testing.T, spec *v1alpha1.DatasetGateSpec) *lab {
	t.Helper()
	needs.ControlPlane(t)
	s, err := startServer()
	if err != nil {
		t.Fatal(err)
	}
	return openLab(t, s, spec)
}

func openLab(t *testing.T, s *server, spec *v1alpha1.DatasetGateSpec) *lab {
	t.Helper()
	l := &lab{T: t, server: s}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "lab-"}}
	l.must(s.admin.Create(t.Context(), namespace))
	l.namespace, l.check = namespace.Name, namespace.Name
	check := &kueue.AdmissionCheck{ObjectMeta: metav1.ObjectMeta{Name: l.check}, Spec: kueue.AdmissionCheckSpec{ControllerName: v1alpha1.GateController}}
	if spec != nil {
		l.must(s.admin.Create(t.Context(), &v1alpha1.DatasetGate{ObjectMeta: metav1.ObjectMeta{Name: l.check}, Spec: *spec}))
		check.Spec.Parameters = &kueue.AdmissionCheckParametersReference{APIGroup: v1alpha1.GroupName, Kind: v1alpha1.KindGate, Name: l.check}
	}
	l.must(s.admin.Create(t.Context(), check))
	return l
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *lab) eventually(what string, get func() error) {
	l.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := get()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			l.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// audit makes an audit with the status of one that is compliant, changed.
func (l *lab) audit(name string, changes ...func(*v1alpha1.DatasetAudit)) *v1alpha1.DatasetAudit {
	l.Helper()
	audit := audits.New(name)
	audit.Namespace = l.namespace
	l.must(l.admin.Create(l.Context(), audit))
	audit.Status = audited().Status
	audit.Status.ObservedGeneration = audit.Generation
	audit.Status.Run = nil
	audit.Status.Result.InputHash, audit.Status.Result.HashVersion, audit.Status.Result.SummarySHA256 = "h", 1, strings.Repeat("0", 64)
	for _, change := range changes {
		change(audit)
	}
	l.must(l.admin.Status().Update(l.Context(), audit))
	return audit
}

// workload makes one of Kueue's that has quota and waits for the check.
func (l *lab) workload(name string, change ...func(*kueue.Workload)) *kueue.Workload {
	l.Helper()
	w := &kueue.Workload{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: name}}
	w.Spec.QueueName = "queue"
	w.Spec.PodSets = []kueue.PodSet{{Name: "main", Count: 1, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "train"}},
	}}}}
	for _, f := range change {
		f(w)
	}
	l.must(l.admin.Create(l.Context(), w))
	l.status(w, func(w *kueue.Workload) {
		meta.SetStatusCondition(&w.Status.Conditions, metav1.Condition{Type: kueue.WorkloadQuotaReserved, Status: metav1.ConditionTrue, Reason: "QuotaReserved"})
		w.Status.AdmissionChecks = []kueue.AdmissionCheckState{{
			Name: kueue.AdmissionCheckReference(l.check), State: kueue.CheckStatePending, LastTransitionTime: metav1.Now(),
		}}
	})
	return w
}

// status changes a Workload's, as Kueue does.
func (l *lab) status(w *kueue.Workload, change func(*kueue.Workload)) {
	l.Helper()
	l.eventually("the status is written", func() error {
		l.must(l.admin.Get(l.Context(), client.ObjectKeyFromObject(w), w))
		change(w)
		return l.admin.Status().Update(l.Context(), w)
	})
}

func named(names string) func(*kueue.Workload) {
	return func(w *kueue.Workload) {
		w.Spec.PodSets[0].Template.Annotations = map[string]string{v1alpha1.AnnotationAudits: names}
	}
}

// gets waits for a workload's check to have a state.
func (l *lab) gets(name string, state kueue.CheckState, message string) *kueue.AdmissionCheckState {
	l.Helper()
	w := &kueue.Workload{}
	l.eventually(name+" is "+string(state), func() error {
		l.must(l.admin.Get(l.Context(), client.ObjectKey{Namespace: l.namespace, Name: name}, w))
		if got := w.Status.AdmissionChecks[0]; got.State != state || !strings.Contains(got.Message, message) {
			return fmt.Errorf("it is %s: %s", got.State, got.Message)
		}
		return nil
	})
	return &w.Status.AdmissionChecks[0]
}

// A check is active while its parameters can be read, and says what is wrong with them otherwise.
func TestChecks(t *testing.T) {
	l := newLab(t, &v1alpha1.DatasetGateSpec{})
	active := func(status metav1.ConditionStatus, message string) {
		t.Helper()
		l.eventually("the check says so", func() error {
			check := &kueue.AdmissionCheck{}
			l.must(l.admin.Get(t.Context(), client.ObjectKey{Name: l.check}, check))
			got := meta.FindStatusCondition(check.Status.Conditions, kueue.AdmissionCheckActive)
			if got == nil || got.Status != status || !strings.Contains(got.Message, message) {
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
	}
	active(metav1.ConditionTrue, "compliant")
	gate := &v1alpha1.DatasetGate{ObjectMeta: metav1.ObjectMeta{Name: l.check}}
	l.must(l.admin.Delete(t.Context(), gate))
	active(metav1.ConditionFalse, "which does not exist")

	l.workload("waits") // and is not answered
	time.Sleep(time.Second)
	l.gets("waits", kueue.CheckStatePending, "")

	gate.ResourceVersion = ""
	l.must(l.admin.Create(t.Context(), gate))
	active(metav1.ConditionTrue, "compliant")
	l.gets("waits", kueue.CheckStateRejected, "no audit of its datasets is known")
}

// A workload gets the verdict of its audits, by the names on it, and by what it uses where there are none.
func TestWorkloads(t *testing.T) {
	l := newLab(t, &v1alpha1.DatasetGateSpec{})
	l.audit("good")
	l.audit("leaky", func(a *v1alpha1.DatasetAudit) {
		says(a, v1alpha1.ConditionCompliant, metav1.ConditionFalse, v1alpha1.ReasonViolated, "Violated: no-leakage (layer.leakage.samples is 3)")
	})
	l.workload("good", named("good"))
	l.workload("leaky", named("good,leaky"))
	l.workload("absent", named("good,absent"))
	l.workload("elsewhere", named("other/good"))
	l.workload("nonsense", named("good;leaky"))
	l.workload("claim", func(w *kueue.Workload) {
		w.Spec.PodSets[0].Template.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
		}}}
	})
	l.gets("good", kueue.CheckStateReady, "good of 2026-11-01T12:00:00Z is compliant")
	l.gets("leaky", kueue.CheckStateRejected, "layer.leakage.samples is 3")
	l.gets("absent", kueue.CheckStatePending, "held until its audits are compliant: DatasetAudit "+l.namespace+"/absent does not exist")
	l.gets("elsewhere", kueue.CheckStateRejected, "is of another namespace")
	l.gets("nonsense", kueue.CheckStateRejected, "is not an audit")
	l.gets("claim", kueue.CheckStateRejected, "leaky is not compliant") // both audits are of that claim
}

// What changes before a workload starts, changes its verdict; what changes later doesn't.
func TestChanges(t *testing.T) {
	l := newLab(t, nil)
	audit := l.audit("cars")
	for _, name := range []string{"waits", "works"} {
		l.workload(name, named("cars"))
		l.gets(name, kueue.CheckStateReady, "is compliant")
	}
	works := &kueue.Workload{}
	works.Namespace, works.Name = l.namespace, "works"
	l.status(works, func(w *kueue.Workload) {
		meta.SetStatusCondition(&w.Status.Conditions, metav1.Condition{Type: kueue.WorkloadAdmitted, Status: metav1.ConditionTrue, Reason: "Admitted"})
	})
	l.must(l.admin.Delete(t.Context(), audit))
	l.gets("waits", kueue.CheckStatePending, "cars does not exist")
	l.gets("works", kueue.CheckStateReady, "is compliant")

	// It is deactivated, and Kueue evicts it. It stays so, until the audit has a verdict.
	waits := &kueue.Workload{}
	waits.Namespace, waits.Name = l.namespace, "waits"
	evicted := func(status metav1.ConditionStatus) func(*kueue.Workload) {
		return func(w *kueue.Workload) {
			meta.SetStatusCondition(&w.Status.Conditions, metav1.Condition{Type: kueue.WorkloadEvicted, Status: status, Reason: kueue.WorkloadDeactivated})
			meta.SetStatusCondition(&w.Status.Conditions, metav1.Condition{Type: kueue.WorkloadQuotaReserved, Status: map[metav1.ConditionStatus]metav1.ConditionStatus{
				metav1.ConditionTrue: metav1.ConditionFalse, metav1.ConditionFalse: metav1.ConditionTrue,
			}[status], Reason: "x"})
		}
	}
	isActive := func() bool {
		l.must(l.admin.Get(t.Context(), client.ObjectKeyFromObject(waits), waits))
		return active(waits)
	}
	l.eventually("it is deactivated", func() error {
		if isActive() || waits.Annotations[v1alpha1.AnnotationHeld] != l.check {
			return fmt.Errorf("its annotations are %v", waits.Annotations)
		}
		return nil
	})
	l.status(waits, evicted(metav1.ConditionTrue))
	l.audit("cars", func(a *v1alpha1.DatasetAudit) {
		says(a, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonRunning, "works")
	})
	l.gets("waits", kueue.CheckStatePending, "is on its way: works") // it waits for another reason now
	if isActive() {
		t.Error("it is activated while its audit runs")
	}
	running := audits.New("cars")
	running.Namespace = l.namespace
	l.must(l.admin.Get(t.Context(), client.ObjectKeyFromObject(running), running))
	meta.RemoveStatusCondition(&running.Status.Conditions, v1alpha1.ConditionReconciling)
	l.must(l.admin.Status().Update(t.Context(), running))
	l.eventually("it is activated again", func() error {
		if !isActive() || waits.Annotations[v1alpha1.AnnotationHeld] != "" {
			return fmt.Errorf("active %v, annotations %v", waits.Spec.Active, waits.Annotations)
		}
		return nil
	})
	l.status(waits, evicted(metav1.ConditionFalse))
	l.gets("waits", kueue.CheckStateReady, "is compliant")
}

// What somebody else has deactivated stays so.
func TestOthersInactive(t *testing.T) {
	l := newLab(t, nil)
	l.workload("held", named("cars"))
	l.workload("theirs", named("other"))
	for _, name := range []string{"held", "theirs"} {
		w := &kueue.Workload{}
		l.eventually("it is deactivated", func() error {
			l.must(l.admin.Get(t.Context(), client.ObjectKey{Namespace: l.namespace, Name: name}, w))
			if active(w) {
				return errors.New("it is active")
			}
			if name == "theirs" {
				delete(w.Annotations, v1alpha1.AnnotationHeld)
			}
			return l.admin.Update(t.Context(), w)
		})
	}
	l.audit("other")
	l.audit("cars")
	l.eventually("the held one is activated", func() error {
		w := &kueue.Workload{}
		l.must(l.admin.Get(t.Context(), client.ObjectKey{Namespace: l.namespace, Name: "held"}, w))
		if !active(w) {
			return errors.New("it is not")
		}
		l.must(l.admin.Get(t.Context(), client.ObjectKey{Namespace: l.namespace, Name: "theirs"}, w))
		if active(w) {
			t.Error("the other one is active")
		}
		return nil
	})
}

// The runs of audits don't wait for themselves, and no other Job passes for one.
func TestOwnRuns(t *testing.T) {
	l := newLab(t, nil)
	audit := l.audit("cars", func(a *v1alpha1.DatasetAudit) {
		a.Status.Run = &v1alpha1.RunStatus{ID: "r2", Trigger: v1alpha1.TriggerRequested, InputHash: "h", HashVersion: 1, Image: "i", Attempt: 1, CreatedAt: metav1.Now(), Job: "cars-run"}
	})
	owned := func(name string, owner *v1alpha1.DatasetAudit) func(*kueue.Workload) {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: name, OwnerReferences: []metav1.OwnerReference{
			*metav1.NewControllerRef(owner, v1alpha1.GroupVersion.WithKind(v1alpha1.Kind)),
		}}}
		job.Spec.Suspend = new(true)
		job.Spec.Template.Spec = corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "i"}}}
		l.must(l.admin.Create(t.Context(), job))
		return func(w *kueue.Workload) {
			w.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))}
		}
	}
	l.workload("run", owned("cars-run", audit))
	l.gets("run", kueue.CheckStateReady, "it is a run of DatasetAudit "+l.namespace+"/cars")

	stranger := audit.DeepCopy()
	stranger.UID = "no-such"
	l.workload("forged", owned("forged", stranger))
	l.gets("forged", kueue.CheckStateRejected, "no audit of its datasets is known")
	l.workload("other", owned("other", audit))
	time.Sleep(time.Second)
	l.gets("other", kueue.CheckStatePending, "") // the operator may not have said yet that it is one
}

// A job's own annotation counts where its pods have none.
func TestJobAnnotation(t *testing.T) {
	l := newLab(t, nil)
	l.audit("cars")
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: "train", Annotations: map[string]string{v1alpha1.AnnotationAudits: "cars"}}}
	job.Spec.Suspend = new(true)
	job.Spec.Template.Spec = corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "i"}}}
	l.must(l.admin.Create(t.Context(), job))
	l.workload("train", func(w *kueue.Workload) {
		w.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))}
	})
	l.gets("train", kueue.CheckStateReady, "is compliant")

	// What it may not read is said.
	l.workload("pod", func(w *kueue.Workload) {
		w.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "x", UID: "y", Controller: new(true)}}
	})
	l.gets("pod", kueue.CheckStateRejected, "the gate may not read its StatefulSet")
}
