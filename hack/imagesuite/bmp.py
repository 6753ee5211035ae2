"""Decodes BMP files with numpy, for reference.py: Pillow and ImageMagick read fewer kinds of them, and some wrongly."""

import struct

import numpy

RGB, RLE8, RLE4, BITFIELDS, JPEG, PNG, ALPHABITFIELDS = range(7)
OS2_HEADER = 64
OS2_RLE24 = 4


class Damaged(Exception):
    """The file breaks the rules of the format."""


class Unsupported(Exception):
    """The file is of a kind that is left to others."""


class Embedded(Exception):
    """The file wraps a JPEG or PNG file, which is the exception's argument."""


def decode(data, max_pixels):
    """Returns the pixels as an array of height × width × RGBA.

    What run-length coded pictures skip has the palette's first color, as in Pillow, a pixel whose color isn't in the palette is
    black, and alpha that is 0 everywhere is none, as in browsers and ImageMagick.
    """
    at = 14 if data[:2] == b"BA" else 0
    if data[at : at + 2] != b"BM":
        raise Unsupported("no BMP file")
    offset, size = struct.unpack_from("<II", pad(data, at, 18), 10)
    if size < 12 or size > 1024:
        raise Damaged("a header of %d bytes" % size)
    header = pad(data[at + 14 : at + 14 + size], 0, 124)
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", header, 4)
        compression = used = 0
    else:
        width, height, _, bits, compression, _, _, _, used = struct.unpack_from("<iiHHIIiiI", header, 4)
    top_down, height = height < 0, abs(height)
    if width <= 0 or height == 0:
        raise Damaged("%d×%d pixels" % (width, height))
    if width * height > max_pixels:
        raise Damaged("too large")

    start = at + 14 + size
    masks = None
    if size == OS2_HEADER and compression >= BITFIELDS:
        if compression != OS2_RLE24:
            raise Unsupported("the Huffman coding of OS/2")
    elif compression in (JPEG, PNG):
        raise Embedded(data[offset:])
    elif compression in (BITFIELDS, ALPHABITFIELDS):
        masks = struct.unpack_from("<IIII", header, 40)
        if size < 52:
            count = 4 if compression == ALPHABITFIELDS else 3
            masks = struct.unpack_from("<IIII", pad(data[start : start + 4 * count], 0, 16))
            start += 4 * count
        elif size < 56:
            masks = masks[:3] + (0,)
    elif compression > ALPHABITFIELDS:
        raise Unsupported("compression %d" % compression)

    palette = None
    if bits <= 8:
        if bits not in (1, 2, 4, 8):
            raise Damaged("%d bits a pixel" % bits)
        entry = 3 if size == 12 else 4
        palette = colors(data, start, offset, used or 1 << bits, entry)
        start += entry * (used or 1 << bits)
    pixels = data[offset or start :]

    if compression in (RLE8, RLE4) or size == OS2_HEADER and compression == OS2_RLE24:
        if top_down:
            raise Damaged("run lengths from the top")
        out = run_lengths(pixels, width, height, {RLE8: 8, RLE4: 4}.get(compression, 24), palette)
    else:
        stride = (width * bits + 31) // 32 * 4
        needed = stride * (height - 1) + (width * bits + 7) // 8
        if len(pixels) < needed:
            raise Damaged("%d bytes of pixels instead of %d" % (len(pixels), needed))
        rows = numpy.frombuffer(pad(pixels[: stride * height], 0, stride * height), numpy.uint8).reshape(height, stride)
        out = plain(rows, width, bits, masks, palette)
    return out if top_down else out[::-1]


def pad(data, at, size):
    return data[at : at + size].ljust(size, b"\0")


def colors(data, start, offset, count, entry):
    """The palette, black where it has no color."""
    if start + count * entry > len(data):
        raise Damaged("a palette of %d colors" % count)
    room = (offset or len(data)) - start
    count = max(0, min(count, room // entry, 256))
    palette = numpy.zeros((256, 4), numpy.uint8)
    stored = numpy.frombuffer(data, numpy.uint8, count * entry, start).reshape(count, entry)
    palette[:count, :3] = stored[:, 2::-1]
    palette[:, 3] = 255
    return palette


def plain(rows, width, bits, masks, palette):
    height = rows.shape[0]
    if palette is not None:
        parts = 8 // bits
        shifts = numpy.arange(8 - bits, -1, -bits, dtype=numpy.uint8)
        samples = rows[:, : (width + parts - 1) // parts, None] >> shifts & (1 << bits) - 1
        return palette[samples.reshape(height, -1)[:, :width]]
    out = numpy.full((height, width, 4), 255, numpy.uint8)
    if bits == 24 or bits == 32 and masks is None:
        step = bits // 8
        out[..., :3] = rows[:, : width * step].reshape(height, width, step)[..., 2::-1]
        return out
    if bits not in (16, 32):
        raise Unsupported("%d bits a pixel" % bits)
    values = numpy.ascontiguousarray(rows[:, : width * bits // 8]).view("<u%d" % (bits // 8)).astype(numpy.uint64)
    for channel, mask in enumerate(masks or (0x7C00, 0x3E0, 0x1F, 0)):
        if mask:
            low = mask & -mask
            most = mask // low
            out[..., channel] = ((values & mask) // low * 510 + most) // (2 * most)
        elif channel < 3:
            out[..., channel] = 0
    if not out[..., 3].any():
        out[..., 3] = 255
    return out


def run_lengths(data, width, height, bits, palette):
    out = numpy.full((height, width, 4), (0, 0, 0, 255), numpy.uint8)
    if palette is not None:
        out[...] = palette[0]
    x = y = at = 0

    def take(n):
        nonlocal at
        if at + n > len(data):
            raise Damaged("the run lengths end early")
        at += n
        return data[at - n : at]

    def samples(packed, n):
        if bits == 24:
            triples = numpy.frombuffer(packed, numpy.uint8).reshape(-1, 3)[:, ::-1]
            return numpy.insert(triples, 3, 255, axis=1)[:n]
        if bits == 4:
            packed = bytes(v for b in packed for v in (b >> 4, b & 15))
        return palette[numpy.frombuffer(packed, numpy.uint8)[:n]]

    def put(colors):
        nonlocal x
        if y >= height or x + len(colors) > width:
            raise Damaged("pixels beyond the edge")
        out[y, x : x + len(colors)] = colors
        x += len(colors)

    while True:
        n = take(1)[0]
        if n > 0:
            packed = take(3 if bits == 24 else 1)
            put(samples(packed * n, n))
            continue
        code = take(1)[0]
        if code == 0:
            x, y = 0, y + 1
        elif code == 1:
            return out
        elif code == 2:
            right, up = take(2)
            x, y = x + right, y + up
        else:
            length = (code * bits + 7) // 8
            packed = take(length)
            take(length & 1)
            put(samples(packed, code))
