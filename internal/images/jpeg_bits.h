// Entropy-coded data: Huffman tables and the bits between two markers.
#ifndef DATASET_AUDIT_JPEG_BITS_H
#define DATASET_AUDIT_JPEG_BITS_H

#include <string.h>

#include "jpeg.h"
#include "vector.h"

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

#endif
