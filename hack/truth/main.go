// Command truth measures how well methods tell copies from look-alikes, where the truth is known because it planted the
// copies:
//
//	truth plant -images DIR -out DIR [-half 0] [-copies 40] [-seed 1]
//	truth bench -images DIR -models FILE -runner PROGRAM -work DIR [-copies 40] [-seeds 3]
//	truth references -images DIR -models FILE -runner PROGRAM -work DIR [-seeds 3]
//	truth nulls -runner PROGRAM -work DIR [-seeds 5]
//
// plant writes one half of the images with edited copies of some among them, and truth.json, which names these. bench
// plants in both halves, audits them with each model and method, and prints what was found; a method is tuned on the
// first half and reported on the second. references plants copies of a reference's images in a dataset. nulls audits
// embeddings without any copies, where whatever is found is false.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "truth:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("usage: truth plant, truth bench, truth references or truth nulls; -h lists the flags of each")
	}
	flags := flag.NewFlagSet(arguments[0], flag.ContinueOnError)
	images := flags.String("images", "", "`folder` of the real images")
	out := flags.String("out", "truth", "plant: `folder` for images and truth.json")
	half := flags.Int("half", 0, "plant: which half of the images, 0 or 1")
	copies := flags.Int("copies", 40, "copies of each kind of edit")
	seed := flags.Uint64("seed", 1, "plant: decides what is copied, and how")
	seeds := flags.Int("seeds", 3, "bench and nulls: how many datasets of a kind")
	models := flags.String("models", "", "bench and references: `file` with the models, a JSON list of {name, path, layer, preset}")
	runner := flags.String("runner", "bin/runner", "bench and nulls: the runner `program`")
	work := flags.String("work", "", "bench and nulls: `folder` for what is made on the way, kept for the next time")
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	switch arguments[0] {
	case "plant":
		return writePlanted(*images, *out, *half, *copies, *seed)
	case "bench", "references":
		b := bench{auditor: auditor{*runner, *work}, images: *images, copies: *copies, seeds: *seeds}
		content, err := os.ReadFile(*models)
		if err == nil {
			err = json.Unmarshal(content, &b.models)
		}
		if err != nil {
			return fmt.Errorf("-models: %w", err)
		}
		if arguments[0] == "references" {
			return b.references(ctx, os.Stdout)
		}
		return b.run(ctx, os.Stdout)
	case "nulls":
		if err := nulls(ctx, os.Stdout, auditor{*runner, *work}, *seeds); err != nil {
			return err
		}
		return cleanReferences(ctx, os.Stdout, auditor{*runner, *work}, *seeds)
	}
	return fmt.Errorf("%s is none of plant, bench, references and nulls", arguments[0])
}

func writePlanted(from, to string, half, copies int, seed uint64) error {
	if half < 0 || half > 1 {
		return fmt.Errorf("-half is 0 or 1, not %d", half)
	}
	t, err := plant(from, filepath.Join(to, "images"), half, copies, seed)
	if err != nil {
		return err
	}
	content, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	if err := write(filepath.Join(to, "truth.json"), content); err != nil {
		return err
	}
	fmt.Printf("%s: %d images, of which %d are copies of others\n", to, t.Samples, len(t.Planted))
	return nil
}
