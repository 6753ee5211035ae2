package dataset

import (
	"archive/tar"
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

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/runner/storage"
)

func init() { register(v1alpha1.FormatWebDataset, openWebDataset) }

// openWebDataset lists the samples of tar archives, compressed or not. As the webdataset library has it, the files that follow
// each other and share a name up to its first dot are a sample: an image (000017.jpg), its label (000017.cls or .label: a number
// or a name), and what else is known of it (000017.json: label, split, group, and what dataset.removal.column names). Other files
// are ignored, and samples without an image. A sample's ID is the archive's path and the image's in it; its split, unless
// its .json names one, is told from the archive's path.
//
// Nothing is unpacked: names in an archive are names, wherever they point to. Listing reads the headers, and jumps over the
// images where the archive is not compressed.
func openWebDataset(ctx context.Context, bucket *storage.Bucket, spec request) (listing, error) {
	objects, err := bucket.List(ctx, "")
	if err != nil {
		return listing{}, err
	}
	shards, ignored, err := findShards(objects, spec.WebDataset)
	if err != nil {
		return listing{}, err
	}
	if i := slices.IndexFunc(shards, func(o storage.Object) bool { return compressed(o.Key) != compressed(shards[0].Key) }); i >= 0 {
		return listing{}, invalid("%s is compressed and %s is not: name shards of one kind with dataset.webDataset.shards", shards[0].Key, shards[i].Key)
	}
	l := listing{batch: 256, unit: "file", ignored: ignored}
	plain := spans{bucket: bucket, decode: wholeImage}
	l.source = &plain
	if compressed(shards[0].Key) {
		l.source = &streams{spans: plain}
	}
	l.entries, err = listShards(ctx, shards, func(ctx context.Context, shard storage.Object) ([]entry, error) {
		body, err := openShard(ctx, bucket, shard)
		if err != nil {
			return nil, mistake(err)
		}
		defer body.Close()
		t := &tarShard{shard: shard, split: splitOf(shard.Key), column: spec.column, labels: labelSets{}, names: interner{}}
		if err := t.list(body); err != nil {
			return nil, unreadable(shard.Key, err)
		}
		return t.entries, nil
	})
	if err != nil {
		return listing{}, err
	}
	if len(l.entries) == 0 {
		return listing{}, invalid("%w: %d archives hold no image (%s)", ErrEmpty, len(shards), strings.Join(imageExtensions, " "))
	}
	return l, nil
}

// wholeImage is a span that is an encoded image.
func wholeImage(_ *entry, data []byte) content {
	return content{bytes: data, digest: sha256.Sum256(data)}
}

// tarEndings are those of the archives.
var tarEndings = []string{".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst"}

func isShard(key string) bool {
	return slices.ContainsFunc(tarEndings, func(ending string) bool { return strings.HasSuffix(strings.ToLower(key), ending) })
}

// findShards returns the archives in byte order of their paths, and counts the other files.
func findShards(objects []storage.Object, options *v1alpha1.WebDatasetOptions) (shards []storage.Object, ignored int, err error) {
	visible := 0
	at := map[string]storage.Object{}
	for _, o := range objects {
		if hidden(o.Key) {
			continue
		}
		visible++
		at[o.Key] = o
		if (options == nil || len(options.Shards) == 0) && isShard(o.Key) {
			shards = append(shards, o)
		}
	}
	if options != nil {
		for _, pattern := range options.Shards {
			paths, err := expand(pattern)
			if err != nil {
				return nil, 0, err
			}
			for _, p := range paths {
				o, ok := at[path.Clean(p)]
				if !ok {
					return nil, 0, invalid("dataset.webDataset.shards: %s, of %q, is not there", p, pattern)
				}
				shards = append(shards, o)
			}
		}
	}
	slices.SortFunc(shards, func(a, b storage.Object) int { return strings.Compare(a.Key, b.Key) })
	shards = slices.CompactFunc(shards, func(a, b storage.Object) bool { return a.Key == b.Key })
	if len(shards) == 0 {
		return nil, 0, invalid("%w: looked for archives (%s), found %d other files", ErrEmpty, strings.Join(tarEndings, " "), visible)
	}
	return shards, visible - len(shards), nil
}

