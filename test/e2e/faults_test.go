//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// A tenant who may only write ConfigMaps gives the run another manifest, by which it would find little, before its pod
// starts.
func TestForgedInput(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	l.kubectl("create", "role", "tenant", "--verb=*", "--resource=configmaps")
	l.kubectl("create", "rolebinding", "tenant", "--role=tenant", "--user=tenant")
	audit := cars("cars")
	gate := "forged-" + l.namespace
	audit.Spec.Runner.Template.NodeSelector = map[string]string{gate: "yes"}
	audit.Spec.Policy = v1alpha1.PolicySpec{Rules: []v1alpha1.PolicyRule{{Name: "few", Expression: "layer.duplicateSamples < 20", Severity: v1alpha1.SeverityFail}}}
	l.apply(audit)
	got := l.is("cars", v1alpha1.ConditionReconciling, "True/WaitingForCapacity")

	name := strings.TrimSuffix(got.Status.Run.Job, "-audit") + v1alpha1.InputSuffix
	input := &corev1.ConfigMap{}
	l.must(admin.Get(l.ctx, client.ObjectKey{Namespace: l.namespace, Name: name}, input))
	forged := input.DeepCopy()
	forged.ResourceVersion, forged.UID = "", ""
	forged.Data[v1alpha1.KeyAudit] = strings.Replace(forged.Data[v1alpha1.KeyAudit], "maxSamples: 1000", "maxSamples: 107", 1)
	if forged.Data[v1alpha1.KeyAudit] == input.Data[v1alpha1.KeyAudit] {
		t.Fatalf("there is no maxSamples in %s", input.Data[v1alpha1.KeyAudit])
	}
	config, err := ctrl.GetConfig()
	l.must(err)
	config.Impersonate.UserName = "tenant"
	tenant, err := client.New(config, client.Options{Scheme: admin.Scheme()})
	l.must(err)
	l.eventually("the forgery takes the place", func() error { // the operator makes the true one again, if it is quicker
		if err := tenant.Delete(l.ctx, input); client.IgnoreNotFound(err) != nil {
			return err
		}
		return tenant.Create(l.ctx, forged.DeepCopy())
	})
	node := l.aNode()
	l.must(admin.Patch(l.ctx, node, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{%q:"yes"}}}`, gate))))
	l.Cleanup(func() {
		_ = admin.Patch(context.Background(), node, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{%q:null}}}`, gate)))
	})
	got = l.is("cars", v1alpha1.ConditionStalled, "True/DigestMismatch")
	t.Logf("Stalled says: %s", message(got, v1alpha1.ConditionStalled))
	if got.Status.Result != nil {
		t.Errorf("there is a result: %+v", got.Status.Result)
	}
	if compliant := message(got, v1alpha1.ConditionCompliant); !strings.Contains(compliant, "no results") {
		t.Errorf("Compliant says: %s", compliant)
	}
}

func (l *lab) aNode() *corev1.Node {
	l.Helper()
	nodes := &corev1.NodeList{}
	l.must(admin.List(l.ctx, nodes))
	return &nodes.Items[len(nodes.Items)-1]
}

// The cluster puts a container into the runner's pod that never ends.
func TestSidecar(t *testing.T) {
	l := newLab(t)
	l.claim("cars", carFiles(t))
	l.inject()
	l.apply(cars("cars"))
	got := l.ready("cars")
	l.checkCars(got)
	if got.Status.Run.Attempt != 1 {
		t.Errorf("attempt %d", got.Status.Run.Attempt)
	}
	l.eventually("the Job goes, and with it the sidecar", func() error {
		if n := len(l.jobs()) + len(l.pods("cars")); n > 0 {
			return fmt.Errorf("%d Jobs and pods", n)
		}
		return nil
	})
	failing := cars("failing")
	failing.Spec.Model.Layers = []string{"conv_pw_31"}
	l.apply(failing)
	got = l.is("failing", v1alpha1.ConditionStalled, "True/InvalidModel")
	t.Log(message(got, v1alpha1.ConditionStalled))
}

// inject puts an ordinary container into every pod of an audit in the lab's namespace, as meshes and agents do.
func (l *lab) inject() {
	l.Helper()
	expression := fmt.Sprintf(`[JSONPatch{op: "add", path: "/spec/containers/-", value: Object.spec.containers{
		name: "injected", image: %q, command: ["/pod", "wait"],
		securityContext: Object.spec.containers.securityContext{
			allowPrivilegeEscalation: false, capabilities: Object.spec.containers.securityContext.capabilities{drop: ["ALL"]}
		}
	}}]`, podImage)
	policy := &admissionv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "inject-" + l.namespace},
		Spec: admissionv1.MutatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": l.namespace}},
				ObjectSelector:    &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: v1alpha1.LabelRun, Operator: metav1.LabelSelectorOpExists}}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
				}}},
			},
			FailurePolicy:      new(admissionv1.Fail),
			ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
			Mutations: []admissionv1.Mutation{{
				PatchType: admissionv1.PatchTypeJSONPatch, JSONPatch: &admissionv1.JSONPatch{Expression: expression},
			}},
		},
	}
	binding := &admissionv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy.Name}, Spec: admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: policy.Name},
	}
	for _, object := range []client.Object{policy, binding} {
		l.must(admin.Create(l.ctx, object))
		l.Cleanup(func() { _ = admin.Delete(context.Background(), object) })
	}
	// It counts a moment after it was made.
	probe := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, GenerateName: "probe-", Labels: map[string]string{v1alpha1.LabelRun: "probe"}},
		Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "main", Image: podImage, Command: []string{"/pod", "wait"},
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}
	l.eventually("pods get another container", func() error {
		pod := probe.DeepCopy()
		if err := admin.Create(l.ctx, pod, client.DryRunAll); err != nil {
			return err
		}
		if len(pod.Spec.Containers) != 2 {
			return fmt.Errorf("%d containers", len(pod.Spec.Containers))
		}
		return nil
	})
}

