package main

import (
	"bytes"
	"image"
	"io/fs"
	"math/bits"
	"os"

	"github.com/corona10/goimagehash"
)

type hasher = func(image.Image) (*goimagehash.ImageHash, error)

// hashPairs are the pairs of images whose perceptual hashes differ in at most so many of 64 bits, as duplicate finders
// that know no model compare them.
func hashPairs(folder string, hash hasher, most int) ([]pair, error) {
	var ids []string
	var hashes []uint64
	root := os.DirFS(folder)
	err := walk(root, func(name string) error {
		content, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		decoded, _, err := image.Decode(bytes.NewReader(content))
		if err != nil {
			return err
		}
		h, err := hash(decoded)
		if err != nil {
			return err
		}
		ids, hashes = append(ids, name), append(hashes, h.GetHash())
		return nil
	})
	if err != nil {
		return nil, err
	}
	var pairs []pair
	for i, a := range hashes {
		for j, b := range hashes[:i] {
			if differ := bits.OnesCount64(a ^ b); differ <= most {
				pairs = append(pairs, newPair(ids[i], ids[j], float64(differ)))
			}
		}
	}
	return pairs, nil
}
