// Demo writes the dataset of package demo, and says how much of it an audit found.
//
//	go run ./hack/demo -out DIR                    writes DIR/images, model.onnx, audit.yaml and truth.json
//	go run ./hack/demo -scenes N -out DIR          writes N such pictures without any copies, and the model
//	go run ./hack/demo -evaluate DIR -out RESULTS  says how much of it an audit found, and fails if that is too little
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/datasetaudit/dataset-audit/internal/demo"
)

func main() {
	out := flag.String("out", "", "`folder` to write the demo to; with -evaluate, the one with the audit's results")
	of := flag.String("evaluate", "", "`folder` of a demo whose audit is to be evaluated")
	seed := flag.Uint64("seed", demo.Seed, "what the random numbers begin with")
	scenes := flag.Int("scenes", 0, "write so many pictures without copies instead of a demo")
	flag.Parse()
	if err := run(*of, *out, *seed, *scenes); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(of, out string, seed uint64, scenes int) error {
	switch {
	case flag.NArg() > 0 || out == "":
		return errors.New("usage: demo [-seed N] -out DIR, or demo -evaluate DIR -out RESULTS")
	case of != "":
		return evaluate(os.Stdout, of, out)
	case scenes > 0:
		return demo.WriteScenes(out, seed, scenes)
	}
	t, err := demo.Write(out, seed)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s\n", out, t)
	return nil
}
