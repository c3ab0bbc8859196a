"""The mesh that the writers take: a surface, its texture pages, and what is known of every vertex.

Conventions: world coordinates with Y up; faces counter-clockwise seen from outside; texture coordinates as in glTF:
(0, 0) is the outer corner of a page's top left texel, (1, 1) that of its bottom right one, v pointing down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

INFERRED = -1  # the page of a face that no photo sees

# sRGB value, 0..1, of faces that no photo sees: a flat grey, so that nobody takes it for seen
INFERRED_GREY = 0.6


@dataclass(frozen=True, slots=True)
class AtlasPage:
    """One texture page: a JPEG file's bytes as they are to be stored, and its size in texels."""

    jpeg: bytes = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True, eq=False, slots=True)
class TexturedMesh:
    """A triangle mesh with texture pages and per-vertex data.

    * `vertices` (n, 3) float32, world, Y up; `faces` (m, 3) int32.
    * `uv` (n, 2) float32 in [0, 1]. A vertex on a seam stands once for each of its uv.
    * `pages`: the texture pages; where there are any, `uv` and `face_page` are needed.
    * `face_page` (m,) int16: the page of each face, or INFERRED (-1) where no photo sees it.
    * `attributes`: evidence by name ("photos", "angle_deg", "gsd", "class", ...), each (n,) or (n, 2..4). Values
      must be finite: a vertex without evidence says so by its class, with 0 in the other attributes.
    * `colours` (n, 3) or (n, 4) uint8 sRGB, alpha straight.

    Raises ValueError where the arrays do not fit together.
    """

    vertices: F32
    faces: I32
    uv: F32 | None = None
    pages: Sequence[AtlasPage] = ()
    face_page: I16 | None = None
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    colours: U8 | None = None

    def __post_init__(self) -> None:
        """Check that the arrays fit together."""
        n = len(self.vertices)
        _check("vertices", self.vertices, (n, 3), "f")
        _check("faces", self.faces, (len(self.faces), 3), "i")
        _check_range("faces", self.faces, 0, n - 1)
        if self.pages and (self.uv is None or self.face_page is None):
            raise ValueError("a mesh with pages needs uv and face_page")
        if self.uv is not None:
            _check("uv", self.uv, (n, 2), "f")
            _check_range("uv", self.uv, 0, 1, slack=1e-4)  # rounding
        if self.face_page is not None:
            _check("face_page", self.face_page, (len(self.faces),), "i")
            _check_range("face_page", self.face_page, INFERRED, len(self.pages) - 1)
        if self.colours is not None:
            if self.colours.dtype != np.uint8:
                raise ValueError(f"colours must be uint8, got {self.colours.dtype}")
            _check("colours", self.colours, (n, 4 if self.colours.shape[-1:] == (4,) else 3), "u")
        for name, values in self.attributes.items():
            if values.ndim == 2 and not 2 <= values.shape[1] <= 4:
                raise ValueError(f"attribute {name!r} has {values.shape[1]} columns; 2 to 4 are possible")
            _check(f"attribute {name!r}", values, (n, *values.shape[1:2]), "biuf")


def _check(name: str, array: NDArray[Any], shape: tuple[int, ...], kinds: str) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, got {array.shape}")
    if array.dtype.kind not in kinds:
        raise ValueError(f"{name} cannot be of type {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} holds values that are not finite")


def _check_range(name: str, array: NDArray[Any], low: int, high: int, slack: float = 0) -> None:
    if array.size and (array.min() < low - slack or array.max() > high + slack):
        raise ValueError(f"{name} must lie in {low}..{high}, got {array.min()}..{array.max()}")


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """The faces of a mesh that share one material.

    `kind` is "page" (textured with `page`), "inferred" (no photo sees them) or "surface" (of a mesh that has no pages).
    `vertex_index` (k,) int64 are the rows of the mesh's vertices in use, `faces` (j, 3) int32 the faces as rows of
    that.
    """

    kind: Literal["page", "inferred", "surface"]
    page: int
    vertex_index: I64
    faces: I32

    @property
    def name(self) -> str:
        """Return the material's name: page_0, page_1, ..., inferred or surface."""
        return f"page_{self.page}" if self.kind == "page" else self.kind


def parts(mesh: TexturedMesh) -> Iterator[Part]:
    """Give the mesh's parts: pages in order, then the inferred faces. Parts without faces are left out.

    A mesh without pages is one part: "surface" where it has colours or does not say what its faces are, else
    "inferred".
    """
    if not mesh.pages:
        plain = mesh.colours is not None or mesh.face_page is None
        if len(mesh.faces):
            yield _part(mesh, "surface" if plain else "inferred", INFERRED, mesh.faces)
        return
    assert mesh.face_page is not None
    for page in [*range(len(mesh.pages)), INFERRED]:
        faces = mesh.faces[mesh.face_page == page]
        if len(faces):
            yield _part(mesh, "inferred" if page == INFERRED else "page", page, faces)


def _part(mesh: TexturedMesh, kind: Literal["page", "inferred", "surface"], page: int, faces: I32) -> Part:
    used = np.zeros(len(mesh.vertices), bool)
    used[faces] = True
    vertex_index = np.flatnonzero(used)
    local = np.zeros(len(used), np.int32)
    local[vertex_index] = np.arange(len(vertex_index), dtype=np.int32)
    return Part(kind, page, vertex_index, local[faces])


def linear_from_srgb(values: NDArray[np.floating[Any]]) -> F64:
    """Return linear light (any shape, 0..1) for sRGB values 0..1 (IEC 61966-2-1)."""
    values = values.astype(np.float64)
    linear: F64 = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return linear
