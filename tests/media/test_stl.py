from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh

from tadmor.media.stl import write_stl


def test_trimesh_reads_it_back(tmp_path: Path) -> None:
    sphere = trimesh.creation.icosphere(3)
    faces = np.concatenate([sphere.faces, [[0, 0, 1]]]).astype(np.int32)  # the last one has no area, hence no normal
    path = tmp_path / "m.stl"
    write_stl(path, sphere.vertices, faces)
    assert not path.read_bytes().startswith(b"solid")
    assert path.stat().st_size == 84 + 50 * len(faces)
    read = trimesh.load_mesh(path, process=False)
    assert np.array_equal(read.triangles.astype(np.float32), sphere.vertices[faces].astype(np.float32))
    stored = np.frombuffer(path.read_bytes()[84:], np.dtype([("normal", "<f4", 3), ("rest", "V38")]))["normal"]
    assert np.allclose(stored[:-1], sphere.face_normals, atol=1e-6)
    assert (stored[-1] == 0).all()
