// Demo makes a dataset to try an audit on: a few hundred labeled pictures, drawn by this program, with copies of some
// of them planted, and a small model to compare them by. The same seed gives the same bytes on one kind of processor:
// others may round otherwise.
//
//	go run ./hack/demo -out DIR                    writes DIR/images, model.onnx, audit.yaml and truth.json
//	go run ./hack/demo -scenes N -out DIR          writes N such pictures without any copies, and the model
//	go run ./hack/demo -evaluate DIR -out RESULTS  says how much of it an audit found, and fails if that is too little
package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

//go:embed audit.yaml
var auditYAML []byte

func main() {
	out := flag.String("out", "", "`folder` to write the demo to; with -evaluate, the one with the audit's results")
	demo := flag.String("evaluate", "", "`folder` of a demo whose audit is to be evaluated")
	seed := flag.Uint64("seed", 1, "what the random numbers begin with")
	scenes := flag.Int("scenes", 0, "write so many pictures without copies instead of a demo")
	flag.Parse()
	if err := run(*demo, *out, *seed, *scenes); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(demo, out string, seed uint64, scenes int) error {
	switch {
	case flag.NArg() > 0 || out == "":
		return errors.New("usage: demo [-seed N] -out DIR, or demo -evaluate DIR -out RESULTS")
	case demo != "":
		return evaluate(os.Stdout, demo, out)
	case scenes > 0:
		d := newDataset(seed)
		if err := d.draw(seed, (scenes+len(classes)-1)/len(classes), 0); err != nil {
			return err
		}
		d.name()
		return write(out, d, &truth{Seed: seed, Samples: len(d.samples)})
	}
	d, t, err := generate(seed)
	if err != nil {
		return err
	}
	if err := write(out, d, t); err != nil {
		return err
	}
	fmt.Printf("%s: %d images of %d classes in train and test, %d of them planted copies (%d leak from train into test, %d under another label)\n",
		out, t.Samples, len(classes), len(t.Planted), len(t.Leaks), len(t.Conflicts))
	return nil
}

// write makes the demo's folder. The images of an earlier demo there go, but no others.
func write(out string, d *dataset, t *truth) error {
	images := filepath.Join(out, "images")
	_, noDemo := os.Stat(filepath.Join(out, truthFile))
	if _, err := os.Stat(images); err == nil && noDemo != nil {
		return fmt.Errorf("%s exists and is not of a demo: choose another folder", images)
	}
	if err := os.RemoveAll(images); err != nil {
		return err
	}
	files := map[string][]byte{"audit.yaml": auditYAML, "model.onnx": network().Marshal()}
	for _, s := range d.samples {
		files[filepath.Join("images", s.id)] = s.content
	}
	description, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	files[truthFile] = append(description, '\n')
	for name, content := range files {
		path := filepath.Join(out, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
