package v1alpha1

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestAllowsUnreadable(t *testing.T) {
	percent := func(s string) *intstr.IntOrString { return new(intstr.FromString(s)) }
	number := func(n int32) *intstr.IntOrString { return new(intstr.FromInt32(n)) }
	tests := map[string]struct {
		limit             *intstr.IntOrString
		unreadable, total int64
		want              bool
	}{
		"default, at the limit":     {nil, 1, 100, true},
		"default, above":            {nil, 2, 199, false},
		"none of none":              {nil, 0, 0, true},
		"number, at the limit":      {number(3), 3, 4, true},
		"number, above":             {number(3), 4, 1000000, false},
		"zero":                      {number(0), 1, 1000000, false},
		"tenth, not rounded up":     {percent("0.1%"), 1, 999, false},
		"tenth, exactly":            {percent("0.1%"), 1, 1000, true},
		"no binary rounding":        {percent("0.7%"), 7, 1000, true},
		"all":                       {percent("100%"), 5, 5, true},
		"zero percent, none":        {percent("0%"), 0, 5, true},
		"zero percent, one":         {percent("0%"), 1, 5, false},
		"many samples, no overflow": {percent("99.999999%"), 1 << 61, 1 << 62, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			spec := DatasetSpec{MaxUnreadable: test.limit}
			got, err := spec.AllowsUnreadable(test.unreadable, test.total)
			if err != nil || got != test.want {
				t.Errorf("AllowsUnreadable(%d, %d) = %v, %v, want %v", test.unreadable, test.total, got, err, test.want)
			}
		})
	}
}

func TestAllowsUnreadableRefuses(t *testing.T) {
	for _, text := range []string{"", "1", "%", "one%", "1/2%", "1e9%", "0x1%", "1_0%"} {
		spec := DatasetSpec{MaxUnreadable: new(intstr.FromString(text))}
		if _, err := spec.AllowsUnreadable(0, 1); err == nil {
			t.Errorf("maxUnreadable %q is accepted", text)
		}
	}
}

func TestPaths(t *testing.T) {
	var absent DatasetSpec
	if absent.ManifestPath() != "manifest.csv" || absent.EmbeddingsPath() != "embeddings.npy" {
		t.Errorf("default paths are %q and %q", absent.ManifestPath(), absent.EmbeddingsPath())
	}
	given := DatasetSpec{Manifest: &ManifestOptions{Path: "a.csv"}, Embeddings: &EmbeddingsOptions{Path: "b.npy"}}
	if given.ManifestPath() != "a.csv" || given.EmbeddingsPath() != "b.npy" {
		t.Errorf("given paths are %q and %q", given.ManifestPath(), given.EmbeddingsPath())
	}
}
