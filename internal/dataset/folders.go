package dataset

import (
	"maps"
	"slices"
	"strings"
)

// What the folders of an ImageFolder mean follows from all of them at once.

// pictureFolders are names of folders that say only that pictures lie in them.
var pictureFolders = []string{"images", "image", "imgs", "img", "jpegimages", "jpegs", "jpg", "png", "pictures", "photos", "frames", "data", "rgb"}

func isPictureFolder(name string) bool { return slices.Contains(pictureFolders, strings.ToLower(name)) }

// place is where images lie: their folders that are still to be understood, from the top, and what the others mean.
type place struct {
	folders []string
	split   string
	label   string
}

// readFolders finds split and label of the images in each folder, of which it is given one:
//
//   - a folder that all images share is only a wrapper, unless it is the only one and may be their label;
//   - the folders at the top are called like splits: they are the splits, and the next folder is the label, if there is one. What
//     lies deeper is only part of the path (train/cat/a.jpg, train/cat/2024/b.jpg, test/c.jpg), and so is a level of folders that are
//     all called images, or like their split (train/images/a.jpg);
//   - the folders of the second level are: the first is the label (cat/train/a.jpg);
//   - otherwise every image lies in one folder, the label, or every one in two, split and label (fold1/cat/a.jpg).
//
// Anything else is an error. Warnings say what could be read in another way.
func readFolders(keys []string) (places []place, warnings []string, err error) {
	places = make([]place, len(keys))
	for i, key := range keys {
		folders := strings.Split(key, "/")
		places[i].folders = folders[:len(folders)-1]
	}
	unwrap(places)
	switch {
	case deepest(places) == 0:
		return places, nil, nil
	case shallowest(places) > 0 && areSplits(level(places, 0)):
		if err := splitsThenLabels(keys, places); err != nil {
			return nil, nil, err
		}
		return places, doubts(places), nil
	case shallowest(places) > 1 && areSplits(level(places, 1)):
		for i := range places {
			p := &places[i]
			p.label, p.split = p.folders[0], p.folders[1]
		}
		return places, doubts(places), nil
	}
	shallow, deep := shallowest(places), deepest(places)
	if shallow != deep || deep > 2 {
		return nil, nil, ambiguousDepth(keys, places)
	}
	for i := range places {
		p := &places[i]
		p.label = p.folders[deep-1]
		if deep == 2 {
			p.split = p.folders[0]
		}
	}
	return places, doubts(places), nil
}

// unwrap drops the folders that all images share and that say nothing, such as train_test_split above train and test.
func unwrap(places []place) {
	for {
		if shallowest(places) == 0 {
			return
		}
		top := places[0].folders[0]
		if len(level(places, 0)) > 1 {
			return
		}
		if isSplitName(top) && (shallowest(places) < 2 || !bothRoles(level(places, 1)) || !areSplits(level(places, 1))) {
			return
		}
		if shallowest(places) == 1 && (deepest(places) > 1 || !isPictureFolder(top)) {
			return // their label, or images beside folders
		}
		for i := range places {
			places[i].folders = places[i].folders[1:]
		}
	}
}

// splitsThenLabels reads the first folder as the split and the next one that says anything as the label.
func splitsThenLabels(keys []string, places []place) error {
	for i := range places {
		p := &places[i]
		p.split, p.folders = p.folders[0], p.folders[1:]
	}
	bySplit := map[string][]int{}
	for i := range places {
		bySplit[places[i].split] = append(bySplit[places[i].split], i)
	}
	for _, split := range bySplit {
		for !slices.ContainsFunc(split, func(i int) bool {
			p := places[i]
			return len(p.folders) == 0 || !isPictureFolder(p.folders[0]) && p.folders[0] != p.split
		}) {
			for _, i := range split {
				places[i].folders = places[i].folders[1:]
			}
		}
	}
	type example struct{ labeled, unlabeled string }
	splits := map[string]example{}
	for i := range places {
		p := &places[i]
		e := splits[p.split]
		if len(p.folders) == 0 {
			e.unlabeled = keys[i]
		} else {
			e.labeled, p.label = keys[i], p.folders[0]
		}
		if r, _ := roleOf(p.split); r == noRole && isSplitName(p.label) {
			return invalid("ambiguous folders: %s stands beside splits, and holds folders called like splits (%s): is it the dataset once more? Name one folder, or use a Manifest", p.split, keys[i])
		}
		if e.labeled != "" && e.unlabeled != "" {
			return invalid("ambiguous folders: split %s holds %s in a label's folder and %s in none; use one way for all, or a Manifest",
				p.split, e.labeled, e.unlabeled)
		}
		splits[p.split] = e
	}
	return nil
}

