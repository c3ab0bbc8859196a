"""Pictures for the tests of photo intake: drawn, so that every pixel's truth is known, with edges as photos have."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

U8 = NDArray[np.uint8]

FIXTURES = Path(__file__).parent / "fixtures"


def picture(width: int = 480, height: int = 360, *, seed: int = 1) -> U8:
    """(height, width, 3) uint8 RGB: blocks of masonry in muted colours under a sky, different in every corner."""
    rng = np.random.default_rng(seed)
    rows, columns = height // 30 + 1, width // 40 + 1
    stones = rng.integers(70, 190, (rows, columns, 1)) + rng.integers(-20, 20, (rows, columns, 3))
    wall = np.kron(stones, np.ones((30, 40, 1), np.int64))[:height, :width]
    sky = np.linspace(0, 60, height)[:, None, None] * np.array([0.2, 0.5, 1.0])
    grain = rng.integers(-3, 4, (height, width, 1))
    drawn: U8 = np.clip(wall * 0.8 + sky + grain, 0, 255).astype(np.uint8)
    return drawn


def encoded(pixels: U8, kind: str, **options: Any) -> bytes:
    """Encode RGB, RGBA or grey pixels with Pillow."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def exif(orientation: int = 1, **camera: Any) -> Image.Exif:
    """Build EXIF with an orientation and, in its Exif IFD, tags given as tag_A405=35."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    for name, value in camera.items():
        tags.get_ifd(0x8769)[int(name.removeprefix("tag_"), 16)] = value
    return tags


def heic_picture() -> U8:
    """(400, 320, 3) uint8 RGB: what fixtures/turned.heic shows, upright. Smooth, so that coding changes it little."""
    y, x = np.mgrid[:400, :320]
    return np.stack([40 + x * 0.5, 60 + y * 0.4, np.where(y < 200, 200, 90)], axis=-1).astype(np.uint8)
