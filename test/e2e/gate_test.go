//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta2"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// gatedQueue starts workloads whose datasets are compliant. It has room for one of them at a time, and for audits.
const gatedQueue = `
apiVersion: datasetaudit.io/v1alpha1
kind: DatasetGate
metadata: {name: e2e}
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: AdmissionCheck
metadata: {name: datasets}
spec:
  controllerName: datasetaudit.io/compliance
  parameters: {apiGroup: datasetaudit.io, kind: DatasetGate, name: e2e}
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: ResourceFlavor
metadata: {name: gated}
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: ClusterQueue
metadata: {name: gated}
spec:
  namespaceSelector: {}
  admissionChecksStrategy: {admissionChecks: [{name: datasets}]}
  resourceGroups:
  - coveredResources: [cpu]
    flavors: [{name: gated, resources: [{name: cpu, nominalQuota: "1"}]}]
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: LocalQueue
metadata: {name: training, namespace: %s}
spec: {clusterQueue: gated}
`

// training is a Job on datasets with audits of these names. Its pods never start, which the gate has no part in.
func (l *lab) training(name, audits, cpu string) *batchv1.Job {
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Namespace: l.namespace, Name: name, Labels: map[string]string{v1alpha1.LabelQueueName: "training"},
		Annotations: map[string]string{v1alpha1.AnnotationAudits: audits},
	}}
	job.Spec.Suspend = new(true)
	job.Spec.Template.Spec = corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		NodeSelector:  map[string]string{"e2e": "nowhere"},
		Containers: []corev1.Container{{
			Name: "train", Image: podImage, Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}},
			SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
		}},
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
	}
	return job
}

// workload is Kueue's of an object.
func (l *lab) workload(kind, name string) (*kueue.Workload, error) {
	list := &kueue.WorkloadList{}
	if err := admin.List(l.ctx, list, client.InNamespace(l.namespace)); err != nil {
		return nil, err
	}
	for i := range list.Items {
		if owner := metav1.GetControllerOf(&list.Items[i]); owner != nil && owner.Kind == kind && owner.Name == name {
			return &list.Items[i], nil
		}
	}
	return nil, fmt.Errorf("%s %s has no workload yet", kind, name)
}

// told waits until the owner of a Job reads so in a condition of its workload.
func (l *lab) told(kind, name, condition string, words ...string) string {
	l.Helper()
	var said string
	l.eventually(fmt.Sprintf("%s %s is told by %s", kind, name, condition), func() error {
		w, err := l.workload(kind, name)
		if err != nil {
			return err
		}
		c := meta.FindStatusCondition(w.Status.Conditions, condition)
		if c == nil || c.Status != metav1.ConditionTrue {
			return fmt.Errorf("its conditions are %+v, its checks %+v", w.Status.Conditions, w.Status.AdmissionChecks)
		}
		for _, word := range words {
			if !strings.Contains(c.Message, word) {
				return fmt.Errorf("it says: %s", c.Message)
			}
		}
		said = c.Message
		return nil
	})
	return said
}

// reserved is the quota in use.
func (l *lab) reserved() string {
	l.Helper()
	queue := &kueue.ClusterQueue{}
	l.must(admin.Get(l.ctx, client.ObjectKey{Name: "gated"}, queue))
	if len(queue.Status.FlavorsReservation) == 0 {
		return "0"
	}
	return queue.Status.FlavorsReservation[0].Resources[0].Total.String()
}

// splitCars are cars to train on and cars to test by, some of which are the same.
func splitCars(t *testing.T, leaks int) map[string]string {
	t.Helper()
	needData(t)
	car := func(i int) string { return filepath.Join(data, "cifar10", fmt.Sprintf("train/automobile/%04d.jpg", i)) }
	files := map[string]string{"mobilenet_v1.onnx": modelFile}
	for i := range 120 {
		files[fmt.Sprintf("images/train/automobile/%04d.jpg", i)] = car(i)
	}
	for i := range 30 {
		from := 500 + i
		if i < leaks {
			from = i
		}
		files[fmt.Sprintf("images/test/automobile/%04d.jpg", i)] = car(from)
	}
	return files
}

// gated are cars in a claim of the audit's name that must not leak.
func gated(name string) *v1alpha1.DatasetAudit {
	audit := cars(name)
	audit.Spec.Dataset.Source.PersistentVolumeClaim.ClaimName = name
	audit.Spec.Dataset.Splits, audit.Spec.Dataset.MaxSamples = nil, nil
	audit.Spec.Dataset.EvaluationSplits = []string{"test"}
	audit.Spec.Model.Source.PersistentVolumeClaim.ClaimName = name
	audit.Spec.Policy.Rules = []v1alpha1.PolicyRule{{Name: "no-leakage", Expression: "layer.leakage.exactCopies == 0", Severity: v1alpha1.SeverityFail}}
	return audit
}

