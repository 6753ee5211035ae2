package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/embed"
	"github.com/datasetaudit/dataset-audit/internal/neighbors"
	"github.com/datasetaudit/dataset-audit/internal/pca"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// classify gives an error the exit code by which the runner ends, if none of its causes has one yet.
func classify(ctx context.Context, err error) error {
	var (
		coded     *v1alpha1.RunError
		badData   *dataset.InvalidError
		badSize   *pca.SizeError
		nonFinite *neighbors.NonFiniteError
		stored    *storage.Error
		onDisk    *fs.PathError
	)
	code := v1alpha1.ExitInternal
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		code = v1alpha1.ExitInterrupted
		err = fmt.Errorf("interrupted: the next start with the same work folder goes on from the last checkpoint: %w", context.Cause(ctx))
	case errors.As(err, &coded):
		return v1alpha1.AsRunError(err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.As(err, &stored) && stored.Kind == storage.Full:
		code = v1alpha1.ExitDiskFull
	case errors.As(err, &badData):
		code = v1alpha1.ExitInvalidDataset
	case errors.As(err, &badSize):
		code = v1alpha1.ExitInvalidSpec
	case errors.As(err, &nonFinite):
		code = v1alpha1.ExitInvalidResult
	case stored != nil, errors.As(err, &onDisk):
		code = v1alpha1.ExitStorage
	}
	return v1alpha1.NewRunError(code, err)
}

// invalidIfAbsent gives an error about what the spec names the code of a user's mistake, if that isn't there at all.
func invalidIfAbsent(code v1alpha1.ExitCode, err error) error {
	switch storage.KindOf(err) {
	case storage.NotFound, storage.Invalid:
		return v1alpha1.NewRunError(code, err)
	default:
		return err
	}
}

// lockPeriod is how often a run tries to get a work folder that another one uses.
const lockPeriod = time.Second

// lock makes the work folder this process's own until unlock.
func (r *Run) lock(ctx context.Context) (unlock func(), err error) {
	folder := r.Work
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, fmt.Errorf("work folder: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(folder, ".lock"), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, fmt.Errorf("work folder: %w", err)
	}
	try := func() error { return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
	err = try()
	for waits := false; errors.Is(err, syscall.EWOULDBLOCK) && r.ID != "" && ctx.Err() == nil; {
		// In a cluster it is a pod whose node is lost: it ends, or its file system lets go of the lock.
		if !waits {
			r.Progress.Note(fmt.Sprintf("Another run is using the work folder %s: waiting for its end", folder))
			waits = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(lockPeriod):
			err = try()
		}
	}
	if ctx.Err() != nil {
		_ = file.Close()
		return nil, context.Cause(ctx)
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		_ = file.Close()
		return nil, v1alpha1.NewRunError(v1alpha1.ExitStorage, fmt.Errorf("work folder %s: another run is using it: wait for its end, or choose another --work", folder))
	}
	// A file system without locks is not a reason to refuse: parts and results are written aside and renamed in any
	// case.
	return func() { _ = file.Close() }, nil
}

func (r *Run) summaryRun(started time.Time) v1alpha1.SummaryRun {
	from, to := metav1.NewTime(started.UTC()), metav1.NewTime(time.Now().UTC())
	run := v1alpha1.SummaryRun{ID: r.ID, InputSHA256: r.InputSHA256, Audit: r.Audit.Name, StartedAt: &from, CompletedAt: &to}
	if r.Audit.Namespace != "" {
		run.Audit = r.Audit.Namespace + "/" + r.Audit.Name
	}
	return run
}

func addCost(cost *v1alpha1.SummaryCost, started time.Time, counts embed.Counts) {
	cost.EmbeddedSamples, cost.ReusedSamples = counts.Embedded, counts.Reused
	wall := seconds(time.Since(started))
	cost.WallSeconds = &wall
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err == nil {
		cpu := seconds(time.Duration(usage.Utime.Nano() + usage.Stime.Nano()))
		cost.CPUSeconds = &cpu
		cost.PeakMemoryBytes = usage.Maxrss << 10
	}
}

func seconds(d time.Duration) v1alpha1.Decimal {
	return v1alpha1.Decimal(strconv.FormatFloat(d.Seconds(), 'f', 3, 64))
}

// writeEmbeddings writes each layer's matrix as an npy file: embeddings.npy for one layer, else embeddings-1.npy and so
// on.
func writeEmbeddings(ctx context.Context, out *storage.Bucket, set *vectors.Set) error {
	layers := set.Layers()
	for i := range layers {
		name := v1alpha1.FileEmbeddings
		if len(layers) > 1 {
			name = fmt.Sprintf("embeddings-%d.npy", i+1)
		}
		if err := out.Write(ctx, name, func(w io.Writer) error { return set.Layer(i).WriteNPY(w) }); err != nil {
			return err
		}
	}
	return nil
}
