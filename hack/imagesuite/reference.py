#!/usr/bin/python3
"""Decodes images independently of this repository's decoder, for imagesuite.

It reads paths, one a line, and answers each with "ok WIDTH HEIGHT NOTE" and then the bytes of RGB, or with "bad REASON".
Pillow is asked first, then ImageMagick, then libvips: a file that none of them reads without a complaint is bad. BMP files
are for bmp.py first, and bad if it finds them damaged. The picture is the first frame, upright, over white.

It is for Debian's python3 with python3-pil and python3-numpy, imagemagick and libvips-tools.
"""

import io
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import traceback

import numpy
from PIL import Image, ImageFile, ImageOps

sys.dont_write_bytecode = True  # not into the repository
import bmp  # noqa: E402

MAX_PIXELS = 100_000_000
SECONDS = 20  # for each try
MEMORY = 4 << 30  # bytes, likewise

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
ImageFile.LOAD_TRUNCATED_IMAGES = False

# What ImageMagick says of a file that is cut short or damaged, often without an error status.
COMPLAINTS = re.compile(rb"premature|corrupt|truncated|unexpected.end|crc error|insufficient image data", re.I)


class Refused(Exception):
    """What a decoder says against a file."""


def on_white(color, alpha):
    """Composites colors over white, rounded to the nearest level."""
    alpha = alpha.astype(numpy.uint32)[..., None]
    return ((color * alpha + 255 * (255 - alpha) + 127) // 255).astype(numpy.uint8)


def spread(gray):
    return numpy.repeat(gray.astype(numpy.uint8)[..., None], 3, axis=2)


def from_wide(values, floats):
    """Maps integers of 32 bits or floats to 8 bits, by the range that they seem to be of."""
    values = values.astype(numpy.float64)
    low, high = values.min(), values.max()
    if not numpy.isfinite([low, high]).all():
        raise Refused("values without end")
    if floats and low >= 0 and high <= 1:
        values = values * 255
    elif low >= 0 and high <= 255:
        pass
    elif low >= 0 and high <= 65535:
        values = values / 257
    else:
        values = (values - low) * (255 / (high - low or 1))
    return spread(numpy.floor(values + 0.5))


def keyed(im, raw):
    """Pixels of the one color that a PNG names as transparent, or None. Pillow doesn't scale it as it does the samples."""
    key = im.info.get("transparency")
    if im.format != "PNG" or key is None or isinstance(key, bytes) or im.mode == "P":
        return None
    if im.mode == "RGB":
        if raw.startswith("RGB;16"):
            raise Refused("only the upper bytes of a transparent color of 16 bits")
        return (numpy.asarray(im) == numpy.array(key)).all(axis=2)
    scale = {"1": 255, "L;2": 85, "L;4": 17}.get(raw, 1)
    gray = im if im.mode.startswith("I") else im.convert("L")
    return numpy.asarray(gray) == key * scale


def to_rgb(im, raw):
    """The pixels of a Pillow image of any mode."""
    key = keyed(im, raw)
    if im.mode.startswith("I;16") or im.mode == "I" and im.format in ("PNG", "PPM"):
        pixels = spread(numpy.asarray(im).astype(numpy.int64) >> 8)  # Pillow has 16-bit files of these as I
    elif im.mode in ("I", "F"):
        pixels = from_wide(numpy.asarray(im), im.mode == "F")
    elif key is not None:
        pixels = numpy.asarray(im.convert("L").convert("RGB") if im.mode != "RGB" else im)
    elif im.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in im.info:
        if im.mode == "La":
            im = im.convert("LA")
        rgba = numpy.asarray(im.convert("RGBA"))
        pixels = on_white(rgba[..., :3], rgba[..., 3])
    else:
        pixels = numpy.asarray(im.convert("RGB"))
    if key is not None:
        pixels = numpy.where(key[..., None], 255, pixels)
    return pixels.astype(numpy.uint8)


def answer_of(pixels):
    return b"%d %d\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes()


def pillow(path):
    with Image.open(path) as im:
        if im.format == "PNG":
            im.verify()  # the checksums of the pixels, which it doesn't look at otherwise
    with Image.open(path) as im:
        if im.width * im.height > MAX_PIXELS:
            raise Refused("too large")
        form, raw, box = im.format, "", None
        if im.tile and im.tile[0][0] == "zip":
            raw = im.tile[0][3]
        if im.tile and form == "GIF":
            box = im.tile[0][1]
        im.load()
        upright = im
        if form != "TIFF":  # Pillow has turned it already
            try:
                upright = ImageOps.exif_transpose(im)
            except Exception:  # damaged metadata: as it is stored
                pass
        upright.format = form
        pixels = to_rgb(upright, raw)
        if box:  # a GIF's canvas is transparent outside of the frame, as browsers have it, and not of the background's color
            canvas = numpy.full_like(pixels, 255)
            left, top, right, bottom = box
            canvas[top:bottom, left:right] = pixels[top:bottom, left:right]
            pixels = canvas
    return answer_of(pixels)


def own_bmp(path):
    with open(path, "rb") as f:
        data = f.read()
    try:
        rgba = bmp.decode(data, MAX_PIXELS)
    except bmp.Embedded as e:
        return pillow(io.BytesIO(e.args[0]))
    return answer_of(on_white(rgba[..., :3], rgba[..., 3]))


def apart(function, path):
    """Calls a decoder in a process of its own, which may crash, hang or fill its memory."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        limit()
        signal.alarm(SECONDS)
        try:
            answer = b"+" + function(path)
        except BaseException as e:
            answer = b"-" + reason(e)
        with open(write, "wb") as out:
            out.write(answer)
        os._exit(0)
    os.close(write)
    with open(read, "rb") as answers:
        answer = answers.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == -signal.SIGALRM:
        raise Refused("no answer in %d s" % SECONDS)
    if status != 0 or not answer:
        raise Refused("crashed")
    if answer[:1] == b"-":
        raise Refused(answer[1:].decode("utf-8", "replace"))
    return answer[1:]


def reason(e):
    if isinstance(e, Refused):
        return str(e).encode()
    return traceback.format_exception_only(type(e), e)[-1].strip().encode("utf-8", "replace")


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def call(*command):
    """Runs a program and returns its output; any complaint is an error."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, preexec_fn=limit)
    except subprocess.TimeoutExpired:
        raise Refused("no answer in %d s" % SECONDS) from None
    if done.returncode != 0 or COMPLAINTS.search(done.stderr):
        raise Refused(done.stderr.decode("utf-8", "replace") or "status %d" % done.returncode)
    return done.stdout


def from_ppm(data):
    """The answer for a PPM file as the programs here write it."""
    header = re.match(rb"P6\s+(?:#.*\n)*(\d+)\s+(\d+)\s+255\s", data)
    if not header:
        raise Refused("no PPM file of 8 bits came out")
    width, height = int(header[1]), int(header[2])
    pixels = data[header.end() :]
    if width * height > MAX_PIXELS:
        raise Refused("too large")
    if len(pixels) != 3 * width * height:
        raise Refused("%d bytes of pixels for %d×%d" % (len(pixels), width, height))
    return b"%d %d\n" % (width, height) + pixels


def imagemagick(path):
    with open(path, "rb") as f:
        # It would apply the gamma that a PNG names, which no one else here does.
        plain = ["-set", "colorspace", "sRGB"] if f.read(4) == b"\x89PNG" else []
    return from_ppm(call(
        "convert", path + "[0]", *plain, "-auto-orient", "-background", "white", "-alpha", "remove", "-flatten",
        "-colorspace", "sRGB", "-depth", "8", "ppm:-",
    ))  # fmt: skip


def vips(path):
    loader = call("vipsheader", "-f", "vips-loader", path)
    if b"magick" in loader:
        raise Refused("reads it by ImageMagick only")
    folder = os.path.dirname(path)
    steps = [os.path.join(folder, name) for name in ("upright.v", "srgb.v", "flat.v", "out.ppm")]
    call("vips", "autorot", path + "[fail_on=error]", steps[0])
    call("vips", "colourspace", steps[0], steps[1], "srgb")
    try:
        call("vips", "flatten", steps[1], steps[2], "--background", "255")
        call("vips", "copy", steps[2], steps[3] + "[strip]")
        with open(steps[3], "rb") as f:
            return from_ppm(f.read())
    finally:
        for step in steps:
            if os.path.exists(step):
                os.remove(step)


def decode(path):
    """Returns the note and the answer of the first decoder that reads a file."""
    with tempfile.TemporaryDirectory() as folder:
        # The programs take parts of some names for something else.
        plain = os.path.join(folder, "picture" + re.sub(r"[^.\w]", "", os.path.splitext(path)[1]))
        os.symlink(os.path.abspath(path), plain)
        with open(path, "rb") as f:
            is_bmp = f.read(2) in (b"BM", b"BA")
        readers = [("pillow", lambda p: apart(pillow, p)), ("imagemagick", imagemagick), ("vips", vips)]
        if is_bmp:
            readers.insert(0, ("bmp.py", lambda p: apart(own_bmp, p)))
        complaints = []
        for name, read in readers:
            try:
                answer = read(plain)
            except Exception as e:
                complaints.append(name + ": " + reason(e).decode("utf-8", "replace").replace(folder + "/", ""))
                if complaints[0].startswith("bmp.py: bmp.Damaged"):
                    break
                continue
            return " ".join([name] + ["(" + c + ")" for c in complaints]), answer
    raise Refused("; ".join(complaints))


def line(text):
    """A text in one line that isn't too long, and the same the next time."""
    text = re.sub(r"\(\w+:\d+\): VIPS-WARNING \*\*: [\d:.]+: ", "", text)
    return " ".join(text.split())[:600].encode("utf-8", "replace")


def main():
    out = sys.stdout.buffer
    for path in sys.stdin.buffer:
        try:
            note, answer = decode(os.fsdecode(path.rstrip(b"\n")))
            size, pixels = answer.split(b"\n", 1)
            out.write(b"ok " + size + b" " + line(note) + b"\n")
            out.write(pixels)
        except Exception as e:
            out.write(b"bad " + line(reason(e).decode("utf-8", "replace")) + b"\n")
        out.flush()


if __name__ == "__main__":
    main()