// A training Job starts when its datasets are compliant, is told why it never will, and holds no quota while it waits.
func testGate(l *lab) {
	public := l.evidenceKey()
	l.must(install("kueueGate=true", "verdicts=true", "reports=true", "evidence.secret=e2e-evidence"))
	l.Cleanup(func() { l.must(install()) })
	l.eventually("the queue is there", func() error {
		_, err := run(strings.NewReader(fmt.Sprintf(gatedQueue, l.namespace)), "kubectl", "apply", "-f", "-")
		return err
	})
	l.Cleanup(func() {
		_, _ = run(nil, "kubectl", "--namespace", l.namespace, "delete", "jobs,jobsets", "--all", "--wait=true", "--timeout=60s")
		_, _ = run(nil, "kubectl", "delete", "clusterqueue/gated", "resourceflavor/gated", "admissioncheck/datasets", "datasetgate/e2e", "--wait=true", "--timeout=60s")
	})
	l.eventually("the queue is active", func() error {
		queue := &kueue.ClusterQueue{}
		l.must(admin.Get(l.ctx, client.ObjectKey{Name: "gated"}, queue))
		if c := meta.FindStatusCondition(queue.Status.Conditions, kueue.ClusterQueueActive); c == nil || c.Status != metav1.ConditionTrue {
			return fmt.Errorf("%+v", c)
		}
		return nil
	})

	// Nothing is audited yet.
	l.must(admin.Create(l.ctx, l.training("early", "clean", "800m")))
	l.told("Job", "early", kueue.WorkloadEvicted)
	early, err := l.workload("Job", "early")
	l.must(err)
	if said := early.Status.AdmissionChecks[0].Message; !strings.Contains(said, "held until its audits are compliant: DatasetAudit "+l.namespace+"/clean does not exist") {
		l.Errorf("early is told: %s", said)
	}
	if said := l.plugin("waits", "clean"); !strings.Contains(said, "job/early") || !strings.Contains(said, "Held") {
		l.Errorf("who waits for clean:\n%s", said)
	}
	l.eventually("it gives its quota back", func() error {
		if used := l.reserved(); used != "0" {
			return fmt.Errorf("%s are in use", used)
		}
		return nil
	})

	// The audits themselves go through the same queue, and don't wait for themselves.
	l.claim("clean", splitCars(l.T, 0))
	l.claim("leaky", splitCars(l.T, 3))
	for _, name := range []string{"clean", "leaky"} {
		audit := gated(name)
		audit.Labels = map[string]string{v1alpha1.LabelQueueName: "training"}
		audit.Spec.Runner.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}
		l.apply(audit)
	}
	l.ready("clean")
	l.ready("leaky")
	l.proves("clean", public, "Compliant: True")
	l.proves("leaky", public, "Violated no-leakage (Fail): layer.leakage.exactCopies == 0")
	l.told("Job", "early", kueue.WorkloadAdmitted)
	l.must(admin.Delete(l.ctx, l.training("early", "", "1"), client.PropagationPolicy(metav1.DeletePropagationBackground)))

	l.must(admin.Create(l.ctx, l.training("leaks", "clean,leaky", "100m")))
	l.Log("leaks: " + l.told("Job", "leaks", kueue.WorkloadEvicted, "DatasetAudit "+l.namespace+"/leaky is not compliant", "layer.leakage.exactCopies", "3"))
	if said := l.plugin("waits", "leaky"); !strings.Contains(said, "job/leaks") || !strings.Contains(said, "Rejected") {
		l.Errorf("who waits for leaky:\n%s", said)
	}
	// A job that asks for a revision waits until the audit is of it, though the one before is compliant.
	l.must(admin.Create(l.ctx, l.training("newest", "clean@v2", "100m")))
	l.held("newest", "clean is not of v2")
	l.change("clean", func(a *v1alpha1.DatasetAudit) { a.Spec.Dataset.Revision = "v2" })
	l.admitted("newest")
	set := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet",
		"metadata": map[string]any{"namespace": l.namespace, "name": "set", "labels": map[string]any{v1alpha1.LabelQueueName: "training"}, "annotations": map[string]any{v1alpha1.AnnotationAudits: "leaky"}},
		"spec": map[string]any{"suspend": true, "replicatedJobs": []any{map[string]any{"name": "workers", "template": map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
			"restartPolicy": "Never", "containers": []any{map[string]any{"name": "train", "image": podImage, "resources": map[string]any{"requests": map[string]any{"cpu": "100m"}}}},
		}}}}}}},
	}}
	if os.Getenv("E2E_JOBSET_CRD") != "" {
		l.must(admin.Create(l.ctx, set))
		l.Log("set: " + l.told("JobSet", "set", kueue.WorkloadEvicted, "leaky is not compliant"))
	}
	l.must(admin.Create(l.ctx, l.training("foreign", "kube-system/clean", "100m")))
	l.Log("foreign: " + l.told("Job", "foreign", kueue.WorkloadEvicted, "is of another namespace"))
	l.must(admin.Create(l.ctx, l.training("unnamed", "", "100m")))
	l.Log("unnamed: " + l.told("Job", "unnamed", kueue.WorkloadEvicted, "no audit of its datasets is known"))

	l.gateFollows()

	// Forty Jobs wait for an audit that comes late, three times, once while the operator is killed: none starts before, no
	// quota is used meanwhile, and none is left behind.
	l.claim("late", splitCars(l.T, 0))
	for round := range 3 {
		l.jobsWait(round, 40)
	}
}

