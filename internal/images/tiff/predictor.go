package tiff

// The values of tagPredictor.
const (
	predictorNone       = 1
	predictorHorizontal = 2
	predictorFloat      = 3
)

func (p *page) checkPredictor() error {
	switch p.predictor {
	case predictorNone:
		return nil
	case predictorHorizontal:
		if p.bits != 8 && p.bits != 16 && p.bits != 32 && p.bits != 64 || p.isSubsampled() {
			return unsupported("horizontal predictor of samples of %d bits, chroma subsampled by %d", p.bits, p.subsampling)
		}
		return nil
	case predictorFloat:
		if p.format != formatFloat {
			return unsupported("floating point predictor of integers")
		}
		return nil
	}
	return unsupported("predictor %d", p.predictor)
}

// undoPredictor returns what makes a row of samples of one of differences, in place.
func (p *page) undoPredictor() func(row []byte) {
	step := p.stored()
	switch {
	case p.predictor == predictorFloat:
		spread := make([]byte, p.rowBytes())
		return func(row []byte) { p.undoFloat(row, spread) }
	case p.predictor != predictorHorizontal:
		return func([]byte) {}
	case p.bits == 8:
		return func(row []byte) { sumBytes(row, step) }
	case p.bits == 16:
		return func(row []byte) {
			for i := 2 * step; i < len(row); i += 2 {
				p.order.PutUint16(row[i:], p.order.Uint16(row[i:])+p.order.Uint16(row[i-2*step:]))
			}
		}
	case p.bits == 32:
		return func(row []byte) {
			for i := 4 * step; i < len(row); i += 4 {
				p.order.PutUint32(row[i:], p.order.Uint32(row[i:])+p.order.Uint32(row[i-4*step:]))
			}
		}
	}
	return func(row []byte) {
		for i := 8 * step; i < len(row); i += 8 {
			p.order.PutUint64(row[i:], p.order.Uint64(row[i:])+p.order.Uint64(row[i-8*step:]))
		}
	}
}

func sumBytes(row []byte, step int) {
	for i := step; i < len(row); i++ {
		row[i] += row[i-step]
	}
}

// undoFloat is for rows that hold the highest byte of every sample, then the next byte of every sample, and so on, all
// as differences of bytes. The samples that it makes have their highest byte first, whatever the file's order.
func (p *page) undoFloat(row, spread []byte) {
	sumBytes(row, p.stored())
	copy(spread, row)
	size := p.bits / 8
	n := len(row) / size
	for i := range row {
		row[i] = spread[i%size*n+i/size]
	}
}
