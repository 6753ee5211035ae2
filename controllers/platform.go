package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
	"github.com/datasetaudit/dataset-audit/policy"
)

// maxPolicies bounds AuditStatus.Policies.
const maxPolicies = 64

// maxProblem bounds AppliedPolicy.Problem.
const maxProblem = 1024

// policiesFor are the platform's policies for a namespace's audits, by name.
func (r *Reconciler) policiesFor(ctx context.Context, namespace string) ([]v1alpha1.DatasetAuditPolicy, error) {
	if !r.Platform {
		return nil, nil
	}
	list := &v1alpha1.DatasetAuditPolicyList{}
	if err := r.List(ctx, list); err != nil {
		return nil, fmt.Errorf("list the platform's policies: %w", err)
	}
	if len(list.Items) == 0 {
		return nil, nil
	}
	of := namespaceMetadata()
	if err := r.Get(ctx, types.NamespacedName{Name: namespace}, of); err != nil {
		return nil, fmt.Errorf("get the namespace %s: %w", namespace, err)
	}
	chosen := slices.DeleteFunc(list.Items, func(p v1alpha1.DatasetAuditPolicy) bool { return !chooses(&p, of.Labels) })
	slices.SortFunc(chosen, func(a, b v1alpha1.DatasetAuditPolicy) int { return strings.Compare(a.Name, b.Name) })
	return chosen, nil
}

// platform says whether there can be policies: to watch what has no definition would end the manager.
func (r *Reconciler) platform(mgr ctrl.Manager) (bool, error) {
	if !r.Platform {
		return false, nil
	}
	_, err := mgr.GetRESTMapper().RESTMapping(v1alpha1.GroupVersion.WithKind(v1alpha1.KindPolicy).GroupKind(), v1alpha1.GroupVersion.Version)
	if meta.IsNoMatchError(err) {
		mgr.GetLogger().Info("there is no definition of DatasetAuditPolicy: apply it, and start the manager again, for policies of the platform")
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for DatasetAuditPolicy: %w", err)
	}
	return true, nil
}

func namespaceMetadata() *metav1.PartialObjectMetadata {
	of := &metav1.PartialObjectMetadata{}
	of.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return of
}

