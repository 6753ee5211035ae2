// Baseline JPEG scans, decoded to the same pixels as Go's image/jpeg. See jpeg.go.
#ifndef DATASET_AUDIT_JPEG_H
#define DATASET_AUDIT_JPEG_H

#include <stddef.h>
#include <stdint.h>

// A Huffman table as DHT defines it: how many codes of each length 1..16, and
// their symbols in order.
struct jpeg_huffman {
	uint8_t counts[16];
	uint8_t symbols[256];
};

// What SOF, DQT, DHT, DRI and SOS say about a frame whose only scan holds all
// its components. Component 0 has h×v blocks in a minimum coded unit (MCU), the
// others one each.
struct jpeg_frame {
	int32_t width, height;
	int32_t components; // 1 (gray) or 3 (YCbCr)
	int32_t h, v;       // 1 or 2
	int32_t restart;    // MCUs between restart markers, 0: none
	uint16_t quant[3][64]; // per component, in zig-zag order
	uint8_t dc[3], ac[3];  // per component, table 0 or 1
	struct jpeg_huffman dc_tables[2], ac_tables[2];
};

enum { JPEG_LOOKAHEAD = 10 };

// Decodes codes of up to JPEG_LOOKAHEAD bits by one load and longer ones by
// comparing with the first code of each length (ITU-T T.81, F.2.2.3).
struct jpeg_lookup {
	struct jpeg_huffman of; // what it was made of
	// length<<8 | symbol for each JPEG_LOOKAHEAD bits; 0: a longer code
	uint16_t fast[1 << JPEG_LOOKAHEAD];
	// For AC codes whose coefficient lies within the JPEG_LOOKAHEAD bits, too:
	// value<<16 | run<<8 | length of both; else 0
	int32_t whole[1 << JPEG_LOOKAHEAD];
	// limit[n] is one above the last code of n bits, left-justified to 16 bits
	uint32_t limit[18];
	// of.symbols[code + offset[n]] is the symbol of a code of n bits
	int32_t offset[17];
};

// Lookups outlive an image: most files have the tables of the file before.
struct jpeg_tables {
	struct jpeg_lookup dc[2], ac[2];
};

// jpeg_scratch_size returns the bytes of scratch memory that decoding f needs.
size_t jpeg_scratch_size(const struct jpeg_frame *f);

// jpeg_decode decodes the entropy-coded data at the start of data[0:size], which
// must be followed by EOI, to width×height opaque RGBA pixels. It returns 1 on
// success. It returns 0, with pix in any state, if the data is damaged or uses
// anything that encoders don't. The tables are zero at first, or as another call
// left them.
int jpeg_decode(const struct jpeg_frame *f, const uint8_t *data, size_t size,
		struct jpeg_tables *tables, uint8_t *scratch, uint8_t *pix);

#endif