// held waits until a Job is held, and its owner reads why.
func (l *lab) held(name, why string) {
	l.Helper()
	l.eventually(name+" is held", func() error {
		w, err := l.workload("Job", name)
		if err != nil {
			return err
		}
		if w.Annotations[v1alpha1.AnnotationHeld] == "" || len(w.Status.AdmissionChecks) == 0 || !strings.Contains(w.Status.AdmissionChecks[0].Message, why) {
			return fmt.Errorf("%q: %+v", w.Annotations, w.Status.AdmissionChecks)
		}
		return nil
	})
}

// admitted waits until a Job may start, and removes it.
func (l *lab) admitted(name string) {
	l.Helper()
	l.told("Job", name, kueue.WorkloadAdmitted)
	l.must(admin.Delete(l.ctx, l.training(name, "", "1"), client.PropagationPolicy(metav1.DeletePropagationBackground)))
}

// gateFollows holds that a Job sees what becomes of an audit while it waits: failed and repaired, deleted in mid-run and
// made again, too old by the gate, and against a policy of the platform.
func (l *lab) gateFollows() {
	l.Helper()
	repaired := gated("clean")
	repaired.Name = "repaired"
	layers := repaired.Spec.Model.Layers
	repaired.Spec.Model.Layers = []string{"nowhere"}
	l.apply(repaired)
	l.must(admin.Create(l.ctx, l.training("on-repaired", "repaired", "100m")))
	l.held("on-repaired", "gives no verdict")
	l.change("repaired", func(a *v1alpha1.DatasetAudit) { a.Spec.Model.Layers = layers })
	l.admitted("on-repaired")

	l.change("repaired", func(a *v1alpha1.DatasetAudit) { a.Spec.Dataset.Revision = "v2" })
	l.must(admin.Create(l.ctx, l.training("on-deleted", "repaired", "100m")))
	l.held("on-deleted", "is on its way")
	l.kubectl("--namespace", l.namespace, "delete", "da", "repaired", "--wait=true", "--timeout=60s")
	l.held("on-deleted", "does not exist")
	again := gated("clean")
	again.Name = "repaired"
	l.apply(again)
	l.admitted("on-deleted")

	l.kubectl("patch", "datasetgate", "e2e", "--type=merge", "--patch", `{"spec": {"maxAge": "1s"}}`)
	l.must(admin.Create(l.ctx, l.training("on-old", "clean", "100m")))
	l.held("on-old", "older than the 1s")
	l.kubectl("patch", "datasetgate", "e2e", "--type=merge", "--patch", `{"spec": {"maxAge": null}}`)
	l.admitted("on-old")

	platform := &v1alpha1.DatasetAuditPolicy{ObjectMeta: metav1.ObjectMeta{Name: "e2e-" + l.namespace}, Spec: v1alpha1.DatasetAuditPolicySpec{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": l.namespace}},
		Rules:             []v1alpha1.PolicyRule{{Name: "few", Expression: "layer.samples < 10", Severity: v1alpha1.SeverityFail}},
	}}
	l.must(admin.Create(l.ctx, platform))
	l.Cleanup(func() { _ = admin.Delete(context.Background(), platform) })
	l.is("clean", v1alpha1.ConditionCompliant, "False/RulesViolated")
	l.must(admin.Create(l.ctx, l.training("on-ruled", "clean", "100m")))
	l.Log("on-ruled: " + l.told("Job", "on-ruled", kueue.WorkloadEvicted, platform.Name+"/few"))
	l.must(admin.Delete(l.ctx, platform))
	l.is("clean", v1alpha1.ConditionCompliant, "True/RulesFulfilled")
	l.must(admin.Create(l.ctx, l.training("on-ruled-no-more", "clean", "100m")))
	l.admitted("on-ruled-no-more")
}

