"""GLB: the JSON chunk against the rules of the glTF 2.0 specification, the content against trimesh's reader."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from PIL import Image

from tadmor.media.gltf import write_glb
from tadmor.media.mesh import TexturedMesh, parts

COMPONENTS = {5120: "i1", 5121: "u1", 5122: "i2", 5123: "u2", 5125: "u4", 5126: "f4"}
COLUMNS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
GREY = ((0.6 + 0.055) / 1.055) ** 2.4  # sRGB 0.6 as linear light (IEC 61966-2-1)


class Glb:
    """A reader of its own, straight from the specification: chunks, bufferViews with strides, accessors."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", content)
        assert (magic, version, length) == (b"glTF", 2, len(content))
        json_length, json_type = struct.unpack_from("<I4s", content, 12)
        assert json_type == b"JSON"
        self.json: dict[str, Any] = json.loads(content[20 : 20 + json_length])
        bin_length, bin_type = struct.unpack_from("<I4s", content, 20 + json_length)
        assert bin_type == b"BIN\0"
        self.buffer = content[28 + json_length :]
        assert len(self.buffer) == bin_length == self.json["buffers"][0]["byteLength"]
        assert json_length % 4 == bin_length % 4 == 0

    def bytes_of(self, view: int) -> bytes:
        where = self.json["bufferViews"][view]
        return self.buffer[where["byteOffset"] : where["byteOffset"] + where["byteLength"]]

    def array(self, accessor: int) -> NDArray[Any]:
        about = self.json["accessors"][accessor]
        kind, columns = np.dtype(COMPONENTS[about["componentType"]]), COLUMNS[about["type"]]
        stride = self.json["bufferViews"][about["bufferView"]].get("byteStride", kind.itemsize * columns)
        values = np.ndarray(
            (about["count"], columns), kind, self.bytes_of(about["bufferView"]), strides=(stride, kind.itemsize)
        )
        return values[:, 0] if columns == 1 else values

    @property
    def primitives(self) -> list[dict[str, Any]]:
        (mesh,) = self.json["meshes"]
        found: list[dict[str, Any]] = mesh["primitives"]
        return found


def check_rules(glb: Glb) -> None:
    """Check sections 3.6.2.4 (alignment), 3.6.2.5 (bounds), 3.7.2.1 (attributes and their types)."""
    end = 0
    for view in glb.json["bufferViews"]:
        assert view["byteOffset"] % 4 == 0
        assert view["byteOffset"] >= end  # no overlap
        end = view["byteOffset"] + view["byteLength"]
    assert end <= len(glb.buffer)
    for about in glb.json["accessors"]:
        view = glb.json["bufferViews"][about["bufferView"]]
        size = np.dtype(COMPONENTS[about["componentType"]]).itemsize * COLUMNS[about["type"]]
        assert about["count"] >= 1
        assert view.get("byteStride", size) * (about["count"] - 1) + size <= view["byteLength"]
    for primitive in glb.primitives:
        indices = glb.array(primitive["indices"])
        assert glb.json["bufferViews"][glb.json["accessors"][primitive["indices"]]["bufferView"]]["target"] == 34963
        assert indices.dtype.kind == "u"
        assert indices.max() < np.iinfo(indices.dtype).max  # the primitive restart value
        for semantic, number in primitive["attributes"].items():
            about = glb.json["accessors"][number]
            view = glb.json["bufferViews"][about["bufferView"]]
            values = glb.array(number)
            assert indices.max() < len(values)
            assert about["componentType"] != 5125  # UNSIGNED_INT is for indices only
            assert view["byteStride"] % 4 == 0
            assert 4 <= view["byteStride"] <= 252
            assert view["target"] == 34962
            assert semantic in {"POSITION", "TEXCOORD_0", "COLOR_0"} or semantic.startswith("_")
            assert semantic.upper() == semantic
            if semantic == "POSITION":
                assert about["min"] == values.min(0).tolist()
                assert about["max"] == values.max(0).tolist()
            if values.dtype.kind == "f":
                assert np.isfinite(values).all()


