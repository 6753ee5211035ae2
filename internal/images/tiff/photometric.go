package tiff

import (
	"errors"
	"fmt"
	"math"
)

// The values of tagPhotometric that are read.
const (
	photometricMinIsWhite = 0
	photometricMinIsBlack = 1
	photometricRGB        = 2
	photometricPalette    = 3
	photometricMask       = 4
	photometricCMYK       = 5
	photometricYCbCr      = 6
	photometricCIELab     = 8
	photometricICCLab     = 9
)

// colorSamples holds how many samples a pixel's color takes.
var colorSamples = map[int]int{
	photometricMinIsWhite: 1,
	photometricMinIsBlack: 1,
	photometricRGB:        3,
	photometricPalette:    1,
	photometricMask:       1,
	photometricCMYK:       4,
	photometricYCbCr:      3,
	photometricCIELab:     3,
	photometricICCLab:     3,
}

// readColor reads what the samples mean.
func (p *page) readColor(d *directory) error {
	extra := d.uints(tagExtraSamples).first(math.MaxUint16)
	var err error
	p.photometric = d.uint(tagPhotometric, -1)
	if p.photometric < 0 {
		if p.photometric, err = p.guessPhotometric(p.samples - len(extra)); err != nil {
			return err
		}
	}
	if p.compression == compressionOldJPEG && p.photometric == photometricRGB {
		p.photometric = photometricYCbCr // writers named what JPEG decoders make of it
	}
	var ok bool
	if p.colors, ok = colorSamples[p.photometric]; !ok {
		return unsupported("photometric interpretation %d", p.photometric)
	}
	if p.samples < p.colors {
		return fmt.Errorf("%d samples a pixel, photometric interpretation %d takes %d", p.samples, p.photometric, p.colors)
	}
	p.readAlpha(d, extra)
	switch {
	case p.photometric == photometricPalette:
		return p.checkPalette()
	case p.photometric == photometricCMYK && d.uint(tagInkSet, 1) != 1:
		return unsupported("inks other than cyan, magenta, yellow and black")
	case p.isLab(p.photometric) && p.bits != 8 && p.bits != 16:
		return unsupported("L*a*b* of %d bits", p.bits)
	case p.isLab(p.photometric):
		p.format = formatUnsigned // color.go knows which samples are signed
	case p.photometric == photometricYCbCr:
		return p.readYCbCr(d)
	}
	return nil
}

// guessPhotometric is for files that don't say what their samples mean.
func (p *page) guessPhotometric(colors int) (int, error) {
	switch {
	case colors == 1 && p.isFax():
		return photometricMinIsWhite, nil
	case colors == 1:
		return photometricMinIsBlack, nil
	case colors == 3:
		return photometricRGB, nil
	}
	return 0, errors.New("the photometric interpretation is missing")
}

func (p *page) readAlpha(d *directory, extra []uint64) {
	const associated, unassociated = 1, 2
	p.alpha = -1
	for i, kind := range extra[:min(len(extra), p.samples-p.colors)] {
		if kind == associated || kind == unassociated {
			p.alpha = p.colors + i
			p.associated = kind == associated
			return
		}
	}
	if !d.has(tagExtraSamples) && p.photometric == photometricRGB && p.samples == 4 {
		p.alpha = 3
	}
}

func (p *page) checkPalette() error {
	if p.bits > 16 || p.format == formatFloat {
		return unsupported("palette with samples of %d bits", p.bits)
	}
	p.format = formatUnsigned
	if n := p.colorMap.len(); n%3 != 0 || n/3 < 1<<p.bits {
		return fmt.Errorf("a color map of %d values for samples of %d bits", n, p.bits)
	}
	return nil
}

func (p *page) readYCbCr(d *directory) error {
	p.ycbcr = jfifSpace
	if p.compression == compressionJPEG {
		return nil
	}
	p.ycbcr = ycbcrSpace{
		luma:      d.floats(tagYCbCrCoefficients, jfifSpace.luma...),
		reference: d.floats(tagReferenceBlack, jfifSpace.reference...),
	}
	if err := p.ycbcr.check(); err != nil || p.compression == compressionOldJPEG {
		return err
	}
	across, down := chromaSubsampling(d)
	for _, n := range []int{across, down} {
		if n != 1 && n != 2 && n != 4 {
			return fmt.Errorf("chroma subsampled by %d×%d", across, down)
		}
	}
	p.subsampling = [2]int{across, down}
	if p.isSubsampled() && (p.planar || p.bits != 8 || p.samples != 3 || p.format != formatUnsigned) {
		return unsupported("subsampled chroma, but not in chunky pixels of 3×8 bits")
	}
	return nil
}

// chromaSubsampling returns how many columns and rows share their chroma.
func chromaSubsampling(d *directory) (across, down int) {
	if s := d.uints(tagYCbCrSubsampling).first(3); len(s) == 2 {
		return int(min(s[0], math.MaxUint8)), int(min(s[1], math.MaxUint8))
	}
	return 2, 2
}

func (p *page) isSubsampled() bool {
	return p.subsampling != [2]int{1, 1}
}

func (p *page) isLab(photometric int) bool {
	return photometric == photometricCIELab || photometric == photometricICCLab
}

// isGray says whether one sample is a brightness.
func (p *page) isGray() bool {
	return p.colors == 1 && p.photometric != photometricPalette
}
