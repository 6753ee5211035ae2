package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

func init() { register(v1alpha1.FormatIDX, opener{list: openIDX}) }

// openIDX lists the images of IDX files (http://yann.lecun.com/exdb/mnist), as MNIST, Fashion-MNIST and EMNIST have
// them: train-images-idx3-ubyte and beside it train-labels-idx1-ubyte, compressed (.gz) or not. The split is told from
// the name, t10k being test; IDs count within it: "train:00042". Without a file of labels the samples have none.
func openIDX(ctx context.Context, bucket *storage.Bucket, _ request) (listing, error) {
	objects, err := bucket.List(ctx, "")
	if err != nil {
		return listing{}, err
	}
	at := make(map[string]storage.Object, len(objects))
	l := listing{unit: "image", batch: 1024}
	var files []storage.Object
	for _, o := range objects {
		at[o.Key] = o
		switch {
		case hidden(o.Key):
		case strings.Contains(path.Base(o.Key), idxImages):
			files = append(files, o)
		case !strings.Contains(path.Base(o.Key), idxLabels):
			l.ignored.add(o.Key)
		}
	}
	if len(files) == 0 {
		return listing{}, invalid("%w: looked for files such as train-images-idx3-ubyte, found %d others", ErrEmpty, len(objects))
	}

	shapes := map[string]idxHeader{}
	plain := spans{bucket: bucket, decode: func(e *entry, pixels []byte) content {
		h := shapes[e.key]
		return content{bytes: h.bmp(pixels), digest: sha256.Sum256(pixels)}
	}}
	packed := compressed(files[0].Key)
	l.source = &plain
	if packed {
		l.source = &streams{spans: plain}
	}
	number := map[string]int{}
	for _, o := range files {
		if compressed(o.Key) != packed {
			return listing{}, invalid("%s is compressed and %s is not: keep one kind", files[0].Key, o.Key)
		}
		images, err := openIDXFile(ctx, bucket, o, 3, 4)
		if err != nil {
			return listing{}, err
		}
		if err := checkRows(o.Key, images.count, o.Size); err != nil {
			return listing{}, err
		}
		shapes[o.Key] = images
		key := path.Join(path.Dir(o.Key), strings.NewReplacer(idxImages, idxLabels, "idx3", "idx1", "idx4", "idx1").Replace(path.Base(o.Key)))
		var labels []byte
		if file, ok := at[key]; ok {
			if labels, err = readIDXLabels(ctx, bucket, file, images.count); err != nil {
				return listing{}, err
			}
		}
		entries := images.entries(o, idxSplit(o.Key), labels, number)
		l.entries = append(l.entries, entries...)
	}
	if len(l.entries) == 0 {
		return listing{}, invalid("%w: the IDX files hold no image", ErrEmpty)
	}
	return l, nil
}

// What the names of images' and labels' files have where the other has the other.
const (
	idxImages = "-images"
	idxLabels = "-labels"
)

func idxSplit(key string) string {
	if strings.HasPrefix(path.Base(key), "t10k") {
		return "test"
	}
	return splitOf(key)
}

// idxHeader is the beginning of an IDX file of bytes: two zeros, the type 8, the number of dimensions, and each as a
// big-endian number.
type idxHeader struct {
	count                   int64
	height, width, channels int
	start                   int64
}

// openIDXFile reads a file's header and checks it against the file's size, where that is known.
func openIDXFile(ctx context.Context, bucket *storage.Bucket, file storage.Object, dimensions ...byte) (idxHeader, error) {
	body, err := openShard(ctx, bucket, file, compressed(file.Key))
	if err != nil {
		return idxHeader{}, mistake(err)
	}
	defer body.Close()
	h, err := readIDXHeader(body, dimensions)
	if err != nil {
		return h, unreadable(file.Key, err)
	}
	if size := h.start + h.count*h.size(); !compressed(file.Key) && size != file.Size {
		return h, invalid("%s: the header says %d bytes, and there are %d: is it cut short?", file.Key, size, file.Size)
	}
	return h, nil
}

func readIDXHeader(r io.Reader, dimensions []byte) (idxHeader, error) {
	var magic [4]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return idxHeader{}, err
	}
	known := false
	for _, d := range dimensions {
		known = known || magic[3] == d
	}
	if magic[0] != 0 || magic[1] != 0 || magic[2] != 8 || !known {
		return idxHeader{}, fmt.Errorf("not an IDX file of bytes in %d dimensions: it begins with % x", dimensions, magic)
	}
	sizes := make([]uint32, magic[3])
	if err := binary.Read(r, binary.BigEndian, sizes); err != nil {
		return idxHeader{}, err
	}
	h := idxHeader{count: int64(sizes[0]), height: 1, width: 1, channels: 1, start: int64(4 + 4*len(sizes))}
	if len(sizes) >= 3 {
		const most = 1 << 14
		if sizes[1] < 1 || sizes[1] > most || sizes[2] < 1 || sizes[2] > most {
			return h, fmt.Errorf("images of %d×%d pixels: a side has 1 to %d", sizes[2], sizes[1], most)
		}
		h.height, h.width = int(sizes[1]), int(sizes[2])
	}
	if len(sizes) == 4 {
		if sizes[3] != 1 && sizes[3] != 3 {
			return h, fmt.Errorf("%d channels: 1 and 3 can be read", sizes[3])
		}
		h.channels = int(sizes[3])
	}
	return h, nil
}

// size is the bytes of one record.
func (h idxHeader) size() int64 { return int64(h.height) * int64(h.width) * int64(h.channels) }

func readIDXLabels(ctx context.Context, bucket *storage.Bucket, file storage.Object, count int64) ([]byte, error) {
	body, err := openShard(ctx, bucket, file, compressed(file.Key))
	if err != nil {
		return nil, mistake(err)
	}
	defer body.Close()
	h, err := readIDXHeader(body, []byte{1})
	if err == nil && h.count != count {
		err = fmt.Errorf("%d labels for %d images", h.count, count)
	}
	if err != nil {
		return nil, unreadable(file.Key, err)
	}
	// What is there is read, not what the header claims.
	labels, err := io.ReadAll(io.LimitReader(body, count))
	if err == nil && int64(len(labels)) < count {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, unreadable(file.Key, err)
	}
	return labels, nil
}

// entries lists the images; number counts those of each split.
func (h idxHeader) entries(file storage.Object, split string, labels []byte, number map[string]int) []entry {
	sets := labelSets{}
	prefix := split
	if prefix == "" {
		prefix = file.Key
	}
	var entries []entry
	for row := range h.count {
		e := entry{
			Info: Info{ID: fmt.Sprintf("%s:%05d", prefix, number[prefix]), Split: split, Version: file.Version, Score: math.NaN()},
			key:  file.Key, row: int(row), offset: h.start + row*h.size(), size: h.size(),
		}
		if labels != nil {
			e.Labels = sets.one(strconv.Itoa(int(labels[row])))
		}
		number[prefix]++
		entries = append(entries, e)
	}
	return entries
}

// bmp is an image for the decoders.
func (h idxHeader) bmp(pixels []byte) []byte {
	plane := h.width * h.height
	planes := make([]byte, 3*plane)
	for i := range plane {
		for c := range 3 {
			planes[c*plane+i] = pixels[i*h.channels+min(c, h.channels-1)]
		}
	}
	return planesToBMP(planes, h.width, h.height)
}
