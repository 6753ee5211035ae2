package spill

import (
	"os"
	"syscall"
)

func allocate(file *os.File, size int64) error { return syscall.Fallocate(int(file.Fd()), 0, 0, size) }

func mmap(file *os.File, size int) ([]byte, error) {
	return syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
}

func unmap(data []byte) { _ = syscall.Munmap(data) } // fails only for memory that was never mapped
