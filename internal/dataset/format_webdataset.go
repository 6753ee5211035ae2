package dataset

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

func init() {
	register(v1alpha1.FormatWebDataset, opener{list: openWebDataset, columns: true, file: true})
}

// openWebDataset lists the samples of tar archives, compressed or not. As the webdataset library has it, the files that
// follow each other and share a name up to its first dot are a sample: an image (000017.jpg), its label (000017.cls or
// .label: a number or a name), and what else is known of it (000017.json: label, split, group, and what
// dataset.removal.column names). Dots in a key (22.05.png) are understood; see tarShard.images. Other files are
// counted, where they are not part of a sample. A sample's ID is the archive's path and the image's in it; its split,
// unless its .json names one, is told from the archive's path.
//
// Nothing is unpacked: names in an archive are names, wherever they point to. Listing reads the headers, and jumps over
// the images where the archive is not compressed.
func openWebDataset(ctx context.Context, bucket *storage.Bucket, spec request) (listing, error) {
	objects, err := spec.list(ctx, bucket)
	if err != nil {
		return listing{}, err
	}
	var warnings []string
	shards, ignored := objects, Ignored(nil)
	if spec.file == "" {
		if shards, ignored, err = findShards(objects, spec.WebDataset); err != nil {
			return listing{}, err
		}
		warnings = missingShards(shards)
	}
	packed, err := allCompressed(ctx, bucket, shards, func([]byte) bool { return false })
	if err != nil {
		return listing{}, err
	}
	l := listing{batch: 256, unit: "file", ignored: ignored, warnings: warnings}
	plain := spans{bucket: bucket, decode: wholeImage}
	l.source = &plain
	if packed {
		l.source = &streams{spans: plain}
	}
	var mu sync.Mutex
	orphans, links := 0, 0
	l.entries, err = listShards(ctx, shards, func(ctx context.Context, shard storage.Object) ([]entry, error) {
		body, err := openShard(ctx, bucket, shard, packed)
		if err != nil {
			return nil, mistake(err)
		}
		defer body.Close()
		t := &tarShard{shard: shard, split: splitOf(shard.Key), column: spec.column, labels: labelSets{}, names: interner{}}
		if err := t.list(body); err != nil {
			return nil, unreadable(shard.Key, err)
		}
		mu.Lock()
		defer mu.Unlock()
		l.ignored.addAll(t.ignored)
		orphans, links = orphans+t.orphans, links+t.links
		return t.entries, nil
	})
	if err != nil {
		return listing{}, err
	}
	if orphans > 0 {
		l.warnings = append(l.warnings, fmt.Sprintf("%d times files such as .cls or .json stand in an archive without an image beside them: "+
			"a sample's files must follow each other (tar --sort=name)", orphans))
	}
	if links > 0 {
		l.warnings = append(l.warnings, fmt.Sprintf("%d links in the archives are called like images and left out: pack the files themselves (tar --dereference --hard-dereference)", links))
	}
	if !slices.ContainsFunc(l.entries, func(e entry) bool { return e.Split != "" }) {
		l.warnings = append(l.warnings, splitsOfFiles(l.entries, func(e *entry) string { return strings.TrimPrefix(e.ID, e.key+"/") })...)
	}
	if len(l.entries) == 0 {
		return listing{}, invalid("%w: %d archives hold no image (%s)", ErrEmpty, len(shards), strings.Join(readExtensions, " "))
	}
	return l, nil
}

// wholeImage is a span that is an encoded image.
func wholeImage(_ *entry, data []byte) content {
	return content{bytes: data, digest: sha256.Sum256(data)}
}

// tarEndings are those of the archives.
var tarEndings = []string{".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.bz2", ".tbz2", ".tbz"}

// unreadTarEndings are those of archives that nobody here reads: to leave them out in silence would hide a part of the
// dataset.
var unreadTarEndings = []string{".tar.xz", ".txz", ".tar.lz4", ".tar.lz", ".tar.lzma", ".tar.br", ".tar.7z"}

func isShard(key string) bool { return endsWith(key, tarEndings) }

func endsWith(key string, endings []string) bool {
	return slices.ContainsFunc(endings, func(ending string) bool { return strings.HasSuffix(strings.ToLower(key), ending) })
}

