#!/usr/bin/python3
"""Makes the files here: NAME.tif, and NAME.png with the right pixels on a white page.

Needs numpy, Pillow and libtiff's tiffcp. `make.py FOLDER all` also makes every combination
of pixels and compression, too many to keep.
"""
import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
from PIL import Image

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
W, H = 23, 19
random = np.random.default_rng(7)


def picture(channels, low=0.0, high=1.0):
    """Smooth random channels from low to high."""
    y, x = np.mgrid[0:H, 0:W] / 20
    planes = []
    for _ in range(channels):
        v = sum(random.normal() * np.cos(3 * (a * x + b * y) + c) for a, b, c in random.uniform(-1, 2, (4, 3)))
        planes.append((v - v.min()) / (v.max() - v.min()))
    return low + np.stack(planes, -1) * (high - low)


def levels(bits, channels):
    return np.rint(picture(channels, 0, 2**bits - 1)).astype(np.uint64)


class Tiff:
    """A writer of uncompressed files with one strip, which tiffcp then makes others of."""

    SIZES = {1: 1, 3: 2, 4: 4, 5: 8, 7: 1, 11: 4, 12: 8, 16: 8}

    def __init__(self, pixels, bits, photometric, fmt=1, order="<", planar=1, big=False, tags=None):
        h, w, n = pixels.shape
        self.order, self.big = order, big
        planes = [pixels] if planar == 1 else [pixels[..., i:i + 1] for i in range(n)]
        self.strips = [self.pack(p, bits, fmt) for p in planes]
        self.tags = {256: (4, [w]), 257: (4, [h]), 258: (3, [bits] * n), 259: (3, [1]), 262: (3, [photometric]),
                     277: (3, [n]), 278: (4, [h]), 284: (3, [planar]), 339: (3, [fmt] * n)}
        self.tags.update(tags or {})

    def pack(self, p, bits, fmt):
        if fmt == 3 and bits == 24:
            words = p.astype(">f4").view(">u4").astype(np.uint64)
            exponent = (words >> 23 & 255) - 127 + 63  # the tests have no zeros or denormals
            words = words >> 31 << 23 | exponent << 16 | (words >> 7 & 0xFFFF)
            return self.pack(words, 24, 1)
        if fmt == 3:
            return p.astype(self.order + "f%d" % (bits // 8)).tobytes()
        if bits in (8, 16, 32, 64):
            kind = "i" if fmt == 2 else "u"
            return p.astype(self.order + kind + str(bits // 8)).tobytes()
        if bits == 24:
            b = p.astype("<u4").reshape(-1).view("u1").reshape(-1, 4)[:, :3]
            return (b if self.order == "<" else b[:, ::-1]).tobytes()
        rows = p.astype(np.uint64).reshape(p.shape[0], -1, 1) >> np.arange(bits - 1, -1, -1, dtype=np.uint64) & 1
        return np.packbits(rows.reshape(p.shape[0], -1).astype(np.uint8), axis=1).tobytes()

    def write(self, path):
        o = self.order
        head = 16 if self.big else 8
        body, offsets = b"", []
        for s in self.strips:
            offsets.append(head + len(body))
            body += s + b"\0" * (len(s) % 2)
        wide, count = ("Q", "Q") if self.big else ("I", "H")
        tags = dict(self.tags)
        tags[273] = (16 if self.big else 4, offsets)
        tags[279] = (16 if self.big else 4, [len(s) for s in self.strips])
        entries = b""
        for tag in sorted(tags):
            kind, values = tags[tag]
            data = b"".join(self.value(kind, v) for v in values)
            n = struct.pack(o + wide, len(values))
            if len(data) > len(n):
                at = head + len(body)
                body += data + b"\0" * (len(data) % 2)
                data = struct.pack(o + wide, at)
            entries += struct.pack(o + "HH", tag, kind) + n + data.ljust(len(n), b"\0")
        mark = b"II" if o == "<" else b"MM"
        start = struct.pack(o + wide, head + len(body))
        version = struct.pack(o + "HHH", 43, 8, 0) if self.big else struct.pack(o + "H", 42)
        with open(path, "wb") as f:
            f.write(mark + version + start + body + struct.pack(o + count, len(tags)) + entries + struct.pack(o + wide, 0))

    def value(self, kind, v):
        if kind == 5:
            return struct.pack(self.order + "II", round(v * 10000), 10000)
        return struct.pack(self.order + {1: "B", 3: "H", 4: "I", 7: "B", 11: "f", 12: "d", 16: "Q"}[kind], v)


def png(name, rgb):
    rgb = np.asarray(rgb)
    if rgb.ndim == 3 and rgb.shape[2] == 1:
        rgb = rgb[..., 0]
    Image.fromarray(rgb.astype(np.uint8)).convert("RGB").save(f"{OUT}/{name}.png", optimize=True)


def scaled(v, bits):
    return v >> 8 if bits == 16 else np.floor(v.astype(float) * 255 / (2**bits - 1) + 0.5)


def on_white(rgb, alpha):
    a = alpha.astype(float)[..., None] / 255
    return np.rint(rgb * a + 255 * (1 - a))


def tiffcp(source, name, args):
    subprocess.run(["tiffcp", *args.split(), source, f"{OUT}/{name}.tif"], check=True, stderr=subprocess.DEVNULL)


def save(name, tiff, rgb):
    tiff.write(f"{OUT}/{name}.tif")
    png(name, rgb)


def variant(name, tiff, rgb, args):
    """Saves what tiffcp makes of a file; false if it can't."""
    temporary = f"{OUT}/temporary.tif"
    tiff.write(temporary)
    try:
        tiffcp(temporary, name, args)
    except subprocess.CalledProcessError:
        if os.path.exists(f"{OUT}/{name}.tif"):
            os.remove(f"{OUT}/{name}.tif")
        return False
    finally:
        os.remove(temporary)
    png(name, rgb)
    return True


COLORMAP = lambda bits: np.rint(random.uniform(0, 255, (3, 2**bits)))


def kinds():
    """Yields name, file and right pixels of many kinds of pixels, for a byte order."""
    for order in "<", ">":
        end = "le" if order == "<" else "be"
        for bits in list(range(1, 17)):
            v = levels(bits, 1)
            yield f"gray{bits}-{end}", lambda v=v, bits=bits, o=order: Tiff(v, bits, 1, order=o), scaled(v, bits)
        for bits in 4, 8, 10, 12, 16:
            v = levels(bits, 3)
            yield f"rgb{bits}-{end}", lambda v=v, bits=bits, o=order: Tiff(v, bits, 2, order=o), scaled(v, bits)
            yield (f"rgb{bits}-planar-{end}", lambda v=v, bits=bits, o=order: Tiff(v, bits, 2, order=o, planar=2),
                   scaled(v, bits))
        for bits in 8, 16:
            v = levels(bits, 4)
            s = scaled(v, bits)
            yield (f"rgba{bits}-{end}", lambda v=v, bits=bits, o=order: Tiff(v, bits, 2, order=o, tags={338: (3, [2])}),
                   on_white(s[..., :3], s[..., 3]))
            yield (f"rgb{bits}-extra-{end}", lambda v=v, bits=bits, o=order: Tiff(v, bits, 2, order=o, tags={338: (3, [0])}),
                   s[..., :3])
        f = picture(1, 0.01, 1)
        for bits in 16, 24, 32, 64:
            yield (f"float{bits}-{end}", lambda f=f, bits=bits, o=order: Tiff(f, bits, 1, fmt=3, order=o),
                   np.rint(f.astype("f2" if bits == 16 else "f4") .astype(float) * 255 if bits != 24 else f * 255))
        f = picture(3, -3, 1000)
        yield (f"rgbfloat32-{end}", lambda f=f, o=order: Tiff(f, 32, 2, fmt=3, order=o),
               np.rint((f.astype("f4").astype(float) + 3) / 1003 * 255))
        v = np.rint(picture(1, -30000, 30000)).astype(int)
        yield f"signed16-{end}", lambda v=v, o=order: Tiff(v, 16, 1, fmt=2, order=o), np.rint((v + 30000) / 60000 * 255)
        v = np.rint(picture(1, 0, 65535)).astype(int)
        yield f"signed32-{end}", lambda v=v, o=order: Tiff(v, 32, 1, fmt=2, order=o), v >> 8
        v = np.rint(picture(1, 0, 255)).astype(int)
        for bits in 24, 32, 64:
            yield f"uint{bits}-{end}", lambda v=v, bits=bits, o=order: Tiff(v, bits, 1, order=o), v


COMPRESSIONS = ["none", "packbits", "lzw", "lzw:2", "zip", "zip:2", "zip:3", "zstd", "zstd:2", "zstd:3", "g3:1d", "g3:2d",
                "g3:2d:fill", "g4"]


def everything():
    for name, make, right in kinds():
        save(name, make(), right)
        for c in COMPRESSIONS:
            for i, args in enumerate(["-r 5", "-t -w 16 -l 16", "-p separate -r 7", "-p separate -t -w 16 -l 32", "-B -r 4",
                                      "-L -8 -r 4", "-f lsb2msb -r 6"]):
                variant(f"{name}-{c.replace(':', '_')}-{i}", make(), right, f"-c {c} {args}")


def few():
    k = {name: (make, right) for name, make, right in kinds()}
    for name in ["gray1-le", "gray2-be", "gray4-le", "gray6-le", "gray12-le", "gray14-be", "gray16-be", "rgb10-planar-le", "rgba8-le",
                 "rgba16-be", "rgb8-extra-le", "float16-le", "float24-be", "float64-be", "rgbfloat32-le", "signed16-le",
                 "signed32-be", "uint24-le", "uint64-be"]:
        make, right = k[name]
        save(name, make(), right)
    for source, c, args in [
            ("gray1-le", "g3:1d", "-r 5"), ("gray1-le", "g3:2d", "-r 32"), ("gray1-le", "g3:2d:fill", "-r 7"),
            ("gray1-be", "g4", "-r 32"), ("gray1-le", "g4", "-t -w 16 -l 16 -f lsb2msb"), ("gray8-le", "packbits", "-r 5"),
            ("rgb8-le", "lzw", "-r 5"), ("rgb8-be", "lzw:2", "-p separate -t -w 16 -l 16"), ("rgb16-le", "lzw:2", "-B -r 5"),
            ("rgb8-le", "zip:2", "-8 -t -w 32 -l 32"), ("float32-le", "zip:3", "-r 5"), ("float64-be", "zip:3", "-r 32"),
            ("rgb16-planar-be", "zstd:2", "-r 5"), ("rgbfloat32-be", "zstd:3", "-L -r 5"), ("uint32-le", "lzw:2", "-r 5"),
            ("uint64-le", "zip:2", "-B -r 5"), ("rgb8-le", "none", "-p separate -t -w 256 -l 16"),
            ("rgb8-le", "zip", "-f lsb2msb -r 4")]:
        make, right = k[source]
        assert variant(f"{source}-{c.replace(':', '_')}-{args.replace(' ', '').replace('-', '')}", make(), right, f"-c {c} {args}")
    special()


def special():
    for bits in 1, 2, 4, 8, 10:
        n = min(bits, 8)
        v = levels(n, 1)
        m = COLORMAP(n)
        wide = np.zeros((3, 2**bits))
        wide[:, :2**n] = m * 257
        save(f"palette{bits}", Tiff(v, bits, 3, tags={320: (3, wide.astype(int).ravel().tolist())}), m.T[v[..., 0].astype(int)])
    v, m = levels(8, 1), COLORMAP(8)
    save("palette-narrow", Tiff(v, 8, 3, tags={320: (3, m.astype(int).ravel().tolist())}), m.T[v[..., 0].astype(int)])
    v = levels(8, 2)
    save("palette-alpha", Tiff(v, 8, 3, tags={320: (3, (m * 257).astype(int).ravel().tolist()), 338: (3, [2])}),
         on_white(m.T[v[..., 0].astype(int)], v[..., 1]))
    v = levels(8, 1)
    save("miniswhite8", Tiff(v, 8, 0), 255 - v)
    save("mask1", Tiff(v >> 7, 1, 4), (v >> 7) * 255)
    v = levels(8, 2)
    save("gray-alpha", Tiff(v, 8, 1, tags={338: (3, [2])}), on_white(v[..., :1].repeat(3, 2), v[..., 1]))
    v = levels(8, 4)
    premultiplied = v.copy()
    premultiplied[..., :3] = v[..., :3] * v[..., 3:] // 255
    save("rgba-associated", Tiff(premultiplied, 8, 2, tags={338: (3, [1])}), premultiplied[..., :3] + 255 - v[..., 3:])
    v = levels(8, 6)
    save("rgb-extras", Tiff(v, 8, 2, planar=2, tags={338: (3, [0, 2, 0])}), on_white(v[..., :3], v[..., 4]))
    v = levels(8, 4)
    cmyk = Image.fromarray(v.astype(np.uint8), "CMYK")
    rgb = (255 - v[..., :3].astype(int)) * (255 - v[..., 3:].astype(int)) / 255
    save("cmyk8", Tiff(v, 8, 5, planar=2), np.rint(rgb))
    cmyk.save(f"{OUT}/cmyk-jpeg.tif", compression="jpeg", quality=95)
    png("cmyk-jpeg", np.array(Image.open(f"{OUT}/cmyk-jpeg.tif").convert("RGB")))
    alpha = levels(8, 1)
    save("cmyk-alpha", Tiff(np.concatenate([v, alpha], -1), 8, 5, tags={338: (3, [2])}), on_white(rgb, alpha[..., 0]))
    float_predictor()
    ycbcr()
    lab()
    jpeg()
    bilevel = Image.fromarray((levels(1, 1)[..., 0] * 255).astype(np.uint8)).convert("1")
    bilevel.save(f"{OUT}/rle.tif", compression="tiff_ccitt")
    png("rle", np.array(bilevel.convert("L")))
    v = levels(8, 1)
    t = Tiff(v, 8, 1)
    del t.tags[278], t.tags[262], t.tags[339]
    save("tags-missing", t, v)
    v = np.full((H, W, 1), np.nan)
    v[3:9] = picture(1, -5, 900)[3:9]
    v[3, 0], v[4, 5] = -5, np.inf
    low, high = np.nanmin(v), np.nanmax(v[np.isfinite(v)])
    right = np.where(np.isnan(v), 0, (np.clip(v, low, high) - low) / (high - low) * 255)
    save("float-nan", Tiff(v, 64, 1, fmt=3), np.rint(right))


def float_predictor():
    """In the byte order of which tiffcp makes files that nobody, tiffcp included, reads right."""
    v = picture(2, 0.01, 1).astype(">f4")
    planes = v.view("u1").reshape(H, W * 2, 4).swapaxes(1, 2).reshape(H, -1, 2).astype(int)
    planes[:, 1:] -= planes[:, :-1].copy()
    t = Tiff(v, 32, 1, fmt=3, order=">", tags={317: (3, [3])})
    t.strips = [zlib.compress(planes.astype(np.uint8).tobytes())]
    t.tags[259] = (3, [8])
    save("float-predictor-be", t, np.rint(v[..., :1].astype(float) * 255))


def ycbcr():
    v = levels(8, 3).astype(float)
    for name, luma, ref in [("ycbcr", (.299, .587, .114), (0, 255, 128, 255, 128, 255)),
                            ("ycbcr-bt709", (.2125, .7154, .0721), (16, 235, 128, 240, 128, 240))]:
        y = (v[..., 0] - ref[0]) * 255 / (ref[1] - ref[0])
        cb, cr = ((v[..., i] - ref[2 * i]) * 127 / (ref[2 * i + 1] - ref[2 * i]) for i in (1, 2))
        r, b = y + cr * (2 - 2 * luma[0]), y + cb * (2 - 2 * luma[2])
        g = (y - luma[0] * r - luma[2] * b) / luma[1]
        tags = {530: (3, [1, 1]), 529: (5, luma), 532: (5, ref)}
        save(name, Tiff(v, 8, 6, tags=tags), np.clip(np.floor(np.stack([r, g, b], -1) + .5), 0, 255))
    for across, down in (2, 2), (4, 1), (4, 2), (2, 1), (1, 2), (4, 4):
        t = Tiff(v, 8, 6, tags={530: (3, [across, down])})
        padded = np.pad(v, ((0, -H % down), (0, -W % across), (0, 0)), "edge").astype(np.uint8)
        small = padded[::down, ::across]
        strip = b""
        for by in range(small.shape[0]):
            for bx in range(small.shape[1]):
                block = padded[by * down:(by + 1) * down, bx * across:(bx + 1) * across, 0]
                strip += block.tobytes() + small[by, bx, 1:].tobytes()
        t.strips = [strip]
        full = small.repeat(down, 0).repeat(across, 1)[:H, :W].astype(float)
        cb, cr = full[..., 1] - 128, full[..., 2] - 128
        y = v[..., 0]
        r, b = y + 1.402 * cr, y + 1.772 * cb
        g = (y - .299 * r - .114 * b) / .587
        name = f"ycbcr-{across}x{down}"
        save(name, t, np.clip(np.floor(np.stack([r, g, b], -1) + .5), 0, 255))
        if (across, down) == (2, 2):
            t.strips = [zlib.compress(strip)]
            t.tags[259] = (3, [8])
            save(name + "-zip", t, np.array(Image.open(f"{OUT}/{name}.png")))


def lab():
    """The same colors in four ways; the right pixels by way of linear light, in float."""
    l, a, b = np.moveaxis(picture(3, 0, 1), -1, 0) * [[[90]], [[60]], [[60]]] + [[[5]], [[-30]], [[-30]]]
    fy = (l + 16) / 116
    f = np.stack([fy + a / 500, fy, fy - b / 200], -1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29)**2 * (f - 4 / 29)) * [0.96422, 1, 0.82521]
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    d50, d65 = np.array([0.96422, 1, 0.82521]), np.array([0.95047, 1, 1.08883])
    adapt = np.linalg.inv(bradford) @ np.diag((bradford @ d65) / (bradford @ d50)) @ bradford
    srgb = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
    linear = np.clip(xyz @ adapt.T @ np.linalg.inv(srgb).T, 0, 1)
    right = 255 * np.where(linear > 0.0031308, 1.055 * np.maximum(linear, 1e-9)**(1 / 2.4) - 0.055, 12.92 * linear)
    ab = np.stack([a, b], -1)
    for name, bits, photometric, first, rest in [
            ("cielab8", 8, 8, l * 2.55, ab), ("cielab16", 16, 8, l * 655.35, ab * 256),
            ("icclab8", 8, 9, l * 2.55, ab + 128), ("icclab16", 16, 9, l * 652.8, (ab + 128) * 256)]:
        v = np.rint(np.concatenate([first[..., None], rest], -1)).astype(int) % 2**bits
        save(name, Tiff(v, bits, photometric), np.rint(right))


def jpeg():
    v = picture(1, 30, 180) + [0, 20, 60]  # of nearly one hue, since decoders spread chroma differently
    rgb = Image.fromarray(v.astype(np.uint8))
    for name, args in ("jpeg-rgb", "-c jpeg:r:95 -r 8"), ("jpeg-ycbcr", "-c jpeg:95 -r 16"), \
                      ("jpeg-planar", "-c jpeg:r:95 -p separate -r 16"), ("jpeg-tiles", "-c jpeg:95 -t -w 16 -l 16"):
        if variant(name, Tiff(np.array(rgb), 8, 2), v, args):
            png(name, np.array(Image.open(f"{OUT}/{name}.tif").convert("RGB")))
    assert variant("jpeg-gray", Tiff(np.array(rgb)[..., :1], 8, 1), v[..., :1], "-c jpeg:95 -r 8")
    png("jpeg-gray", np.array(Image.open(f"{OUT}/jpeg-gray.tif").convert("RGB")))
    old_jpeg(rgb)


def old_jpeg(rgb):
    """The two kinds that TIFF 6.0 has: a JFIF file, and a scan whose tables the directory names."""
    buffer = io.BytesIO()
    rgb.save(buffer, "jpeg", quality=95, subsampling="4:2:0")
    data = buffer.getvalue()
    tags = {259: (3, [6]), 530: (3, [2, 2])}
    t = Tiff(np.array(rgb), 8, 6, tags=dict(tags))
    t.strips = [data]
    t.tags.update({513: (4, [8]), 514: (4, [len(data)])})
    save("jpeg-old-file", t, np.array(Image.open(io.BytesIO(data))))
    tables, at = {}, 2
    while data[at + 1] != 0xDA:
        size = struct.unpack(">H", data[at + 2:at + 4])[0]
        if data[at + 1] in (0xC4, 0xDB):
            tables[data[at + 1], data[at + 4]] = data[at + 5:at + 2 + size]
        at += 2 + size
    scan = data[at + 2 + struct.unpack(">H", data[at + 2:at + 4])[0]:-2]
    t = Tiff(np.array(rgb), 8, 6, tags=tags)
    t.strips, offsets, end = [scan], {}, 8 + len(scan) + len(scan) % 2
    for key, table in tables.items():
        offsets[key] = end
        t.strips.append(table)
        end += len(table) + len(table) % 2
    for tag, marker, kind in (519, 0xDB, 0), (520, 0xC4, 0), (521, 0xC4, 0x10):
        t.tags[tag] = (4, [offsets[marker, kind], offsets[marker, kind | 1], offsets[marker, kind | 1]])
    save("jpeg-old-tables", t, np.array(Image.open(io.BytesIO(data))))


if len(sys.argv) > 2:
    everything()
else:
    few()
