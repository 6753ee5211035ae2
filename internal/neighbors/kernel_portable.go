//go:build !cgo || !amd64

package neighbors

// kernels that this machine runs, the fastest first.
var kernels = []kernel{goKernel}
