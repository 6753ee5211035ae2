package dataset

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// fake is a source of made-up samples; before decides how long a read takes and how it ends.
type fake struct {
	before  func(ctx context.Context, row int) error
	running atomic.Int64
	most    atomic.Int64
}

func (f *fake) read(ctx context.Context, entries []entry) ([]content, error) {
	now := f.running.Add(1)
	defer f.running.Add(-1)
	for {
		most := f.most.Load()
		if now <= most || f.most.CompareAndSwap(most, now) {
			break
		}
	}
	contents := make([]content, len(entries))
	for i, e := range entries {
		if err := f.before(ctx, e.row); err != nil {
			return nil, err
		}
		contents[i] = content{bytes: []byte(e.ID)}
	}
	return contents, nil
}

func fakeDataset(f *fake, n, batch int, size int64) *Dataset {
	entries := make([]entry, n)
	for i := range entries {
		entries[i] = entry{Info: Info{ID: fmt.Sprint(i)}, row: i, size: size}
	}
	return &Dataset{entries: entries, listing: listing{source: f, batch: batch}}
}

// sleep waits as a read would, within synctest's clock.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// synctest fails a test that leaves a goroutine behind.

func TestSamplesComeInOrderHoweverReadsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{before: func(ctx context.Context, row int) error {
			return sleep(ctx, time.Duration(row*7919%101)*time.Millisecond)
		}}
		for _, r := range [][2]int{{0, 1000}, {0, 0}, {1000, 1000}, {13, 14}, {500, 777}} {
			for _, batch := range []int{1, 7, 5000} {
				next := r[0]
				for s, err := range fakeDataset(f, 1000, batch, 100).Samples(t.Context(), r[0], r[1]) {
					if err != nil {
						t.Fatal(err)
					}
					if s.Index != next || s.ID != fmt.Sprint(next) || string(s.Bytes) != s.ID {
						t.Fatalf("got sample %d %s %s, want %d", s.Index, s.ID, s.Bytes, next)
					}
					next++
				}
				if next != r[1] {
					t.Errorf("[%d, %d) ended at %d", r[0], r[1], next)
				}
			}
		}
		if most := f.most.Load(); most < readers/2 || most > readers+1 {
			t.Errorf("%d reads at once, want about %d", most, readers)
		}
	})
}

func TestReadAheadIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{before: func(ctx context.Context, _ int) error { return sleep(ctx, time.Second) }}
		n := 0
		for _, err := range fakeDataset(f, 40, 1, readAheadBytes/4).Samples(t.Context(), 0, 40) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if most := f.most.Load(); n != 40 || most != 4 {
			t.Errorf("%d samples, %d reads at once, want 40 and 4", n, most)
		}
		for _, err := range fakeDataset(f, 3, 1, 10*readAheadBytes).Samples(t.Context(), 0, 3) {
			if err != nil {
				t.Fatal("samples larger than the bound must pass one by one:", err)
			}
		}
	})
}

func TestSamplesEndWithTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{before: func(ctx context.Context, row int) error { return sleep(ctx, time.Duration(row)*time.Hour) }}
		for s := range fakeDataset(f, 1000, 1, 100).Samples(t.Context(), 0, 1000) {
			if s.Index == 3 {
				break
			}
		}
		if now := f.running.Load(); now != 0 {
			t.Errorf("%d reads still run after the loop", now)
		}
	})
}

func TestSamplesEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		f := &fake{before: func(ctx context.Context, _ int) error { return sleep(ctx, time.Second) }}
		var last error
		n := 0
		for _, err := range fakeDataset(f, 1_000_000, 1, 100).Samples(ctx, 0, 1_000_000) {
			if last != nil {
				t.Fatal("something follows the error")
			}
			last = err
			n++
		}
		if !errors.Is(last, context.DeadlineExceeded) || n < 9*readers {
			t.Errorf("%v after %d samples", last, n)
		}

		n = 0
		for _, err := range fakeDataset(f, 10, 1, 100).Samples(ctx, 0, 10) {
			if n++; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a context that had ended: %v", err)
			}
		}
		if n != 1 {
			t.Errorf("%d yields, want one error", n)
		}
	})
}

func TestReadErrorEndsSamplesAtItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &storage.Error{Op: "read", Kind: storage.Transient, Err: errors.New("connection reset")}
		f := &fake{before: func(ctx context.Context, row int) error {
			if row == 20 {
				return broken
			}
			return sleep(ctx, time.Second)
		}}
		n := 0
		var last error
		for s, err := range fakeDataset(f, 1000, 1, 100).Samples(t.Context(), 0, 1000) {
			if err != nil {
				last = err
				continue
			}
			if s.Index != n {
				t.Errorf("got sample %d, want %d", s.Index, n)
			}
			n++
		}
		if !errors.Is(last, broken) || n != 20 {
			t.Errorf("%v after %d samples", last, n)
		}
	})
}

func TestSamplesOutOfRange(t *testing.T) {
	d := fakeDataset(&fake{}, 10, 1, 1)
	for _, r := range [][2]int{{-1, 3}, {3, 2}, {0, 11}} {
		var got error
		for _, err := range d.Samples(t.Context(), r[0], r[1]) {
			got = err
		}
		if got == nil {
			t.Errorf("[%d, %d) of 10 gave no error", r[0], r[1])
		}
	}
}

func TestUnreadableFilesAreSamplesWithErr(t *testing.T) {
	bucket := bucketOf(t, images("a.jpg", "b.jpg", "gone.jpg"))
	root := bucket.String()
	if err := os.Symlink("/etc/hostname", filepath.Join(root, "link.jpg")); err != nil {
		t.Fatal(err)
	}
	huge, err := os.Create(filepath.Join(root, "huge.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if err := huge.Truncate(maxSampleBytes + 1); err != nil { // a hole: it takes no space
		t.Fatal(err)
	}
	huge.Close()
	d := mustOpen(t, bucket, v1alpha1.DatasetSpec{Format: v1alpha1.FormatImageFolder})
	if err := os.Remove(filepath.Join(root, "gone.jpg")); err != nil {
		t.Fatal(err)
	}

	got := map[string]error{}
	for _, s := range readAll(t, d) {
		got[s.ID] = s.Err
		if s.Err == nil && (string(s.Bytes) != s.ID || s.Digest != sha256.Sum256(s.Bytes)) {
			t.Errorf("%s holds %q with digest %x", s.ID, s.Bytes, s.Digest)
		}
		if s.Err != nil && (s.Bytes != nil || s.Digest != [32]byte{}) {
			t.Errorf("%s has an error and content", s.ID)
		}
	}
	if len(got) != 5 || got["a.jpg"] != nil || got["b.jpg"] != nil {
		t.Errorf("got %v", got)
	}
	if !errors.Is(got["huge.jpg"], storage.ErrTooLarge) || storage.KindOf(got["gone.jpg"]) != storage.NotFound ||
		storage.KindOf(got["link.jpg"]) != storage.Invalid || got["link.jpg"] == nil {
		t.Errorf("got %v", got)
	}
}
