"""Writing binary glTF 2.0 (GLB).

Follows Khronos' glTF 2.0 specification: section 3.6.2.4 (data alignment), 3.7.2 (meshes: attribute names and component
types), 4 (GLB layout), and the extension KHR_materials_unlit: photographs already hold the light, a viewer must not
add any.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tadmor import __version__
from tadmor.media.atomic import replacing
from tadmor.media.mesh import INFERRED_GREY, U8, Part, TexturedMesh, linear_from_srgb, parts

Array = NDArray[Any]
Json = dict[str, Any]

_COMPONENT_TYPES = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
_ELEMENT_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
_VERTEX_DATA, _INDEX_DATA = 34962, 34963  # bufferView.target: ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER
_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP_TO_EDGE = 9729, 9987, 33071
_EXACT_IN_FLOAT32 = 2**24
_GLB_HEADER = struct.Struct("<4sII")
_CHUNK_HEADER = struct.Struct("<I4s")


def write_glb(
    path: Path, mesh: TexturedMesh, *, name: str, extras: Mapping[str, object] | None = None, credit: str | None = None
) -> None:
    """Write a mesh as one GLB file: one node, one mesh, one primitive a page and one for the faces that no photo sees.

    A vertex that several primitives use is stored in each, one that no face uses is left out. Pages are embedded byte
    by byte. Each of `mesh.attributes` becomes a vertex attribute _EVIDENCE_<NAME>: 8 and 16 bit integers as they are,
    other types as float32. `mesh.colours` becomes COLOR_0 (linear, normalised, RGBA) only where there are no pages:
    glTF would multiply it into the photographs.

    `name` is given to the node and the mesh. `extras` (JSON values) is the provenance, stored as `asset.extras`, where
    other tools understand "title", "author", "license" and "source". `credit` is stored as `asset.copyright`.

    Raises ValueError where the mesh has no faces, an integer attribute exceeds what float32 holds exactly, `extras` is
    not JSON, or the file would pass the 4 GiB that GLB can hold; OSError where the file cannot be written.
    """
    document = _Document()
    document.add_mesh(mesh, name)
    asset: Json = {"version": "2.0", "generator": f"Tadmor {__version__}"}
    if credit:
        asset["copyright"] = credit
    if extras:
        asset["extras"] = dict(extras)
    text = json.dumps(document.json(asset), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    length = _GLB_HEADER.size + 2 * _CHUNK_HEADER.size + len(text) + document.size
    if length >= 2**32:
        raise ValueError(f"{length} bytes do not fit into a GLB file, which holds 4 GiB")
    with replacing(path) as file:
        file.write(_GLB_HEADER.pack(b"glTF", 2, length))
        file.write(_CHUNK_HEADER.pack(len(text), b"JSON") + text)
        file.write(_CHUNK_HEADER.pack(document.size, b"BIN\0"))
        document.write_buffer(file)


@dataclass(slots=True)
class _Document:
    """The JSON under construction, and a recipe for every bufferView: arrays are made only as they are written."""

    size: int = 0
    recipes: list[Callable[[], bytes | Array]] = field(default_factory=list)
    buffer_views: list[Json] = field(default_factory=list)
    accessors: list[Json] = field(default_factory=list)
    materials: list[Json] = field(default_factory=list)
    images: list[Json] = field(default_factory=list)
    node: Json = field(default_factory=dict)
    mesh: Json = field(default_factory=dict)

    def json(self, asset: Json) -> Json:
        """Return the whole JSON chunk."""
        root: Json = {
            "asset": asset,
            "extensionsUsed": ["KHR_materials_unlit"],
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [self.node],
            "meshes": [self.mesh],
            "materials": self.materials,
            "accessors": self.accessors,
            "bufferViews": self.buffer_views,
            "buffers": [{"byteLength": self.size}],
        }
        if self.images:
            sampler = {
                "magFilter": _LINEAR,
                "minFilter": _LINEAR_MIPMAP_LINEAR,
                "wrapS": _CLAMP_TO_EDGE,
                "wrapT": _CLAMP_TO_EDGE,
            }
            root["images"] = self.images
            root["samplers"] = [sampler]
            root["textures"] = [{"sampler": 0, "source": i} for i in range(len(self.images))]
        return root

    def write_buffer(self, file: BinaryIO) -> None:
        """Write the binary chunk's content."""
        for recipe, view in zip(self.recipes, self.buffer_views, strict=True):
            block = recipe()
            written = file.write(
                block if isinstance(block, bytes) else memoryview(np.ascontiguousarray(block)).cast("B")
            )
            assert written == view["byteLength"]
            file.write(bytes(-written % 4))

    def add_mesh(self, mesh: TexturedMesh, name: str) -> None:
        primitives = [self._add_primitive(mesh, part) for part in parts(mesh)]
        if not primitives:
            raise ValueError("glTF cannot hold a mesh without faces")
        self.node = {"name": name, "mesh": 0}
        self.mesh = {"name": name, "primitives": primitives}

    def _add_primitive(self, mesh: TexturedMesh, part: Part) -> Json:
        attributes = {
            semantic: self._add_vertex_data(values, part, semantic) for semantic, values in _vertex_data(mesh, part)
        }
        # The largest index value is reserved as primitive restart, so 65535 vertices are the most for 16 bits.
        index_type = np.dtype("<u2" if len(part.vertex_index) < 2**16 else "<u4")
        indices = self._add_view(
            lambda: part.faces.astype(index_type), part.faces.size * index_type.itemsize, _INDEX_DATA
        )
        self.accessors.append(
            {
                "bufferView": indices,
                "componentType": _COMPONENT_TYPES[index_type.str[1:]],
                "count": part.faces.size,
                "type": "SCALAR",
            }
        )
        return {
            "attributes": attributes,
            "indices": len(self.accessors) - 1,
            "material": self._add_material(mesh, part),
        }

    def _add_vertex_data(self, values: Array, part: Part, semantic: str) -> int:
        storage = _storage_type(semantic, values)
        columns = 1 if values.ndim == 1 else values.shape[1]
        stride = -(-columns * storage.itemsize // 4) * 4
        count = len(part.vertex_index)

        def rows() -> Array:
            padded = np.zeros((count, stride // storage.itemsize), storage)
            padded[:, :columns] = values[part.vertex_index].reshape(count, columns)
            return padded

        view = self._add_view(rows, count * stride, _VERTEX_DATA, stride)
        accessor: Json = {
            "bufferView": view,
            "componentType": _COMPONENT_TYPES[storage.str[1:]],
            "count": count,
            "type": _ELEMENT_TYPES[columns],
        }
        if semantic == "POSITION":
            corner_values = values[part.vertex_index]
            accessor["min"] = corner_values.min(0).tolist()
            accessor["max"] = corner_values.max(0).tolist()
        if semantic == "COLOR_0":
            accessor["normalized"] = True
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def _add_material(self, mesh: TexturedMesh, part: Part) -> int:
        surface: Json = {"metallicFactor": 0, "roughnessFactor": 1}
        if part.kind == "page":
            surface["baseColorTexture"] = {"index": self._add_image(mesh.pages[part.page].jpeg, part.name)}
        elif part.kind == "inferred" or mesh.colours is None:
            grey = float(linear_from_srgb(np.array(INFERRED_GREY)))
            surface["baseColorFactor"] = [grey, grey, grey, 1]
        self.materials.append(
            {
                "name": part.name,
                "pbrMetallicRoughness": surface,
                "doubleSided": True,
                "extensions": {"KHR_materials_unlit": {}},
            }
        )
        return len(self.materials) - 1

    def _add_image(self, jpeg: bytes, name: str) -> int:
        view = self._add_view(lambda: jpeg, len(jpeg))
        self.images.append({"name": name, "bufferView": view, "mimeType": "image/jpeg"})
        return len(self.images) - 1

    def _add_view(
        self, recipe: Callable[[], bytes | Array], size: int, target: int | None = None, stride: int | None = None
    ) -> int:
        view: Json = {"buffer": 0, "byteOffset": self.size, "byteLength": size}
        if stride is not None:
            view["byteStride"] = stride
        if target is not None:
            view["target"] = target
        self.buffer_views.append(view)
        self.recipes.append(recipe)
        self.size += size + -size % 4
        return len(self.buffer_views) - 1


def _vertex_data(mesh: TexturedMesh, part: Part) -> Iterator[tuple[str, Array]]:
    """Give the attributes of a primitive: semantic, and one row a vertex of the whole mesh."""
    yield "POSITION", mesh.vertices.astype(np.float32, copy=False)
    if part.kind == "page":
        assert mesh.uv is not None
        yield "TEXCOORD_0", mesh.uv.astype(np.float32, copy=False)
    if part.kind == "surface" and mesh.colours is not None:
        yield "COLOR_0", _linear_rgba(mesh.colours)
    for name, values in mesh.attributes.items():
        yield f"_EVIDENCE_{name.upper()}", values


def _storage_type(semantic: str, values: Array) -> np.dtype[Any]:
    """Return the type in which an attribute is stored: glTF's vertex attributes know no 32 bit integers."""
    if values.dtype == np.bool_:
        return np.dtype("u1")
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2:
        return values.dtype.newbyteorder("<")
    if values.dtype.kind in "iu" and values.size and max(abs(int(values.min())), int(values.max())) > _EXACT_IN_FLOAT32:
        raise ValueError(f"{semantic} holds integers that float32 cannot hold exactly")
    return np.dtype("<f4")


def _linear_rgba(colours: U8) -> U8:
    """Return (n, 4) uint8 linear colours with straight alpha for (n, 3|4) uint8 sRGB ones, as COLOR_0 is meant."""
    table = np.round(linear_from_srgb(np.arange(256) / 255) * 255).astype(np.uint8)
    rgba = np.full((len(colours), 4), 255, np.uint8)
    rgba[:, : colours.shape[1]] = colours
    rgba[:, :3] = table[rgba[:, :3]]
    return rgba
