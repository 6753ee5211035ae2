// Package demo makes a dataset to try an audit on: a few hundred labeled pictures, drawn by this program, with copies of
// some of them planted, and a small model to compare them by. The same seed gives the same bytes on one kind of
// processor: others may round otherwise.
package demo

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Version is raised when the same seed gives other pictures.
const Version = 1

// Seed is that of the demo which everybody sees.
const Seed = 1

// AuditYAML is the manifest of the demo's audit.
//
//go:embed audit.yaml
var AuditYAML []byte

// Write makes the demo's folder: images, model.onnx, audit.yaml and truth.json, which is returned. The images of an
// earlier demo there go, but no others.
func Write(folder string, seed uint64) (*Truth, error) {
	d, t, err := generate(seed)
	if err != nil {
		return nil, err
	}
	return t, write(folder, d, t)
}

// WriteScenes makes such a folder with about n pictures, none of which is a copy.
func WriteScenes(folder string, seed uint64, n int) error {
	d := newDataset(seed)
	if err := d.draw(seed, (n+len(classes)-1)/len(classes), 0); err != nil {
		return err
	}
	d.name()
	return write(folder, d, &Truth{Seed: seed, Samples: len(d.samples)})
}

// WriteImages writes the demo's images alone into a folder: SPLIT/LABEL/NAME. They have one time, so that whoever draws
// them again has the same files.
func WriteImages(folder string) error {
	d, _, err := generate(Seed)
	if err != nil {
		return err
	}
	files := d.files()
	if err := writeFiles(folder, files); err != nil {
		return err
	}
	drawn := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name := range files {
		if err := os.Chtimes(filepath.Join(folder, name), drawn, drawn); err != nil {
			return err
		}
	}
	return nil
}

func (d *dataset) files() map[string][]byte {
	files := map[string][]byte{}
	for _, s := range d.samples {
		files[filepath.FromSlash(s.id)] = s.content
	}
	return files
}

func write(out string, d *dataset, t *Truth) error {
	images := filepath.Join(out, "images")
	_, noDemo := os.Stat(filepath.Join(out, TruthFile))
	if _, err := os.Stat(images); err == nil && noDemo != nil {
		return fmt.Errorf("%s exists and is not of a demo: choose another folder", images)
	}
	if err := os.RemoveAll(images); err != nil {
		return err
	}
	if err := writeFiles(images, d.files()); err != nil {
		return err
	}
	description, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	return writeFiles(out, map[string][]byte{"audit.yaml": AuditYAML, "model.onnx": network().Marshal(), TruthFile: append(description, '\n')})
}

func writeFiles(folder string, files map[string][]byte) error {
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
