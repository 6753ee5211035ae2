package atlas

import (
	"context"
	"sync"
	"sync/atomic"
)

// parallel calls work for consecutive ranges of at most grain out of 0 to n, on up to threads goroutines, until ctx
// ends. It says to work which goroutine calls, so that each can have a buffer of its own.
func parallel(ctx context.Context, threads, n, grain int, work func(thread, low, high int)) {
	var next atomic.Int64
	loop := func(thread int) {
		for ctx.Err() == nil {
			low := int(next.Add(int64(grain))) - grain
			if low >= n {
				return
			}
			work(thread, low, min(low+grain, n))
		}
	}
	var wg sync.WaitGroup
	for thread := 1; thread < min(threads, (n+grain-1)/grain); thread++ {
		wg.Go(func() { loop(thread) })
	}
	loop(0)
	wg.Wait()
}
