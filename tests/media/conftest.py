"""A small textured mesh with everything that the writers can be given."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tadmor.media.mesh import INFERRED, AtlasPage, TexturedMesh


def jpeg_page(seed: int, size: int = 64) -> AtlasPage:
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((size, size)).save(file, "JPEG", quality=90)
    return AtlasPage(file.getvalue(), size, size)


@pytest.fixture(scope="session")
def textured() -> TexturedMesh:
    """A relief of 21 x 21 vertices: page 0, page 1 and inferred faces from left to right, one vertex out of use."""
    x, y = np.meshgrid(np.linspace(0, 2, 21), np.linspace(0, 1, 21))
    vertices = np.stack([x, y, 0.1 * np.sin(5 * x) * np.cos(7 * y)], axis=-1).reshape(-1, 3)
    vertices = np.concatenate([vertices, [[9.0, 9.0, 9.0]]]).astype(np.float32)
    index = np.arange(21 * 21).reshape(21, 21)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
    middle = vertices[faces].mean(1)[:, 0]
    face_page = np.where(middle > 1.6, INFERRED, (middle > 0.8).astype(int)).astype(np.int16)
    n = len(vertices)
    rng = np.random.default_rng(3)
    return TexturedMesh(
        vertices=vertices,
        faces=faces,
        uv=np.stack([vertices[:, 0] / 9, 1 - vertices[:, 1] / 9], axis=-1),
        pages=(jpeg_page(1), jpeg_page(2)),
        face_page=face_page,
        attributes={
            "photos": rng.integers(0, 400, n).astype(np.uint16),
            "angle_deg": rng.uniform(0, 90, n).astype(np.float32),
            "gsd": rng.uniform(0, 0.1, n).astype(np.float32),
            "class": rng.integers(0, 3, n).astype(np.uint8),
            "years": rng.integers(1980, 2020, (n, 2)).astype(np.uint16),
        },
        colours=rng.integers(0, 256, (n, 3), dtype=np.uint8),
    )
