// Package spill makes slices of numbers that may be larger than memory. A long one lies in a file that is mapped: the
// kernel keeps of it what it has room for, and writes the rest to the disk.
package spill

import (
	"os"
	"unsafe"
)

// Least is the size in bytes from which a slice lies in a file. Only tests change it.
var Least = 256 << 20

// Number is what a slice may hold.
type Number interface{ int32 | float32 | float64 }

// A Space is where slices lie until all of them are freed. It is not safe for concurrent use.
type Space struct {
	folder string
	mapped [][]byte
}

// In returns a space whose files lie in a folder. They have no names there, and go with the process.
func In(folder string) *Space { return &Space{folder: folder} }

// Make returns n zeros. Least bytes and more lie in a file. Where the disk has no room for them they lie in memory, as
// all shorter slices do.
func Make[T Number](s *Space, n int) []T {
	var number T
	size := n * int(unsafe.Sizeof(number))
	if size < Least {
		return make([]T, n)
	}
	data, err := reserve(s.folder, size)
	if err != nil { // memory may do
		return make([]T, n)
	}
	s.mapped = append(s.mapped, data)
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(data))), n)
}

// Free ends the use of all slices.
func (s *Space) Free() {
	for _, data := range s.mapped {
		unmap(data)
	}
	s.mapped = nil
}

// reserve maps a new file of so many bytes. All of its blocks are allocated: on a disk that is full, writing to a mapped
// file would end the process.
func reserve(folder string, size int) (data []byte, err error) {
	file, err := os.CreateTemp(folder, ".spill-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the mapping stays
	if err := os.Remove(file.Name()); err != nil {
		return nil, err
	}
	if err := allocate(file, int64(size)); err != nil {
		return nil, err
	}
	return mmap(file, size)
}
