#!/bin/sh
# Makes the files of this folder with libjpeg-turbo's tools (2.1.5), ImageMagick and
# Pillow. jpegtran recodes the same coefficients: the pixels of NAME.jpg are those that
# image/jpeg makes of NAME-huffman.jpg. Where no such twin is possible, NAME.png is
# what another decoder makes of it.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT

convert -size 37x29 -seed 1 plasma:fractal -depth 8 "$tmp/picture.ppm"
convert "$tmp/picture.ppm" -colorspace Gray "$tmp/picture.pgm"
printf '0;\n1;\n2;\n' > "$tmp/planes"
cat > "$tmp/progression" <<'END'
0,1,2: 0-0, 0, 3;
0: 1-2, 0, 2;
1: 1-63, 0, 3;
2: 1-63, 0, 1;
0: 3-63, 0, 2;
0,1,2: 0-0, 3, 2;
0: 1-63, 2, 1;
1: 1-63, 3, 2;
2: 1-63, 1, 0;
0,1,2: 0-0, 2, 1;
0: 1-63, 1, 0;
1: 1-63, 2, 1;
1: 1-63, 1, 0;
2: 0-0, 1, 0;
0,1: 0-0, 1, 0;
END

# twin NAME SAMPLING OPTIONS...: a file of the sampling, and recoded with the options
twin() {
	cjpeg -quality 85 -sample "$2" "$tmp/picture.ppm" > "$1-huffman.jpg"
	recoded=$1
	shift 2
	jpegtran "$@" "$recoded-huffman.jpg" > "$recoded.jpg"
}

twin arithmetic 2x2 -arithmetic
twin arithmetic-restart 2x1 -arithmetic -restart 2B
twin arithmetic-progressive 2x2 -arithmetic -scans "$tmp/progression"
twin arithmetic-progressive-restart 1x2 -arithmetic -progressive -restart 3B
twin arithmetic-planes 2x2 -arithmetic -scans "$tmp/planes" -restart 4B
twin progressive-restart 2x2 -scans "$tmp/progression" -restart 3B
twin planes-restart 2x2 -scans "$tmp/planes" -restart 2B
twin planes-4x1-2x1 4x1,2x1,2x1 -scans "$tmp/planes"

cjpeg -quality 85 "$tmp/picture.pgm" > arithmetic-gray-huffman.jpg
jpegtran -arithmetic arithmetic-gray-huffman.jpg > arithmetic-gray.jpg
cjpeg -quality 85 -rgb "$tmp/picture.ppm" > arithmetic-rgb-huffman.jpg
jpegtran -arithmetic arithmetic-rgb-huffman.jpg > arithmetic-rgb.jpg
convert "$tmp/picture.ppm" -colorspace CMYK -sampling-factor 2x2,1x1,1x1,2x2 arithmetic-ycck-huffman.jpg
jpegtran -arithmetic -progressive arithmetic-ycck-huffman.jpg > arithmetic-ycck.jpg

cjpeg -quality 85 -sample 2x2,1x2,1x1 "$tmp/picture.ppm" > sampling-2x2-1x2-1x1.jpg
djpeg -nosmooth -dct int sampling-2x2-1x2-1x1.jpg | convert - sampling-2x2-1x2-1x1.png
cjpeg -quality 85 -sample 1x1,3x1,1x2 -progressive "$tmp/picture.ppm" > sampling-1x1-3x1-1x2.jpg
djpeg -nosmooth -dct int sampling-1x1-3x1-1x2.jpg | convert - sampling-1x1-3x1-1x2.png

/usr/bin/python3 - "$tmp/picture.ppm" <<'END'
import sys
from PIL import Image

# A frame of MJPEG: without the Huffman tables, which are the standard's.
Image.open(sys.argv[1]).save("no-dht-huffman.jpg", quality=85, subsampling="4:2:2")
data = open("no-dht-huffman.jpg", "rb").read()
out, at = data[:2], 2
while data[at + 1] != 0xDA:
    end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    if data[at + 1] != 0xC4:
        out += data[at:end]
    at = end
open("no-dht.jpg", "wb").write(out + data[at:])

# CMYK whose C has four times the samples of the others. Pillow smooths those.
cmyk = Image.open(sys.argv[1]).convert("CMYK")
cmyk.save("cmyk-2x2.jpg", quality=85, subsampling="4:2:0")
Image.open("cmyk-2x2.jpg").convert("RGB").save("cmyk-2x2.png")
END
