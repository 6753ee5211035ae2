package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// FolderOption is the key of ONNX Runtime's session option that says where a model given as bytes finds its external
// data.
const FolderOption = "session.model_external_initializers_file_folder_path"

// Digest returns a SHA-256 that stands for everything that the model computes: the file's if it holds all data, else
// one over the file's and those of the external data, which are read for it.
func (m *Model) Digest() (string, error) {
	files := m.DataFiles()
	if len(files) == 0 {
		return m.SHA256(), nil
	}
	root, err := os.OpenRoot(filepath.Dir(m.path))
	if err != nil {
		return "", fmt.Errorf("model %s: external data: %w", m.path, err)
	}
	defer root.Close()
	sum := sha256.New()
	sum.Write(m.sum[:])
	for _, name := range files {
		f, err := m.openExternal(root, name)
		if err != nil {
			return "", err
		}
		part := sha256.New()
		_, err = io.Copy(part, f)
		f.Close()
		if err != nil {
			return "", fmt.Errorf("model %s: external data %q: %w", m.path, name, err)
		}
		fmt.Fprintf(sum, "%q %x\n", name, part.Sum(nil))
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// openExternal opens a file in root, the model's folder. Links are followed no further than root.
func (m *Model) openExternal(root *os.Root, name string) (*os.File, error) {
	info, err := root.Stat(name) // before it is opened: a pipe would make us wait
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil {
		var f *os.File
		if f, err = root.Open(name); err == nil {
			return f, nil
		}
	}
	return nil, &InvalidError{Path: m.path, Offset: -1, Err: err,
		Reason: fmt.Sprintf("external data %q must be a file below the model's folder (links out of it are not followed): %v", name, err)}
}

// DataFiles returns the files that hold data of the model's tensors, sorted: paths below the model's folder.
func (m *Model) DataFiles() []string {
	var files []string
	for i := range m.graph.nodes {
		files = append(files, m.graph.nodes[i].locations...)
	}
	for _, r := range m.graph.initializers {
		files = append(files, r.locations...)
	}
	for _, fn := range m.functions {
		files = append(files, fn.locations...)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// checkLocations refuses external data outside the model's folder.
func (m *Model) checkLocations() error {
	for _, name := range m.DataFiles() {
		if !filepath.IsLocal(name) {
			return invalid(-1, "external data in %q, which is not below the model's folder", name)
		}
	}
	return nil
}

// dataFolder returns the folder that files are relative to, "" if there are none, once all of them can be opened.
func (m *Model) dataFolder(files []string) (string, error) {
	if len(files) == 0 {
		return "", nil
	}
	folder, err := filepath.Abs(filepath.Dir(m.path))
	if err != nil {
		return "", fmt.Errorf("model %s: external data: %w", m.path, err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return "", fmt.Errorf("model %s: external data: %w", m.path, err)
	}
	defer root.Close()
	slices.Sort(files)
	for _, name := range slices.Compact(files) {
		f, err := m.openExternal(root, name)
		if err != nil {
			return "", err
		}
		f.Close()
	}
	return folder, nil
}
