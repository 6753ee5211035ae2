package sandboxed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// A container is what an ISO base media file says about its still images: the boxes of ISO/IEC 14496-12 and 23008-12.
type container struct {
	file    []byte
	brandAt int    // where the major brand is
	idat    []byte // what items of construction method 1 are in
	primary uint32
	items   map[uint32]*item
}

// An item is an image, a part of one, or metadata.
type item struct {
	kind       string
	method     uint64 // of construction: the extents are in the file, in idat or in items
	external   bool   // the extents are in another file
	extents    []extent
	properties []box
	tiles      []uint32 // the items of which it is made
	auxiliary  []uint32 // the items to which it adds
}

type extent struct{ at, size uint64 } // a size of 0 stands for all that follows

const (
	inFile = iota
	inIdat
)

// A box is a kind and what it holds.
type box struct {
	kind string
	data []byte
}

var errTruncated = errors.New("the file is truncated")

// nextBox splits off the first box.
func nextBox(data []byte) (b box, rest []byte, err error) {
	const header, longHeader = 8, 16
	if len(data) < header {
		return b, nil, errTruncated
	}
	size, start := uint64(binary.BigEndian.Uint32(data)), uint64(header)
	b.kind = string(data[4:8])
	switch size {
	case 0: // all that follows
		size = uint64(len(data))
	case 1:
		if len(data) < longHeader {
			return b, nil, errTruncated
		}
		size, start = binary.BigEndian.Uint64(data[8:]), longHeader
	}
	if size < start {
		return b, nil, fmt.Errorf("a box %q of %d bytes", b.kind, size)
	}
	if size > uint64(len(data)) {
		return b, nil, fmt.Errorf("%w: %d bytes are left for a box %q of %d", errTruncated, len(data), b.kind, size)
	}
	b.data = data[start:size]
	return b, data[size:], nil
}