// chooses says whether a policy is for a namespace with these labels. One whose selector makes no sense is for all: it
// is said there, and nothing slips by it.
func chooses(p *v1alpha1.DatasetAuditPolicy, of map[string]string) bool {
	if p.Spec.NamespaceSelector == nil {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector(p.Spec.NamespaceSelector)
	return err != nil || selector.Matches(labels.Set(of))
}

// checkPolicy says why a policy can't be applied.
func checkPolicy(p *v1alpha1.DatasetAuditPolicy) error {
	if p.Spec.NamespaceSelector != nil {
		if _, err := metav1.LabelSelectorAsSelector(p.Spec.NamespaceSelector); err != nil {
			return fmt.Errorf("spec.namespaceSelector: %w", err)
		}
	}
	if _, err := policy.Compile(v1alpha1.PolicySpec{Rules: p.Spec.Rules}); err != nil {
		return fmt.Errorf("spec.rules: %w", err)
	}
	return nil
}

// applyPolicies holds the audit against what the platform asks, and returns the platform's rules. They come before the
// audit's own: what all rules may cost is bounded, and an audit's rules must not use it up.
func (p *planner) applyPolicies() []v1alpha1.PolicyRule {
	p.status.Policies = nil
	var rules []v1alpha1.PolicyRule
	for i := range p.o.policies {
		of := &p.o.policies[i]
		applied := v1alpha1.AppliedPolicy{Name: of.Name, Generation: of.Generation, Rules: int32(len(of.Spec.Rules))}
		err := checkPolicy(of)
		if err != nil {
			p.policyProblem = &v1alpha1.RunError{Reason: v1alpha1.ReasonInvalidPolicy, Message: fmt.Sprintf("DatasetAuditPolicy %s can't be applied: %v", of.Name, err)}
			applied.Problem = text.Cut(text.Name(err.Error()), maxProblem)
		}
		if refused := refusals(&of.Spec, &p.audit.Spec); len(refused) > 0 {
			message := strings.Join(refused, "; ")
			applied.Problem = text.Cut(text.Name(message), maxProblem)
			p.forbidden = append(p.forbidden, fmt.Sprintf("DatasetAuditPolicy %s: %s", of.Name, message))
		}
		if len(p.status.Policies) < maxPolicies {
			p.status.Policies = append(p.status.Policies, applied)
		}
		if err == nil {
			for _, rule := range of.Spec.Rules {
				rule.Name = of.Name + "/" + rule.Name
				rules = append(rules, rule)
			}
		}
	}
	if n := len(p.o.policies); n > maxPolicies {
		p.policyProblem = &v1alpha1.RunError{Reason: v1alpha1.ReasonInvalidPolicy, Message: fmt.Sprintf("%d DatasetAuditPolicies apply, at most %d can", n, maxPolicies)}
	}
	if len(p.forbidden) > 0 {
		p.refuse(v1alpha1.ReasonForbidden, strings.Join(p.forbidden, "; "))
	}
	return rules
}

// validUntil is when results become too old by the strictest of the policies, and which that is; nil: never.
func validUntil(policies []v1alpha1.DatasetAuditPolicy, result *v1alpha1.ResultStatus) (until *metav1.Time, by *v1alpha1.DatasetAuditPolicy) {
	for i := range policies {
		if age := policies[i].Spec.Requires.MaxAge; age != nil && result != nil {
			if at := metav1.NewTime(result.HeldAt().Add(age.Duration).Truncate(time.Second)); until == nil || at.Before(until) {
				until, by = &at, &policies[i]
			}
		}
	}
	return until, by
}

// refusals are what a policy does not allow of a spec.
func refusals(asked *v1alpha1.DatasetAuditPolicySpec, spec *v1alpha1.DatasetAuditSpec) []string {
	var found []string
	refuse := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	requires, allows := &asked.Requires, &asked.Allows
	if method := spec.Duplicates.EffectiveMethod(); requires.Method != "" && method != requires.Method {
		refuse("duplicates.method is %s, and must be %s", method, requires.Method)
	}
	for _, split := range requires.EvaluationSplits {
		if !slices.Contains(spec.Dataset.EvaluationSplits, split) {
			refuse("dataset.evaluationSplits lacks %s", split)
		}
	}
	for _, name := range requires.References {
		if !slices.ContainsFunc(spec.References, func(r v1alpha1.ReferenceSpec) bool { return r.Name == name }) {
			refuse("references lacks %s", name)
		}
	}
	if requires.Schedule && spec.Schedule == nil {
		refuse("schedule is absent, and must be there")
	}
	if image := spec.Runner.Image; image != "" && len(allows.Images) > 0 && !slices.ContainsFunc(allows.Images, func(a string) bool { return isImageOf(image, a) }) {
		refuse("runner.image %s is not among %s", image, strings.Join(allows.Images, ", "))
	}
	if model := spec.Model; model != nil && model.Builtin == "" && len(allows.ModelSHA256) > 0 && !slices.Contains(allows.ModelSHA256, model.SHA256) {
		refuse("model.sha256 is not that of a model that is allowed")
	}
	if most := allows.Parallelism; most != nil && parallelism(spec) > *most {
		refuse("runner.parallelism is %d, at most %d", parallelism(spec), *most)
	}
	if most := allows.GPUs; most != nil {
		if n := gpus(spec); n > int64(*most) {
			refuse("its pods have %d GPUs at once, at most %d", n, *most)
		}
	}
	return found
}

// isImageOf says whether an image is of a repository, or of a registry or folder with it.
func isImageOf(image, allowed string) bool {
	rest, found := strings.CutPrefix(image, strings.TrimSuffix(allowed, "/"))
	return found && (rest == "" || strings.ContainsRune("/:@", rune(rest[0])) && (rest[0] == '/' || !strings.HasSuffix(allowed, "/")))
}

// gpus is how many GPUs the pods of a step have at once, at most.
func gpus(spec *v1alpha1.DatasetAuditSpec) int64 {
	most := int64(0)
	for _, s := range []step{stepEmbed, stepNeighbors, stepAudit} {
		n := int64(0)
		for name, quantity := range stepResources(&spec.Runner, s).Limits {
			if strings.HasSuffix(string(name), "gpu") || strings.HasPrefix(string(name), "nvidia.com/") || strings.HasPrefix(string(name), "amd.com/") || strings.HasPrefix(string(name), "gpu.intel.com/") {
				n += quantity.Value()
			}
		}
		if s != stepAudit {
			n *= int64(parallelism(spec))
		}
		most = max(most, n)
	}
	return most
}

// auditsIn are the audits that a policy, a namespace's labels or their loss may concern.
func (r *Reconciler) auditsIn(ctx context.Context, object client.Object) []ctrl.Request {
	var options []client.ListOption
	if _, isNamespace := object.(*metav1.PartialObjectMetadata); isNamespace {
		options = append(options, client.InNamespace(object.GetName()))
	}
	list := &v1alpha1.DatasetAuditList{}
	if err := r.List(ctx, list, options...); err != nil {
		log.FromContext(ctx).Error(err, "list the audits that a policy may concern")
		return nil
	}
	requests := make([]ctrl.Request, len(list.Items))
	for i := range list.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&list.Items[i])
	}
	return requests
}

// policies says of each policy whether it can be applied.
type policies struct{ client.Client }

// Reconcile looks at one policy.
func (r *policies) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	p := &v1alpha1.DatasetAuditPolicy{}
	if err := r.Get(ctx, request.NamespacedName, p); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	ready := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded, ObservedGeneration: p.Generation,
		Message: "the audits of the namespaces that it selects are held against it",
	}
	if err := checkPolicy(p); err != nil {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, v1alpha1.ReasonInvalidPolicy, text.Cut(plain(err.Error()), maxMessage)
	}
	before := p.DeepCopy()
	if !meta.SetStatusCondition(&p.Status.Conditions, ready) {
		return ctrl.Result{}, nil
	}
	err := r.Status().Patch(ctx, p, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err = client.IgnoreNotFound(err); err != nil {
		return ctrl.Result{}, fmt.Errorf("patch the status of the policy: %w", err)
	}
	return ctrl.Result{}, nil
}
