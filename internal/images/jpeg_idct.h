// From the coefficients of a block to its samples.
#ifndef DATASET_AUDIT_JPEG_IDCT_H
#define DATASET_AUDIT_JPEG_IDCT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "vector.h"

typedef uint32_t u32x8 __attribute__((vector_size(32)));
typedef int32_t i32x8 __attribute__((vector_size(32)));

INLINE int32_t clamp(int32_t x)
{
	return x < 0 ? 0 : x > 255 ? 255 : x;
}

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

#endif
