package pca

// #cgo CFLAGS: -O3
// #include "products.h"
import "C"

import (
	"unsafe"

	"golang.org/x/sync/errgroup"
)

// panelWidth is the number of columns that lie side by side in a panel.
const panelWidth = 8

// panels holds a matrix of n rows as panels of 8 columns: value (r, c) is at panel c/8, offset 8r + c%8, so that a
// product over the rows reads memory in one stream. Columns beyond the matrix's own are zero.
type panels struct {
	n, columns int
	data       []float64
}

func makePanels(n, columns int) panels {
	return panels{n: n, columns: columns, data: make([]float64, (columns+panelWidth-1)/panelWidth*panelWidth*n)}
}

func (p panels) count() int { return (p.columns + panelWidth - 1) / panelWidth }

func (p panels) panel(i int) []float64 { return p.data[i*panelWidth*p.n : (i+1)*panelWidth*p.n] }

func (p panels) set(row, column int, x float64) {
	p.data[column/panelWidth*panelWidth*p.n+row*panelWidth+column%panelWidth] = x
}

// product writes the 8×8 sums over the rows of two panels, Σ_r a_r b_rᵀ, to out, whose rows are stride apart. Each of
// the 64 sums runs over the rows in order, so a result doesn't depend on what stands beside it in the panel.
func product(a, b []float64, n int, out []float64, stride int) {
	C.panel_product((*C.double)(unsafe.Pointer(&a[0])), (*C.double)(unsafe.Pointer(&b[0])), C.long(n),
		(*C.double)(unsafe.Pointer(&out[0])), C.long(stride))
}

// parallel calls work(0) … work(n−1), up to threads of them at once.
func parallel(n, threads int, work func(i int)) {
	var group errgroup.Group
	group.SetLimit(max(threads, 1))
	for i := range n {
		group.Go(func() error { work(i); return nil })
	}
	_ = group.Wait() // nothing fails
}
