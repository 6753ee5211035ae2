package tiff

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// The JPEG of TIFF 6.0, before Technical Note 2, is of two kinds: one whole JFIF file, wherever the strips claim to be,
// or scans whose tables the directory names.

// readOldJPEG finds out which kind it is. Strips that are files need no more.
func (p *page) readOldJPEG(d *directory) error {
	stream, whole := oldStream(d)
	if whole {
		p.planar, p.oneJPEG = false, true
		return nil
	}
	if d.has(tagJPEGQTables) {
		return p.readOldTables(d, stream)
	}
	return nil
}

// oldStream returns the JFIF file of the first kind, or the headers that some writers put in its place, and whether it
// has a scan.
func oldStream(d *directory) (stream []byte, whole bool) {
	at := d.uint(tagJPEGStream, 0)
	if at == 0 || at >= len(d.data) {
		return nil, false
	}
	stream = d.data[at:] // there is a tag with its length, which isn't always right
	_, scan, err := appendSegments(nil, stream)
	return stream, err == nil && len(scan) > 0
}

// readOldTables is for the second kind: it makes a stream of the tables, as later JPEG has them in one tag.
func (p *page) readOldTables(d *directory, stream []byte) error {
	const sof0, dht, dqt, dri = 0xc0, 0xc4, 0xdb, 0xdd
	if d.uint(tagPlanarConfig, 1) != 1 || p.samples > 4 {
		return unsupported("old JPEG in planes or of %d samples a pixel", p.samples)
	}
	p.jpegTables = []byte{0xff, markerSOI}
	for i := range p.samples {
		p.addOldTable(d, dqt, tagJPEGQTables, 0, i)
		p.addOldTable(d, dht, tagJPEGDCTables, 0, i)
		p.addOldTable(d, dht, tagJPEGACTables, 1, i)
	}
	if restart := d.uint(tagJPEGRestart, 0); restart > 0 {
		p.jpegTables = appendSegment(p.jpegTables, dri, binary.BigEndian.AppendUint16(nil, uint16(restart)))
	}
	p.oldSampling = 0x11
	if p.photometric == photometricYCbCr {
		across, down := chromaSubsampling(d)
		p.oldSampling = byte(across<<4 | down)
	}
	// The headers know better.
	if at := bytes.Index(stream, []byte{0xff, sof0, 0}); at >= 0 && at+11 < len(stream) {
		p.oldSampling = stream[at+11]
	}
	return nil
}

// addOldTable adds the table of a component, which a tag says where to find. A table of quantization has 64 bytes. One
// of Huffman codes has 16 counts of codes, and then as many values.
func (p *page) addOldTable(d *directory, marker byte, tag uint16, class, component int) {
	offsets := d.uints(tag)
	if component >= offsets.len() || offsets.at(component) >= uint64(len(d.data)) {
		d.fail("JPEG table %d of tag %d is missing", component, tag)
		return
	}
	data := d.data[offsets.at(component):]
	size := 64
	if tag != tagJPEGQTables {
		size = 16
		for _, n := range data[:min(size, len(data))] {
			size += int(n)
		}
	}
	if size > len(data) {
		d.fail("JPEG table %d of tag %d is truncated", component, tag)
		return
	}
	p.jpegTables = appendSegment(p.jpegTables, marker, []byte{byte(class<<4 | component)}, data[:size])
}

// oldFrame makes a JPEG file, but for the tables, of a scan with or without its header.
func (p *page) oldFrame(scan []byte, rows int) []byte {
	const sof1 = 0xc1 // in SOF0 there would be two tables at most
	if len(scan) > 4 && scan[0] == 0xff && scan[1] == markerSOS {
		scan = scan[min(2+(int(scan[2])<<8|int(scan[3])), len(scan)):]
	}
	if p.tiled {
		rows = p.chunkHeight
	}
	size := binary.BigEndian.AppendUint16(nil, uint16(rows))
	size = binary.BigEndian.AppendUint16(size, uint16(p.chunkWidth))
	n := []byte{byte(p.samples)}
	var components, tables []byte
	sampling := p.oldSampling
	for i := range n[0] {
		components = append(components, i, sampling, i)
		tables = append(tables, i, i<<4|i)
		sampling = 0x11
	}
	data := appendSegment([]byte{0xff, markerSOI}, sof1, []byte{8}, size, n, components)
	data = appendSegment(data, markerSOS, n, tables, []byte{0, 63, 0})
	return slices.Concat(data, scan, []byte{0xff, markerEOI})
}

// appendSegment appends a JPEG segment of some parts.
func appendSegment(stream []byte, marker byte, parts ...[]byte) []byte {
	size := 2
	for _, part := range parts {
		size += len(part)
	}
	stream = append(stream, 0xff, marker, byte(size>>8), byte(size))
	return append(stream, slices.Concat(parts...)...)
}
