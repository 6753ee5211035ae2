// Imagesuite holds the image decoder of the runner against an independent one, over folders of images made to test
// decoders.
//
//	go run ./hack/imagesuite [-reference 'PROGRAM ARGUMENT…'] [-list] [SUITE=]DIR…
//
// It prints how many files of each suite and format both read alike, as Markdown tables; with -list, first what is
// known of every file that isn't right. README.md says where the suites are from, and what the reference answers.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/datasetaudit/dataset-audit/internal/images"
)

// maxPixels bounds what either decoder may take a file for; larger ones are refused by both.
const maxPixels = 100_000_000

func main() {
	command := flag.String("reference", "hack/imagesuite/reference.py", "`command` that decodes the files independently")
	list := flag.Bool("list", false, "print every file that isn't right")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, *command, *list, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "imagesuite:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, command string, list bool, suites []string) error {
	if len(suites) == 0 {
		return errors.New("usage: imagesuite [-reference COMMAND] [-list] [SUITE=]DIR…")
	}
	reference, err := startReference(ctx, strings.Fields(command))
	if err != nil {
		return err
	}
	defer reference.stop()
	out := bufio.NewWriter(w)
	var t tally
	for _, argument := range suites {
		name, dir := suite(argument)
		files, err := pictures(dir)
		if err != nil {
			return err
		}
		for _, file := range files {
			r, err := examine(reference, filepath.Join(dir, file))
			if err != nil {
				return fmt.Errorf("%s: %w", filepath.Join(dir, file), err)
			}
			t.add(name, r)
			if list && r.verdict != right {
				fmt.Fprintf(out, "%s: %s/%s (%s): %s\n", r.verdict, name, filepath.ToSlash(file), r.format, r.reason)
			}
		}
	}
	if list {
		fmt.Fprintln(out)
	}
	t.print(out)
	return out.Flush()
}

// suite splits SUITE=DIR; a folder alone gives the suite its base name.
func suite(argument string) (name, dir string) {
	if name, dir, ok := strings.Cut(argument, "="); ok {
		return name, dir
	}
	return filepath.Base(argument), argument
}

// pictures returns the paths in a folder of the files that are named like pictures.
func pictures(dir string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.Type().IsRegular() || endings[ending(path)] == "" {
			return nil
		}
		file, err := filepath.Rel(dir, path)
		files = append(files, file)
		return err
	})
	return files, err
}

// examine has both decoders read a file, at the same time.
func examine(reference *reference, path string) (result, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return result{}, err
	}
	if err := reference.ask(path); err != nil {
		return result{}, err
	}
	ours, failure := decode(content)
	theirs, err := reference.answer()
	if err != nil {
		return result{}, err
	}
	return judge(formatOf(path, content), lossy(content), ours, failure, theirs), nil
}

// errPanicked marks the panics that this program caught itself.
var errPanicked = errors.New("panicked")

func decode(content []byte) (img *image.RGBA, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanicked, p)
		}
	}()
	return images.Decoder{MaxPixels: maxPixels}.Decode(content)
}

// panicked says whether a decoder panicked, be it caught here or, as the error's text says, by the decoder.
func panicked(err error) bool {
	return errors.Is(err, errPanicked) || err != nil && strings.Contains(err.Error(), "the decoder panicked")
}
