#include "jpeg.h"
#include "vector.h"

#include <string.h>

// ---- Huffman tables ----

// extend reads x, of n bits, as the number that it codes (T.81, F.2.2.1, EXTEND).
INLINE int32_t extend(int32_t x, int n)
{
	return x - (((x >> (n - 1)) - 1) & ((1 << n) - 1));
}

// add_whole fills in the coefficient that the bits after the code of entry i hold,
// if they are all there.
static void add_whole(struct jpeg_lookup *l, uint32_t i)
{
	int length = l->fast[i] >> 8, run = l->fast[i] >> 4 & 15, size = l->fast[i] & 15;
	int rest = JPEG_LOOKAHEAD - length - size;

	if (length == 0 || size == 0 || rest < 0)
		return;
	int32_t value = extend(i >> rest & ((1 << size) - 1), size);

	l->whole[i] = value * 65536 + (run << 8) + length + size;
}

// build_lookup returns 0 if the lengths don't make a prefix code.
static int build_lookup(struct jpeg_lookup *l, const struct jpeg_huffman *h)
{
	if (l->limit[17] && memcmp(&l->of, h, sizeof *h) == 0)
		return 1;
	memset(l, 0, sizeof *l);

	uint32_t code = 0;
	int32_t next = 0;

	for (int n = 1; n <= 16; n++) {
		int count = h->counts[n - 1];

		if (code + count > 1u << n || next + count > 256)
			return 0;
		l->offset[n] = next - (int32_t)code;
		if (n <= JPEG_LOOKAHEAD) {
			for (int i = 0; i < count; i++) {
				uint16_t entry = (uint16_t)(n << 8 | h->symbols[next + i]);
				uint32_t first = (code + i) << (JPEG_LOOKAHEAD - n);

				for (uint32_t j = 0; j < 1u << (JPEG_LOOKAHEAD - n); j++)
					l->fast[first + j] = entry;
			}
		}
		code += count;
		next += count;
		l->limit[n] = code << (16 - n);
		code <<= 1;
	}
	if (next == 0)
		return 0;
	for (uint32_t i = 0; i < 1u << JPEG_LOOKAHEAD; i++)
		add_whole(l, i);
	l->of = *h;
	l->limit[17] = UINT32_MAX; // above every code; l is complete
	return 1;
}

// ---- Bits ----

struct bits {
	uint64_t word; // unread bits, left-justified; those beyond n repeat at p
	int n;         // how many of them count
	int missing;   // how many zero bytes were added after the segment's end
	const uint8_t *p, *end;
};

INLINE uint64_t load_big_endian(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof w);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	w = __builtin_bswap64(w);
#endif
	return w;
}

// refill makes at least 56 bits available: those of the segment, its stuffed
// zeros removed, then zeros, counted in missing.
INLINE void refill(struct bits *b)
{
	if (b->end - b->p >= 8) {
		const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
		uint64_t w = load_big_endian(b->p);

		if (!((~w - ones) & w & tops)) { // no byte is 0xff
			b->word |= w >> b->n;
			b->p += (63 - b->n) >> 3;
			b->n |= 56;
			return;
		}
	}
	while (b->n <= 56) {
		uint64_t byte = 0;

		if (b->p < b->end && *b->p != 0xff) {
			byte = *b->p++;
		} else if (b->end - b->p >= 2 && b->p[1] == 0) {
			byte = 0xff;
			b->p += 2;
		} else {
			b->missing++;
		}
		b->word |= byte << (56 - b->n);
		b->n += 8;
	}
}

INLINE void skip(struct bits *b, int n)
{
	b->word <<= n;
	b->n -= n;
}

// symbol decodes a Huffman code; -1: no such code.
INLINE int symbol(struct bits *b, const struct jpeg_lookup *l)
{
	unsigned entry = l->fast[b->word >> (64 - JPEG_LOOKAHEAD)];

	if (entry) {
		skip(b, entry >> 8);
		return entry & 0xff;
	}
	uint32_t next = (uint32_t)(b->word >> 48);
	int n = JPEG_LOOKAHEAD + 1;

	while (next >= l->limit[n])
		n++;
	if (n > 16)
		return -1;
	skip(b, n);
	return l->of.symbols[(int32_t)(next >> (16 - n)) + l->offset[n]];
}

