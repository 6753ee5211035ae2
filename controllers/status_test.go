package controllers

import (
	"fmt"
	"reflect"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// Whatever of a status is absent, since an older operator or somebody's hand left it out, planning goes on.
func TestStoredStatuses(t *testing.T) {
	scenes := map[string]func() *scene{"working": running, "done": done, "failed": func() *scene {
		s := running()
		s.o.jobs[0].Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue}}
		s.store()
		s.o.jobs, s.o.pods = nil, nil
		return s
	}}
	for name, scene := range scenes {
		for _, trigger := range []string{"", "again"} {
			for i, absent := range placesOf(&scene().Status) {
				t.Run(fmt.Sprintf("%s%s without %s", name, trigger, absent.name), func(t *testing.T) {
					s := scene()
					placesOf(&s.Status)[i].value.SetZero()
					if trigger != "" {
						s.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: trigger}
					}
					p := s.plan()
					observeTransition(&s.Status, &p.status)
				})
			}
		}
	}
}

// place is a field of a status that can be absent and is not.
type place struct {
	name  string
	value reflect.Value
}

func placesOf(status *v1alpha1.DatasetAuditStatus) []place {
	var out []place
	visit(reflect.ValueOf(status).Elem(), "status", func(name string, value reflect.Value) { out = append(out, place{name, value}) })
	return out
}

func visit(v reflect.Value, path string, found func(string, reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			visit(v.Elem(), path, found)
		}
	case reflect.Slice:
		for i := range v.Len() {
			visit(v.Index(i), fmt.Sprintf("%s[%d]", path, i), found)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field, name := v.Field(i), path+"."+v.Type().Field(i).Name
			if !v.Type().Field(i).IsExported() || field.IsZero() {
				continue
			}
			found(name, field)
			visit(field, name, found)
		}
	}
}
