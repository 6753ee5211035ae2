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

// slots are the runs that may be live at once. Who waits longest gets the next one.
type slots struct {
	mu                sync.Mutex
	max, perNamespace int
	seeded            bool
	held              map[types.NamespacedName]bool
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

// take gives the audit a slot, or says what it waits for. Live names the audits that run already; it is asked once, since from
// then on every run passes here.
func (s *slots) take(audit types.NamespacedName, live func() ([]types.NamespacedName, error)) (string, error) {
	if !s.bounded() {
		return "", nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.seeded {
		names, err := live()
		if err != nil {
			return "", err
		}
		for _, name := range names {
			s.held[name] = true
		}
		s.seeded = true
	}
	if s.held[audit] {
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
	if s.perNamespace > 0 && s.count(audit.Namespace) >= s.perNamespace {
		return fmt.Sprintf("waits for a slot: as many runs are live in the namespace as the operator allows at once (%d)", s.perNamespace), nil
	}
	return fmt.Sprintf("waits for a slot: as many runs are live as the operator allows at once (%d)", s.max), nil
}

// release frees the audit's slot, or its place in the queue, and wakes who comes next.
func (s *slots) release(audit types.NamespacedName) {
	if !s.bounded() {
		return
	}
	s.mu.Lock()
	held := s.held[audit]
	delete(s.held, audit)
	s.leave(audit)
	var next []types.NamespacedName
	if held {
		next = s.next()
	}
	s.mu.Unlock()
	for _, name := range next {
		s.wake(name)
	}
}

// next are those of the waiting that could have a slot now.
func (s *slots) next() []types.NamespacedName {
	total := len(s.held)
	inNamespace := map[string]int{}
	for name := range s.held {
		inNamespace[name.Namespace]++
	}
	var out []types.NamespacedName
	for _, name := range s.waiting {
		if s.max > 0 && total >= s.max {
			break
		}
		if s.perNamespace > 0 && inNamespace[name.Namespace] >= s.perNamespace {
			continue
		}
		total++
		inNamespace[name.Namespace]++
		out = append(out, name)
	}
	return out
}

func (s *slots) count(namespace string) int {
	n := 0
	for name := range s.held {
		if name.Namespace == namespace {
			n++
		}
	}
	return n
}

func (s *slots) leave(audit types.NamespacedName) {
	s.waiting = slices.DeleteFunc(s.waiting, func(name types.NamespacedName) bool { return name == audit })
}