// receive reads a number of n bits, 1..16 (T.81, F.2.2.1, RECEIVE).
INLINE int32_t receive(struct bits *b, int n)
{
	int32_t x = (int32_t)(b->word >> (64 - n));

	skip(b, n);
	return extend(x, n);
}

// ends_with reports whether the segment's bits were consumed but for the last
// byte's padding, and marker follows.
static int ends_with(const struct bits *b, uint8_t marker)
{
	int left = b->n - 8 * b->missing;

	return left >= 0 && left < 8 && b->end - b->p >= 2 && b->p[0] == 0xff && b->p[1] == marker;
}

// ---- Blocks ----

// The place of each zig-zag coefficient in a block stored column by column.
static const uint8_t transposed[64] = {
	0, 8, 1, 2, 9, 16, 24, 17, 10, 3, 4, 11, 18, 25, 32, 40,
	33, 26, 19, 12, 5, 6, 13, 20, 27, 34, 41, 48, 56, 49, 42, 35,
	28, 21, 14, 7, 15, 22, 29, 36, 43, 50, 57, 58, 51, 44, 37, 30,
	23, 31, 38, 45, 52, 59, 60, 53, 46, 39, 47, 54, 61, 62, 55, 63,
};

// read_block decodes and dequantizes the coefficients of a block, and returns the
// zig-zag index of the last one that is coded, or -1 if the data is not what a
// baseline encoder writes. Coefficients wrap as Go's int32 do.
INLINE int read_block(struct bits *b, const struct jpeg_lookup *dc, const struct jpeg_lookup *ac,
		      const uint16_t *quant, int32_t *prediction, uint32_t *block)
{
	int last = 0;

	refill(b);
	int size = symbol(b, dc);

	if (size < 0 || size > 11)
		return -1;
	if (size > 0)
		*prediction += receive(b, size);
	if (*prediction < -32768 || *prediction > 32767)
		return -1;
	block[0] = (uint32_t)*prediction * quant[0];

	for (int k = 1; k < 64; k++) {
		if (b->n < 32)
			refill(b);
		int32_t whole = ac->whole[b->word >> (64 - JPEG_LOOKAHEAD)];

		if (whole) {
			skip(b, whole & 0xff);
			k += whole >> 8 & 15;
			if (k > 63)
				return -1;
			block[transposed[k]] = (uint32_t)(whole >> 16) * quant[k];
			last = k;
			continue;
		}
		int code = symbol(b, ac);

		if (code < 0)
			return -1;
		int run = code >> 4;

		size = code & 15;
		if (size == 0) {
			if (run == 0)
				break; // end of block
			if (run != 15)
				return -1;
			k += 15;
			if (k > 63)
				return -1;
			continue;
		}
		k += run;
		if (k > 63 || size > 10)
			return -1;
		block[transposed[k]] = (uint32_t)receive(b, size) * quant[k];
		last = k;
	}
	return last;
}

typedef uint32_t u32x8 __attribute__((vector_size(32)));
typedef int32_t i32x8 __attribute__((vector_size(32)));

// The inverse DCT of Loeffler, Ligtenberg and Moschytz ("Practical fast 1-D DCT
// algorithms with 11 multiplications", ICASSP 1989), rows before columns, eight at
// once. Go's image/jpeg of Go 1.26 fixes where intermediate values are
// rounded; constants are given with the fraction bits that it uses. The sums are
// unsigned because they must wrap.
#define FIXED(x, bits) ((uint32_t)(int32_t)((x) * (1 << (bits)) + 0.5))
#define COS1 0.98078528040323044913
#define SIN1 0.19509032201612826785
#define COS3 0.83146961230254523708
#define SIN3 0.55557023301960222474
#define HALF_SQRT2 0.70710678118654752440
#define HALF_SQRT2_COS6 0.27059805007309849220
#define HALF_SQRT2_SIN6 0.65328148243818826393

#define SHIFT(x, n) ((u32x8)((i32x8)(x) >> (n)))
#define BUTTERFLY(a, b)              \
	do {                         \
		u32x8 sum_ = (a) + (b); \
		(b) = (a) - (b);     \
		(a) = sum_;          \
	} while (0)