func ambiguousDepth(keys []string, places []place) error {
	shallow, deep := 0, 0
	for i := range keys {
		if depth(keys[i]) < depth(keys[shallow]) {
			shallow = i
		}
		if depth(keys[i]) > depth(keys[deep]) {
			deep = i
		}
	}
	if shallowest(places) == deepest(places) {
		return invalid("ambiguous folders: images lie %d folders deep (%s); use split/label/image, label/image, or a Manifest",
			depth(keys[deep]), keys[deep])
	}
	return invalid("ambiguous folders: %s lies %d folders deep and %s %d; use one depth for all, or a Manifest",
		keys[shallow], depth(keys[shallow]), keys[deep], depth(keys[deep]))
}

// depth is how many folders an object lies in.
func depth(key string) int { return strings.Count(key, "/") }

// doubts warn of folders that could be read in another way.
func doubts(places []place) []string {
	labels := distinctOf(places, func(p *place) string { return p.label })
	splits := distinctOf(places, func(p *place) string { return p.split })
	hasRole := func(name string) bool { r, _ := roleOf(name); return r == training || r == evaluation }
	likeSplits := isSplitName
	if bothRoles(labels) {
		likeSplits = hasRole
	}
	strange := "these folders are read as splits: %s; if they are labels, say so in a Manifest with the columns path and label"
	if slices.ContainsFunc(splits, hasRole) {
		strange = "these folders stand beside splits and are read as splits to train on: %s; if they are not, name the splits with dataset.splits, or those for evaluation with dataset.evaluationSplits"
	}
	return slices.Concat(
		warnOf(labels, likeSplits,
			"these folders are read as labels, though they are called like splits: %s; if they are splits, say so in a Manifest with the columns path and split"),
		warnOf(labels, isPartFolder,
			"these folders are read as labels: %s; if they hold parts of samples, such as images and masks, name the images alone as the dataset, or in a Manifest with the columns path, label and split"),
		warnOf(splits, isPartSplit,
			"these folders are read as splits: %s; if they hold parts of samples, such as masks, name the splits of images with dataset.splits"),
		warnOf(splits, func(name string) bool { r, _ := roleOf(name); return r == noRole && !isPartSplit(name) }, strange),
	)
}

// partFolders are names of folders that hold what belongs to images.
var partFolders = []string{
	"mask", "masks", "annotation", "annotations", "labels", "groundtruth", "gt", "gtfine", "depth", "segmentation", "segmentations",
}

// isPartFolder tells whether a folder holds a part of samples, by its name.
func isPartFolder(name string) bool {
	return isPictureFolder(name) || slices.Contains(partFolders, strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(name)))
}

// isPartSplit tells whether a folder holds parts of a split's samples, such as train_masks.
func isPartSplit(name string) bool {
	_, rest := roleOf(name)
	words := strings.Fields(rest)
	return slices.Contains(partFolders, strings.Join(words, "")) ||
		slices.ContainsFunc(words, func(word string) bool { return slices.Contains(partFolders, word) })
}

// warnOf is a warning that names those who are suspect, if any are.
func warnOf(names []string, suspect func(string) bool, format string) []string {
	found := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" || !suspect(name) })
	if len(found) == 0 {
		return nil
	}
	return []string{strings.Replace(format, "%s", some(found), 1)}
}

// distinctOf are the distinct values of places, sorted.
func distinctOf(places []place, value func(p *place) string) []string {
	names := map[string]bool{}
	for i := range places {
		names[value(&places[i])] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func shallowest(places []place) int {
	n := len(places[0].folders)
	for i := range places {
		n = min(n, len(places[i].folders))
	}
	return n
}

func deepest(places []place) int {
	n := 0
	for i := range places {
		n = max(n, len(places[i].folders))
	}
	return n
}

// level returns the distinct names of the folders of a level, which every image must lie in.
func level(places []place, n int) []string {
	return distinctOf(places, func(p *place) string { return p.folders[n] })
}
