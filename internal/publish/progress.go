package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

const (
	// progressPeriod is how often progress is written at most, but for the beginnings of stages.
	progressPeriod = 5 * time.Second
	// progressTimeout bounds one request that writes progress.
	progressTimeout = 10 * time.Second
)

// Progress keeps progress.json up to date. It writes from a goroutine of its own, so whoever reports to it never waits
// for the API server.
type Progress struct {
	maps *ConfigMaps
	note func(string)

	mu  sync.Mutex
	now v1alpha1.Progress

	begun  chan struct{} // holds a token if a stage began
	closed chan struct{}
	done   chan struct{}
	close  func()
}

// Follow starts to write progress, until Close or the end of ctx. Note is told when that fails, and when it works
// again.
func (m *ConfigMaps) Follow(ctx context.Context, note func(string)) *Progress {
	p := &Progress{maps: m, note: note, begun: make(chan struct{}, 1), closed: make(chan struct{}), done: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	go p.write(ctx)
	return p
}

// Close ends the writing. It lets a request that is under way come to its end, so that nothing is written later.
func (p *Progress) Close() {
	p.close()
	<-p.done
}

// Stage begins a stage that has total units of work, 0 if unknown.
func (p *Progress) Stage(stage v1alpha1.Stage, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = v1alpha1.Progress{Stage: stage, Total: total, StartedAt: timestamp(), EstimatedSeconds: p.now.EstimatedSeconds}
	select {
	case p.begun <- struct{}{}:
	default: // it will see this stage when it comes to the last
	}
}

// Add says that n more units are done.
func (p *Progress) Add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Done += n
}

// Note does nothing: notes are for the log.
func (p *Progress) Note(string) {}

// Estimate says what the whole run takes.
func (p *Progress) Estimate(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.EstimatedSeconds = int64(d.Seconds())
}

func (p *Progress) write(ctx context.Context) {
	defer close(p.done)
	var (
		written v1alpha1.Progress
		pauses  wait.Backoff
		pause   = progressPeriod
		begun   = p.begun
	)
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.closed:
			return
		case <-begun:
		case <-time.After(pause):
		}
		p.mu.Lock()
		now := p.now
		p.mu.Unlock()
		if now == written {
			continue
		}
		err := p.writeOnce(ctx, now)
		switch {
		case err == nil:
			if begun == nil {
				p.note("Progress is written to the cluster again")
			}
			written, pause, begun = now, progressPeriod, p.begun
		case ctx.Err() != nil:
			return
		default:
			if begun != nil {
				p.note(fmt.Sprintf("Progress can't be written to the cluster for now, the audit goes on: %v", err))
				pauses = wait.Backoff{Duration: progressPeriod, Factor: 2, Jitter: 0.5, Steps: 10, Cap: time.Minute}
				begun = nil // a server in trouble is not hurried
			}
			pause = max(pauses.Step(), retryAfter(err))
		}
	}
}

func (p *Progress) writeOnce(ctx context.Context, now v1alpha1.Progress) error {
	now.Message = now.String()
	now.UpdatedAt = timestamp()
	text, err := json.Marshal(now)
	if err != nil {
		return err
	}
	body, err := json.Marshal(change{Data: map[string]*string{v1alpha1.FileProgress: new(string(text))}})
	if err != nil {
		return err
	}
	o := p.maps.configMap(p.maps.Result)
	if err := p.maps.patch(ctx, progressTimeout, o, body); err != nil {
		return fmt.Errorf("%s: %w", o.kind, err)
	}
	return nil
}
