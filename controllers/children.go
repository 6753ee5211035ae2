package controllers

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// Everything that an audit's runs need beside their Jobs is built here. All of it is owned by the audit and bears its
// labels.

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
	record := auditRecord(audit)
	children := []client.Object{input, record, resultConfigMap(audit, v1alpha1.ResultSuffix)}
	writable := []string{children[2].GetName()}
	if keepsClusters(audit.Status.Run) {
		clusters := resultConfigMap(audit, v1alpha1.ClustersSuffix)
		children = append(children, clusters)
		writable = append(writable, clusters.Name)
	}
	if audit.Spec.Runner.Template.ServiceAccountName == "" {
		children = append(children, serviceAccount(audit))
	}
	return append(children, role(audit, writable, record.Name), roleBinding(audit)), nil
}

// keepsClusters says whether a run keeps its tightest clusters in a ConfigMap: object storage has them all.
func keepsClusters(run *v1alpha1.RunStatus) bool { return run.OutputURL == "" }

// auditMeta is the metadata of a child that stays as long as the audit: what the audit's template has, since a cluster
// may demand it of everything, and over it what is ours.
func auditMeta(audit *v1alpha1.DatasetAudit, name string) metav1.ObjectMeta {
	labels := maps.Clone(audit.Spec.Runner.Template.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, map[string]string{
		"app.kubernetes.io/name":       "dataset-audit",
		"app.kubernetes.io/component":  "runner",
		"app.kubernetes.io/managed-by": "dataset-audit",
		v1alpha1.LabelAudit:            audit.Name,
		v1alpha1.LabelAuditUID:         string(audit.UID),
	})
	return metav1.ObjectMeta{
		Name:            name,
		Namespace:       audit.Namespace,
		Labels:          labels,
		Annotations:     maps.Clone(audit.Spec.Runner.Template.Annotations),
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

// input is the audit as the runner reads it: without what the runner has no use for, so that a change of that leaves it
// as it is.
func input(audit *v1alpha1.DatasetAudit) ([]byte, error) {
	spec := audit.Spec
	spec.Policy, spec.Schedule, spec.Suspend, spec.Retention = v1alpha1.PolicySpec{}, nil, false, v1alpha1.RetentionSpec{}
	spec.Runner.Deadline, spec.Runner.StartDeadline = nil, nil
	text, err := yaml.Marshal(&v1alpha1.DatasetAudit{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.Kind},
		ObjectMeta: metav1.ObjectMeta{Name: audit.Name, Namespace: audit.Namespace},
		Spec:       spec,
	})
	if err != nil {
		return nil, fmt.Errorf("the audit as the runner's input: %w", err)
	}
	return text, nil
}

// inputDigest ties a run to its input: it stands in status and on the pods' command line, which someone who may write
// ConfigMaps can't change.
func inputDigest(audit *v1alpha1.DatasetAudit) string {
	text, err := input(audit)
	if err != nil {
		return "" // making the ConfigMap says why
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// inputConfigMap holds the audit as the runner reads it. It is immutable: what a run does is fixed when it starts. Who
// may delete it and make another is found out by its digest.
func inputConfigMap(audit *v1alpha1.DatasetAudit) (*corev1.ConfigMap, error) {
	text, err := input(audit)
	if err != nil {
		return nil, err
	}
	immutable := true
	return &corev1.ConfigMap{
		ObjectMeta: runMeta(audit, v1alpha1.InputSuffix),
		Immutable:  &immutable,
		Data:       map[string]string{v1alpha1.KeyAudit: string(text)},
	}, nil
}

// auditRecord is empty: the runner says there what it stored.
func auditRecord(audit *v1alpha1.DatasetAudit) *v1alpha1.AuditRecord {
	return &v1alpha1.AuditRecord{ObjectMeta: runMeta(audit, v1alpha1.RecordSuffix)}
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

// role lets the run's pods write just the ConfigMaps and the record of the run.
func role(audit *v1alpha1.DatasetAudit, configMaps []string, record string) *rbacv1.Role {
	return &rbacv1.Role{
		ObjectMeta: runMeta(audit, runnerRoleSuffix),
		Rules: []rbacv1.PolicyRule{{
			APIGroups:     []string{corev1.GroupName},
			Resources:     []string{"configmaps"},
			ResourceNames: configMaps,
			Verbs:         []string{"get", "patch"},
		}, {
			APIGroups:     []string{v1alpha1.GroupName},
			Resources:     []string{v1alpha1.ResourceRecords},
			ResourceNames: []string{record},
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
