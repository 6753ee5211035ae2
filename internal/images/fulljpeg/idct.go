package fulljpeg

// The inverse DCT of Loeffler, Ligtenberg and Moschytz ("Practical fast 1-D DCT algorithms with 11 multiplications",
// ICASSP 1989, doi:10.1109/ICASSP.1989.266596), rows before columns. image/jpeg of Go 1.26 fixes how many fraction bits
// the constants have (the number at the end of their names) and where intermediate values are rounded. Sums wrap, as
// there.
const (
	cos1x12         = 4017   // cos π/16
	sin1x12         = 799    // sin π/16
	cos3x12         = 3406   // cos 3π/16
	sin3x12         = 2276   // sin 3π/16
	rootHalfx8      = 181    // √½
	rootHalfx14     = 11585  // √½
	rootHalfCos6x12 = 1108   // √½ cos 6π/16
	rootHalfSin6x12 = 2676   // √½ sin 6π/16
	rootHalfCos6x18 = 70936  // √½ cos 6π/16
	rootHalfSin6x18 = 171254 // √½ sin 6π/16
)

// inverseDCT turns coefficients in natural order into samples around 0.
func inverseDCT(b *[64]int32) {
	for i := 0; i < 64; i += 8 {
		row(b[i : i+8 : i+8])
	}
	for i := range 8 {
		column(b[i:])
	}
}

func row(x []int32) {
	e0, e1 := (x[0]+x[4])<<17, (x[0]-x[4])<<17
	e2, e3 := rotate(x[2], x[6], rootHalfCos6x18, rootHalfSin6x18)
	o0, o1 := (x[1]-x[7])<<7, (x[1]+x[7])<<7
	o2, o3 := x[3]*rootHalfx8, x[5]*rootHalfx8
	x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7] = butterflies(e0, e1, e2, e3, o0, o1, o2, o3, 2)
}

func column(x []int32) {
	first := x[0] + 1<<19 // a half: the result is rounded
	e0, e1 := (first+x[32])>>2, (first-x[32])>>2
	e2, e3 := rotate(x[16]>>13, x[48]>>13, rootHalfCos6x12, rootHalfSin6x12)
	o0, o1 := x[8]-x[56], x[8]+x[56]
	o2, o3 := (x[24]>>13)*rootHalfx14, (x[40]>>13)*rootHalfx14
	y0, y1, y2, y3, y4, y5, y6, y7 := butterflies(e0, e1, e2, e3, o0, o1, o2, o3, 14)
	x[0], x[8], x[16], x[24] = y0>>18, y1>>18, y2>>18, y3>>18
	x[32], x[40], x[48], x[56] = y4>>18, y5>>18, y6>>18, y7>>18
}

// butterflies makes the samples of the even part and the odd part, which first drops some fraction bits.
func butterflies(e0, e1, e2, e3, o0, o1, o2, o3 int32, drop uint) (y0, y1, y2, y3, y4, y5, y6, y7 int32) {
	e0, e1, e2, e3 = e0+e3, e1+e2, e1-e2, e0-e3
	o0, o1, o2, o3 = (o0+o3)>>drop, (o1+o2)>>drop, (o1-o2)>>drop, (o0-o3)>>drop
	o0, o1 = rotate(o0, o1, cos3x12, sin3x12)
	o2, o3 = rotate(o2, o3, cos1x12, sin1x12)
	return e0 + o1, e1 + o3, e2 + o2, e3 + o0, e3 - o0, e2 - o2, e1 - o3, e0 - o1
}

func rotate(a, b, cos, sin int32) (int32, int32) {
	return a*cos - b*sin, a*sin + b*cos
}
