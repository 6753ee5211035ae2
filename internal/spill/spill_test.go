package spill_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/datasetaudit/dataset-audit/internal/spill"
)

// A slice holds what is written to it, whatever it lies in, and begins with zeros. It leaves no file.
func TestMake(t *testing.T) {
	folder := t.TempDir()
	for _, test := range []struct {
		name   string
		folder string
		n      int
	}{
		{"nothing", folder, 0},
		{"short", folder, 1000},
		{"long", folder, spill.Least/8 + 1},
		{"long, no such folder", filepath.Join(folder, "absent"), spill.Least / 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			space := spill.In(test.folder)
			defer space.Free()
			numbers := spill.Make[float64](space, test.n)
			if len(numbers) != test.n {
				t.Fatalf("%d numbers, not %d", len(numbers), test.n)
			}
			for i := 0; i < test.n; i += 997 {
				if numbers[i] != 0 {
					t.Fatalf("number %d is %v", i, numbers[i])
				}
				numbers[i] = float64(i)
			}
			runtime.GC()
			for i := 0; i < test.n; i += 997 {
				if numbers[i] != float64(i) {
					t.Fatalf("number %d is %v", i, numbers[i])
				}
			}
			if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
				t.Errorf("left in the folder: %v, %v", left, err)
			}
		})
	}
}

// On Linux a long slice is not the heap's.
func TestHeap(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere all slices are the heap's")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	space := spill.In(t.TempDir())
	defer space.Free()
	numbers := spill.Make[float32](space, spill.Least/4)
	runtime.ReadMemStats(&after)
	if grown := int(after.HeapAlloc) - int(before.HeapAlloc); grown > spill.Least/2 {
		t.Errorf("the heap grew by %d bytes for %d numbers", grown, len(numbers))
	}
}
