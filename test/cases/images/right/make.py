#!/usr/bin/python3
"""Writes the right pixels of the cases beside this script, as PNG, by Pillow (9.4) and NumPy: what another decoder than ours sees."""
import glob
import os

import numpy as np
from PIL import Image, ImageOps

Image.MAX_IMAGE_PIXELS = None
here = os.path.dirname(os.path.abspath(__file__))
for path in sorted(glob.glob(os.path.join(here, "..", "*.*"))):
    name = os.path.basename(path)
    if name.startswith("gif-13000"):
        continue
    try:
        image = ImageOps.exif_transpose(Image.open(path))
        image.load()
    except Exception as why:
        print(name, "is not read:", why)
        continue
    if image.mode == "F":  # from 0 to 1
        image = Image.fromarray(np.round(np.asarray(image) * 255).astype(np.uint8))
    if image.mode == "I":  # from 0 to 255
        image = Image.fromarray(np.asarray(image).astype(np.uint8))
    if image.mode in ("LA", "RGBA", "PA"):
        pixels = np.asarray(image.convert("RGBA")).astype(np.float64)
        alpha = pixels[..., 3:] / 255
        if alpha.max() == 0:  # a BMP whose fourth byte is no alpha
            alpha = alpha + 1
        image = Image.fromarray(np.round(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8))
    image.convert("RGB").save(os.path.join(here, name + ".png"), optimize=True)
