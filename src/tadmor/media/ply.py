"""Reading and writing binary little-endian PLY (Greg Turk's PLY file format, 1994): meshes and point clouds.

Vertex properties follow the names in common use: x y z, nx ny nz, red green blue (alpha). Evidence stands under its
own names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tadmor.errors import UserError
from tadmor.media.atomic import replacing
from tadmor.media.mesh import I32, U8, TexturedMesh

Array = NDArray[Any]

_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2",
    "int": "i4", "uint": "u4", "float": "f4", "double": "f8",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip
_NAMES = {"b1": "uchar"} | {code: name for name, code in list(_TYPES.items())[:8]}
_ROWS_AT_ONCE = 1 << 18  # so that no second copy of a large mesh is held while writing
_HEADER_LIMIT = 1 << 16


@dataclass(frozen=True, eq=False, slots=True)
class PlyData:
    """What a PLY file holds: `vertices` (n, 3) float64, `faces` (m, 3) int32, other vertex properties (n,) by name."""

    vertices: NDArray[np.float64]
    faces: I32
    properties: Mapping[str, Array]

    def columns(self, *names: str) -> Array | None:
        """Return the properties of these names ("nx", "ny", "nz") side by side as (n, k), or None if one is missing."""
        if any(name not in self.properties for name in names):
            return None
        return np.stack([self.properties[name] for name in names], axis=-1)


def write_ply_mesh(path: Path, mesh: TexturedMesh, *, comments: Sequence[str] = ()) -> None:
    """Write a mesh with its vertex colours and its evidence, without texture.

    Each of `mesh.attributes` becomes a vertex property of its own name and type ((n, k) ones: name_0, name_1, ...).
    Raises OSError where the file cannot be written.
    """
    columns = _position_columns(mesh.vertices) | _colour_columns(mesh.colours) | _attribute_columns(mesh.attributes)
    _write(path, columns, mesh.faces, comments)


def write_ply_cloud(
    path: Path,
    points: Array,
    *,
    normals: Array | None = None,
    colours: U8 | None = None,
    attributes: Mapping[str, Array] | None = None,
    comments: Sequence[str] = (),
) -> None:
    """Write a point cloud.

    `points` (n, 3) world and `normals` (n, 3) of unit length, stored as float32; `colours` (n, 3) or (n, 4) uint8 sRGB;
    `attributes`: further properties by name, (n,) or (n, k); `comments`: lines for the header.
    Raises OSError where the file cannot be written.
    """
    columns = _position_columns(points)
    if normals is not None:
        columns |= dict(zip(("nx", "ny", "nz"), normals.astype(np.float32, copy=False).T, strict=True))
    _write(path, columns | _colour_columns(colours) | _attribute_columns(attributes or {}), None, comments)


def _position_columns(points: Array) -> dict[str, Array]:
    return dict(zip("xyz", points.astype(np.float32, copy=False).T, strict=True))


def _colour_columns(colours: U8 | None) -> dict[str, Array]:
    if colours is None:
        return {}
    return dict(zip(("red", "green", "blue", "alpha")[: colours.shape[1]], colours.T, strict=True))


def _attribute_columns(attributes: Mapping[str, Array]) -> dict[str, Array]:
    columns: dict[str, Array] = {}
    for name, values in attributes.items():
        known = values if values.dtype.str[1:] in _NAMES else values.astype(np.float64)  # PLY has no 64 bit integers
        if known.ndim == 1:
            columns[name] = known
        else:
            columns |= {f"{name}_{i}": column for i, column in enumerate(known.T)}
    return columns


def _write(path: Path, columns: Mapping[str, Array], faces: I32 | None, comments: Sequence[str]) -> None:
    count = len(columns["x"])
    header = ["ply", "format binary_little_endian 1.0"]
    header += [f"comment {' '.join(comment.split())}" for comment in comments]
    header += [f"element vertex {count}"]
    header += [f"property {_NAMES[values.dtype.str[1:]]} {name}" for name, values in columns.items()]
    if faces is not None:
        header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    header += ["end_header", ""]
    row = np.dtype([(name, values.dtype.newbyteorder("<")) for name, values in columns.items()])
    with replacing(path) as file:
        file.write("\n".join(header).encode())
        for start in range(0, count, _ROWS_AT_ONCE):
            rows = np.zeros(min(_ROWS_AT_ONCE, count - start), row)
            for name, values in columns.items():
                rows[name] = values[start : start + len(rows)]
            file.write(memoryview(rows).cast("B"))
        if faces is not None:
            _write_faces(file, faces)


def _write_faces(file: BinaryIO, faces: I32) -> None:
    row = np.dtype([("corners", "u1"), ("vertex_indices", "<i4", 3)])
    for start in range(0, len(faces), _ROWS_AT_ONCE):
        rows = np.zeros(min(_ROWS_AT_ONCE, len(faces) - start), row)
        rows["corners"] = 3
        rows["vertex_indices"] = faces[start : start + len(rows)]
        file.write(memoryview(rows).cast("B"))


@dataclass(frozen=True, slots=True)
class _Property:
    name: str
    type: str
    count_type: str | None  # of a list: the type of its length


@dataclass(slots=True)
class _Element:
    name: str
    count: int
    properties: list[_Property]


def read_ply(path: Path) -> PlyData:
    """Read a binary little-endian mesh or point cloud, such as a Poisson mesher's output.

    All rows of an element must have lists of one length, and faces must be triangles, so that rows are read as arrays.
    Raises UserError "model-unreadable" where the file is not such a PLY file or breaks off before its end; OSError
    where it cannot be opened.
    """
    with path.open("rb") as file:
        try:
            elements = {element.name: _read_rows(file, element) for element in _read_header(file)}
            vertex = elements.get("vertex")
            if vertex is None or not {"x", "y", "z"} <= set(vertex.dtype.names or ()):
                raise ValueError("it has no vertices with x, y and z")
            vertices = np.stack([vertex[axis] for axis in "xyz"], axis=-1).astype(np.float64)
            faces = _triangles(elements.get("face"), len(vertices))
        except ValueError as error:
            raise UserError("model-unreadable", path=path, format="PLY", reason=str(error)) from error
    others = {name: vertex[name] for name in vertex.dtype.names or () if name not in {"x", "y", "z"}}
    return PlyData(vertices, faces, others)


def _triangles(rows: Array | None, vertex_count: int) -> I32:
    """Return (m, 3) int32 of the face element's rows; raise ValueError where they are not triangles."""
    if rows is None or not len(rows):
        return np.zeros((0, 3), np.int32)
    names = rows.dtype.names or ()
    corners = rows["vertex_indices" if "vertex_indices" in names else "vertex_index"]
    if corners.shape[1:] != (3,):
        raise ValueError("its faces are not triangles")
    if corners.min() < 0 or corners.max() >= vertex_count:
        raise ValueError("a face names a vertex that does not exist")
    faces: I32 = corners.astype(np.int32)
    return faces


