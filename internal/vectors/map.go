package vectors

import (
	"fmt"
	"os"
)

// Map maps a file into memory for reading, until release is called.
func Map(path string) (data []byte, release func(), err error) {
	data, err = mapFile(path)
	if err != nil {
		return nil, nil, err
	}
	return data, func() { unmap(data) }, nil
}

// mapFile maps a file into memory for reading, so that the kernel keeps of it what it has room for.
func mapFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		return nil, nil
	}
	data, err := mmap(file, int(info.Size()))
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return data, nil
}
