from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from tadmor.media.mesh import TexturedMesh, parts
from tadmor.media.obj import write_obj


@pytest.mark.parametrize("name", ["arch.obj", "my arch #2.obj", "قوس النصر.obj"])
def test_names_in_the_files_have_no_spaces_and_name_files_that_are_there(
    tmp_path: Path, textured: TexturedMesh, name: str
) -> None:
    written = write_obj(tmp_path / name, textured)
    assert set(written) == set(tmp_path.iterdir())
    assert written[-1] == tmp_path / name
    (library,) = re.findall(r"^mtllib (.*)$", (tmp_path / name).read_text(), re.M)
    pictures = re.findall(r"^map_Kd (.*)$", (tmp_path / library).read_text(), re.M)
    assert len(pictures) == 2
    for file in [library, *pictures]:
        assert re.fullmatch(r"[A-Za-z0-9._-]+", file)
        assert (tmp_path / file).is_file()


def test_two_models_whose_names_differ_only_in_letters_that_mtl_lacks_share_no_file(
    tmp_path: Path, textured: TexturedMesh
) -> None:
    one, two = write_obj(tmp_path / "قوس.obj", textured), write_obj(tmp_path / "نصر.obj", textured)
    assert not set(one) & set(two)


def test_trimesh_reads_it_back(tmp_path: Path, textured: TexturedMesh) -> None:
    write_obj(tmp_path / "my arch.obj", textured)
    scene = trimesh.load_scene(tmp_path / "my arch.obj", process=False)
    read = {mesh.visual.material.name: mesh for mesh in scene.geometry.values()}
    assert set(read) == {"page_0", "page_1", "inferred"}
    assert textured.uv is not None
    flipped = textured.uv * (1, -1) + (0, 1)
    for part in parts(textured):
        mesh = read[part.name]
        corners = part.vertex_index[part.faces]
        assert np.array_equal(mesh.vertices[mesh.faces].astype(np.float32), textured.vertices[corners])
        if part.kind == "page":
            assert np.allclose(mesh.visual.uv[mesh.faces], flipped[corners], atol=1e-7)
            ours = np.asarray(Image.open(io.BytesIO(textured.pages[part.page].jpeg)))
            assert np.array_equal(mesh.visual.material.image, ours)
        else:
            assert list(mesh.visual.material.diffuse[:3]) == [153] * 3  # 0.6 of 255


def test_vertices_come_back_bit_by_bit_and_in_order(tmp_path: Path, textured: TexturedMesh) -> None:
    far = replace(textured, vertices=textured.vertices * np.float32(1e5 / 3))
    write_obj(tmp_path / "m.obj", far)
    lines = re.findall(r"^v (\S+) (\S+) (\S+)$", (tmp_path / "m.obj").read_text(), re.M)
    assert np.array_equal(np.array(lines, np.float64).astype(np.float32), far.vertices)


def test_pages_are_written_unchanged(tmp_path: Path, textured: TexturedMesh) -> None:
    write_obj(tmp_path / "m.obj", textured)
    assert (tmp_path / "m_page_1.jpg").read_bytes() == textured.pages[1].jpeg


def test_colours_stand_behind_the_coordinates_where_there_are_no_pages(tmp_path: Path, textured: TexturedMesh) -> None:
    write_obj(tmp_path / "m.obj", replace(textured, pages=(), uv=None, face_page=None))
    mesh = trimesh.load_mesh(tmp_path / "m.obj", process=False, maintain_order=True)
    assert textured.colours is not None
    assert np.array_equal(mesh.visual.vertex_colors[:, :3], textured.colours[: len(mesh.vertices)])