// a, b = a·c − b·s, a·s + b·c, by three multiplications
#define ROTATE(a, b, c, s)                             \
	do {                                           \
		u32x8 both_ = (c) * ((a) + (b));       \
		u32x8 a_ = both_ - ((c) + (s)) * (b);  \
		(b) = both_ + ((s) - (c)) * (a);       \
		(a) = a_;                              \
	} while (0)

// The last stage joins the even part, x[0..3], with the odd part, x[4..7].
#define LAST_STAGE(x)                    \
	do {                             \
		BUTTERFLY(x[0], x[7]);   \
		BUTTERFLY(x[1], x[6]);   \
		BUTTERFLY(x[2], x[5]);   \
		BUTTERFLY(x[3], x[4]);   \
	} while (0)

INLINE void idct_first(u32x8 x[8])
{
	u32x8 t[8] = {x[0] << 17, x[4] << 17, x[2], x[6], x[7] << 7, x[3], x[5], x[1] << 7};

	BUTTERFLY(t[0], t[1]);
	ROTATE(t[2], t[3], FIXED(HALF_SQRT2_COS6, 18), FIXED(HALF_SQRT2_SIN6, 18));
	BUTTERFLY(t[1], t[2]);
	BUTTERFLY(t[0], t[3]);

	BUTTERFLY(t[7], t[4]);
	t[5] *= FIXED(HALF_SQRT2, 8);
	t[6] *= FIXED(HALF_SQRT2, 8);
	BUTTERFLY(t[7], t[5]);
	BUTTERFLY(t[4], t[6]);
	for (int i = 4; i < 8; i++)
		t[i] = SHIFT(t[i], 2);
	ROTATE(t[4], t[7], FIXED(COS3, 12), FIXED(SIN3, 12));
	ROTATE(t[5], t[6], FIXED(COS1, 12), FIXED(SIN1, 12));

	LAST_STAGE(t);
	memcpy(x, t, sizeof t);
}

INLINE void idct_second(u32x8 x[8])
{
	u32x8 t[8] = {x[0] + (1 << 19), x[4], SHIFT(x[2], 13), SHIFT(x[6], 13), x[7], SHIFT(x[3], 13), SHIFT(x[5], 13), x[1]};

	BUTTERFLY(t[0], t[1]);
	t[0] = SHIFT(t[0], 2);
	t[1] = SHIFT(t[1], 2);
	ROTATE(t[2], t[3], FIXED(HALF_SQRT2_COS6, 12), FIXED(HALF_SQRT2_SIN6, 12));
	BUTTERFLY(t[1], t[2]);
	BUTTERFLY(t[0], t[3]);

	BUTTERFLY(t[7], t[4]);
	t[5] *= FIXED(HALF_SQRT2, 14);
	t[6] *= FIXED(HALF_SQRT2, 14);
	BUTTERFLY(t[7], t[5]);
	BUTTERFLY(t[4], t[6]);
	for (int i = 4; i < 8; i++)
		t[i] = SHIFT(t[i], 14);
	ROTATE(t[4], t[7], FIXED(COS3, 12), FIXED(SIN3, 12));
	ROTATE(t[5], t[6], FIXED(COS1, 12), FIXED(SIN1, 12));

	LAST_STAGE(t);
	for (int i = 0; i < 8; i++)
		x[i] = SHIFT(t[i], 18);
}