// openShard reads an archive from its beginning. What is not compressed can be sought in.
func openShard(ctx context.Context, bucket *storage.Bucket, shard storage.Object) (io.ReadCloser, error) {
	object := bucket.Pin(shard.Key, shard.Version)
	if compressed(shard.Key) {
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

	key      string // of the sample that is being collected
	from     int    // its first image in entries
	label    []string
	has      bool // a label
	metadata *wdsMetadata
}

// wdsMetadata is what a sample's .json file says.
type wdsMetadata struct {
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
	for number := 0; ; number++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			t.finish()
			return nil
		}
		if err != nil {
			return fmt.Errorf("file %d of the archive: %w", number, err)
		}
		if header.Typeflag != tar.TypeReg {
			continue // folders, links, devices: no samples
		}
		if sparse(header) {
			return fmt.Errorf("file %d of the archive, %q, is sparse: pack it with a plain tar", number, header.Name)
		}
		name := path.Clean(header.Name)
		if !fs.ValidPath(name) {
			return fmt.Errorf("file %d of the archive is named %q: names must be relative, in UTF-8 and stay inside", number, header.Name)
		}
		if hidden(name) {
			continue
		}
		key, kind := splitName(name)
		if key != t.key {
			t.finish()
			t.key, t.from = key, len(t.entries)
		}
		if slices.Contains(imageExtensions, kind) {
			t.entries = append(t.entries, entry{
				Info: Info{ID: t.shard.Key + "/" + strings.Clone(name), Version: t.shard.Version, Score: math.NaN()},
				key:  t.shard.Key, row: number, offset: in.at, size: header.Size,
			})
			continue
		}
		if err := t.describe(kind, header, archive); err != nil {
			return fmt.Errorf("file %d of the archive, %s: %w", number, name, err)
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

// splitName cuts a path at the first dot of its last part.
func splitName(name string) (key, kind string) {
	folder, file := path.Split(name)
	base, ending, _ := strings.Cut(file, ".")
	return folder + base, "." + strings.ToLower(ending)
}

// describe reads a file that says something about the sample.
func (t *tarShard) describe(kind string, header *tar.Header, body io.Reader) error {
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
	if kind != ".json" {
		t.label, t.has = t.labels.one(strings.TrimSpace(strings.ToValidUTF8(string(data), "\uFFFD"))), true
		return nil
	}
	t.metadata, err = t.parse(data)
	return err
}

func (t *tarShard) parse(data []byte) (*wdsMetadata, error) {
	cells, err := newJSONRecord(data)
	if err != nil {
		if _, invalid := errors.AsType[*json.SyntaxError](err); invalid {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		return nil, nil // JSON, but no object: it says nothing of a label
	}
	m := &wdsMetadata{labels: cells.labels(t.labels), split: t.names.get(cells.text("split")), group: t.names.get(cells.text("group"))}
	if m.score, err = parseScore(cells.text(t.column)); err != nil {
		return nil, fmt.Errorf("%s: %w", t.column, err)
	}
	return m, nil
}

// finish gives the images of a sample what was said about it, before or after them.
func (t *tarShard) finish() {
	for i := t.from; i < len(t.entries); i++ {
		e := &t.entries[i]
		e.Split = t.split
		if m := t.metadata; m != nil {
			e.Labels, e.Group, e.Score = m.labels, m.group, m.score
			if m.split != "" {
				e.Split = m.split
			}
		}
		if t.has {
			e.Labels = t.label
		}
	}
	t.label, t.has, t.metadata, t.from = nil, false, nil, len(t.entries)
}
