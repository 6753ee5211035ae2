package crd

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

// TestOnAPIServer sends every row of the tables to a real API server: what this package refuses, it refuses with the
// same words, and what this package accepts, it accepts.
func TestOnAPIServer(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS names no control plane: make test sets it")
	}
	env := &envtest.Environment{CRDDirectoryPaths: []string{"bases"}, ErrorIfCRDPathMissing: true}
	config, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.Stop() })
	config.QPS, config.Burst = 1000, 1000
	api, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	api = client.WithFieldValidation(api, metav1.FieldValidationStrict) // as kubectl does
	create := func(patches ...string) error {
		return api.Create(t.Context(), object(t, merged(t, patches...)), client.DryRunAll)
	}
	check := func(err error, message string) {
		t.Helper()
		if field, ok := strings.CutSuffix(message, ": unknown field"); ok { // which an API server finds elsewhere
			message = fmt.Sprintf("unknown field %q", field)
		}
		if err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("error is %v, want %q in it", err, message)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		t.Run(name, func(t *testing.T) {
			r := rules[name]
			check(create(base, r.given, r.rejected), r.message)
			if err := create(base, r.given, r.accepted); err != nil {
				t.Errorf("neighbor is refused: %v", err)
			}
		})
	}
	for path, n := range numbers {
		t.Run(path, func(t *testing.T) {
			check(create(base, n.given, nested("spec."+path, n.min-1)), "spec."+path)
			if err := create(base, n.given, nested("spec."+path, n.min)); err != nil {
				t.Errorf("%d is refused: %v", n.min, err)
			}
			if n.max >= 0 {
				check(create(base, n.given, nested("spec."+path, n.max+1)), "spec."+path)
			}
		})
	}
	for name, r := range transitions {
		t.Run(name, func(t *testing.T) {
			given := object(t, merged(t, base, r.given))
			if err := api.Create(t.Context(), given.DeepCopy()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = api.Delete(t.Context(), given) })
			update := func(patch string) error {
				stored := given.DeepCopy()
				if err := api.Get(t.Context(), client.ObjectKeyFromObject(given), stored); err != nil {
					t.Fatal(err)
				}
				changed := object(t, merged(t, base, r.given, patch))
				changed.SetResourceVersion(stored.GetResourceVersion())
				return api.Update(t.Context(), changed, client.DryRunAll)
			}
			check(update(r.rejected), r.message)
			if err := update(r.accepted); err != nil {
				t.Errorf("neighbor is refused: %v", err)
			}
			if err := api.Delete(t.Context(), given); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("unknown field", func(t *testing.T) {
		check(create(base, `spec: {model: {layer: conv}}`), `unknown field "spec.model.layer"`)
	})
	t.Run("name of 300 characters", func(t *testing.T) {
		check(create(base, fmt.Sprintf(`metadata: {name: %s}`, strings.Repeat("a", 300))), "metadata.name")
	})
}

// object is a manifest, in the one namespace that every API server has.
func object(t *testing.T, manifest []byte) *unstructured.Unstructured {
	t.Helper()
	out := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(manifest, &out.Object); err != nil {
		t.Fatal(err)
	}
	out.SetNamespace(metav1.NamespaceDefault)
	return out
}
