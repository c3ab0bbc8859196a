"""Evidence of a wall seen by known cameras."""

from __future__ import annotations

import numpy as np
import pytest
from meshes import facing, grid

from tadmor.engine.scene import F64, Lens, View
from tadmor.engine.surface.evidence import CLASS_COLOURS, Evidence, EvidenceClass, Witnesses
from tadmor.engine.surface.raster import rasterise
from tadmor.engine.surface.topology import vertex_normals

LENS = Lens(200, 150, 150.0, 99.5, 74.5)
FULL_FOCAL_PX = 900.0
VERTICES, FACES = grid(10, 6)
MIDDLE = (5.0, 3.0, 0.0)


def witness(views: list[View], vertices: F64 = VERTICES, measured: bool = True) -> Evidence:  # noqa: FBT001, FBT002  # of a test
    witnesses = Witnesses(vertices, vertex_normals(vertices, FACES))
    for view in views:
        in_camera = view.camera_points(vertices).astype(np.float32)
        depth, _ = rasterise(in_camera, FACES, LENS.focal_px, LENS.cx, LENS.cy, LENS.width, LENS.height)
        k = np.array([LENS.focal_px, LENS.cx, LENS.cy])
        witnesses.add(depth, k, view.rotation, view.translation, FULL_FOCAL_PX)
    return witnesses.evidence(np.full(len(vertices), measured))


def at(*angles_deg: float, distance: float = 15.0) -> list[View]:
    """Views of the wall's middle from so many degrees to the right of straight ahead."""
    places = [np.array(MIDDLE) + distance * np.array([np.sin(a), 0, np.cos(a)]) for a in np.radians(angles_deg)]
    return [facing((p[0], p[1], p[2]), MIDDLE, LENS) for p in places]


def expected_angle(views: list[View], vertex: F64) -> float:
    towards = np.array([v.centre - vertex for v in views])
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    return float(np.degrees(np.arccos(np.clip(towards @ towards.T, -1, 1))).max())


def test_photos_angles_and_sampling_are_those_of_the_cameras() -> None:
    views = at(-20, 0, 13)
    found = witness(views)
    assert (found.photos == 3).all()
    np.testing.assert_allclose(found.angle_deg, [expected_angle(views, v) for v in VERTICES], atol=0.01)
    finest = np.min([v.camera_points(VERTICES)[:, 2] / FULL_FOCAL_PX for v in views], axis=0)
    np.testing.assert_allclose(found.gsd, finest, rtol=1e-5)
    assert (found.classes == EvidenceClass.OBSERVED).all()


@pytest.mark.parametrize(
    ("angles", "measured", "expected"),
    [
        ((-20, 0, 13), True, EvidenceClass.OBSERVED),
        ((-20, 0, 13), False, EvidenceClass.WEAKLY_OBSERVED),  # seen, but no depth supports it
        ((-20, 13), True, EvidenceClass.WEAKLY_OBSERVED),  # two photos
        ((-1, 0, 1), True, EvidenceClass.WEAKLY_OBSERVED),  # from almost one place
        ((0,), True, EvidenceClass.WEAKLY_OBSERVED),
        ((170, 180, 190), True, EvidenceClass.INFERRED),  # from behind
        ((), True, EvidenceClass.INFERRED),
    ],
)
def test_classes(angles: tuple[float, ...], measured: bool, expected: EvidenceClass) -> None:  # noqa: FBT001  # parameter
    found = witness(at(*angles), measured=measured)
    assert (found.classes == expected).all()
    assert ((found.photos > 0) == (expected != EvidenceClass.INFERRED)).all()


def test_what_is_not_seen_has_no_figures() -> None:
    found = witness(at(180))
    assert not found.photos.any()
    assert not found.angle_deg.any()
    assert not found.gsd.any()
    assert (found.classes == EvidenceClass.INFERRED).all()


def test_one_photo_gives_no_angle() -> None:
    found = witness(at(5))
    assert (found.photos == 1).all()
    assert not found.angle_deg.any()


def test_what_stands_behind_another_wall_is_not_seen() -> None:
    left = VERTICES[:, 0] < 4
    k = np.array([LENS.focal_px, LENS.cx, LENS.cy])
    witnesses = Witnesses(VERTICES, vertex_normals(VERTICES, FACES))
    for view in at(-20, 0, 13):
        in_camera = view.camera_points(VERTICES)
        depth, _ = rasterise(in_camera.astype(np.float32), FACES, k[0], k[1], k[2], LENS.width, LENS.height)
        columns = LENS.distort(in_camera[left, :2] / in_camera[left, 2:])[:, 0]
        depth[:, : int(columns.max()) + 4] = 5.0
        witnesses.add(depth, k, view.rotation, view.translation, FULL_FOCAL_PX)
    hidden = witnesses.evidence(np.ones(len(VERTICES), np.bool_))
    assert not hidden.photos[left].any()
    assert (hidden.photos[VERTICES[:, 0] > 5] == 3).all()


def test_beyond_the_picture_nothing_is_seen() -> None:
    close = at(0, distance=4.0)
    found = witness(close)
    pixel = LENS.distort(close[0].camera_points(VERTICES)[:, :2] / close[0].camera_points(VERTICES)[:, 2:])
    inside = ((pixel > 1.5) & (pixel < [LENS.width - 2.5, LENS.height - 2.5])).all(1)
    outside = ((pixel < -1) | (pixel > [LENS.width, LENS.height])).any(1)
    assert (found.photos[inside] == 1).all()
    assert not found.photos[outside].any()


def test_with_many_views_the_angle_is_found_too() -> None:
    views = at(*np.linspace(-40, 35, 40))
    found = witness(views)
    expected = np.array([expected_angle(views, v) for v in VERTICES])
    assert (found.photos == 40).all()
    assert (found.angle_deg <= expected + 0.01).all()
    np.testing.assert_allclose(found.angle_deg, expected, rtol=0.02)


def test_classes_differ_in_lightness() -> None:
    luminance = CLASS_COLOURS @ [0.2126, 0.7152, 0.0722]
    assert EvidenceClass.INFERRED < EvidenceClass.WEAKLY_OBSERVED < EvidenceClass.OBSERVED
    assert (np.diff(luminance) < -40).all()
