"""Writing Wavefront OBJ with its material library (MTL) and texture pages beside it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tadmor.media.atomic import replacing
from tadmor.media.mesh import INFERRED_GREY, Part, TexturedMesh, parts

_ROWS_AT_ONCE = 1 << 14


def write_obj(path: Path, mesh: TexturedMesh) -> list[Path]:
    """Write a mesh as OBJ, its materials as MTL and its pages as JPEG files in the same folder.

    Vertices keep their order and number; `vt` has v upwards, as OBJ wants it. Where there are no pages, colours are
    written behind the coordinates (the extension that MeshLab, Blender and others read), without a material. Files
    beside `path` get names without spaces and of ASCII letters only, since MTL cannot quote names.

    Returns the files written, `path` last: it is only put in place when what it names is there. Raises OSError where a
    file cannot be written.
    """
    stem = _plain_stem(path.stem)
    used = list(parts(mesh))
    written: list[Path] = []
    for part in used:
        if part.kind == "page":
            picture = path.with_name(_picture_name(stem, part))
            with replacing(picture) as file:
                file.write(mesh.pages[part.page].jpeg)
            written.append(picture)
    # A material would hide the vertices' colours.
    materials = {part.name: _material(stem, part) for part in used if part.kind != "surface" or mesh.colours is None}
    library = path.with_name(f"{stem}.mtl")
    if materials:
        with replacing(library) as file:
            file.write("\n".join(materials.values()).encode())
        written.append(library)
    with replacing(path) as file:
        file.write(b"# Y up\n" + (f"mtllib {library.name}\n".encode() if materials else b""))
        _write_vertices(file, mesh)
        for part in used:
            if part.name in materials:
                file.write(f"usemtl {part.name}\n".encode())
            corners = part.vertex_index[part.faces] + 1
            if part.kind == "page":
                _write_rows(file, "f %d/%d %d/%d %d/%d\n", np.repeat(corners, 2, axis=1))
            else:
                _write_rows(file, "f %d %d %d\n", corners)
    return [*written, path]


def _write_vertices(file: BinaryIO, mesh: TexturedMesh) -> None:
    # Nine significant digits bring every float32 back as it was.
    if mesh.pages or mesh.colours is None:
        _write_rows(file, "v %.9g %.9g %.9g\n", mesh.vertices)
    else:
        coloured = np.hstack([mesh.vertices, mesh.colours[:, :3] / np.float32(255)])
        _write_rows(file, "v %.9g %.9g %.9g %.4g %.4g %.4g\n", coloured)
    if mesh.pages:
        assert mesh.uv is not None
        _write_rows(file, "vt %.9g %.9g\n", mesh.uv * np.array([1.0, -1.0]) + np.array([0.0, 1.0]))


def _write_rows(file: BinaryIO, line: str, rows: NDArray[Any]) -> None:
    """Format many rows by one % operation, which takes about a third of numpy.savetxt's time."""
    for block in _blocks(rows):
        file.write(((line * len(block)) % tuple(block.ravel().tolist())).encode())


def _blocks(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield rows[start : start + _ROWS_AT_ONCE]


def _plain_stem(stem: str) -> str:
    """Return a stem that MTL can hold. A changed one carries a hash, lest two models share one material library."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("_") or "model"
    if plain == stem:
        return plain
    digest = hashlib.sha256(stem.encode(errors="surrogateescape")).hexdigest()
    return f"{plain}-{digest[:8]}"


def _picture_name(stem: str, part: Part) -> str:
    return f"{stem}_{part.name}.jpg"


def _material(stem: str, part: Part) -> str:
    """Return one MTL entry. illum 0 is the constant colour, without light: photographs already hold the light."""
    grey = 1.0 if part.kind == "page" else INFERRED_GREY
    lines = [f"newmtl {part.name}", f"Kd {grey:g} {grey:g} {grey:g}", "Ks 0 0 0", "illum 0"]
    if part.kind == "page":
        lines.append(f"map_Kd {_picture_name(stem, part)}")
    return "\n".join([*lines, ""])