@pytest.fixture(scope="module")
def path(textured: TexturedMesh, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("glb") / "قوس.glb"
    write_glb(path, textured, name="قوس النصر", extras={"license": "CC-BY-SA-4.0", "photos": 12}, credit="A, B")
    return path


def test_the_file_keeps_the_specification(path: Path) -> None:
    check_rules(Glb(path))


def test_each_part_is_a_primitive_with_its_values_and_types(path: Path, textured: TexturedMesh) -> None:
    glb = Glb(path)
    for part, primitive in zip(parts(textured), glb.primitives, strict=True):
        wanted: dict[str, NDArray[Any]] = {"POSITION": textured.vertices}
        if part.kind == "page":
            assert textured.uv is not None
            wanted["TEXCOORD_0"] = textured.uv
        wanted |= {f"_EVIDENCE_{name.upper()}": values for name, values in textured.attributes.items()}
        assert set(primitive["attributes"]) == set(wanted)
        for semantic, values in wanted.items():
            stored = glb.array(primitive["attributes"][semantic])
            assert stored.dtype == values.dtype
            assert np.array_equal(stored, values[part.vertex_index])
        assert np.array_equal(glb.array(primitive["indices"]).reshape(-1, 3), part.faces)


def test_materials(path: Path) -> None:
    glb = Glb(path)
    assert glb.json["extensionsUsed"] == ["KHR_materials_unlit"]
    assert [material["name"] for material in glb.json["materials"]] == ["page_0", "page_1", "inferred"]
    for material in glb.json["materials"]:
        assert material["extensions"] == {"KHR_materials_unlit": {}}
        assert material["doubleSided"]
        assert material["pbrMetallicRoughness"]["metallicFactor"] == 0
        assert material["pbrMetallicRoughness"]["roughnessFactor"] == 1
    inferred = glb.json["materials"][2]["pbrMetallicRoughness"]
    assert "baseColorTexture" not in inferred
    assert inferred["baseColorFactor"] == pytest.approx([GREY, GREY, GREY, 1])
    assert glb.json["samplers"] == [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}]


def test_pages_are_embedded_unchanged(path: Path, textured: TexturedMesh) -> None:
    glb = Glb(path)
    for i, primitive in enumerate(glb.primitives[:2]):
        material = glb.json["materials"][primitive["material"]]
        texture = glb.json["textures"][material["pbrMetallicRoughness"]["baseColorTexture"]["index"]]
        image = glb.json["images"][texture["source"]]
        assert image["mimeType"] == "image/jpeg"
        assert glb.bytes_of(image["bufferView"]) == textured.pages[i].jpeg


def test_names_and_provenance(path: Path) -> None:
    document = Glb(path).json
    assert document["asset"]["version"] == "2.0"
    assert document["asset"]["generator"].startswith("Tadmor ")
    assert document["asset"]["copyright"] == "A, B"
    assert document["asset"]["extras"] == {"license": "CC-BY-SA-4.0", "photos": 12}
    assert document["nodes"] == [{"name": "قوس النصر", "mesh": 0}]
    assert document["meshes"][0]["name"] == "قوس النصر"


def test_trimesh_reads_it_back(path: Path, textured: TexturedMesh) -> None:
    scene = trimesh.load_scene(path)
    read = sorted(scene.geometry.values(), key=lambda mesh: mesh.visual.material.name)
    order = [1, 2, 0]  # inferred, page_0, page_1 by name
    assert len(read) == 3
    for part, i in zip(parts(textured), order, strict=True):
        mesh = read[i]
        assert np.allclose(scene.graph[scene.graph.nodes_geometry[0]][0], np.eye(4))
        assert np.array_equal(mesh.vertices.astype(np.float32), textured.vertices[part.vertex_index])
        assert np.array_equal(mesh.faces, part.faces)
        for name, values in textured.attributes.items():
            stored = mesh.vertex_attributes[f"_EVIDENCE_{name.upper()}"]
            assert np.array_equal(np.squeeze(stored), values[part.vertex_index])
        if part.kind == "page":
            assert textured.uv is not None
            flipped = textured.uv[part.vertex_index] * (1, -1) + (0, 1)  # trimesh has v upwards
            assert np.allclose(mesh.visual.uv, flipped, atol=1e-6)
            ours = np.asarray(Image.open(io.BytesIO(textured.pages[part.page].jpeg)))
            assert np.array_equal(mesh.visual.material.baseColorTexture, ours)


