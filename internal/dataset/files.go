package dataset

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"
)

// imageExtensions are those of files that are taken for images, in any case of letters: those that the decoders read,
// and those of pictures that nobody here reads, which are unreadable samples, since to leave them out in silence would
// hide a part of the dataset.
var imageExtensions = slices.Concat(readExtensions, unreadExtensions)

var (
	readExtensions = []string{
		".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg", ".pjp", ".mpo", ".png", ".apng", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp",
		".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm",
	}
	unreadExtensions = []string{
		".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2", ".j2k", ".j2c", ".jpf", ".jpx", ".jpc",
		".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw",
	}
)

func isImage(key string) bool {
	return slices.Contains(imageExtensions, strings.ToLower(path.Ext(key)))
}

// otherExtensions are those of files that people keep beside images. A name with another ending may be a folder's, such
// as 001.Black_footed.
var otherExtensions = []string{
	".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".html", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".zip", ".tar", ".gz",
	".mp4", ".avi", ".mov", ".wav", ".mp3", ".npy", ".npz", ".mat", ".pkl", ".h5", ".py", ".ipynb", ".sh", ".db", ".ini", ".log", ".psd", ".svg", ".ico",
}

func isOtherFile(key string) bool {
	return slices.Contains(otherExtensions, strings.ToLower(path.Ext(key)))
}

// asides are the folders that systems put beside people's files: thumbnails, bins, and what an archive of macOS brings.
var asides = []string{
	"@eadir", "@__thumb", "@recycle", "#recycle", "#snapshot", "@tmp", "$recycle.bin", "system volume information", "__macosx", "lost+found", "__pycache__",
}

// hidden tells whether a file is not part of the dataset: it, or a folder above it, begins with a dot or is put there
// by a system.
func hidden(key string) bool {
	for rest := key; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if strings.HasPrefix(name, ".") || rest != "" && strings.ContainsAny(name, "@#$_+ ") && slices.Contains(asides, strings.ToLower(name)) {
			return true
		}
	}
	return false
}

// Ignored counts files that were taken for no sample by their ending, in lower case with its dot; "" stands for those
// without one.
type Ignored map[string]int64

func (n *Ignored) add(key string) {
	if *n == nil {
		*n = Ignored{}
	}
	ending := strings.ToLower(path.Ext(key))
	if len(ending) > maxEnding || len(*n) >= maxEndings && (*n)[ending] == 0 {
		ending = "" // names without end, such as scan.2024-05-01 14.30
	}
	(*n)[ending]++
}

func (n *Ignored) addAll(more Ignored) {
	if *n == nil {
		*n = Ignored{}
	}
	for ending, files := range more {
		(*n)[ending] += files
	}
}

const (
	maxEnding  = 16
	maxEndings = 256
)

// Files is how many there are in all.
func (n Ignored) Files() (total int64) {
	for _, files := range n {
		total += files
	}
	return total
}

// Endings are sorted by their files, most first.
func (n Ignored) Endings() []string {
	return slices.SortedFunc(maps.Keys(n), func(a, b string) int { return cmp.Or(cmp.Compare(n[b], n[a]), strings.Compare(a, b)) })
}
