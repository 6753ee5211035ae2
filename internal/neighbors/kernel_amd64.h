// The hot loop of the shortlist. See kernel.go for the contract that every
// variant, this one and the Go one, fulfills.

#ifndef NEIGHBORS_KERNEL_H
#define NEIGHBORS_KERNEL_H

#include <stdint.h>

enum {
	neighbors_chunk = 256, // columns summed before a partial sum is rounded into the total; chunkColumns in Go
	neighbors_panel = 16,  // rows of a panel; panelRows in Go

	neighbors_few = 64,    // entries of a list that is cut by counting

	neighbors_avx2_group = 6,    // queries at a time
	neighbors_avx512_group = 12, // queries at a time
};

// cpu says which variant this processor runs: 512, 2 or 0 for none.
int neighbors_cpu(void);

// Shortlists, one after the other; see lists in Go.
typedef struct {
	float *threshold;
	float *score;   // capacity for each list
	int32_t *index; // likewise
	int32_t *length;
	int32_t keep;
	int32_t capacity; // a multiple of 16
} neighbors_lists;

#define NEIGHBORS_SCAN(name)                                                        \
	void name(const float *panels, const float *bias, int64_t first, int64_t count, \
	          int64_t columns, const float *queries, const float *query_bias,       \
	          int64_t query_first, int64_t groups, neighbors_lists query_lists,     \
	          neighbors_lists row_lists, float *partial)

NEIGHBORS_SCAN(neighbors_scan_avx2);
NEIGHBORS_SCAN(neighbors_scan_avx512);

#endif
