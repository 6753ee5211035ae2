package controllers

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
)

// TestSlotsAreFair : bounds hold, in all and for each namespace, and who waits longest comes first.
func TestSlotsAreFair(t *testing.T) {
	var woken []string
	s := newSlots(&Options{MaxActiveRuns: 2, MaxActiveRunsPerNamespace: 1}, func(n types.NamespacedName) { woken = append(woken, n.String()) })
	name := func(text string) types.NamespacedName {
		namespace, name, _ := strings.Cut(text, "/")
		return types.NamespacedName{Namespace: namespace, Name: name}
	}
	take := func(text string) bool {
		waits, err := s.take(name(text), func() ([]types.NamespacedName, error) { return []types.NamespacedName{name("a/live")}, nil })
		if err != nil {
			t.Fatal(err)
		}
		return waits == ""
	}
	steps := []struct {
		take string
		want bool
	}{{"a/1", false}, {"b/1", true}, {"c/1", false}, {"b/1", true}, {"d/1", false}}
	for _, step := range steps {
		if got := take(step.take); got != step.want {
			t.Errorf("%s gets a slot: %v, want %v", step.take, got, step.want)
		}
	}
	s.release(name("b/1"))
	if diff := cmp.Diff([]string{"c/1"}, woken); diff != "" { // a/1 waits longer, but its namespace is full
		t.Errorf("woken (-want +got):\n%s", diff)
	}
	if take("d/1") {
		t.Error("d/1 overtakes c/1")
	}
	if !take("c/1") {
		t.Error("c/1 gets no slot")
	}
	s.release(name("a/live"))
	if !take("a/1") {
		t.Error("a/1 gets no slot")
	}
}
