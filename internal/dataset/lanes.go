package dataset

import "sync"

// maxIdleLanes is how many lanes of a session stay open between reads: a decoder, or a page, holds megabytes.
const maxIdleLanes = 16

// openLanes holds what is open of a session's lanes, by lane. Of many that nobody reads, those that were not read for
// longest are closed: most likely they have come to their end.
type openLanes[T interface{ close() }] struct {
	mu    sync.Mutex
	lanes map[string]*openLane[T]
	reads int
}

type openLane[T any] struct {
	in   T
	busy bool
	used int // when it was read last, in reads of the session
}

// take returns a lane, a new one as fresh makes it; put gives it back.
func (o *openLanes[T]) take(name string, fresh func() T) *openLane[T] {
	o.mu.Lock()
	defer o.mu.Unlock()
	lane := o.lanes[name]
	if lane == nil {
		if o.lanes == nil {
			o.lanes = map[string]*openLane[T]{}
		}
		lane = &openLane[T]{in: fresh()}
		o.lanes[name] = lane
	}
	lane.busy = true
	return lane
}

func (o *openLanes[T]) put(lane *openLane[T]) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reads++
	lane.busy, lane.used = false, o.reads
	for len(o.lanes) > maxIdleLanes {
		oldest := ""
		for name, lane := range o.lanes {
			if !lane.busy && (oldest == "" || lane.used < o.lanes[oldest].used) {
				oldest = name
			}
		}
		if oldest == "" {
			return
		}
		o.lanes[oldest].in.close()
		delete(o.lanes, oldest)
	}
}

// close closes all lanes, none of which is read any more.
func (o *openLanes[T]) close() {
	for _, lane := range o.lanes {
		lane.in.close()
	}
}