// findShards returns the archives in byte order of their paths, and counts the other files.
func findShards(objects []storage.Object, options *v1alpha1.WebDatasetOptions) (shards []storage.Object, ignored Ignored, err error) {
	at := map[string]storage.Object{}
	for _, o := range objects {
		if hidden(o.Key) && len(objects) > 1 {
			continue
		}
		at[o.Key] = o
		if options != nil && len(options.Shards) > 0 {
			continue
		}
		if endsWith(o.Key, unreadTarEndings) {
			return nil, nil, invalid("%s is compressed in a way that is not read: use gzip, Zstandard or bzip2, or name the archives with dataset.webDataset.shards", o.Key)
		}
		if isShard(o.Key) {
			shards = append(shards, o)
		}
	}
	if options != nil {
		for _, pattern := range options.Shards {
			paths, err := expand(pattern)
			if err != nil {
				return nil, nil, err
			}
			for _, p := range paths {
				o, ok := at[path.Clean(p)]
				if !ok {
					return nil, nil, invalid("dataset.webDataset.shards: %s, of %q, is not there", p, pattern)
				}
				shards = append(shards, o)
			}
		}
	}
	slices.SortFunc(shards, func(a, b storage.Object) int { return strings.Compare(a.Key, b.Key) })
	shards = slices.CompactFunc(shards, func(a, b storage.Object) bool { return a.Key == b.Key })
	if len(shards) == 0 {
		return nil, nil, invalid("%w: looked for archives (%s), found %d other files", ErrEmpty, strings.Join(tarEndings, " "), len(at))
	}
	for _, shard := range shards {
		delete(at, shard.Key)
	}
	for key := range at {
		ignored.add(key)
	}
	return shards, ignored, nil
}

// openShard reads an archive from its beginning. What is not compressed can be sought in.
func openShard(ctx context.Context, bucket *storage.Bucket, shard storage.Object, packed bool) (io.ReadCloser, error) {
	object := bucket.Pin(shard.Key, shard.Version)
	if packed {
		return openCompressed(ctx, object, shard.Key)
	}
	return &skipper{ctx: ctx, object: object, size: shard.Size}, nil
}

// tarShard lists one archive.
type tarShard struct {
	shard   storage.Object
	split   string
	column  string
	labels  labelSets
	names   interner
	entries []entry
	ignored Ignored
	orphans int // groups of files that describe a sample without an image
	links   int // that are called like images

	// What has been collected of a sample.
	key    string // its files' names up to their first dot
	images []entry
	stems  []string                // of the images: their names without the ending
	said   map[string]*wdsMetadata // by stem
	others []string                // files that are not images
}

// wdsMetadata is what the files beside an image say.
type wdsMetadata struct {
	label  []string // of a .cls or .label file
	has    bool     // such a file
	object *wdsObject
	err    error
}

// wdsObject is what a sample's .json file says.
type wdsObject struct {
	labels       []string
	split, group string
	score        float64
}

// maxSmallFile bounds the files that are read while listing: labels and metadata.
const maxSmallFile = 1 << 20

// list goes through the archive.
func (t *tarShard) list(body io.Reader) error {
	in := &position{r: body}
	archive := tar.NewReader(in.reader())
	end := int64(0) // of the last file
	for number := 0; ; number++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			t.finish()
			return in.checkEnd(end)
		}
		if err != nil {
			return fmt.Errorf("file %d of the archive: %w", number, err)
		}
		end = in.at
		if header.Typeflag == tar.TypeReg {
			end += (header.Size + tarBlock - 1) / tarBlock * tarBlock
		}
		if sparse(header) {
			return fmt.Errorf("file %d of the archive, %q, is sparse: pack it with a plain tar", number, header.Name)
		}
		if link := header.Typeflag == tar.TypeLink || header.Typeflag == tar.TypeSymlink; link && isImage(header.Name) && !hidden(header.Name) {
			t.ignored.add(header.Name)
			t.links++
		}
		if header.Typeflag != tar.TypeReg {
			continue // folders, links, devices: no samples
		}
		name := path.Clean(header.Name)
		if !fs.ValidPath(name) {
			return fmt.Errorf("file %d of the archive is named %q: names must be relative, in UTF-8 and stay inside", number, header.Name)
		}
		if hidden(name) {
			continue
		}
		if key := keyOf(name); key != t.key {
			t.finish()
			t.key = key
		}
		if isImage(name) {
			name = strings.Clone(name)
			t.images = append(t.images, entry{
				Info: Info{ID: t.shard.Key + "/" + name, Version: t.shard.Version, Score: math.NaN()},
				key:  t.shard.Key, row: number, offset: in.at, size: header.Size,
			})
			t.stems = append(t.stems, stemOf(name))
			continue
		}
		if err := t.describe(name, header, archive); err != nil {
			return fmt.Errorf("file %d of the archive, %s: %w", number, name, err)
		}
	}
}

