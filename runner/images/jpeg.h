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

// jpeg_scratch_size returns the bytes of scratch memory that decoding f needs.
size_t jpeg_scratch_size(const struct jpeg_frame *f);

// jpeg_decode decodes the entropy-coded data at the start of data[0:size], which
// must be followed by EOI, to width×height opaque RGBA pixels. It returns 1 on
// success. It returns 0, with pix in any state, if the data is damaged or uses
// anything that encoders don't.
int jpeg_decode(const struct jpeg_frame *f, const uint8_t *data, size_t size,
		uint8_t *scratch, uint8_t *pix);

#endif
