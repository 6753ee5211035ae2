// Command truth plants edited copies of real images among these images, so that what a method finds of them can be counted:
//
//	truth -images DIR -out DIR [-half 0] [-copies 40] [-seed 1]
//
// It writes images and truth.json, which names what was planted. A method is tuned on one half of the images and reported on the
// other.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	from := flag.String("images", "", "folder of the real images")
	to := flag.String("out", "truth", "folder for images and truth.json")
	half := flag.Int("half", 0, "which half of the images, 0 or 1")
	copies := flag.Int("copies", 40, "copies of each kind of edit")
	seed := flag.Uint64("seed", 1, "decides what is copied, and how")
	flag.Parse()
	if err := run(*from, *to, *half, *copies, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "truth:", err)
		os.Exit(1)
	}
}

func run(from, to string, half, copies int, seed uint64) error {
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
