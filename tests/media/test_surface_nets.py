from __future__ import annotations

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from skimage.measure import marching_cubes

from tadmor.media.surface_nets import is_closed, surface_net, well_composed


def is_manifold(faces: NDArray[np.int32]) -> bool:
    """Tell by other means than ours: two faces an edge, and one fan of faces around each vertex."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    if (np.unique(edges, axis=0, return_counts=True)[1] != 2).any():
        return False
    # Corners of faces that share a vertex and an edge there are joined: one component for each vertex in use.
    corner = np.arange(faces.size).reshape(-1, 3)
    keys = np.concatenate([np.sort(faces[:, [i, (i + 1) % 3]], axis=1) for i in range(3)])
    order = np.lexsort(keys.T)
    first, second = order[::2], order[1::2]  # the two faces at each edge
    links = []
    for at in (0, 1):
        vertex = keys[first][:, at]
        ends = []
        for side in (first, second):
            face = side % len(faces)
            ends.append(corner[face, (faces[face] == vertex[:, None]).argmax(1)])
        links.append(np.stack(ends, 1))
    a, b = np.concatenate(links).T
    graph = sparse.coo_matrix((np.ones(len(a)), (a, b)), (faces.size, faces.size))
    return bool(csgraph.connected_components(graph, directed=False)[0] == len(np.unique(faces)))


# scikit-image 0.26 sets an array's shape, which numpy 2.5 deprecates
@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")
def test_a_sphere_lies_where_marching_cubes_puts_it() -> None:
    offset = np.indices((40, 41, 42)) - np.array([19.3, 20.1, 20.6])[:, None, None, None]
    field = (np.sqrt((offset**2).sum(0)) - 15).astype(np.float32)
    vertices, faces = surface_net(field, field < 0)
    ours = trimesh.Trimesh(vertices, faces, process=False)
    theirs = trimesh.Trimesh(*marching_cubes(field, 0)[:2], process=False)
    assert ours.is_watertight
    assert ours.is_winding_consistent
    assert ours.volume == pytest.approx(4 / 3 * np.pi * 15**3, rel=0.006)
    assert ours.volume == pytest.approx(abs(theirs.volume), rel=0.005)
    radius = np.linalg.norm(vertices - np.array([19.3, 20.1, 20.6]), axis=1)
    assert np.abs(radius - 15).max() < 0.05


def test_a_plane_between_voxels_is_exact() -> None:
    z = np.arange(12, dtype=np.float32)
    field = np.full((10, 10, 12), 1, np.float32)
    field[1:-1, 1:-1] = np.maximum(2.25 - z, z - 7.75)
    vertices, _ = surface_net(field, field < 0)
    inner = vertices[(np.abs(vertices[:, :2] - 4.5) < 3).all(1)]
    assert set(inner[:, 2].tolist()) == {2.25, 7.75}


@pytest.mark.parametrize("density", [0.05, 0.2, 0.5, 0.8, 0.97])
def test_noise_becomes_well_composed_and_its_surface_manifold(density: float) -> None:
    rng = np.random.default_rng(7)
    noise = np.zeros((26, 25, 24), bool)
    noise[1:-1, 1:-1, 1:-1] = rng.random((24, 23, 22)) < density
    solid = well_composed(noise)
    assert (solid >= noise).all()
    assert solid.sum() == solid[1:-1, 1:-1, 1:-1].sum()
    # Well-composed: parts that touch by a face are the parts that touch at all, for the solid and for what is empty.
    for part in (solid, ~solid):
        assert ndimage.label(part)[1] == ndimage.label(part, np.ones((3, 3, 3)))[1]
    field = np.where(solid, -1, 1) * rng.uniform(0.1, 1, solid.shape).astype(np.float32)
    vertices, faces = surface_net(field.astype(np.float32), solid)
    assert is_manifold(faces)
    assert is_closed(faces)
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0


def test_diagonal_contacts_would_not_be_manifold() -> None:
    solid = np.zeros((5, 5, 5), bool)
    solid[2, 2, 2] = solid[2, 3, 3] = True
    field = np.where(solid, -1, 1).astype(np.float32)
    assert not is_manifold(surface_net(field, solid)[1])
    assert not is_closed(surface_net(field, solid)[1])
    assert well_composed(solid).sum() == 3


def test_an_open_or_turned_face_is_found() -> None:
    faces = trimesh.creation.icosphere(1).faces.astype(np.int32)
    assert is_closed(faces)
    assert not is_closed(faces[1:])
    faces[3] = faces[3, ::-1]
    assert not is_closed(faces)