// While no manager runs, the pod succeeds and is deleted. Its results are there all the same.
func TestPodIsGone(t *testing.T) {
	l := openLab(t)
	l.claim("cars", carFiles(t))
	audit := slowCars("cars")
	audit.Spec.Runner.Resources.Limits[corev1.ResourceCPU] = resource.MustParse("1")
	l.apply(audit)
	pod := l.running("cars")
	scale := func(replicas int) {
		manager := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: release + "-manager"}}
		l.must(admin.Patch(context.Background(), manager, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas))))
	}
	scale(0)
	l.Cleanup(func() { scale(2) })
	l.eventually("the Job is complete", func() error {
		for _, c := range l.jobs()[0].Status.Conditions {
			if c.Type == batchv1.JobComplete && c.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("it is %+v", l.jobs()[0].Status)
	})
	l.must(admin.Delete(l.ctx, pod, client.GracePeriodSeconds(0)))
	l.eventually("the pod is gone", func() error {
		if n := len(l.pods("cars")); n > 0 {
			return fmt.Errorf("%d pods", n)
		}
		return nil
	})
	scale(2)
	l.checkUndisturbed(l.ready("cars"), 1)
}

// A node's kubelet falls silent in mid-run, while its containers go on. The run goes on elsewhere when the cluster
// gives the pod up.
func TestLostNode(t *testing.T) {
	if clusterScript == "" {
		t.Skip("the cluster is somebody else's: its nodes are left alone")
	}
	l := openLab(t)
	l.claim("cars", carFiles(t))
	audit := slowCars("cars")
	audit.Spec.Workspace = nil // one that both nodes can write is not for this test
	// The cluster's own patience with a silent node is five minutes.
	audit.Spec.Runner.Template.Tolerations = []corev1.Toleration{{
		Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(5)),
	}}
	audit.Spec.Runner.Resources.Limits[corev1.ResourceCPU] = resource.MustParse("60m") // long enough for a node to be missed
	l.apply(audit)
	pod := l.running("cars")
	kubelet := func(signal string) {
		_, err := run(nil, clusterScript, "nsenter", pod.Spec.NodeName, "pkill", "-"+signal, "-x", "kubelet")
		l.must(err)
	}
	kubelet("STOP")
	l.Cleanup(func() {
		kubelet("CONT")
		l.eventually("the node answers again", func() error {
			node := &corev1.Node{}
			if err := admin.Get(context.Background(), client.ObjectKey{Name: pod.Spec.NodeName}, node); err != nil {
				return err
			}
			for _, c := range node.Status.Conditions {
				if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
					return nil
				}
			}
			return fmt.Errorf("it does not")
		})
	})
	lost := l.until("cars", "it says that the node is lost", func(a *v1alpha1.DatasetAudit) bool {
		return strings.Contains(message(a, v1alpha1.ConditionReady), "does not answer")
	})
	t.Log(message(lost, v1alpha1.ConditionReady))
	if lost.Status.Run.WorkingSince != nil {
		t.Errorf("it counts as working: %+v", lost.Status.Run)
	}
	l.change("cars", fast)
	second := l.running("cars", pod.Name)
	if second.Spec.NodeName == pod.Spec.NodeName {
		t.Errorf("the second pod is on the lost node %s", pod.Spec.NodeName)
	}
	got := l.ready("cars")
	l.checkCars(got)
	if got.Status.Run.Attempt != 2 {
		t.Errorf("attempt %d", got.Status.Run.Attempt)
	}
}

// An image that can't be pulled is told at once, and when it comes the run goes on.
func TestLateImage(t *testing.T) {
	if clusterScript == "" {
		t.Skip("the registry is somebody else's: nothing is pushed to it")
	}
	l := newLab(t)
	l.claim("cars", carFiles(t))
	repository, digest, _ := strings.Cut(runnerImage, "@")
	audit := cars("cars")
	audit.Spec.Runner.Image = repository + ":late-" + l.namespace
	l.apply(audit)
	got := l.is("cars", v1alpha1.ConditionReconciling, "True/ImageUnavailable")
	t.Log(message(got, v1alpha1.ConditionReconciling))
	host, path, _ := strings.Cut(repository, "/")
	l.must(tag("http://"+host+"/v2/"+path+"/manifests/", digest, "late-"+l.namespace))
	got = l.ready("cars")
	l.checkCars(got)
	if got.Status.Run.Attempt != 1 {
		t.Errorf("attempt %d", got.Status.Run.Attempt)
	}
}

// tag gives an image in a registry another tag.
func tag(manifests, digest, name string) error {
	request, err := http.NewRequest(http.MethodGet, manifests+digest, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	manifest, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if request, err = http.NewRequest(http.MethodPut, manifests+name, bytes.NewReader(manifest)); err != nil {
		return err
	}
	request.Header.Set("Content-Type", response.Header.Get("Content-Type"))
	put, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer put.Body.Close()
	if put.StatusCode != http.StatusCreated {
		return fmt.Errorf("PUT %s: %s", name, put.Status)
	}
	return nil
}
