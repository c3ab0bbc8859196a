"""Triangle meshes as arrays: neighbours, pieces, normals. Vertices (n, 3), faces (m, 3) int32."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from tadmor.engine.scene import F32, F64, I32, Bool


def keep_faces(vertices: F64, faces: I32, keep: Bool) -> tuple[F64, I32, I32]:
    """Keep some faces and the vertices they use; returns vertices, faces and, for each kept vertex, its old row."""
    kept = faces[keep]
    used = np.zeros(len(vertices), np.bool_)
    used[kept.ravel()] = True
    renumber = np.cumsum(used, dtype=np.int32) - 1
    return vertices[used], renumber[kept].astype(np.int32), np.nonzero(used)[0].astype(np.int32)


def edges(faces: I32) -> I32:
    """(3 m, 2) the directed edges of all faces: first all (a, b), then all (b, c), then all (c, a)."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def _edge_keys(faces: I32) -> NDArray[np.int64]:
    ordered = np.sort(edges(faces), axis=1).astype(np.int64)
    keys: NDArray[np.int64] = ordered[:, 0] * (int(faces.max(initial=0)) + 1) + ordered[:, 1]
    return keys


def face_neighbours(faces: I32) -> I32:
    """(m, 3) int32: the faces across the edges (a, b), (b, c), (c, a); -1 at an open edge."""
    keys = _edge_keys(faces)
    order = np.argsort(keys, kind="stable")
    same = keys[order[1:]] == keys[order[:-1]]
    one, two = order[:-1][same], order[1:][same]
    count = len(faces)
    neighbours = np.full((count, 3), -1, np.int32)
    neighbours[one % count, one // count] = two % count
    neighbours[two % count, two // count] = one % count
    return neighbours


def face_pieces(faces: I32, neighbours: I32, together: Bool | None = None) -> tuple[int, I32]:
    """Number of connected pieces and the piece of each face; `together` (m, 3) says which edges hold faces together."""
    linked = neighbours >= 0 if together is None else (neighbours >= 0) & together
    one = np.nonzero(linked)[0]
    graph = sp.coo_matrix((np.ones(len(one), np.int8), (one, neighbours[linked])), shape=(len(faces), len(faces)))
    count, piece = connected_components(graph, directed=False)
    return int(count), piece.astype(np.int32)


def neighbour_mean(vertex_count: int, faces: I32) -> sp.csr_matrix:
    """(n, n) matrix from vertex values to the mean over each one's neighbours (uniform Laplacian plus identity)."""
    e = edges(faces)
    both = np.concatenate([e, e[:, ::-1]])
    links = sp.csr_matrix(
        (np.ones(len(both), np.float32), (both[:, 0], both[:, 1])), shape=(vertex_count, vertex_count)
    )
    links.data[:] = 1
    degree = np.asarray(links.sum(1)).ravel()
    return (sp.diags(1 / np.maximum(degree, 1)) @ links).tocsr()


def face_normals(vertices: F64, faces: I32) -> F64:
    """(m, 3) normals whose length is twice the face's area, by the right-hand rule."""
    a = vertices[faces[:, 0]]
    normals: F64 = np.cross(vertices[faces[:, 1]] - a, vertices[faces[:, 2]] - a)
    return normals


def vertex_normals(vertices: F64, faces: I32) -> F64:
    """(n, 3) unit normals, the faces' normals weighted by area."""
    weighted = face_normals(vertices, faces)
    normals = np.zeros((len(vertices), 3))
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(faces[:, corner], weighted[:, axis], len(vertices))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-20
    return normals


def unit[Vectors: (F32, F64)](vectors: Vectors) -> Vectors:
    """Rows scaled to unit length."""
    scaled: Vectors = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12)
    return scaled
