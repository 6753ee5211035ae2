package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/audit"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// linePeriod is how often a line says how far a stage is, where there is no terminal to draw on.
const linePeriod = 10 * time.Second

// progress shows how a run gets on: a bar on a terminal, else lines.
type progress struct {
	out      io.Writer
	terminal bool

	mu      sync.Mutex
	now     v1alpha1.Progress
	bar     *progressbar.ProgressBar
	printed time.Time
}

func newProgress(out io.Writer) *progress {
	file, isFile := out.(*os.File)
	return &progress{out: out, terminal: isFile && term.IsTerminal(int(file.Fd()))}
}

// Stage implements audit.Progress.
func (p *progress) Stage(stage v1alpha1.Stage, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
	p.now = v1alpha1.Progress{Stage: stage, Total: total}
	p.now.StartedAt.Time = time.Now()
	p.printed = p.now.StartedAt.Time
	if p.terminal {
		p.bar = newBar(p.out, stage, total)
	}
}

func newBar(out io.Writer, stage v1alpha1.Stage, total int64) *progressbar.ProgressBar {
	options := []progressbar.Option{
		progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(fmt.Sprintf("%-10s", stage)),
		progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(),
		progressbar.OptionThrottle(100 * time.Millisecond), progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionClearOnFinish(),
	}
	if total == 0 {
		return progressbar.NewOptions64(-1, options...) // a spinner
	}
	return progressbar.NewOptions64(total, append(options, progressbar.OptionShowIts(), progressbar.OptionSetItsString("items"))...)
}

// Add implements audit.Progress.
func (p *progress) Add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Done += n
	if p.bar != nil {
		_ = p.bar.Add64(n) // drawing is not what the run is for
		return
	}
	if time.Since(p.printed) >= linePeriod {
		p.printed = time.Now()
		p.line(p.now.String())
	}
}

// Estimate implements audit.Progress.
func (p *progress) Estimate(d time.Duration) {
	p.Note(fmt.Sprintf("By a probe, the run takes about %s in all", duration(d.Seconds())))
}

// Note implements audit.Progress.
func (p *progress) Note(note string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	p.line(note)
}

// close ends what is shown.
func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
	p.now.Stage = ""
}

// finish ends the stage: the bar goes, a line stays.
func (p *progress) finish() {
	if p.now.Stage == "" {
		return
	}
	if p.bar != nil {
		_ = p.bar.Finish() // which clears it, and ends the goroutine that turns a spinner
		p.bar = nil
	}
	p.line(fmt.Sprintf("%s, %s", p.now, time.Since(p.now.StartedAt.Time).Round(10*time.Millisecond)))
}

func (p *progress) line(said string) {
	_, _ = fmt.Fprintln(p.out, text.Visible(said)) // a closed standard error doesn't end an audit
}

// fanOut tells several how a run gets on.
type fanOut []audit.Progress

// Stage implements audit.Progress.
func (f fanOut) Stage(stage v1alpha1.Stage, total int64) {
	for _, p := range f {
		p.Stage(stage, total)
	}
}

// Add implements audit.Progress.
func (f fanOut) Add(n int64) {
	for _, p := range f {
		p.Add(n)
	}
}

// Estimate implements audit.Progress.
func (f fanOut) Estimate(d time.Duration) {
	for _, p := range f {
		p.Estimate(d)
	}
}

// Note implements audit.Progress.
func (f fanOut) Note(note string) {
	for _, p := range f {
		p.Note(note)
	}
}
