package fulljpeg

import (
	"bytes"
	"errors"
	"fmt"
)

// Markers (T.81, table B.1).
const (
	markerSOF0  = 0xc0 // to 0xcf: frame headers, less DHT, JPG and DAC
	markerSOF1  = 0xc1
	markerSOF2  = 0xc2
	markerDHT   = 0xc4
	markerJPG   = 0xc8
	markerSOF9  = 0xc9
	markerSOF10 = 0xca
	markerDAC   = 0xcc
	markerSOF15 = 0xcf
	markerRST0  = 0xd0
	markerRST7  = 0xd7
	markerSOI   = 0xd8
	markerEOI   = 0xd9
	markerSOS   = 0xda
	markerDQT   = 0xdb
	markerDNL   = 0xdc
	markerDRI   = 0xdd
	markerAPP0  = 0xe0
	markerAPP14 = 0xee
	markerAPP15 = 0xef
	markerCOM   = 0xfe
)

var errTruncated = errors.New("the file ends before its end marker")

// A file is what the segments of a JPEG say. The entropy-coded data is found but not yet decoded.
type file struct {
	width, height int
	components    []component
	scans         []scan
	// baseline, progressive, arithmetic: by the frame header.
	baseline, progressive, arithmetic bool
	// jfif and adobe: there is such a segment. They decide what the components mean.
	jfif, adobe bool
	transform   byte // the Adobe segment's
	// standardTables: there are no Huffman tables, those of annex K are meant.
	standardTables bool
	// refusedSegment: there is one that image/jpeg doesn't take, such as a number of lines after the first scan.
	refusedSegment bool
	// quantizationFollows: a progressive file changes a table between scans.
	quantizationFollows bool
}

// A parser reads the segments. Tables may be redefined between scans: each scan keeps the ones that hold when it
// starts.
type parser struct {
	file
	rest       []byte
	restart    int
	quants     [4]*[64]uint16
	dc, ac     [4]*huffmanTable
	huffman    bool // a table is defined
	conditions [4]dcBounds
	kx         [4]uint8
}

// parse reads all segments. After an error the file holds what was read before it.
func parse(data []byte) (*file, error) {
	p := &parser{}
	p.resetConditions()
	if len(data) < 2 || data[0] != 0xff || data[1] != markerSOI {
		return &p.file, errors.New("no start marker")
	}
	p.rest = data[2:]
	for {
		marker, err := p.marker()
		if err != nil {
			return &p.file, err
		}
		if marker == markerEOI {
			return &p.file, p.checkComplete()
		}
		payload, err := p.payload()
		if err != nil {
			return &p.file, err
		}
		if err := p.segment(marker, payload); err != nil {
			return &p.file, err
		}
	}
}

// marker takes the next marker. Bytes before it are passed over, as other decoders do: there are writers that give a
// segment too small a length.
func (p *parser) marker() (byte, error) {
	for i := 1; i < len(p.rest); i++ {
		if marker := p.rest[i]; p.rest[i-1] == 0xff && marker != 0xff && marker != 0 {
			p.rest = p.rest[i+1:]
			return marker, nil
		}
	}
	return 0, errTruncated
}

// payload takes what follows a marker.
func (p *parser) payload() ([]byte, error) {
	if len(p.rest) < 2 {
		return nil, errTruncated
	}
	n := word(p.rest)
	if n < 2 {
		return nil, fmt.Errorf("segment of length %d", n)
	}
	if n > len(p.rest) {
		return nil, errTruncated
	}
	payload := p.rest[2:n]
	p.rest = p.rest[n:]
	return payload, nil
}

func isRestart(marker byte) bool { return marker >= markerRST0 && marker <= markerRST7 }

func word(b []byte) int { return int(b[0])<<8 | int(b[1]) }

func (p *parser) segment(marker byte, payload []byte) error {
	if p.height == 0 && len(p.scans) > 0 && marker != markerDNL {
		return errors.New("no number of lines after the first scan")
	}
	switch marker {
	case markerSOF0, markerSOF1, markerSOF2, markerSOF9, markerSOF10:
		return p.startOfFrame(marker, payload)
	case markerSOS:
		return p.startOfScan(payload)
	case markerDHT:
		return p.huffmanTables(payload)
	case markerDQT:
		return p.quantizationTables(payload)
	case markerDAC:
		return p.arithmeticConditions(payload)
	case markerDRI:
		return p.restartInterval(payload)
	case markerDNL:
		return p.numberOfLines(payload)
	case markerAPP0:
		if len(payload) >= 5 {
			p.jfif = bytes.HasPrefix(payload, []byte("JFIF\x00"))
		}
		return nil
	case markerAPP14:
		if len(payload) >= 12 && bytes.HasPrefix(payload, []byte("Adobe")) {
			p.adobe, p.transform = true, payload[11]
		}
		return nil
	}
	return skip(marker)
}

// skip says whether a segment that isn't read may be passed over.
func skip(marker byte) error {
	switch {
	case marker > markerAPP0 && marker <= markerAPP15 || marker == markerCOM:
		return nil
	case marker < markerSOF0 || isRestart(marker) || marker == markerSOI:
		return fmt.Errorf("marker %#02x where a segment should start", marker)
	case marker <= markerSOF15 && marker != markerJPG:
		return fmt.Errorf("%w: lossless or hierarchical (frame header %#02x)", ErrUnsupported, marker)
	}
	return fmt.Errorf("%w: marker %#02x", ErrUnsupported, marker)
}

func (p *parser) restartInterval(payload []byte) error {
	if len(payload) != 2 {
		return fmt.Errorf("restart interval of %d bytes", len(payload))
	}
	p.restart = word(payload)
	return nil
}

// numberOfLines reads the segment that gives the height if the frame header doesn't.
func (p *parser) numberOfLines(payload []byte) error {
	if len(payload) != 2 || len(p.scans) != 1 {
		return errors.New("number of lines of a wrong length or not after the first scan")
	}
	lines := word(payload)
	if lines == 0 || p.height != 0 && p.height != lines {
		return fmt.Errorf("%d lines after the first scan, %d in the frame header", lines, p.height)
	}
	p.refusedSegment = true
	p.setHeight(lines)
	return nil
}

// checkComplete is for the end marker: every component must have been coded.
func (p *parser) checkComplete() error {
	if p.components == nil {
		return errors.New("no frame header")
	}
	for i := range p.components {
		if p.components[i].quant == nil {
			return fmt.Errorf("no scan of component %d", i+1)
		}
	}
	if p.height == 0 {
		return errors.New("no number of lines")
	}
	return nil
}

// untilMarker splits entropy-coded data off: what follows starts with a marker, the fill bytes before it are dropped.
func untilMarker(data []byte) (coded, rest []byte, err error) {
	for i := 0; ; i++ {
		n := bytes.IndexByte(data[i:], 0xff)
		if n < 0 {
			return nil, nil, errTruncated
		}
		end := i + n
		i = end
		for i < len(data) && data[i] == 0xff {
			i++
		}
		if i == len(data) {
			return nil, nil, errTruncated
		}
		if data[i] != 0 {
			return data[:end], data[i-1:], nil
		}
		if i-end > 1 {
			return nil, nil, errors.New("0xff 0xff 0x00 in entropy-coded data")
		}
	}
}