def test_colours_are_linear_and_only_where_there_are_no_pages(tmp_path: Path, textured: TexturedMesh) -> None:
    coloured = replace(textured, pages=(), uv=None, face_page=None)
    write_glb(tmp_path / "evidence.glb", coloured, name="evidence")
    glb = Glb(tmp_path / "evidence.glb")
    check_rules(glb)
    (primitive,) = glb.primitives
    number = primitive["attributes"]["COLOR_0"]
    assert glb.json["accessors"][number]["normalized"] is True
    assert glb.json["accessors"][number]["type"] == "VEC4"
    assert textured.colours is not None
    srgb = textured.colours[:-1] / 255  # the last vertex is in no face
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    assert np.abs(glb.array(number)[:, :3] / 255 - linear).max() <= 0.5 / 255 + 1e-9
    assert (glb.array(number)[:, 3] == 255).all()
    assert "baseColorFactor" not in glb.json["materials"][0]["pbrMetallicRoughness"]
    assert not {"images", "textures", "samplers"} & set(glb.json)


def test_many_vertices_take_wide_indices(tmp_path: Path) -> None:
    for count, kind in ((65_535, np.uint16), (65_536, np.uint32)):
        vertices = np.random.default_rng(0).random((count, 3)).astype(np.float32)
        faces = np.stack([np.arange(count), np.roll(np.arange(count), -1), np.roll(np.arange(count), -2)], 1)
        write_glb(tmp_path / "m.glb", TexturedMesh(vertices, faces.astype(np.int32)), name="m")
        glb = Glb(tmp_path / "m.glb")
        check_rules(glb)
        indices = glb.array(glb.primitives[0]["indices"])
        assert indices.dtype == kind
        assert np.array_equal(indices.reshape(-1, 3), faces)


def test_types_that_gltf_lacks_become_float32(tmp_path: Path, textured: TexturedMesh) -> None:
    n = len(textured.vertices)
    attributes = {"a": np.arange(n, dtype=np.int64), "b": np.arange(n) % 2 == 0, "c": np.arange(n, dtype=np.uint32)}
    write_glb(tmp_path / "m.glb", replace(textured, attributes=attributes), name="m")
    glb = Glb(tmp_path / "m.glb")
    check_rules(glb)
    used = next(parts(textured)).vertex_index
    for name, kind in (("a", np.float32), ("b", np.uint8), ("c", np.float32)):
        stored = glb.array(glb.primitives[0]["attributes"][f"_EVIDENCE_{name.upper()}"])
        assert stored.dtype == kind
        assert np.array_equal(stored, attributes[name][used])
    too_large = replace(textured, attributes={"a": np.full(n, 2**24 + 1)})
    with pytest.raises(ValueError, match="_EVIDENCE_A holds integers that float32 cannot hold"):
        write_glb(tmp_path / "m.glb", too_large, name="m")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, textured: TexturedMesh) -> None:
    class Broken(bytes):
        def __len__(self) -> int:
            return 10  # the writer finds another length than announced

    path = tmp_path / "m.glb"
    path.write_bytes(b"before")
    pages = (replace(textured.pages[0], jpeg=Broken(b"123")), textured.pages[1])
    with pytest.raises(AssertionError):
        write_glb(path, replace(textured, pages=pages), name="m")
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.glb"]
    assert path.read_bytes() == b"before"


def test_a_mesh_without_faces_is_refused(tmp_path: Path, textured: TexturedMesh) -> None:
    with pytest.raises(ValueError, match="without faces"):
        write_glb(tmp_path / "m.glb", TexturedMesh(textured.vertices, np.zeros((0, 3), np.int32)), name="m")
    assert not list(tmp_path.iterdir())
