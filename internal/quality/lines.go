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

// differing is the share of a line's pixels, in percent of those looked at, that are more than tolerance levels from a
// color in a channel.
func (l lines) differing(line int, color [3]uint8, tolerance int) int {
	step := (l.length + linePlaces - 1) / linePlaces
	differing, n := 0, 0
	for i := step / 2; i < l.length; i += step {
		n++
		if far(l.at(line, i), color, tolerance) {
			differing++
		}
	}
	return (100*differing + n - 1) / n
}

func (l lines) at(line, i int) [3]uint8 { return [3]uint8(l.pix[line*l.across+i*l.along:]) }

func far(a, b [3]uint8, tolerance int) bool {
	for c := range a {
		if abs(int(a[c])-int(b[c])) > tolerance {
			return true
		}
	}
	return false
}

const (
	// barTolerance is how many levels pixels of a bar may be from its color, and barStrays how many of them, in
	// percent, may be further: next to an edge JPEG ripples a flat bar.
	barTolerance = 12
	barStrays    = 4
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

// bar is the number of lines from an end on that are of the color. A bar ends in a straight edge: soon after it half of
// a line is of other colors. What stands before a plain background begins with fewer pixels: that is 0 lines.
func (l lines) bar(end, step int, color [3]uint8) int {
	n, most := 0, l.count*widestBar/100
	for n <= most && l.differing(end+n*step, color, barTolerance) <= barStrays {
		n++
	}
	if n == 0 || n > most {
		return 0
	}
	for i := range min(1+l.count/32, 2*blockSide) {
		if l.differing(end+(n+i)*step, color, barTolerance) >= 50 {
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
	flat := func(row int) bool { return l.differing(row, color, tailTolerance) == 0 }
	if far(color, [3]uint8{midGray, midGray, midGray}, tailGray) || flat(0) {
		return 0
	}
	n := 0
	for flat(l.count - 1 - n) {
		n++
	}
	return share(n, l.count)
}