INLINE void transpose(u32x8 x[8])
{
	u32x8 a[8], b[8];

	for (int i = 0; i < 8; i += 2) {
		a[i] = __builtin_shufflevector(x[i], x[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
		a[i + 1] = __builtin_shufflevector(x[i], x[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
	}
	for (int i = 0; i < 8; i += 4) {
		for (int j = i; j < i + 2; j++) {
			b[j] = __builtin_shufflevector(a[j], a[j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
			b[j + 2] = __builtin_shufflevector(a[j], a[j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
		}
	}
	for (int i = 0; i < 4; i++) {
		x[i] = __builtin_shufflevector(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
		x[i + 4] = __builtin_shufflevector(b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
	}
}

INLINE int32_t clamp(int32_t x)
{
	return x < 0 ? 0 : x > 255 ? 255 : x;
}

// write_block transforms a block stored column by column and writes its samples.
INLINE void write_block(const uint32_t *block, int last, uint8_t *dst, size_t stride)
{
	if (last == 0) { // all samples are equal
		int32_t dc = (int32_t)((block[0] << 17) + (1 << 19)) >> 20;
		int value = clamp(dc + 128);

		for (int y = 0; y < 8; y++)
			memset(dst + y * stride, value, 8);
		return;
	}
	u32x8 x[8];

	memcpy(x, block, sizeof x);
	idct_first(x);
	transpose(x);
	idct_second(x);

	int32_t wide[64] __attribute__((aligned(32)));
	uint8_t samples[64] __attribute__((aligned(32)));

	memcpy(wide, x, sizeof wide);
	for (int i = 0; i < 64; i++)
		samples[i] = (uint8_t)clamp(wide[i] + 128);
	for (int y = 0; y < 8; y++)
		memcpy(dst + y * stride, samples + 8 * y, 8);
}

// ---- Colors ----

// What a row of chroma samples adds to red, green and blue, in 1/65536, each
// repeated h times (the nearest sample, as Go has it).
INLINE void chroma_row(const uint8_t *restrict cb, const uint8_t *restrict cr, int n, int h,
		       int32_t *restrict red, int32_t *restrict green, int32_t *restrict blue)
{
	if (h == 1) {
		for (int i = 0; i < n; i++) {
			red[i] = 91881 * (cr[i] - 128);
			green[i] = -22554 * (cb[i] - 128) - 46802 * (cr[i] - 128);
			blue[i] = 116130 * (cb[i] - 128);
		}
		return;
	}
	for (int i = 0; i < n; i++) {
		red[2 * i] = red[2 * i + 1] = 91881 * (cr[i] - 128);
		green[2 * i] = green[2 * i + 1] = -22554 * (cb[i] - 128) - 46802 * (cr[i] - 128);
		blue[2 * i] = blue[2 * i + 1] = 116130 * (cb[i] - 128);
	}
}

// Four bytes of an RGBA row at once.
typedef uint32_t rgba __attribute__((aligned(1), may_alias));

INLINE rgba opaque(uint32_t r, uint32_t g, uint32_t b)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return r | g << 8 | b << 16 | 0xff000000;
#else
	return r << 24 | g << 16 | b << 8 | 0xff;
#endif
}

INLINE void rgba_row(const uint8_t *restrict y, const int32_t *restrict red, const int32_t *restrict green,
		     const int32_t *restrict blue, int n, rgba *restrict pix)
{
	for (int i = 0; i < n; i++) {
		int32_t luma = y[i] * 0x10101;
		int32_t r = clamp((luma + red[i]) >> 16);
		int32_t g = clamp((luma + green[i]) >> 16);
		int32_t b = clamp((luma + blue[i]) >> 16);

		pix[i] = opaque(r, g, b);
	}
}

INLINE void gray_row(const uint8_t *restrict y, int n, rgba *restrict pix)
{
	for (int i = 0; i < n; i++)
		pix[i] = opaque(y[i], y[i], y[i]);
}

// ---- Scans ----

// The scratch memory holds what a row of MCUs decodes to, then the chroma terms
// of one row of pixels: memory grows with the width only.
struct strips {
	size_t stride[3];
	uint8_t *plane[3];
	int32_t *red, *green, *blue;
	size_t size;
};

static struct strips layout(const struct jpeg_frame *f, uint8_t *scratch)
{
	size_t mcus = ((size_t)f->width + 8 * f->h - 1) / (8 * f->h);
	size_t luma = mcus * 8 * f->h, chroma = mcus * 8;
	size_t at = 3 * luma * sizeof(int32_t);
	struct strips s = {.stride = {luma, chroma, chroma}};

	s.red = (int32_t *)scratch;
	s.green = s.red + luma;
	s.blue = s.green + luma;
	for (int c = 0; c < f->components; c++) {
		s.plane[c] = scratch + at;
		at += s.stride[c] * 8 * (c == 0 ? f->v : 1);
	}
	s.size = at;
	return s;
}

size_t jpeg_scratch_size(const struct jpeg_frame *f)
{
	uint8_t none[1];

	return layout(f, none).size;
}

INLINE int decode(const struct jpeg_frame *f, const struct jpeg_tables *t, const uint8_t *data, size_t size,
		  uint8_t *scratch, uint8_t *pix)
{
	const struct strips s = layout(f, scratch);
	const int across = (f->width + 8 * f->h - 1) / (8 * f->h);
	const int down = (f->height + 8 * f->v - 1) / (8 * f->v);
	struct bits b = {.p = data, .end = data + size};
	int32_t prediction[3] = {0};
	int until_restart = f->restart;
	uint8_t restart_marker = 0xd0;
	uint32_t blocks[6][64] __attribute__((aligned(32))); // of an MCU
	int last[6];

	for (int my = 0; my < down; my++) {
		for (int mx = 0; mx < across; mx++) {
			if (f->restart && until_restart-- == 0) {
				if (!ends_with(&b, restart_marker))
					return 0;
				b.p += 2;
				b.word = 0;
				b.n = b.missing = 0;
				memset(prediction, 0, sizeof prediction);
				restart_marker = restart_marker == 0xd7 ? 0xd0 : restart_marker + 1;
				until_restart = f->restart - 1;
			}
			// First read all blocks, then transform them: vectors loaded right
			// after their parts were stored would stall.
			int n = 0;

			memset(blocks, 0, (f->h * f->v + f->components - 1) * sizeof blocks[0]);
			for (int c = 0; c < f->components; c++) {
				for (int j = c == 0 ? f->h * f->v : 1; j > 0; j--, n++) {
					last[n] = read_block(&b, &t->dc[f->dc[c]], &t->ac[f->ac[c]],
							     f->quant[c], &prediction[c], blocks[n]);
					if (last[n] < 0)
						return 0;
				}
			}
			n = 0;
			for (int y = 0; y < f->v; y++) {
				for (int x = 0; x < f->h; x++, n++)
					write_block(blocks[n], last[n], s.plane[0] + 8 * y * s.stride[0] + 8 * (f->h * mx + x), s.stride[0]);
			}
			for (int c = 1; c < f->components; c++, n++)
				write_block(blocks[n], last[n], s.plane[c] + 8 * mx, s.stride[c]);
		}
		if (b.n < 8 * b.missing)
			return 0; // the data ended before the image
		for (int y = 0; y < 8 * f->v && 8 * f->v * my + y < f->height; y++) {
			rgba *row = (rgba *)pix + (size_t)f->width * (8 * f->v * my + y);
			const uint8_t *luma = s.plane[0] + y * s.stride[0];

			if (f->components == 1) {
				gray_row(luma, f->width, row);
				continue;
			}
			if (y % f->v == 0) {
				size_t at = y / f->v * s.stride[1];

				chroma_row(s.plane[1] + at, s.plane[2] + at, (int)s.stride[1], f->h, s.red, s.green, s.blue);
			}
			rgba_row(luma, s.red, s.green, s.blue, f->width, row);
		}
	}
	return ends_with(&b, 0xd9);
}

static int decode_portable(const struct jpeg_frame *f, const struct jpeg_tables *t, const uint8_t *data,
			   size_t size, uint8_t *scratch, uint8_t *pix)
{
	return decode(f, t, data, size, scratch, pix);
}

#ifdef HAVE_AVX2_CLONE
AVX2_CLONE static int decode_avx2(const struct jpeg_frame *f, const struct jpeg_tables *t, const uint8_t *data,
				  size_t size, uint8_t *scratch, uint8_t *pix)
{
	return decode(f, t, data, size, scratch, pix);
}
#endif

int jpeg_decode(const struct jpeg_frame *f, const uint8_t *data, size_t size,
		struct jpeg_tables *t, uint8_t *scratch, uint8_t *pix)
{
	for (int i = 0; i < f->components; i++) {
		if (!build_lookup(&t->dc[f->dc[i]], &f->dc_tables[f->dc[i]]) ||
		    !build_lookup(&t->ac[f->ac[i]], &f->ac_tables[f->ac[i]]))
			return 0;
	}
#ifdef HAVE_AVX2_CLONE
	if (USE_AVX2())
		return decode_avx2(f, t, data, size, scratch, pix);
#endif
	return decode_portable(f, t, data, size, scratch, pix);
}
