// The body of one variant of the kernel, included by kernel_amd64.c once for
// each instruction set with the macros that name its vectors.

#define WIDTH (2 * LANES)

// Moves the keep highest scores of a full list to the front and returns the
// lowest of them. A short list is cut by counting for every score how many are
// higher: no branch that a processor would have to guess.
TARGET static __attribute__((noinline)) float CUT(float *score, int32_t *index, int32_t length,
                                                  int32_t keep)
{
	if (length > neighbors_few)
		return compact(score, index, length, keep);

	int32_t rank[neighbors_few]; // how many are higher
	for (int32_t i = 0; i < length; i++) {
		const VECTOR s = SET1(score[i]);
		int32_t higher = 0;
		for (int32_t j = 0; j < length; j += LANES)
			higher += __builtin_popcount(BITS(GREATER(LOAD(score + j), s)));
		rank[i] = higher;
	}
	// The lowest to stay has the highest rank below keep. All of lower rank stay,
	// and as many of its equals as there is room for.
	int32_t last = 0;
	for (int32_t i = 0; i < length; i++) {
		int32_t r = rank[i] < keep ? rank[i] : 0;
		last = r > last ? r : last;
	}
	int32_t n = 0, room = keep - last;
	for (int32_t i = 0; i < length; i++) {
		const float s = score[i];
		const int32_t equal = (rank[i] == last) & (room > 0);
		room -= equal;
		score[n] = s;
		index[n] = index[i];
		n += (rank[i] < last) | equal;
	}
	float lowest = score[0];
	for (int32_t i = 1; i < keep; i++)
		lowest = score[i] < lowest ? score[i] : lowest;
	return lowest;
}

// Appends a row to a list unless its score is not above the threshold, and
// raises the threshold whenever the list is full.
TARGET static inline void OFFER(const neighbors_lists *lists, int64_t list, float score, int64_t row)
{
	float *threshold = lists->threshold + list;
	if (!(score > *threshold))
		return;
	int32_t *length = lists->length + list, n = *length;
	float *scores = lists->score + list * lists->capacity;
	int32_t *index = lists->index + list * lists->capacity;
	scores[n] = score;
	index[n] = (int32_t)row;
	if (++n == lists->capacity) {
		n = lists->keep;
		*threshold = CUT(scores, index, lists->capacity, n);
	}
	*length = n;
}

// Scans `groups` groups of queries against `count` panels of rows.
TARGET NEIGHBORS_SCAN(SCAN)
{
	// With AVX-512 a tile spans two panels, with AVX2 one.
	const int64_t panels_per_tile = WIDTH / neighbors_panel;
	const int64_t stride = columns * neighbors_panel;

	for (int64_t p = 0; p < count; p += panels_per_tile) {
		const float *rows0 = panels + p * stride;
		const float *rows1 = panels_per_tile == 2 ? rows0 + stride : rows0 + LANES;
		const int64_t tile_row = p * neighbors_panel;
		float *row_limit = row_lists.threshold ? row_lists.threshold + tile_row : 0;

		for (int64_t from = 0; from < columns; from += neighbors_chunk) {
			const int64_t left = columns - from;
			const int64_t steps = left < neighbors_chunk ? left : neighbors_chunk;
			const int last = left <= neighbors_chunk;

			for (int64_t g = 0; g < groups; g++) {
				const float *a = rows0 + from * neighbors_panel;
				const float *b = rows1 + from * neighbors_panel;
				const float *q = queries + (g * columns + from) * GROUP;
				const float *q_bias = query_bias + g * GROUP;
				float *tile = partial + g * GROUP * WIDTH;
				const float *limit = query_lists.threshold + g * GROUP;
				if (row_limit && g < WIDTH && p + panels_per_tile < count)
					fetch(&row_lists, tile_row + WIDTH + g);
				VECTOR sum[GROUP][2];

				if (from == 0) {
					VECTOR b0 = LOAD(bias + tile_row), b1 = LOAD(bias + tile_row + LANES);
					_Pragma("GCC unroll 12")
					for (int j = 0; j < GROUP; j++) {
						VECTOR v = SET1(q_bias[j]);
						sum[j][0] = ADD(b0, v);
						sum[j][1] = ADD(b1, v);
					}
				} else {
					_Pragma("GCC unroll 12")
					for (int j = 0; j < GROUP; j++)
						sum[j][0] = sum[j][1] = SET1(0);
				}
				for (int64_t k = 0; k < steps; k++) {
					VECTOR r0 = LOAD(a), r1 = LOAD(b);
					_Pragma("GCC unroll 12")
					for (int j = 0; j < GROUP; j++) {
						VECTOR v = SET1(q[j]);
						sum[j][0] = FMA(r0, v, sum[j][0]);
						sum[j][1] = FMA(r1, v, sum[j][1]);
					}
					a += neighbors_panel;
					b += neighbors_panel;
					q += GROUP;
				}
				if (from > 0) {
					_Pragma("GCC unroll 12")
					for (int j = 0; j < GROUP; j++) {
						sum[j][0] = ADD(sum[j][0], LOAD(tile + j * WIDTH));
						sum[j][1] = ADD(sum[j][1], LOAD(tile + j * WIDTH + LANES));
					}
				}

				VECTOR limit0 = SET1(INFINITY), limit1 = limit0;
				if (row_limit) {
					limit0 = LOAD(row_limit);
					limit1 = LOAD(row_limit + LANES);
				}
				if (last) {
					// Nothing above its query's or its row's threshold: the usual case.
					VECTOR t = SET1(limit[0]);
					ABOVE any = OR(GREATER(sum[0][0], MIN(t, limit0)),
					               GREATER(sum[0][1], MIN(t, limit1)));
					_Pragma("GCC unroll 12")
					for (int j = 1; j < GROUP; j++) {
						t = SET1(limit[j]);
						any = OR(any, OR(GREATER(sum[j][0], MIN(t, limit0)),
						                 GREATER(sum[j][1], MIN(t, limit1))));
					}
					if (__builtin_expect(BITS(any) == 0, 1))
						continue;
				}
				_Pragma("GCC unroll 12")
				for (int j = 0; j < GROUP; j++) {
					STORE(tile + j * WIDTH, sum[j][0]);
					STORE(tile + j * WIDTH + LANES, sum[j][1]);
				}
				if (!last)
					continue;
				for (int j = 0; j < GROUP; j++) {
					const float *lane = tile + j * WIDTH;
					const int64_t query = g * GROUP + j;
					VECTOR s0 = LOAD(lane), s1 = LOAD(lane + LANES), t = SET1(limit[j]);
					uint32_t mask = BITS(GREATER(s0, t)) | BITS(GREATER(s1, t)) << LANES;
					for (; mask; mask &= mask - 1) {
						int i = __builtin_ctz(mask);
						OFFER(&query_lists, query, lane[i], first + tile_row + i);
					}
					mask = BITS(GREATER(s0, limit0)) | BITS(GREATER(s1, limit1)) << LANES;
					for (; mask; mask &= mask - 1) {
						int i = __builtin_ctz(mask);
						OFFER(&row_lists, tile_row + i, lane[i], query_first + query);
					}
				}
			}
		}
	}
}

#undef WIDTH
#undef SCAN
#undef CUT
#undef OFFER
#undef TARGET
#undef GROUP
#undef LANES
#undef VECTOR
#undef LOAD
#undef STORE
#undef SET1
#undef ADD
#undef MIN
#undef FMA
#undef ABOVE
#undef GREATER
#undef OR
#undef BITS
