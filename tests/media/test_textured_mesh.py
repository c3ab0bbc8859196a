from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tadmor.media.mesh import TexturedMesh, parts


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vertices": np.zeros((442, 2), np.float32)}, r"vertices must have the shape \(442, 3\), got \(442, 2\)"),
        ({"vertices": np.full((442, 3), np.nan, np.float32)}, "vertices holds values that are not finite"),
        ({"faces": np.array([[0, 1, 442]], np.int32)}, "faces must lie in 0..441, got 0..442"),
        ({"faces": np.array([[0, 1, -1]], np.int32)}, "faces must lie in 0..441, got -1..1"),
        ({"face_page": np.full(800, 2, np.int16)}, "face_page must lie in -1..1, got 2..2"),
        ({"face_page": np.zeros(799, np.int16)}, "face_page must have the shape"),
        ({"uv": np.full((442, 2), 1.5, np.float32)}, r"uv must lie in 0..1, got 1.5..1.5"),
        ({"uv": None}, "a mesh with pages needs uv and face_page"),
        ({"colours": np.zeros((442, 3), np.float32)}, "colours must be uint8"),
        ({"attributes": {"gsd": np.full(442, np.inf, np.float32)}}, "attribute 'gsd' holds values that are not finite"),
        ({"attributes": {"gsd": np.zeros(441, np.float32)}}, "attribute 'gsd' must have the shape"),
        ({"attributes": {"gsd": np.zeros((442, 5), np.float32)}}, "attribute 'gsd' has 5 columns"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(textured: TexturedMesh, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(textured, **changes)


def test_parts_hold_every_face_once_and_only_used_vertices(textured: TexturedMesh) -> None:
    found = list(parts(textured))
    assert [part.name for part in found] == ["page_0", "page_1", "inferred"]
    together = np.concatenate([part.vertex_index[part.faces] for part in found])
    assert sorted(map(tuple, together)) == sorted(map(tuple, textured.faces))
    assert textured.face_page is not None
    for part in found:
        assert np.array_equal(part.vertex_index[part.faces], textured.faces[textured.face_page == part.page])
        assert np.array_equal(np.unique(part.faces), np.arange(len(part.vertex_index)))


def test_a_page_without_faces_gives_no_part(textured: TexturedMesh) -> None:
    found = parts(replace(textured, face_page=np.full(len(textured.faces), 1, np.int16)))
    assert [part.name for part in found] == ["page_1"]


def test_parts_of_a_mesh_without_pages(textured: TexturedMesh) -> None:
    bare = replace(textured, pages=(), uv=None, face_page=None)
    unseen = replace(bare, colours=None, face_page=np.full(len(bare.faces), -1, np.int16))
    assert [part.kind for part in parts(bare)] == ["surface"]
    assert [part.kind for part in parts(unseen)] == ["inferred"]
    assert list(parts(replace(bare, faces=np.zeros((0, 3), np.int32)))) == []
