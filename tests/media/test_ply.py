from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from tadmor.errors import UserError
from tadmor.media.mesh import TexturedMesh
from tadmor.media.ply import read_ply, write_ply_cloud, write_ply_mesh


def header_of(path: Path) -> list[str]:
    return path.read_bytes().split(b"end_header\n")[0].decode("ascii").splitlines()


def test_a_mesh_carries_its_evidence_under_its_names_and_types(tmp_path: Path, textured: TexturedMesh) -> None:
    path = tmp_path / "m.ply"
    write_ply_mesh(path, textured, comments=["made\nof photos"])
    assert header_of(path) == [
        "ply",
        "format binary_little_endian 1.0",
        "comment made of photos",
        "element vertex 442",
        *[f"property float {axis}" for axis in "xyz"],
        *[f"property uchar {colour}" for colour in ("red", "green", "blue")],
        "property ushort photos",
        "property float angle_deg",
        "property float gsd",
        "property uchar class",
        "property ushort years_0",
        "property ushort years_1",
        "element face 800",
        "property list uchar int vertex_indices",
    ]


def test_trimesh_reads_a_mesh_back(tmp_path: Path, textured: TexturedMesh) -> None:
    path = tmp_path / "m.ply"
    write_ply_mesh(path, textured)
    mesh = trimesh.load_mesh(path, process=False)
    assert np.array_equal(mesh.vertices.astype(np.float32), textured.vertices)
    assert np.array_equal(mesh.faces, textured.faces)
    assert textured.colours is not None
    assert np.array_equal(mesh.visual.vertex_colors[:, :3], textured.colours)
    rows = mesh.metadata["_ply_raw"]["vertex"]["data"]
    for name in ("photos", "angle_deg", "gsd", "class"):
        assert np.array_equal(np.squeeze(rows[name]), textured.attributes[name])


def test_trimesh_reads_a_cloud_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(1000, 3))
    normals = points / np.linalg.norm(points, axis=1, keepdims=True)
    colours = rng.integers(0, 256, (1000, 4), dtype=np.uint8)
    path = tmp_path / "cloud.ply"
    write_ply_cloud(path, points, normals=normals, colours=colours)
    cloud = trimesh.load(path)
    assert isinstance(cloud, trimesh.PointCloud)
    assert np.array_equal(cloud.vertices.astype(np.float32), points.astype(np.float32))
    assert np.array_equal(cloud.colors, colours)
    rows = cloud.metadata["_ply_raw"]["vertex"]["data"]
    stored = np.stack([np.squeeze(rows[name]) for name in ("nx", "ny", "nz")], axis=1)
    assert np.array_equal(stored, normals.astype(np.float32))


def test_reading_gives_what_was_written(tmp_path: Path, textured: TexturedMesh) -> None:
    path = tmp_path / "m.ply"
    write_ply_mesh(path, textured)
    read = read_ply(path)
    assert np.array_equal(read.vertices, textured.vertices)
    assert np.array_equal(read.faces, textured.faces)
    colours = read.columns("red", "green", "blue")
    assert colours is not None
    assert textured.colours is not None
    assert np.array_equal(colours, textured.colours)
    assert np.array_equal(read.properties["photos"], textured.attributes["photos"])
    assert read.columns("nx", "ny", "nz") is None


def test_reading_gives_what_trimesh_wrote(tmp_path: Path) -> None:
    sphere = trimesh.creation.icosphere(2)
    path = tmp_path / "sphere.ply"
    path.write_bytes(trimesh.exchange.ply.export_ply(sphere, vertex_normal=True))
    read = read_ply(path)
    assert np.allclose(read.vertices, sphere.vertices, atol=1e-6)
    assert np.array_equal(read.faces, sphere.faces)
    normals = read.columns("nx", "ny", "nz")
    assert normals is not None
    assert np.allclose(normals, sphere.vertex_normals, atol=1e-6)