const tarBlock = 512

// checkEnd is for an archive of which nothing more is read: it ends with blocks of zeros, or was cut short, or others
// were joined to it, whose files would be lost. What is compressed is read to its end, where its checksum is.
func (p *position) checkEnd(files int64) error {
	if p.at < files+tarBlock {
		return fmt.Errorf("there is no end marker: %w", io.ErrUnexpectedEOF)
	}
	rest := make([]byte, 64<<10)
	for {
		n, err := p.Read(rest)
		if bytes.IndexFunc(rest[:n], func(r rune) bool { return r != 0 }) >= 0 {
			return errors.New("something follows its end marker: were archives joined? Keep each in a file of its own")
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func sparse(header *tar.Header) bool {
	for record := range header.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse.") {
			return true
		}
	}
	return header.Typeflag == tar.TypeGNUSparse
}

// keyOf cuts a path at the first dot of its last part.
func keyOf(name string) string {
	folder, file := path.Split(name)
	base, _, _ := strings.Cut(file, ".")
	return folder + base
}

// stemOf cuts a path at its last dot.
func stemOf(name string) string { return strings.TrimSuffix(name, path.Ext(name)) }

// describe reads a file that says something about the sample.
func (t *tarShard) describe(name string, header *tar.Header, body io.Reader) error {
	t.others = append(t.others, name)
	kind := strings.ToLower(path.Ext(name))
	if kind != ".cls" && kind != ".label" && kind != ".json" {
		return nil
	}
	if header.Size > maxSmallFile {
		return fmt.Errorf("%d bytes, at most %d are read", header.Size, int64(maxSmallFile))
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if t.said == nil {
		t.said = map[string]*wdsMetadata{}
	}
	stem := stemOf(name)
	m := t.said[stem]
	if m == nil {
		m = &wdsMetadata{}
		t.said[strings.Clone(stem)] = m
	}
	if kind != ".json" {
		content := strings.TrimPrefix(text.Valid(string(data)), "\ufeff")
		m.label, m.has = t.labels.one(strings.TrimSpace(content)), true
		return nil
	}
	if m.object, err = t.parse(data); err != nil {
		m.err = fmt.Errorf("%s/%s: %w", t.shard.Key, name, err)
	}
	return nil
}

func (t *tarShard) parse(data []byte) (*wdsObject, error) {
	cells, err := newJSONRecord(data)
	if err != nil {
		if _, other := errors.AsType[*json.UnmarshalTypeError](err); other {
			return nil, nil // JSON, but no object: it says nothing of a label
		}
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	m := &wdsObject{labels: cells.labels("label", t.labels), split: t.names.get(cells.text("split")), group: t.names.get(cells.text("group"))}
	if m.score, err = parseScore(cells.text(t.column)); err != nil {
		return nil, fmt.Errorf("%s: %w", t.column, err)
	}
	return m, nil
}

// finish lists the images of a sample with what was said about each, before or after it: by files of its own name
// (22.05.cls for 22.05.png), or else of the common one (22.cls). Beside an image of the common name, others with words
// in theirs are parts of the sample, such as 0001.mask.png; without one, or with a number there, they are samples.
func (t *tarShard) finish() {
	whole := slices.Contains(t.stems, t.key)
	listed := 0
	for i := range t.images {
		e, stem := t.images[i], t.stems[i]
		if whole && stem != t.key && !startsWithDigit(stem[len(t.key)+1:]) {
			t.ignored.add(stem) // as .mask
			continue
		}
		e.Split = t.split
		own := t.said[stem]
		if own == nil {
			own = t.said[t.key]
		}
		own.tell(&e)
		t.entries = append(t.entries, e)
		listed++
	}
	if listed == 0 {
		for _, name := range t.others {
			t.ignored.add(name)
		}
		if len(t.said) > 0 {
			t.orphans++
		}
	}
	t.images, t.stems, t.others = t.images[:0], t.stems[:0], t.others[:0]
	clear(t.said)
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// tell adds to an entry what the files beside it say.
func (m *wdsMetadata) tell(e *entry) {
	if m == nil {
		return
	}
	e.err = m.err
	if o := m.object; o != nil {
		e.Labels, e.Group, e.Score = o.labels, o.group, o.score
		if o.split != "" {
			e.Split = o.split
		}
	}
	if m.has {
		e.Labels = m.label
	}
}