// evidenceKey puts a key into a Secret of the operator's namespace, and returns the file of the public one.
func (l *lab) evidenceKey() (public string) {
	l.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	l.must(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	l.must(err)
	pkix, err := x509.MarshalPKIXPublicKey(key.Public())
	l.must(err)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "e2e-evidence"},
		Data:       map[string][]byte{"key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})},
	}
	l.must(client.IgnoreNotFound(admin.Delete(l.ctx, secret.DeepCopy())))
	l.must(admin.Create(l.ctx, secret))
	public = filepath.Join(l.TempDir(), "evidence.pub")
	l.must(os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}), 0o600))
	return public
}

// proves holds that the operator has signed what an audit came to, and that it has written the verdict for admission
// policies.
func (l *lab) proves(audit, public, words string) {
	l.Helper()
	file := filepath.Join(l.TempDir(), audit+".json")
	l.must(os.WriteFile(file, []byte(l.plugin("evidence", audit)), 0o600))
	said, err := run(nil, "runner", "verify", file, "--key", public)
	l.must(err)
	if !strings.Contains(said, "Holds: signature") || !strings.Contains(said, words) {
		l.Errorf("runner verify: %s", said)
	}
	verdicts := &v1alpha1.DatasetVerdicts{}
	l.must(admin.Get(l.ctx, client.ObjectKey{Namespace: l.namespace, Name: v1alpha1.VerdictsName}, verdicts))
	for _, v := range verdicts.Verdicts {
		if v.Audit == audit && v.Compliant != strings.Contains(words, "True") {
			l.Errorf("the verdict of %s: %+v", audit, v)
		}
	}
}

// jobsWait lets so many Jobs wait for an audit, and then start.
func (l *lab) jobsWait(round, jobs int) {
	l.Helper()
	name := func(i int) string { return fmt.Sprintf("late-%d-%02d", round, i) }
	all := func(want func(w *kueue.Workload) error) func() error {
		return func() error {
			for i := range jobs {
				w, err := l.workload("Job", name(i))
				if err != nil {
					return err
				}
				if err := want(w); err != nil {
					return fmt.Errorf("%s %w: %+v, %+v", w.Name, err, w.Status.Conditions, w.Status.AdmissionChecks)
				}
			}
			return nil
		}
	}
	for i := range jobs {
		l.must(admin.Create(l.ctx, l.training(name(i), "late", "20m")))
		if round == 1 && i == jobs/2 {
			l.killManagers()
		}
	}
	l.eventually("all are held", all(func(w *kueue.Workload) error {
		if meta.IsStatusConditionTrue(w.Status.Conditions, kueue.WorkloadAdmitted) {
			l.Fatalf("%s is admitted without an audit", w.Name)
		}
		if w.Spec.Active == nil || *w.Spec.Active || meta.IsStatusConditionTrue(w.Status.Conditions, kueue.WorkloadQuotaReserved) {
			return errors.New("is not held")
		}
		return nil
	}))
	l.eventually("they use no quota", func() error {
		if used := l.reserved(); used != "0" {
			return fmt.Errorf("%s are in use", used)
		}
		return nil
	})
	l.apply(gated("late"))
	l.ready("late")
	begin := time.Now()
	l.eventually("all start", all(func(w *kueue.Workload) error {
		if !meta.IsStatusConditionTrue(w.Status.Conditions, kueue.WorkloadAdmitted) {
			return errors.New("is not admitted")
		}
		return nil
	}))
	l.Logf("round %d: all %d Jobs started within %s of the audit's results", round, jobs, time.Since(begin).Round(time.Second/10))
	l.kubectl("--namespace", l.namespace, "delete", "job", "--wait=true", "--timeout=60s", "-l", v1alpha1.LabelQueueName+"=training")
	l.kubectl("--namespace", l.namespace, "delete", "da", "late", "--wait=true", "--timeout=60s")
}

// killManagers ends all pods of the operator at once.
func (l *lab) killManagers() {
	l.Helper()
	managers := &corev1.PodList{}
	l.must(admin.List(l.ctx, managers, client.InNamespace(systemNamespace)))
	for i := range managers.Items {
		l.must(client.IgnoreNotFound(admin.Delete(context.Background(), &managers.Items[i], client.GracePeriodSeconds(0))))
	}
}
