//go:build unix

package vectors

import (
	"errors"
	"os"
	"syscall"
)

func mmap(file *os.File, size int) ([]byte, error) {
	return syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
}

func unmap(data []byte) {
	if data != nil {
		_ = syscall.Munmap(data) // fails only for memory that was never mapped
	}
}

func isUnsupported(err error) bool { return errors.Is(err, syscall.EINVAL) }

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }
