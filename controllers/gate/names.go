package gate

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta2"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// maxNamed bounds the audits that a workload names.
const maxNamed = 32

// A name is that of an audit, and the revision or digest that its dataset must have, if the workload says one.
type name struct {
	types.NamespacedName
	of string
}

// names are the audits that a workload names, or whose datasets it uses.
type names []name

// add adds those that a label or annotation holds.
func (a *names) add(namespace string, values map[string]string) error {
	for entry := range strings.SplitSeq(values[v1alpha1.AnnotationAudits], ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		audit, of, demands := strings.Cut(entry, "@")
		named := name{types.NamespacedName{Namespace: namespace, Name: audit}, of}
		if before, after, found := strings.Cut(audit, "/"); found {
			named.Namespace, named.Name = strings.TrimSpace(before), strings.TrimSpace(after)
		}
		for _, part := range []string{named.Namespace, named.Name} {
			if problems := validation.IsDNS1123Label(part); len(problems) > 0 || demands && of == "" {
				return fmt.Errorf("%s: %.80q is not an audit: write audit, namespace/audit or audit@revision, separated by commas", v1alpha1.AnnotationAudits, entry)
			}
		}
		if slices.Contains(*a, named) {
			continue
		}
		if len(*a) == maxNamed {
			return fmt.Errorf("%s names more than %d audits", v1alpha1.AnnotationAudits, maxNamed)
		}
		*a = append(*a, named)
	}
	return nil
}

// namesIn are the audits that labels and annotations name.
func namesIn(namespace string, values ...map[string]string) (named names, err error) {
	for _, v := range values {
		if err := named.add(namespace, v); err != nil {
			return nil, err
		}
	}
	return named, nil
}

// ofWorkload are the audits that a workload and its pod templates name.
func ofWorkload(w *kueue.Workload) (names, error) {
	values := []map[string]string{w.Annotations, w.Labels}
	for i := range w.Spec.PodSets {
		template := &w.Spec.PodSets[i].Template
		values = append(values, template.Annotations, template.Labels)
	}
	return namesIn(w.Namespace, values...)
}

// uses are the places that a workload reads or writes: the claims of its pods, and addresses of storage.
type uses struct {
	claims, urls []string
}

// usesOf are those of a workload's pod templates and of its job.
func usesOf(w *kueue.Workload, job *unstructured.Unstructured) uses {
	var u uses
	for i := range w.Spec.PodSets {
		pod := &w.Spec.PodSets[i].Template.Spec
		for _, volume := range pod.Volumes {
			if claim := volume.PersistentVolumeClaim; claim != nil {
				u.claims = append(u.claims, claim.ClaimName)
			}
		}
		for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
			u.ofContainer(container)
		}
	}
	if job != nil { // a TrainJob's dataset
		if address, found, err := unstructured.NestedString(job.Object, "spec", "initializer", "dataset", "storageUri"); found && err == nil {
			u.add(address)
		}
	}
	return u
}

func (u *uses) ofContainer(c corev1.Container) {
	for _, env := range c.Env {
		u.add(env.Value)
	}
	for _, arg := range slices.Concat(c.Command, c.Args) {
		if _, value, found := strings.Cut(arg, "="); found { // --data=s3://…
			u.add(value)
		}
		u.add(arg)
	}
}

// add keeps what is an address of storage.
func (u *uses) add(s string) {
	if address := place(s); address != "" {
		u.urls = append(u.urls, address)
	}
}

// place is an address without its parameters; empty for what is none.
func place(s string) string {
	parsed, err := url.Parse(s)
	if err != nil || parsed.Host == "" || parsed.Scheme == "" {
		return ""
	}
	return parsed.Scheme + "://" + parsed.Host + "/" + strings.Trim(parsed.Path, "/")
}

// reads says whether an audit of the same namespace audits a place that is used, or a folder around it.
func (u *uses) reads(audit *v1alpha1.DatasetAudit) bool {
	source := audit.Spec.Dataset.Source
	if claim := source.PersistentVolumeClaim; claim != nil {
		return slices.Contains(u.claims, claim.ClaimName)
	}
	if source.ObjectStorage == nil {
		return false
	}
	audited := place(source.ObjectStorage.URL)
	return audited != "" && slices.ContainsFunc(u.urls, func(used string) bool {
		return used == audited || strings.HasPrefix(used, strings.TrimSuffix(audited, "/")+"/")
	})
}
