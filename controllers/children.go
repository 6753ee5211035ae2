package controllers

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// Everything that an audit's runs need beside their Jobs is built here. All of it is owned by the audit and bears its labels.

// keyOf tells the children of an audit apart: their names are unique for each kind.
type keyOf struct{ kind, name string }

func (k keyOf) compare(other keyOf) int {
	return cmp.Or(cmp.Compare(k.kind, other.kind), cmp.Compare(k.name, other.name))
}

// runChildren are the objects that the live run needs before its Job, in the order of their creation.
func runChildren(audit *v1alpha1.DatasetAudit) ([]client.Object, error) {
	input, err := inputConfigMap(audit)
	if err != nil {
		return nil, err
	}
	children := []client.Object{input, resultConfigMap(audit, v1alpha1.ResultSuffix)}
	writable := []string{children[1].GetName()}
	if keepsClusters(audit.Status.Run) {
		clusters := resultConfigMap(audit, v1alpha1.ClustersSuffix)
		children = append(children, clusters)
		writable = append(writable, clusters.Name)
	}
	if audit.Spec.Runner.Template.ServiceAccountName == "" {
		children = append(children, serviceAccount(audit))
	}
	return append(children, role(audit, writable), roleBinding(audit)), nil
}

// keepsClusters says whether a run keeps its tightest clusters in a ConfigMap: object storage has them all.
func keepsClusters(run *v1alpha1.RunStatus) bool { return run.OutputURL == "" }

// auditMeta is the metadata of a child that stays as long as the audit.
func auditMeta(audit *v1alpha1.DatasetAudit, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:      name,
		Namespace: audit.Namespace,
		Labels: map[string]string{
			"app.kubernetes.io/name":       "dataset-audit",
			"app.kubernetes.io/component":  "runner",
			"app.kubernetes.io/managed-by": "dataset-audit",
			v1alpha1.LabelAudit:            audit.Name,
			v1alpha1.LabelAuditUID:         string(audit.UID),
		},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(audit, v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))},
	}
}

// runMeta is the metadata of a child that belongs to the run in status.
func runMeta(audit *v1alpha1.DatasetAudit, suffix string) metav1.ObjectMeta {
	run := audit.Status.Run.ID
	meta := auditMeta(audit, baseName(audit.Name, run)+suffix)
	meta.Labels[v1alpha1.LabelRun] = run
	return meta
}

// inputConfigMap holds the audit as the runner reads it. It is immutable: what a run does is fixed when it starts.
func inputConfigMap(audit *v1alpha1.DatasetAudit) (*corev1.ConfigMap, error) {
	input, err := yaml.Marshal(&v1alpha1.DatasetAudit{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.Kind},
		ObjectMeta: metav1.ObjectMeta{Name: audit.Name, Namespace: audit.Namespace},
		Spec:       audit.Spec,
	})
	if err != nil {
		return nil, fmt.Errorf("the audit as the runner's input: %w", err)
	}
	immutable := true
	return &corev1.ConfigMap{
		ObjectMeta: runMeta(audit, v1alpha1.InputSuffix),
		Immutable:  &immutable,
		Data:       map[string]string{v1alpha1.KeyAudit: string(input)},
	}, nil
}

// resultConfigMap is empty: the runner fills it.
func resultConfigMap(audit *v1alpha1.DatasetAudit, suffix string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: runMeta(audit, suffix)}
}

// serviceAccount is one for all runs of the audit, so that whoever grants it something does so once.
func serviceAccount(audit *v1alpha1.DatasetAudit) *corev1.ServiceAccount {
	mount := false // the pods ask for the token themselves
	return &corev1.ServiceAccount{
		ObjectMeta:                   auditMeta(audit, serviceAccountName(audit)),
		AutomountServiceAccountToken: &mount,
	}
}

const runnerRoleSuffix = "-runner"

// role lets the run's pods write just the ConfigMaps of the run.
func role(audit *v1alpha1.DatasetAudit, configMaps []string) *rbacv1.Role {
	return &rbacv1.Role{
		ObjectMeta: runMeta(audit, runnerRoleSuffix),
		Rules: []rbacv1.PolicyRule{{
			APIGroups:     []string{corev1.GroupName},
			Resources:     []string{"configmaps"},
			ResourceNames: configMaps,
			Verbs:         []string{"get", "patch"},
		}},
	}
}

func roleBinding(audit *v1alpha1.DatasetAudit) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: runMeta(audit, runnerRoleSuffix),
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: serviceAccountName(audit), Namespace: audit.Namespace}},
		RoleRef: rbacv1.RoleRef{
			APIGroup: rbacv1.GroupName, Kind: "Role", Name: baseName(audit.Name, audit.Status.Run.ID) + runnerRoleSuffix,
		},
	}
}

// workspaceClaim is the claim that an audit asks for by workspace.size, or nil.
func workspaceClaim(audit *v1alpha1.DatasetAudit) *corev1.PersistentVolumeClaim {
	spec := audit.Spec.Workspace
	if spec == nil || spec.Size == nil {
		return nil
	}
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: auditMeta(audit, workspaceName(audit.Name)),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: spec.StorageClassName,
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: *spec.Size}},
		},
	}
}