// children returns the boxes that data consist of. Fewer bytes than a box has are not a box: what they might have been
// the start of is missed elsewhere if it is needed.
func children(data []byte) (list []box, err error) {
	for len(data) >= 8 {
		var b box
		if b, data, err = nextBox(data); err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, nil
}

// A reader takes numbers off data. Beyond its end they are 0, and it is short.
type reader struct {
	data  []byte
	short bool
}

// uint reads a number of 0 to 8 bytes.
func (r *reader) uint(size int) (v uint64) {
	if size > len(r.data) {
		r.data, r.short = nil, true
		return 0
	}
	for _, b := range r.data[:size] {
		v = v<<8 | uint64(b)
	}
	r.data = r.data[size:]
	return v
}

// versioned reads the version and the flags that most boxes begin with.
func (b box) versioned() (r *reader, version, flags uint64) {
	r = &reader{data: b.data}
	v := r.uint(4)
	return r, v >> 24, v & (1<<24 - 1)
}

// idSize is that of the numbers of items.
func idSize(long bool) int {
	if long {
		return 4
	}
	return 2
}

// parseContainer reads the file's boxes, all of which must be there as a whole.
func parseContainer(data []byte) (*container, error) {
	first, rest, err := nextBox(data)
	if err != nil {
		return nil, err
	}
	if first.kind != "ftyp" || len(first.data) < 8 {
		return nil, errors.New("the file does not begin with its type")
	}
	c := &container{file: data, brandAt: len(data) - len(rest) - len(first.data), items: map[uint32]*item{}}
	boxes, err := children(rest)
	if err != nil {
		return nil, err
	}
	var meta box
	video := false
	for _, b := range slices.Backward(boxes) { // of two, the first counts
		switch b.kind {
		case "meta":
			meta = b
		case "moov":
			video = true
		}
	}
	if err := c.parseMeta(meta); err != nil {
		return nil, err
	}
	if video && c.items[c.primary] == nil {
		return nil, fmt.Errorf("%w: a video without a still picture", ErrUnsupported)
	}
	err = c.checkExtents()
	return c, err
}

func (c *container) parseMeta(meta box) error {
	r, _, _ := meta.versioned()
	boxes, err := children(r.data)
	if err != nil {
		return fmt.Errorf("meta: %w", err)
	}
	parsers := map[string]func(box) error{
		"pitm": c.parsePrimary, "iinf": c.parseInfos, "iloc": c.parseLocations,
		"iref": c.parseReferences, "iprp": c.parseProperties,
	}
	for _, b := range boxes {
		if b.kind == "idat" {
			c.idat = b.data
		}
		parse, ok := parsers[b.kind]
		if !ok {
			continue
		}
		if err := parse(b); err != nil {
			return fmt.Errorf("%s: %w", b.kind, err)
		}
		// The first of two counts, as for libavif.
		delete(parsers, b.kind)
	}
	return nil
}

var errShort = errors.New("the box is too short")

func (r *reader) err() error {
	if r.short {
		return errShort
	}
	return nil
}

func (c *container) item(id uint32) *item {
	it := c.items[id]
	if it == nil {
		it = new(item)
		c.items[id] = it
	}
	return it
}

func (c *container) parsePrimary(b box) error {
	r, version, _ := b.versioned()
	c.primary = uint32(r.uint(idSize(version > 0)))
	return r.err()
}

// parseInfos reads the items' types.
func (c *container) parseInfos(b box) error {
	r, version, _ := b.versioned()
	r.uint(idSize(version > 0)) // how many there are
	if r.short {
		return errShort
	}
	infos, err := children(r.data)
	if err != nil {
		return err
	}
	for _, info := range infos {
		r, version, _ := info.versioned()
		if info.kind != "infe" || version < 2 {
			continue
		}
		it := c.item(uint32(r.uint(idSize(version > 2))))
		r.uint(2) // protection
		if len(r.data) < 4 {
			return errShort
		}
		it.kind = string(r.data[:4])
	}
	return nil
}

// parseLocations reads where the items' contents are.
func (c *container) parseLocations(b box) error {
	r, version, _ := b.versioned()
	if version > 2 {
		return fmt.Errorf("%w: version %d", ErrUnsupported, version)
	}
	sizes := r.uint(2)
	offsetSize, lengthSize := int(sizes>>12), int(sizes>>8&15)
	baseSize, indexSize := int(sizes>>4&15), int(sizes&15)
	if version == 0 {
		indexSize = 0
	}
	if max(offsetSize, lengthSize, baseSize, indexSize) > 8 {
		return errors.New("numbers of more than 8 bytes")
	}
	long := version == 2
	for n := r.uint(idSize(long)); n > 0 && !r.short; n-- {
		it := c.item(uint32(r.uint(idSize(long))))
		if version > 0 {
			it.method = r.uint(2) & 15
		}
		it.external = r.uint(2) != 0
		base := r.uint(baseSize)
		extents := r.uint(2)
		// Extents that take no byte could be many in a small file.
		if extents > 1 && lengthSize == 0 {
			return errors.New("several extents without a size")
		}
		for ; extents > 0 && !r.short; extents-- {
			r.uint(indexSize)
			at, size := base+r.uint(offsetSize), r.uint(lengthSize)
			if at < base {
				return errors.New("an extent beyond any file")
			}
			it.extents = append(it.extents, extent{at, size})
		}
	}
	return r.err()
}

// parseReferences reads how items depend on each other.
func (c *container) parseReferences(b box) error {
	r, version, _ := b.versioned()
	size := idSize(version > 0)
	boxes, err := children(r.data)
	if err != nil {
		return err
	}
	for _, b := range boxes {
		r := &reader{data: b.data}
		from := c.item(uint32(r.uint(size)))
		for n := r.uint(2); n > 0 && !r.short; n-- {
			to := uint32(r.uint(size))
			switch b.kind {
			case "dimg":
				from.tiles = append(from.tiles, to)
			case "auxl":
				from.auxiliary = append(from.auxiliary, to)
			}
		}
		if r.short {
			return errShort
		}
	}
	return nil
}

// parseProperties reads the properties and which items have them.
func (c *container) parseProperties(b box) error {
	boxes, err := children(b.data)
	if err != nil {
		return err
	}
	var properties []box
	for _, b := range boxes {
		switch b.kind {
		case "ipco":
			properties, err = children(b.data)
		case "ipma":
			err = c.parseAssociations(b, properties)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", b.kind, err)
		}
	}
	return nil
}

func (c *container) parseAssociations(b box, properties []box) error {
	r, version, flags := b.versioned()
	size := 1
	if flags&1 != 0 {
		size = 2
	}
	essential := uint64(1) << (8*size - 1)
	for n := r.uint(4); n > 0 && !r.short; n-- {
		it := c.item(uint32(r.uint(idSize(version > 0))))
		for n := r.uint(1); n > 0 && !r.short; n-- {
			index := r.uint(size) &^ essential
			if index > uint64(len(properties)) {
				return fmt.Errorf("property %d of %d", index, len(properties))
			}
			if index > 0 { // 0: none
				it.properties = append(it.properties, properties[index-1])
			}
		}
	}
	return r.err()
}

// checkExtents finds items of which a part is missing, metadata included: something was lost then.
func (c *container) checkExtents() error {
	for _, id := range slices.Sorted(maps.Keys(c.items)) { // the first error is always the same
		it := c.items[id]
		if it.external || it.method > inIdat {
			continue
		}
		if _, err := c.parts(it); err != nil {
			return fmt.Errorf("item %d: %w", id, err)
		}
	}
	return nil
}

// parts returns an item's content, piece by piece.
func (c *container) parts(it *item) (list [][]byte, err error) {
	source := c.file
	if it.method == inIdat {
		source = c.idat
	}
	total := uint64(0)
	for _, e := range it.extents {
		if e.at > uint64(len(source)) || e.size > uint64(len(source))-e.at {
			return nil, fmt.Errorf("%w: %d bytes at %d, of %d in all", errTruncated, e.size, e.at, len(source))
		}
		part := source[e.at:]
		if e.size > 0 {
			part = part[:e.size]
		}
		// Extents that overlap could make much of a small file.
		if total += uint64(len(part)); total > uint64(len(source)) {
			return nil, errors.New("the extents overlap")
		}
		list = append(list, part)
	}
	return list, nil
}

func (c *container) content(it *item) ([]byte, error) {
	if it.external || it.method > inIdat {
		return nil, fmt.Errorf("%w: its content is not in the file itself", ErrUnsupported)
	}
	list, err := c.parts(it)
	if len(list) == 1 {
		return list[0], err
	}
	return bytes.Join(list, nil), err
}

// isAlpha tells whether an item's values are the alpha of another.
func (it *item) isAlpha() bool {
	return slices.ContainsFunc(it.properties, func(p box) bool {
		if p.kind != "auxC" || len(p.data) < 4 {
			return false
		}
		name, _, _ := bytes.Cut(p.data[4:], []byte{0})
		return string(name) == "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha" || string(name) == "urn:mpeg:hevc:2015:auxid:1"
	})
}

// decoded returns the items that make up the picture: the primary one, its tiles, and the alpha of any of these.
func (c *container) decoded() []uint32 {
	alphas := map[uint32][]uint32{}
	for _, id := range slices.Sorted(maps.Keys(c.items)) {
		it := c.items[id]
		if !it.isAlpha() {
			continue
		}
		for _, to := range it.auxiliary {
			alphas[to] = append(alphas[to], id)
		}
	}
	list, seen := []uint32{c.primary}, map[uint32]bool{c.primary: true}
	for i := 0; i < len(list); i++ {
		for _, id := range slices.Concat(c.items[list[i]].tiles, alphas[list[i]]) {
			if !seen[id] && c.items[id] != nil {
				list, seen[id] = append(list, id), true
			}
		}
	}
	return list
}
