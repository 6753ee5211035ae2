package quality

// The markers of ITU-T T.81, table B.1, that the tables of a JPEG are found by.
const (
	markerStart  = 0xd8
	markerScan   = 0xda
	markerTables = 0xdb
	markerFill   = 0xff
)

// lowest are the steps of the ten lowest frequencies, in zigzag order, of the luminance table of ITU-T T.81, table K.1,
// which libjpeg scales by its quality. Higher ones may be cut at 255.
var lowest = [10]int{16, 11, 12, 14, 12, 10, 16, 14, 13, 14}

// jpegQuality estimates with what quality a JPEG was written, 1…100 as libjpeg counts it, from its quantization table
// 0, by convention that of luminance. It is 0 for other files and where such a table isn't found before the first scan.
func jpegQuality(file []byte) uint8 {
	if len(file) < 2 || file[0] != 0xff || file[1] != markerStart {
		return 0
	}
	for rest := file[2:]; len(rest) >= 4 && rest[0] == 0xff; {
		marker := rest[1]
		if marker == markerFill {
			rest = rest[1:]
			continue
		}
		size := int(rest[2])<<8 | int(rest[3])
		if marker == markerScan || size < 2 || size+2 > len(rest) {
			return 0
		}
		if marker == markerTables {
			if quality := tableQuality(rest[4 : 2+size]); quality > 0 {
				return quality
			}
		}
		rest = rest[2+size:]
	}
	return 0
}

// tableQuality looks for table 0 in a segment of tables: each a byte of precision and number, and 64 steps of one byte
// or two.
func tableQuality(segment []byte) uint8 {
	for len(segment) > 0 {
		width, table := 1+int(segment[0]>>4&1), segment[0]&15
		if len(segment) < 1+64*width {
			return 0
		}
		if table == 0 {
			return stepsQuality(segment[1:], width)
		}
		segment = segment[1+64*width:]
	}
	return 0
}

// stepsQuality turns steps into the quality that libjpeg scales its tables by: 50 leaves them as they are, 25 doubles
// them, 75 halves them.
func stepsQuality(steps []byte, width int) uint8 {
	sum, standard := 0, 0
	for i, s := range lowest {
		step := int(steps[i*width])
		if width == 2 {
			step = step<<8 | int(steps[i*width+1])
		}
		sum += step
		standard += s
	}
	percent := max(1, 100*sum/standard)
	if percent > 100 {
		return uint8(max(1, 5000/percent))
	}
	return uint8((200 - percent) / 2)
}
