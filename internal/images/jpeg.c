#include "jpeg.h"
#include "jpeg_bits.h"
#include "jpeg_idct.h"
#include "vector.h"

#include <string.h>

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
