//go:build cgo && amd64

package neighbors

// #cgo CFLAGS: -O3
// #include "kernel_amd64.h"
import "C"

import "unsafe"

// kernels that this machine runs, the fastest first.
var kernels = nativeKernels()

func nativeKernels() []kernel {
	// The constants on both sides must agree; a difference does not compile.
	var _ [panelRows]struct{} = [C.neighbors_panel]struct{}{}
	var _ [chunkColumns]struct{} = [C.neighbors_chunk]struct{}{}

	avx512 := kernel{name: "avx512", group: C.neighbors_avx512_group, scan: scanAVX512}
	avx2 := kernel{name: "avx2", group: C.neighbors_avx2_group, scan: scanAVX2}
	switch C.neighbors_cpu() {
	case 512:
		return []kernel{avx512, avx2, goKernel}
	case 2:
		return []kernel{avx2, goKernel}
	}
	return []kernel{goKernel}
}

func scanAVX512(b *block, panels, bias []float32, first int, rows lists) {
	C.neighbors_scan_avx512(floats(panels), floats(bias), C.int64_t(first), C.int64_t(len(bias)/panelRows),
		C.int64_t(b.columns), floats(b.queries), floats(b.bias), C.int64_t(b.first), C.int64_t(b.groups),
		b.lists.native(), rows.native(), floats(b.partial))
}

func scanAVX2(b *block, panels, bias []float32, first int, rows lists) {
	C.neighbors_scan_avx2(floats(panels), floats(bias), C.int64_t(first), C.int64_t(len(bias)/panelRows),
		C.int64_t(b.columns), floats(b.queries), floats(b.bias), C.int64_t(b.first), C.int64_t(b.groups),
		b.lists.native(), rows.native(), floats(b.partial))
}

func (l *lists) native() C.neighbors_lists {
	return C.neighbors_lists{
		threshold: floats(l.threshold),
		score:     floats(l.score),
		index:     ints(l.index),
		length:    ints(l.length),
		keep:      C.int32_t(l.keep),
		capacity:  C.int32_t(l.capacity),
	}
}

func floats(s []float32) *C.float { return (*C.float)(unsafe.Pointer(unsafe.SliceData(s))) }
func ints(s []int32) *C.int32_t   { return (*C.int32_t)(unsafe.Pointer(unsafe.SliceData(s))) }
