// Separable resampling of RGBA pixels to planar float RGB. See resize.go.
#ifndef DATASET_AUDIT_RESIZE_H
#define DATASET_AUDIT_RESIZE_H

#include <stddef.h>
#include <stdint.h>

// resize_rgba resamples, first down the columns, then along the rows, and writes
// three planes of rows × columns floats. Along either axis output i is the sum over
// t < taps of weights[i*taps+t] · source[first[i]+t]. The source has stride bytes a
// row, of which 4·width count; row is scratch memory for 4·width floats.
void resize_rgba(const uint8_t *pix, size_t stride, int32_t width,
		 const int32_t *row_first, const float *row_weights, int32_t rows, int32_t row_taps,
		 const int32_t *column_first, const float *column_weights, int32_t columns, int32_t column_taps,
		 float *row, float *dst);

#endif
