//go:build cgo

#include "kernel_amd64.h"

#include <immintrin.h>
#include <math.h>

int neighbors_cpu(void)
{
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f"))
		return 512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return 2;
	return 0;
}

static void swap(float *score, int32_t *index, int32_t i, int32_t j)
{
	float s = score[i];
	score[i] = score[j];
	score[j] = s;
	int32_t x = index[i];
	index[i] = index[j];
	index[j] = x;
}

// compact moves the keep highest scores to the front and returns the lowest of
// them (Hoare's quickselect, median of three).
static float compact(float *score, int32_t *index, int32_t length, int32_t keep)
{
	int32_t nth = keep - 1, low = 0, high = length - 1;
	while (low < high) {
		int32_t middle = low + (high - low) / 2;
		if (score[middle] > score[low])
			swap(score, index, middle, low);
		if (score[high] > score[low])
			swap(score, index, high, low);
		if (score[high] > score[middle])
			swap(score, index, high, middle);
		float pivot = score[middle];
		int32_t i = low, j = high;
		while (i <= j) {
			while (score[i] > pivot)
				i++;
			while (score[j] < pivot)
				j--;
			if (i <= j) {
				swap(score, index, i, j);
				i++;
				j--;
			}
		}
		if (nth <= j)
			high = j;
		else if (nth >= i)
			low = i;
		else
			break;
	}
	return score[nth];
}

// fetch brings a short list near. Lists of rows lie in a part of memory that is
// visited once in a sweep; those of the next tile are fetched during this one.
static inline void fetch(const neighbors_lists *lists, int64_t list)
{
	if (lists->capacity > neighbors_few)
		return;
	const float *score = lists->score + list * lists->capacity;
	const int32_t *index = lists->index + list * lists->capacity;
	for (int32_t i = 0; i < lists->capacity; i += 16) {
		__builtin_prefetch(score + i, 1);
		__builtin_prefetch(index + i, 1);
	}
	__builtin_prefetch(lists->length + list, 1);
}

// A tile is GROUP queries × WIDTH rows: 12×32 in 24 of the 32 registers of
// AVX-512, 6×16 in 12 of the 16 of AVX2. Two vectors of rows stay in registers
// while each query's value is broadcast, so a step of 2·GROUP multiply-adds
// costs only GROUP+2 loads and the multipliers are what limits it.

#define SCAN neighbors_scan_avx512
#define CUT cut_avx512
#define OFFER offer_avx512
#define TARGET __attribute__((target("avx512f,popcnt")))
#define GROUP neighbors_avx512_group
#define LANES 16
#define VECTOR __m512
#define LOAD _mm512_loadu_ps
#define STORE _mm512_storeu_ps
#define SET1 _mm512_set1_ps
#define ADD _mm512_add_ps
#define MIN _mm512_min_ps
#define FMA _mm512_fmadd_ps
#define ABOVE __mmask16
#define GREATER(a, b) _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ)
#define OR(a, b) ((__mmask16)((a) | (b)))
#define BITS(a) ((uint32_t)(a))
#include "kernel_tile.h"

#define SCAN neighbors_scan_avx2
#define CUT cut_avx2
#define OFFER offer_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define GROUP neighbors_avx2_group
#define LANES 8
#define VECTOR __m256
#define LOAD _mm256_loadu_ps
#define STORE _mm256_storeu_ps
#define SET1 _mm256_set1_ps
#define ADD _mm256_add_ps
#define MIN _mm256_min_ps
#define FMA _mm256_fmadd_ps
#define ABOVE __m256
#define GREATER(a, b) _mm256_cmp_ps(a, b, _CMP_GT_OQ)
#define OR _mm256_or_ps
#define BITS(a) ((uint32_t)_mm256_movemask_ps(a))
#include "kernel_tile.h"
