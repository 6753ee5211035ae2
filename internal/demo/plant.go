package demo

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"

	"github.com/datasetaudit/dataset-audit/internal/edits"
)

// How many images there are of what. Of each kind of edit, and of the exact copies, some have their source in train and
// the copy in test (leaks), some lie in test altogether, and the rest in train.
const (
	trainImages = 64 // drawn for each class
	testImages  = 20 // drawn for each class

	exactCopies   = 16
	leakingCopies = 4

	editsOfKind  = 12
	leakingEdits = 2
	testEdits    = 2

	savedOfKind = 4 // the first of them leaks

	identicalGroup = 15 // files of the same bytes
	editedGroup    = 12 // files of the same bytes, an edit of the former
)

const (
	train = "train"
	test  = "test"
)

// Exact is the kind of a planted copy of the same bytes; the others are edits.
const Exact = "exact"

var kindsOfEdit = []edits.Edit{edits.Brightness(.08, .2), edits.JPEG(30, 60), edits.Crop(.02, .04), edits.Shift(1, 4), edits.Mirror()}

// kindsOfSaving are copies of the same picture in other files. The lossless ones are exact copies too: their pixels are
// the same.
var kindsOfSaving = []edits.Edit{edits.Saved(".webp"), edits.Saved(".tiff"), edits.Turned()}

// Kinds names the kinds of edits that are planted.
func Kinds() []string {
	var kinds []string
	for _, e := range slices.Concat(kindsOfEdit, kindsOfSaving) {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// IsExact tells whether a kind of copy shows the same pixels.
func IsExact(kind string) bool { return kind == Exact || kind == "webp" || kind == "tiff" }

// A sample is an image file.
type sample struct {
	split, label string
	extension    string
	content      []byte
	id           string // its path: split/label/NNNN.extension
}

// A dataset is images of which some are copies of others.
type dataset struct {
	r       *rand.Rand
	samples []*sample
	planted []plantedCopy
	sources map[string][]*sample // drawn images that nothing was copied from yet, by split, in random order
}

type plantedCopy struct {
	kind           string
	source, copied *sample
}

// generate draws a dataset and plants copies in it, all of it decided by the seed.
func generate(seed uint64) (*dataset, *Truth, error) {
	d := newDataset(seed)
	if err := d.draw(seed, trainImages, testImages); err != nil {
		return nil, nil, err
	}
	t := &Truth{Seed: seed}
	identical, edited, err := d.plant()
	if err != nil {
		return nil, nil, err
	}
	d.name()
	t.describe(d, identical, edited)
	return d, t, nil
}

func newDataset(seed uint64) *dataset {
	return &dataset{r: rand.New(rand.NewPCG(seed, 0)), sources: map[string][]*sample{}}
}

// draw adds the originals, so many of each class.
func (d *dataset) draw(seed uint64, inTrain, inTest int) error {
	for class := range classes {
		for i := range inTrain + inTest {
			s := &sample{split: train, label: classes[class].label, extension: ".jpg"}
			if i >= inTrain {
				s.split = test
			}
			if i%5 == 0 {
				s.extension = ".png"
			}
			// A stream of its own for each picture: a change to one changes no other.
			r := rand.New(rand.NewPCG(seed, uint64(1+len(d.samples))))
			content, err := edits.Encode(drawScene(class, r), s.extension, edits.Quality)
			if err != nil {
				return fmt.Errorf("encode a generated image: %w", err)
			}
			s.content = content
			d.samples = append(d.samples, s)
			d.sources[s.split] = append(d.sources[s.split], s)
		}
	}
	for _, split := range []string{train, test} {
		sources := d.sources[split]
		d.r.Shuffle(len(sources), func(i, j int) { sources[i], sources[j] = sources[j], sources[i] })
	}
	return nil
}

// plant adds the copies. It returns the group of identical images and the group of identical edits of the same image.
func (d *dataset) plant() (identical, edited []*sample, err error) {
	for i := range exactCopies {
		source := d.source(train)
		d.copyOf(source, splitOf(i < leakingCopies), source.label)
	}
	for _, edit := range kindsOfEdit {
		for i := range editsOfKind {
			from := splitOf(i >= editsOfKind-testEdits)
			to := splitOf(i < leakingEdits || from == test)
			if _, err := d.editOf(d.source(from), edit, to); err != nil {
				return nil, nil, err
			}
		}
	}

	// The same image under two labels.
	source := d.source(train)
	for class := range classes {
		if classes[class].label == source.label {
			d.copyOf(source, train, classes[(class+1)%len(classes)].label)
			break
		}
	}

	// Two groups of identical files, each larger than the number of neighbors searched, and each other's near
	// duplicates.
	source = d.source(train)
	identical = append(identical, source)
	for range identicalGroup - 1 {
		identical = append(identical, d.copyOf(source, train, source.label))
	}
	first, err := d.editOf(source, kindsOfEdit[0], train)
	if err != nil {
		return nil, nil, err
	}
	edited = append(edited, first)
	for range editedGroup - 1 {
		edited = append(edited, d.copyOf(first, train, first.label))
	}
	for _, edit := range kindsOfSaving {
		for i := range savedOfKind {
			if _, err := d.editOf(d.source(train), edit, splitOf(i == 0)); err != nil {
				return nil, nil, err
			}
		}
	}
	return identical, edited, nil
}

func splitOf(inTest bool) string {
	if inTest {
		return test
	}
	return train
}

// source takes an image that nothing was copied from yet.
func (d *dataset) source(split string) *sample {
	sources := d.sources[split]
	d.sources[split] = sources[1:]
	return sources[0]
}

func (d *dataset) add(kind string, source, copied *sample) *sample {
	d.samples = append(d.samples, copied)
	d.planted = append(d.planted, plantedCopy{kind, source, copied})
	return copied
}

// copyOf adds a file of the same bytes.
func (d *dataset) copyOf(source *sample, split, label string) *sample {
	return d.add(Exact, source, &sample{split: split, label: label, extension: source.extension, content: source.content})
}

// editOf adds an edit of the picture that the source's file holds.
func (d *dataset) editOf(source *sample, e edits.Edit, split string) (*sample, error) {
	content, extension, err := e.File(d.r, source.content, source.extension)
	if err != nil {
		return nil, fmt.Errorf("edit a generated image: %w", err)
	}
	copied := &sample{split: split, label: source.label, extension: extension, content: content}
	return d.add(e.Kind, source, copied), nil
}

// name numbers the files of each folder at random, so that copies don't stand out by their names.
func (d *dataset) name() {
	d.r.Shuffle(len(d.samples), func(i, j int) { d.samples[i], d.samples[j] = d.samples[j], d.samples[i] })
	count := map[string]int{}
	for _, s := range d.samples {
		folder := path.Join(s.split, s.label)
		s.id = path.Join(folder, fmt.Sprintf("%04d%s", count[folder], s.extension))
		count[folder]++
	}
}
