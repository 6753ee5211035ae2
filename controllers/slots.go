package controllers

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// slotPeriod is how often an audit that waits for a slot looks again by itself: a freed slot wakes it sooner.
const slotPeriod = time.Minute

// slots bound the live runs. A namespace has so many, whether they work or wait for a node; of all namespaces together
// only those count that work or have begun a short while ago, so that nobody's wait for a node keeps others from
// theirs. The next slot goes to the namespace that holds fewest, and in it to who waits longest.
type slots struct {
	mu                sync.Mutex
	max, perNamespace int
	seeded            bool
	held              map[types.NamespacedName]bool // true: counts among all, false: only waits
	waiting           []types.NamespacedName
	wake              func(types.NamespacedName)
}

func newSlots(options *Options, wake func(types.NamespacedName)) *slots {
	return &slots{
		max: options.MaxActiveRuns, perNamespace: options.MaxActiveRunsPerNamespace,
		held: map[types.NamespacedName]bool{}, wake: wake,
	}
}

func (s *slots) bounded() bool { return s.max > 0 || s.perNamespace > 0 }

// take gives the audit a slot, or says what it waits for. Live names the audits that run already, and whether they do
// more than wait; it is asked once, since from then on every run passes here.
func (s *slots) take(audit types.NamespacedName, live func() (map[types.NamespacedName]bool, error)) (string, error) {
	if !s.bounded() {
		return "", nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.seeded {
		held, err := live()
		if err != nil {
			return "", err
		}
		s.held, s.seeded = held, true
	}
	if _, holds := s.held[audit]; holds {
		return "", nil
	}
	if !slices.Contains(s.waiting, audit) {
		s.waiting = append(s.waiting, audit)
	}
	if slices.Contains(s.next(), audit) {
		s.held[audit] = true
		s.leave(audit)
		return "", nil
	}
	// Counts that change while it waits would be written at every change, by all who wait.
	if _, inNamespace := s.count(); s.perNamespace > 0 && inNamespace[audit.Namespace] >= s.perNamespace {
		return fmt.Sprintf("waits for a slot: as many runs are live in the namespace as the operator allows at once (%d)", s.perNamespace), nil
	}
	return fmt.Sprintf("waits for a slot: as many runs are live as the operator allows at once (%d)", s.max), nil
}

// occupy says of a live run whether it counts among all. One that begins to work counts again, even if there are then
// more than are allowed to start.
func (s *slots) occupy(audit types.NamespacedName, counts bool) {
	s.change(func() bool {
		counted, holds := s.held[audit]
		if holds {
			s.held[audit] = counts
		}
		return counted && !counts
	})
}

// release frees the audit's slot, or its place in the queue.
func (s *slots) release(audit types.NamespacedName) {
	s.change(func() bool {
		_, held := s.held[audit]
		delete(s.held, audit)
		s.leave(audit)
		return held
	})
}

// change makes a change, and if that frees a slot wakes who comes next.
func (s *slots) change(f func() (frees bool)) {
	if !s.bounded() {
		return
	}
	s.mu.Lock()
	var next []types.NamespacedName
	if f() {
		next = s.next()
	}
	s.mu.Unlock()
	for _, name := range next {
		s.wake(name)
	}
}

// next are those of the waiting that could have a slot now.
func (s *slots) next() []types.NamespacedName {
	total, inNamespace := s.count()
	waiting := slices.Clone(s.waiting)
	var out []types.NamespacedName
	for len(waiting) > 0 && (s.max == 0 || total < s.max) {
		first := 0
		for i, name := range waiting {
			if inNamespace[name.Namespace] < inNamespace[waiting[first].Namespace] {
				first = i
			}
		}
		name := waiting[first]
		if s.perNamespace > 0 && inNamespace[name.Namespace] >= s.perNamespace {
			break // the others hold no fewer
		}
		waiting = slices.Delete(waiting, first, first+1)
		total++
		inNamespace[name.Namespace]++
		out = append(out, name)
	}
	return out
}

// count is how many runs count among all, and how many there are in each namespace.
func (s *slots) count() (total int, inNamespace map[string]int) {
	inNamespace = map[string]int{}
	for name, counts := range s.held {
		inNamespace[name.Namespace]++
		if counts {
			total++
		}
	}
	return total, inNamespace
}

func (s *slots) leave(audit types.NamespacedName) {
	s.waiting = slices.DeleteFunc(s.waiting, func(name types.NamespacedName) bool { return name == audit })
}
