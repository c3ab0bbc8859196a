"""Small pieces that the photos show in different colours go; what they agree on stays."""

from __future__ import annotations

import numpy as np
from meshes import grid

from tadmor.engine.surface.topology import face_neighbours
from tadmor.engine.surface.trust import CRUMB_FACES, ODD_DEVIATION, SMALL_PIECE, blobs

SHEET, PATCH = 150, 10


def test_odd_small_pieces_and_crumbs_go_and_alike_ones_stay() -> None:
    _, sheet = grid(SHEET, SHEET)
    _, patch = grid(PATCH, PATCH)
    _, crumb = grid(2, 2)
    parts = [sheet, patch, patch, crumb]
    starts = np.cumsum([0, *[int(p.max()) + 1 for p in parts]])
    faces = np.concatenate([p + s for p, s in zip(parts, starts, strict=False)]).astype(np.int32)
    which = np.repeat(np.arange(4), [len(p) for p in parts])
    assert CRUMB_FACES < len(patch) < SMALL_PIECE * len(faces)
    assert len(crumb) < CRUMB_FACES
    differing = np.array([10, 12, ODD_DEVIATION + 1, 10], np.float32)[which]
    gone = blobs(np.ones(len(faces), np.bool_), face_neighbours(faces), differing)
    assert [gone[which == k].mean() for k in range(4)] == [0, 0, 1, 1]
    # where photos differ everywhere, by their light, that much is not odd
    gone = blobs(np.ones(len(faces), np.bool_), face_neighbours(faces), np.maximum(differing, ODD_DEVIATION))
    assert not gone[which < 3].any()


def test_nothing_kept_has_no_blobs() -> None:
    _, faces = grid(8, 8)
    assert not blobs(np.zeros(len(faces), np.bool_), face_neighbours(faces), np.zeros(len(faces), np.float32)).any()
