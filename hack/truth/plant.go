package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/datasetaudit/dataset-audit/internal/edits"
)

// planted are the edits whose copies are to be found.
var planted = []edits.Edit{
	edits.Crop(.04, .12), edits.Shift(1, 4), edits.Mirror(), edits.Scale(1.2, 2), edits.Brightness(.1, .3), edits.JPEG(20, 60),
	edits.Noise(4, 14), edits.Text(), edits.Rotation(2, 6),
}

// A copied is a planted copy. Samples are named by their IDs.
type copied struct {
	Kind   string `json:"kind"`
	Source string `json:"source"`
	Copy   string `json:"copy"`
}

// A truth is what was planted among other images.
type truth struct {
	Samples int      `json:"samples"`
	Planted []copied `json:"planted"`
}

// plant copies one half of the images of a folder to another one, and adds so many edited copies of each kind. Each
// image is copied from once at the most.
func plant(from, to string, half int, copies int, seed uint64) (*truth, error) {
	var originals []string
	err := walk(os.DirFS(from), func(name string) error {
		originals = append(originals, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	// The halves are the same for every seed: what a method is tuned on is not what is reported.
	split := rand.New(rand.NewPCG(0, 0))
	split.Shuffle(len(originals), func(i, j int) { originals[i], originals[j] = originals[j], originals[i] })
	middle := len(originals) / 2
	originals = [][]string{originals[:middle], originals[middle:]}[half]
	if len(originals) < copies*len(planted) {
		return nil, fmt.Errorf("%s: %d images are not enough for %d copies of each of %d edits", from, len(originals), copies, len(planted))
	}

	t := &truth{Samples: len(originals)}
	for _, name := range originals {
		content, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return nil, err
		}
		if err := write(filepath.Join(to, name), content); err != nil {
			return nil, err
		}
	}
	r := rand.New(rand.NewPCG(seed, 1))
	r.Shuffle(len(originals), func(i, j int) { originals[i], originals[j] = originals[j], originals[i] })
	for i, edit := range planted {
		for j := range copies {
			source := originals[i*copies+j]
			original, err := os.ReadFile(filepath.Join(from, source))
			if err != nil {
				return nil, err
			}
			content, extension, err := edit.File(r, original, ".png")
			if err != nil {
				return nil, fmt.Errorf("%s: %w", source, err)
			}
			name := fmt.Sprintf("%s-%08x%s", strings.TrimSuffix(source, path.Ext(source)), r.Uint32(), extension)
			if err := write(filepath.Join(to, name), content); err != nil {
				return nil, err
			}
			t.Planted = append(t.Planted, copied{edit.Kind, source, name})
			t.Samples++
		}
	}
	return t, nil
}

// walk visits the files of a folder by their paths in it, in byte order.
func walk(root fs.FS, visit func(name string) error) error {
	return fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return visit(name)
	})
}

func write(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o644)
}
