package neighbors

import (
	"sync"
	"sync/atomic"
)

// parallel calls work for consecutive ranges of at most grain out of 0 to n, on up to threads goroutines. Every range
// begins at a multiple of grain.
func parallel(threads, n, grain int, work func(low, high int)) {
	parallelWith(threads, n, grain, func() struct{} { return struct{}{} },
		func(_ struct{}, low, high int) { work(low, high) })
}

// parallelWith is parallel with a value of its own for each goroutine.
func parallelWith[W any](threads, n, grain int, begin func() W, work func(w W, low, high int)) {
	var next atomic.Int64
	loop := func() {
		w := begin()
		for {
			low := int(next.Add(int64(grain))) - grain
			if low >= n {
				return
			}
			work(w, low, min(low+grain, n))
		}
	}
	var wg sync.WaitGroup
	for range min(threads, (n+grain-1)/grain) - 1 {
		wg.Go(loop)
	}
	if n > 0 {
		loop()
	}
	wg.Wait()
}
