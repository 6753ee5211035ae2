package tiff

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// The values of tagSampleFormat that are read.
const (
	formatUnsigned = 1
	formatSigned   = 2
	formatFloat    = 3
	formatVoid     = 4 // read as unsigned
)

// maxRow bounds the bytes of a row, which is what is held of a strip, in the file and in memory.
const maxRow = 1 << 25

// A page is what the first directory says about the pixels and where they are.
type page struct {
	data  []byte
	order binary.ByteOrder

	width, height int

	photometric int
	bits        int // of a sample
	format      int
	samples     int // of a pixel, as stored
	colors      int // how many of them are color: the first ones
	alpha       int // which of them is alpha, or -1
	associated  bool
	planar      bool // each sample is stored apart

	compression  int
	predictor    int
	reversedBits bool
	t4Options    int
	jpegTables   []byte
	oneJPEG      bool   // the picture is one JFIF file, wherever the strips claim to be
	oldSampling  byte   // of the first component of a JPEG scan without headers, else 0
	subsampling  [2]int // columns and rows that share their chroma, but in JPEG

	// A chunk is a strip or a tile.
	tiled                   bool
	chunkWidth, chunkHeight int
	offsets, counts         uints

	colorMap uints
	ycbcr    ycbcrSpace
}

func parsePage(data []byte) (*page, error) {
	d, err := parseDirectory(data)
	if err != nil {
		return nil, err
	}
	p := &page{
		data:         data,
		order:        d.order,
		width:        d.uint(tagWidth, 0),
		height:       d.uint(tagHeight, 0),
		compression:  d.uint(tagCompression, compressionNone),
		predictor:    d.uint(tagPredictor, predictorNone),
		reversedBits: d.uint(tagFillOrder, 1) == 2,
		t4Options:    d.uint(tagT4Options, 0),
		colorMap:     d.uints(tagColorMap),
		subsampling:  [2]int{1, 1},
	}
	_, p.jpegTables = d.values(tagJPEGTables)
	if p.width == 0 || p.height == 0 || p.width == math.MaxInt32 || p.height == math.MaxInt32 {
		return nil, fmt.Errorf("the picture has %d×%d pixels", p.width, p.height)
	}
	for _, read := range []func(*directory) error{p.readSamples, p.readColor, p.readCompression, p.readChunks} {
		if err := read(d); err != nil {
			return nil, err
		}
		if d.err != nil {
			return nil, d.err
		}
	}
	return p, nil
}

// readSamples reads how many samples a pixel has, and what kind of numbers they are.
func (p *page) readSamples(d *directory) error {
	bits := d.uints(tagBitsPerSample).first(math.MaxUint16)
	if len(bits) == 0 {
		bits = []uint64{1}
	}
	formats := d.uints(tagSampleFormat).first(math.MaxUint16)
	if len(formats) == 0 {
		formats = []uint64{formatUnsigned}
	}
	p.samples = d.uint(tagSamplesPerPixel, len(bits))
	p.planar = d.uint(tagPlanarConfig, 1) == 2 && p.samples > 1
	if p.samples == 0 || p.samples > math.MaxUint16 || bits[0] == 0 {
		return fmt.Errorf("%d samples a pixel, of %d bits", p.samples, bits[0])
	}
	bits = bits[:min(len(bits), p.samples)]
	formats = formats[:min(len(formats), p.samples)]
	if slices.Min(bits) != slices.Max(bits) || bits[0] > 64 {
		return unsupported("samples of %d bits", bits)
	}
	p.bits = int(bits[0])
	p.format = int(min(formats[0], math.MaxInt32))
	if p.format == formatVoid {
		p.format = formatUnsigned
	}
	if slices.Min(formats) != slices.Max(formats) && !p.isLab(d.uint(tagPhotometric, 0)) {
		return unsupported("samples of formats %d", formats)
	}
	return p.checkFormat()
}

func (p *page) checkFormat() error {
	switch p.format {
	case formatUnsigned, formatSigned:
		if p.bits > 32 && p.bits != 64 {
			return unsupported("integers of %d bits", p.bits)
		}
	case formatFloat:
		if p.bits != 16 && p.bits != 24 && p.bits != 32 && p.bits != 64 {
			return unsupported("floating point of %d bits", p.bits)
		}
	default:
		return unsupported("sample format %d", p.format)
	}
	return nil
}

