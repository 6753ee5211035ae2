//go:build !linux

package spill

import (
	"errors"
	"os"
)

// Elsewhere than on Linux no call allocates a file's blocks, and numbers lie in memory.
func allocate(*os.File, int64) error { return errors.ErrUnsupported }

func mmap(*os.File, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmap([]byte) {}
