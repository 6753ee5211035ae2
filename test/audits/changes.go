package audits

import (
	"iter"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// Changes yields, for each field of dataset, model, reduction and duplicates that holds a value, its path and a copy of
// the spec in which it has another one. Fields that are absent are set, so not every copy is valid.
func Changes(spec *v1alpha1.DatasetAuditSpec) iter.Seq2[string, *v1alpha1.DatasetAuditSpec] {
	return func(yield func(string, *v1alpha1.DatasetAuditSpec) bool) {
		whole := reflect.TypeFor[v1alpha1.DatasetAuditSpec]()
		for i := range whole.NumField() {
			name := jsonName(whole.Field(i))
			switch name {
			case "dataset", "model", "reduction", "duplicates":
			default:
				continue
			}
			for _, leaf := range leaves(whole.Field(i).Type, name, []int{i}) {
				changed := spec.DeepCopy()
				change(reach(reflect.ValueOf(changed).Elem(), leaf.index))
				if !yield(leaf.path, changed) {
					return
				}
			}
		}
	}
}

type leaf struct {
	path  string
	index []int
}

// leaves are the fields below a type that hold values, found through pointers and structs.
func leaves(of reflect.Type, path string, index []int) []leaf {
	if of.Kind() == reflect.Pointer {
		return leaves(of.Elem(), path, index)
	}
	if of.Kind() != reflect.Struct || of == reflect.TypeFor[intstr.IntOrString]() {
		return []leaf{{path, index}}
	}
	var all []leaf
	for i := range of.NumField() {
		all = append(all, leaves(of.Field(i).Type, path+"."+jsonName(of.Field(i)), append(slices.Clip(index), i))...)
	}
	return all
}

func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// reach makes the structs on the way to a field, and returns it.
func reach(v reflect.Value, index []int) reflect.Value {
	for _, i := range index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v
}

func change(v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		before := v
		v = reflect.New(v.Type().Elem()).Elem()
		if !before.IsNil() {
			v.Set(before.Elem())
		}
		defer func() { before.Set(v.Addr()) }()
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int32, reflect.Int64:
		v.SetInt(v.Int() + 7)
	case reflect.Slice:
		item := reflect.New(v.Type().Elem()).Elem()
		change(item)
		v.Set(reflect.Append(v, item))
	case reflect.Struct: // intstr.IntOrString
		v.Set(reflect.ValueOf(intstr.FromInt32(7)))
	default:
		panic("no other value of " + v.Type().String() + " is known: add it here")
	}
}