// readChunks reads where the strips or tiles are.
func (p *page) readChunks(d *directory) error {
	if p.oneJPEG {
		p.chunkWidth, p.chunkHeight = p.width, p.height
		p.offsets = d.uints(tagJPEGStream)
		return nil
	}
	p.chunkWidth, p.chunkHeight = p.width, min(d.uint(tagRowsPerStrip, p.height), p.height)
	if p.chunkHeight == 0 {
		p.chunkHeight = p.height
	}
	p.tiled = d.has(tagTileWidth)
	if p.tiled {
		p.chunkWidth, p.chunkHeight = d.uint(tagTileWidth, 0), d.uint(tagTileLength, 0)
		if p.chunkWidth == 0 || p.chunkHeight == 0 || p.chunkWidth > p.width+math.MaxUint16 {
			return fmt.Errorf("tiles of %d×%d pixels", p.chunkWidth, p.chunkHeight)
		}
	}
	// Some writers name tiles as strips.
	p.offsets, p.counts = d.uints(tagTileOffsets), d.uints(tagTileByteCounts)
	if p.offsets.len() == 0 {
		p.offsets = d.uints(tagStripOffsets)
	}
	if p.counts.len() == 0 {
		p.counts = d.uints(tagStripByteCounts)
	}
	planes := 1
	if p.planar {
		planes = p.samples
	}
	if p.offsets.len()/planes < p.across()*p.down() {
		return fmt.Errorf("%d strips or tiles, of %d in each of %d planes", p.offsets.len(), p.across()*p.down(), planes)
	}
	return p.checkChunks()
}

// checkChunks refuses chunks that hold much more than the picture, whose size is all that the caller knows: their time
// and memory depend on it.
func (p *page) checkChunks() error {
	const bitsInMemory = 16
	row := p.chunkWidth * p.step() * max(p.bits, bitsInMemory) / 8
	if row > maxRow {
		return unsupported("rows of more than %d bytes", maxRow)
	}
	chunks, shown := p.across()*p.down(), p.width*p.height
	// A tile may be decoded as a whole. Those of narrow pictures reach far beyond them.
	const times, always = 4, 1 << 24
	if pixels := chunks * p.chunkWidth * p.chunkHeight; p.isJPEG() && pixels > max(times*shown, always) {
		return unsupported("%d pixels in tiles, of which %d are shown", pixels, shown)
	}
	// Every byte is decompressed, those of samples that are left out of a pixel, too: 128 bands of 16 bits are many.
	const bytesOfPixel, timesData, alwaysBytes = 256, 64, 64 << 20
	if bytes := p.down() * min(p.chunkHeight, p.height) * p.across() * row; bytes > max(bytesOfPixel*shown, timesData*len(p.data), alwaysBytes) {
		return unsupported("%d bytes of samples for %d pixels, in a file of %d bytes", bytes, shown, len(p.data))
	}
	return nil
}

// across returns how many chunks stand side by side.
func (p *page) across() int {
	return (p.width + p.chunkWidth - 1) / p.chunkWidth
}

// down returns how many chunks stand above each other.
func (p *page) down() int {
	return (p.height + p.chunkHeight - 1) / p.chunkHeight
}

// stored returns how many samples of a pixel stand side by side in the file.
func (p *page) stored() int {
	if p.planar {
		return 1
	}
	return p.samples
}

// planes returns which planes are read: all the pixels' only one, or those of the samples that are used.
func (p *page) planes() []int {
	if !p.planar {
		return []int{0}
	}
	var planes []int
	for i := range p.colors {
		planes = append(planes, i)
	}
	if p.alpha >= 0 {
		planes = append(planes, p.alpha)
	}
	return planes
}

// step returns how many samples of a pixel are in memory.
func (p *page) step() int {
	if p.planar {
		return len(p.planes())
	}
	return p.samples
}

// alphaAt returns which of a pixel's samples in memory is alpha.
func (p *page) alphaAt() int {
	if p.planar {
		return p.colors
	}
	return p.alpha
}
