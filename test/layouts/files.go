package layouts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

func imageFolder(dir string, samples []Sample) error {
	for _, s := range samples {
		path := filepath.Join(dir, filePath(s, 0))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, s.PNG, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func manifestCSV(dir string, samples []Sample) error {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	_ = w.Write([]string{"split", "path", "label", "score"}) // into memory
	for _, s := range samples {
		_ = w.Write([]string{s.Split, filePath(s, 0), s.Label, strconv.Itoa(s.Score)})
	}
	w.Flush()
	if err := os.WriteFile(filepath.Join(dir, "manifest.csv"), out.Bytes(), 0o644); err != nil {
		return err
	}
	return imageFolder(dir, samples)
}

func manifestLines(dir string, samples []Sample) error {
	var out bytes.Buffer
	for _, s := range samples {
		label, _ := strconv.Atoi(s.Label)
		line, err := json.Marshal(map[string]any{"split": s.Split, "path": filePath(s, 0), "label": []int{label}, "score": s.Score})
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%s\n", line)
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.jsonl"), out.Bytes(), 0o644); err != nil {
		return err
	}
	return imageFolder(dir, samples)
}

// compressing writes through a compressor that the file's ending names.
func compressing(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	var w io.WriteCloser = file
	switch {
	case strings.HasSuffix(path, ".gz"):
		w = gzip.NewWriter(file)
	case strings.HasSuffix(path, ".zst"):
		if w, err = zstd.NewWriter(file); err != nil {
			return err
		}
	}
	if err := write(w); err != nil {
		return err
	}
	if w != file {
		if err := w.Close(); err != nil {
			return err
		}
	}
	return file.Close()
}

// perShard is how many samples an archive of a WebDataset has.
const perShard = 7

func inShard(ending string) func(s Sample, inSplit int) string {
	return func(s Sample, inSplit int) string {
		return fmt.Sprintf("%s-%03d%s/%s_%04d.png", s.Split, inSplit/perShard, ending, s.Label, s.Number)
	}
}

func webDataset(dir, ending string, samples []Sample) error {
	return eachSplit(samples, func(split string, samples []Sample) error {
		for shard := 0; len(samples) > 0; shard++ {
			n := min(perShard, len(samples))
			path := filepath.Join(dir, fmt.Sprintf("%s-%03d%s", split, shard, ending))
			err := compressing(path, func(w io.Writer) error { return archive(w, samples[:n]) })
			if err != nil {
				return err
			}
			samples = samples[n:]
		}
		return nil
	})
}

func archive(w io.Writer, samples []Sample) error {
	t := tar.NewWriter(w)
	for _, s := range samples {
		base := fmt.Sprintf("./%s_%04d", s.Label, s.Number)
		metadata, err := json.Marshal(map[string]any{"score": s.Score, "caption": "waves"})
		if err != nil {
			return err
		}
		for _, file := range []struct {
			ending  string
			content []byte
		}{{".cls", []byte(s.Label)}, {".png", s.PNG}, {".json", metadata}, {".txt", []byte("waves")}} {
			if err := t.WriteHeader(&tar.Header{Name: base + file.ending, Size: int64(len(file.content)), Mode: 0o644}); err != nil {
				return err
			}
			if _, err := t.Write(file.content); err != nil {
				return err
			}
		}
	}
	return t.Close()
}