def _read_header(file: BinaryIO) -> list[_Element]:
    if file.readline(16).strip() != b"ply":
        raise ValueError("it does not begin with 'ply'")
    elements: list[_Element] = []
    binary = False
    while file.tell() < _HEADER_LIMIT:
        match file.readline(_HEADER_LIMIT).decode("ascii", "replace").split():
            case ["format", kind, *_]:
                binary = kind == "binary_little_endian"
            case ["element", name, count]:
                elements.append(_Element(name, int(count), []))
            case ["property", "list", count_type, kind, name] if elements:
                elements[-1].properties.append(_Property(name, _type(kind), _type(count_type)))
            case ["property", kind, name] if elements:
                elements[-1].properties.append(_Property(name, _type(kind), None))
            case ["end_header"]:
                if not binary:
                    raise ValueError("it is not binary little-endian")
                return elements
            case ["comment" | "obj_info", *_]:
                pass
            case words:
                raise ValueError(f"its header holds the line {' '.join(words)[:80]!r}")
    raise ValueError("its header has no end")


def _type(name: str) -> str:
    if name not in _TYPES:
        raise ValueError(f"it has a property of unknown type {name[:80]!r}")
    return "<" + _TYPES[name]


def _read_rows(file: BinaryIO, element: _Element) -> Array:
    """Read an element as a structured array; a list becomes a field of shape (rows, length) beside '<name> length'."""
    start = file.tell()
    row = _row_type(file, element)
    file.seek(start)
    expected = element.count * row.itemsize
    content = file.read(expected)
    if len(content) != expected:
        raise ValueError(f"it breaks off in the element {element.name!r}")
    rows = np.frombuffer(content, row)
    for item in element.properties:
        if item.count_type and len(rows):
            lengths = rows[f"{item.name} length"]
            if (lengths != lengths[0]).any():
                raise ValueError(f"its lists {item.name!r} differ in length (not all faces are triangles)")
    return rows


def _row_type(file: BinaryIO, element: _Element) -> np.dtype[Any]:
    """Return the type of the element's rows. The lengths of lists are taken from its first row, where `file` stands."""
    fields: list[tuple[Any, ...]] = []
    for item in element.properties:
        kind = np.dtype(item.type)
        if item.count_type is None:
            fields.append((item.name, kind))
            file.seek(kind.itemsize, 1)
            continue
        count_kind = np.dtype(item.count_type)
        head = file.read(count_kind.itemsize) if element.count else bytes(count_kind.itemsize)
        if len(head) != count_kind.itemsize:
            raise ValueError(f"it breaks off in the element {element.name!r}")
        length = int(np.frombuffer(head, count_kind)[0])
        if not 0 <= length <= _HEADER_LIMIT:
            raise ValueError(f"it has a list of {length} entries")
        fields += [(f"{item.name} length", count_kind), (item.name, kind, (length,))]
        file.seek(kind.itemsize * length, 1)
    return np.dtype(fields)
