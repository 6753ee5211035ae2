#include "resize.h"
#include "vector.h"

typedef float f32x4 __attribute__((vector_size(16), aligned(4), may_alias));

// Products and sums are never fused (amd64 without FMA), so AVX2 changes no bit.

INLINE void weigh_rows(const uint8_t *restrict pix, size_t stride, int32_t n,
		       const float *restrict weights, int32_t taps, float *restrict row)
{
	if (taps == 2) {
		const uint8_t *next = pix + stride;

		for (int32_t i = 0; i < n; i++)
			row[i] = weights[0] * (float)pix[i] + weights[1] * (float)next[i];
		return;
	}
	for (int32_t i = 0; i < n; i++)
		row[i] = weights[0] * (float)pix[i];
	for (int32_t t = 1; t < taps; t++) {
		const uint8_t *next = pix + t * stride;

		for (int32_t i = 0; i < n; i++)
			row[i] += weights[t] * (float)next[i];
	}
}

INLINE void weigh_columns(const float *restrict row, const int32_t *restrict first,
			  const float *restrict weights, int32_t n, int32_t taps,
			  float *restrict red, float *restrict green, float *restrict blue)
{
	for (int32_t i = 0; i < n; i++, weights += taps) {
		const float *from = row + 4 * first[i];
		f32x4 sum = weights[0] * *(const f32x4 *)from;

		for (int32_t t = 1; t < taps; t++)
			sum += weights[t] * *(const f32x4 *)(from + 4 * t);
		red[i] = sum[0];
		green[i] = sum[1];
		blue[i] = sum[2];
	}
}

// The arguments of resize_rgba but the scratch memory and the result.
struct job {
	const uint8_t *pix;
	size_t stride;
	int32_t width;
	const int32_t *row_first;
	const float *row_weights;
	int32_t rows, row_taps;
	const int32_t *column_first;
	const float *column_weights;
	int32_t columns, column_taps;
};

INLINE void resize(const struct job *j, float *row, float *dst)
{
	const size_t plane = (size_t)j->rows * j->columns;

	for (int32_t y = 0; y < j->rows; y++) {
		float *red = dst + (size_t)y * j->columns;

		weigh_rows(j->pix + j->row_first[y] * j->stride, j->stride, 4 * j->width,
			   j->row_weights + (size_t)y * j->row_taps, j->row_taps, row);
		// With a constant number of taps the compiler unrolls the loop over them.
		if (j->column_taps == 2)
			weigh_columns(row, j->column_first, j->column_weights, j->columns, 2,
				      red, red + plane, red + 2 * plane);
		else
			weigh_columns(row, j->column_first, j->column_weights, j->columns, j->column_taps,
				      red, red + plane, red + 2 * plane);
	}
}

#ifdef HAVE_AVX2_CLONE
AVX2_CLONE static void resize_avx2(const struct job *j, float *row, float *dst)
{
	resize(j, row, dst);
}
#endif

void resize_rgba(const uint8_t *pix, size_t stride, int32_t width,
		 const int32_t *row_first, const float *row_weights, int32_t rows, int32_t row_taps,
		 const int32_t *column_first, const float *column_weights, int32_t columns, int32_t column_taps,
		 float *row, float *dst)
{
	const struct job j = {
		pix, stride, width, row_first, row_weights, rows, row_taps,
		column_first, column_weights, columns, column_taps,
	};

#ifdef HAVE_AVX2_CLONE
	if (USE_AVX2()) {
		resize_avx2(&j, row, dst);
		return;
	}
#endif
	resize(&j, row, dst);
}
