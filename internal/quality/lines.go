package quality

import "image"

// Lines are the rows of an image, or its columns.
type lines struct {
	pix           []uint8
	count, length int
	across, along int // how far apart in pix the starts of lines are, and the pixels of a line
}

func rows(img *image.RGBA) lines {
	return lines{img.Pix, img.Rect.Dy(), img.Rect.Dx(), img.Stride, 4}
}

func columns(img *image.RGBA) lines {
	return lines{img.Pix, img.Rect.Dx(), img.Rect.Dy(), 4, img.Stride}
}

// linePlaces is about how many pixels of a line are looked at: of a long line, so many that are evenly apart.
const linePlaces = 128

// differing is the number of pixels looked at in a line of which a channel is more than tolerance levels from color's,
// and how many were looked at.
func (l lines) differing(line int, color [3]uint8, tolerance int) (differing, of int) {
	step := (l.length + linePlaces - 1) / linePlaces
	for i := step / 2; i < l.length; i += step {
		of++
		if far(l.at(line, i), color, tolerance) {
			differing++
		}
	}
	return differing, of
}

func (l lines) at(line, i int) [3]uint8 { return [3]uint8(l.pix[line*l.across+i*l.along:]) }

func far(a, b [3]uint8, tolerance int) bool {
	for c := range a {
		if d := int(a[c]) - int(b[c]); d > tolerance || -d > tolerance {
			return true
		}
	}
	return false
}

const (
	barTolerance = 6 // levels, for what JPEG does to a flat bar
	barContrast  = 16
	// widestBar is the largest share of the lines, in percent, that one bar may take: more is a background.
	widestBar = 45
)

// border is the share of the height that bars above and below take, or of the width that bars to the left and right
// take, if that is more.
func border(img *image.RGBA) uint8 {
	return max(rows(img).bars(), columns(img).bars())
}

// bars is the share of the lines that are in bars at both ends, all of one color.
func (l lines) bars() uint8 {
	color := l.at(0, 0)
	first := l.bar(0, 1, color)
	if first == 0 {
		return 0
	}
	last := l.bar(l.count-1, -1, color)
	if last == 0 {
		return 0
	}
	return share(first+last, l.count)
}

// bar is the number of lines from an end on that are of the color alone. A bar ends in a straight edge: soon after it
// half of a line is of other colors. Before a background, things begin with few pixels, and it counts as 0 lines.
func (l lines) bar(end, step int, color [3]uint8) int {
	n, most := 0, l.count*widestBar/100
	for ; n <= most; n++ {
		if differing, _ := l.differing(end+n*step, color, barTolerance); differing > 0 {
			break
		}
	}
	if n == 0 || n > most {
		return 0
	}
	// JPEG blurs an edge within its blocks.
	for i := range min(max(l.count/32, 1), 2*blockSide) {
		if differing, of := l.differing(end+(n+i)*step, color, barContrast); 2*differing >= of {
			return n
		}
	}
	return 0
}

const (
	midGray       = 128 // what decoders show of a JPEG's missing blocks: all coefficients are zero
	tailGray      = 6   // levels that a tail may be from it
	tailTolerance = 2   // levels that pixels of a tail may differ
)

// tail is the share of the lowest rows that are flat mid-gray, if the first row isn't.
func tail(img *image.RGBA) uint8 {
	l := rows(img)
	color := l.at(l.count-1, l.length-1)
	flat := func(row int) bool {
		differing, _ := l.differing(row, color, tailTolerance)
		return differing == 0
	}
	if far(color, [3]uint8{midGray, midGray, midGray}, tailGray) || flat(0) {
		return 0
	}
	n := 0
	for flat(l.count - 1 - n) {
		n++
	}
	return share(n, l.count)
}
