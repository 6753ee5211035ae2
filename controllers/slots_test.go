package controllers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
)

// Bounds hold, in all and for each namespace, and who waits longest comes first.
func TestSlotsAreFair(t *testing.T) {
	var woken []string
	s := newSlots(&Options{MaxActiveRuns: 2, MaxActiveRunsPerNamespace: 1}, func(n types.NamespacedName) { woken = append(woken, n.String()) })
	name := func(text string) types.NamespacedName {
		namespace, name, _ := strings.Cut(text, "/")
		return types.NamespacedName{Namespace: namespace, Name: name}
	}
	take := func(text string) bool {
		waits, err := s.take(name(text), func() (map[types.NamespacedName]bool, error) {
			return map[types.NamespacedName]bool{name("a/live"): true}, nil
		})
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

// Runs that can't be scheduled give their slots up, and a namespace with many of them comes after one with none.
func TestWaitingRunsStarveNobody(t *testing.T) {
	var woken []string
	s := newSlots(&Options{MaxActiveRuns: 2, MaxActiveRunsPerNamespace: 3}, func(n types.NamespacedName) { woken = append(woken, n.String()) })
	name := func(namespace, name string) types.NamespacedName {
		return types.NamespacedName{Namespace: namespace, Name: name}
	}
	take := func(n types.NamespacedName) bool {
		waits, err := s.take(n, func() (map[types.NamespacedName]bool, error) { return map[types.NamespacedName]bool{}, nil })
		if err != nil {
			t.Fatal(err)
		}
		return waits == ""
	}
	for i, want := range []bool{true, true, false, false} {
		if got := take(name("greedy", fmt.Sprint(i))); got != want {
			t.Errorf("run %d of the greedy one starts: %v", i, got)
		}
	}
	if take(name("modest", "0")) {
		t.Error("there are more runs than slots")
	}
	s.occupy(name("greedy", "0"), false) // no node has what it needs
	if diff := cmp.Diff([]string{"modest/0"}, woken); diff != "" {
		t.Errorf("woken (-want +got):\n%s", diff)
	}
	if take(name("greedy", "2")) || !take(name("modest", "0")) {
		t.Error("who came later from a namespace that holds fewer waits for one that holds more")
	}
	s.occupy(name("greedy", "1"), false)
	if !take(name("greedy", "2")) {
		t.Error("a free slot goes to nobody")
	}
	s.occupy(name("greedy", "2"), false)
	if take(name("greedy", "3")) {
		t.Error("a namespace's runs that only wait do not count for it")
	}
	s.occupy(name("greedy", "0"), true) // a node came
	if !s.held[name("greedy", "0")] {
		t.Error("a run that works again does not count")
	}
}