def test_lists_and_elements_beside_the_faces_are_passed_over(tmp_path: Path) -> None:
    header = (
        b"ply\r\nformat binary_little_endian 1.0\r\nobj_info by hand\r\n"
        b"element camera 2\r\nproperty double f\r\nproperty list uchar short ids\r\n"
        b"element vertex 3\r\nproperty double x\r\nproperty double y\r\nproperty double z\r\n"
        b"element face 2\r\nproperty list uint8 uint32 vertex_index\r\nproperty list uchar float texcoord\r\n"
        b"property uchar red\r\nend_header\r\n"
    )
    cameras = np.array([(1, 2, (3, 4))] * 2, [("f", "<f8"), ("n", "u1"), ("ids", "<i2", 2)])
    vertices = np.arange(9, dtype="<f8")
    face = np.dtype([("n", "u1"), ("v", "<u4", 3), ("k", "u1"), ("t", "<f4", 6), ("red", "u1")])
    faces = np.array([(3, (0, 1, 2), 6, (0.5,) * 6, 9), (3, (2, 1, 0), 6, (0.5,) * 6, 9)], face)
    path = tmp_path / "m.ply"
    path.write_bytes(header + cameras.tobytes() + vertices.tobytes() + faces.tobytes())
    read = read_ply(path)
    assert np.array_equal(read.vertices, vertices.reshape(3, 3))
    assert np.array_equal(read.faces, [[0, 1, 2], [2, 1, 0]])


def test_a_cloud_is_read_without_faces(tmp_path: Path) -> None:
    write_ply_cloud(tmp_path / "c.ply", np.zeros((4, 3)), attributes={"id": np.arange(4)})
    read = read_ply(tmp_path / "c.ply")
    assert read.faces.shape == (0, 3)
    assert np.array_equal(read.properties["id"], np.arange(4))  # 64 bit integers, which PLY lacks, stored as double


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"ply\n", b"PLx\n", "does not begin with 'ply'"),
        (b"binary_little_endian", b"binary_big_endian", "is not binary little-endian"),
        (b"property float x", b"property float q", "has no vertices with x, y and z"),
        (b"element vertex", b"element corner", "has no vertices with x, y and z"),
        (b"int vertex_indices", b"int corners", "no field of name vertex_index"),
        (b"property float x", b"property half x", "property of unknown type 'half'"),
        (b"comment", b"komment", "header holds the line 'komment"),
        (b"end_header\n", b"", "header"),
        (b"element vertex 442", b"element vertex 999999", "breaks off in the element 'vertex'"),
        (b"element face 800", b"element face 801", "breaks off in the element 'face'"),
        (b"\x03\0\0\0\0", b"\x04\0\0\0\0", "breaks off in the element 'face'"),
        (b"\x03\0\0\0\0\x01\0\0\0", b"\x03\0\0\0\0\xff\xff\0\0", "a face names a vertex that does not exist"),
    ],
)
def test_bad_files_are_refused_with_the_reason(
    tmp_path: Path, textured: TexturedMesh, old: bytes, new: bytes, reason: str
) -> None:
    path = tmp_path / "m.ply"
    write_ply_mesh(path, replace(textured, attributes={}, colours=None), comments=["c"])
    content = path.read_bytes()
    start = content.index(b"end_header\n") + 11 + 442 * 12 if old[0] == 3 else 0  # where the faces begin
    assert old in content[start:]
    path.write_bytes(content[:start] + content[start:].replace(old, new, 1))
    with pytest.raises(UserError, match=reason) as caught:
        read_ply(path)
    assert caught.value.code == "model-unreadable"
    assert caught.value.params["format"] == "PLY"


def test_a_polygon_mesh_is_refused(tmp_path: Path) -> None:
    header = b"ply\nformat binary_little_endian 1.0\nelement vertex 4\n"
    header += b"property float x\nproperty float y\nproperty float z\n"
    header += b"element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    path = tmp_path / "quad.ply"
    path.write_bytes(header + np.zeros(12, "<f4").tobytes() + b"\x04" + np.arange(4, dtype="<i4").tobytes())
    with pytest.raises(UserError, match="not triangles"):
        read_ply(path)
