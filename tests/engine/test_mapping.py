"""Mapping from exact and from spoilt matches of known cameras, and the grouping of cameras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tadmor.engine import colmap
from tadmor.engine.colmap import PhotoToMap, VerifiedPair
from tadmor.engine.mapping import Mapped, _groups_by_focal, camera_groups, has_parallax, map_scenes
from tadmor.engine.scene import F64, Lens, Scene, View
from tadmor.engine.synthetic import Truth, compare_cameras
from tadmor.engine.synthetic.cameras import Stand, arc
from tadmor.engine.synthetic.monument import house

LENS = Lens(1200, 800, 1000.0, 599.5, 399.5, -0.05)
POINTS = 700


def building(seed: int, at: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> F64:
    """Points (n, 3) in a box of 8 x 6 x 4 m."""
    return np.random.default_rng(seed).uniform([-4, 0, -2], [4, 6, 2], (POINTS, 3)) + at


class Shoot:
    """Photos of points by known cameras: their features, in another order on every photo, and all pairs' matches."""

    def __init__(self, world: F64, stands: tuple[Stand, ...], *, focal_px: float | None = LENS.focal_px) -> None:
        noise_px, wrong = 0.3, 0.05
        rng = np.random.default_rng(5)
        self.views = [s.view(f"{n:03d}.jpg", LENS) for n, s in enumerate(stands)]
        self.photos: list[PhotoToMap] = []
        shown: list[dict[int, int]] = []
        for n, view in enumerate(self.views):
            in_camera = view.camera_points(world)
            pixels = LENS.distort(in_camera[:, :2] / in_camera[:, 2:]) + rng.normal(0, noise_px, (len(world), 2))
            inside = ((pixels > 0) & (pixels < [LENS.width, LENS.height])).all(1) & (in_camera[:, 2] > 0)
            order = rng.permutation(np.flatnonzero(inside))
            shown.append({int(point): row for row, point in enumerate(order)})
            points = pixels[order].astype(np.float32)
            self.photos.append(
                PhotoToMap(view.photo, view.name, LENS.width, LENS.height, focal_px, 0 if focal_px else n, points)
            )
        self.pairs: list[VerifiedPair] = []
        for j in range(len(stands)):
            for i in range(j):
                common = sorted(shown[i].keys() & shown[j].keys())
                matches = np.array([(shown[i][p], shown[j][p]) for p in common], np.uint32).reshape(-1, 2)
                spoilt = rng.random(len(matches)) < wrong
                matches[spoilt, 1] = rng.integers(0, len(shown[j]), spoilt.sum())
                pair = colmap.verify_pair(self.photos[i], self.photos[j], matches, (i, j), seed=1)
                if pair is not None:
                    self.pairs.append(pair)

    def mapped(self, seed: int = 1) -> Mapped:
        return map_scenes(self.photos, self.pairs, seed=seed)


AROUND = arc(9, radius=12.0, degrees=80.0, height=1.7, target=(0.0, 3.0, 0.0))


@pytest.fixture(scope="module")
def shoot() -> Shoot:
    return Shoot(building(1), AROUND)


def truth_of(views: list[View]) -> Truth:
    return Truth(house(0), Path(), tuple(views))


def test_matches_that_fit_one_geometry_are_kept_and_others_not(shoot: Shoot) -> None:
    world = building(1)
    for pair in shoot.pairs[:6]:
        one, two = shoot.views[pair.first], shoot.views[pair.second]
        pixels = []
        for view, photo, rows in (
            (one, shoot.photos[pair.first], pair.matches[:, 0]),
            (two, shoot.photos[pair.second], pair.matches[:, 1]),
        ):
            in_camera = view.camera_points(world)
            exact = LENS.distort(in_camera[:, :2] / in_camera[:, 2:])
            pixels.append(np.linalg.norm(exact[None] - photo.points[rows][:, None], axis=2).argmin(1))
        assert (pixels[0] == pixels[1]).mean() > 0.98
        assert len(pair.matches) > 100


def test_matches_of_nothing_are_no_pair(shoot: Shoot) -> None:
    one, two = shoot.photos[:2]
    matches = np.random.default_rng(1).integers(0, 200, (40, 2)).astype(np.uint32)
    assert colmap.verify_pair(one, two, matches, (0, 1), seed=1) is None
    assert colmap.verify_pair(one, two, matches[:10], (0, 1), seed=1) is None


@pytest.mark.parametrize("focal_px", [LENS.focal_px, None], ids=["with EXIF", "without"])
def test_cameras_are_where_they_were(focal_px: float | None) -> None:
    shoot = Shoot(building(1), AROUND, focal_px=focal_px)
    mapped = shoot.mapped()
    assert mapped.method == "incremental"
    (scene,) = mapped.scenes
    assert len(scene.views) == 9
    errors = compare_cameras(truth_of(shoot.views), scene.views)
    assert errors.centre_m.max() < 0.03
    for view in scene.views:
        assert view.lens.focal_px == pytest.approx(LENS.focal_px, rel=0.01)
        assert view.lens.k1 == pytest.approx(LENS.k1, abs=0.02)
    # without EXIF, lenses that turn out alike become one
    assert len({view.lens for view in scene.views}) == 1


def test_points_are_where_the_views_say_that_they_see_them(shoot: Shoot) -> None:
    (scene,) = shoot.mapped().scenes
    for view in scene.views:
        in_camera = view.camera_points(scene.points[view.point_index])
        pixels = view.lens.distort(in_camera[:, :2] / in_camera[:, 2:])
        features = shoot.photos[int(view.name[:3])].points[view.feature_index]
        assert np.median(np.linalg.norm(pixels - features, axis=1)) < 0.8
    errors = compare_cameras(truth_of(shoot.views), scene.views)
    world = errors.similarity.apply(scene.points)
    nearest = np.linalg.norm(world[:, None] - building(1)[None], axis=2).min(1)
    assert np.median(nearest) < 0.02
    assert len(scene.points) > 0.8 * POINTS


def test_mapping_is_the_same_every_time(shoot: Shoot) -> None:
    one, two = shoot.mapped(), shoot.mapped()
    for a, b in zip(one.scenes[0].views, two.scenes[0].views, strict=True):
        assert a.lens == b.lens
        assert np.array_equal(a.rotation, b.rotation)
        assert np.array_equal(a.translation, b.translation)
    assert np.array_equal(one.scenes[0].points, two.scenes[0].points)


def test_two_buildings_are_two_scenes_the_larger_first() -> None:
    first, second = Shoot(building(1), AROUND), Shoot(building(2), AROUND[:5])
    shift = len(first.photos)
    photos = [*first.photos, *(replace(p, photo=f"b{p.photo}") for p in second.photos)]
    pairs = [*first.pairs, *(replace(p, first=p.first + shift, second=p.second + shift) for p in second.pairs)]
    mapped = map_scenes(photos, pairs, seed=1)
    assert [len(s.views) for s in mapped.scenes] == [9, 5]
    assert {v.photo[0] for v in mapped.scenes[1].views} == {"b"}


def test_no_pairs_give_no_scenes(shoot: Shoot) -> None:
    assert map_scenes(shoot.photos, [], seed=1).scenes == ()


def photo(row: int, *, focal_px: float | None = None, size: tuple[int, int] = (1200, 800), group: int | None = None) -> PhotoToMap:  # fmt: skip  # noqa: E501
    return PhotoToMap(
        str(row), f"{row}.jpg", *size, focal_px, row if group is None else group, np.zeros((0, 2), np.float32)
    )


def test_cameras_are_grouped_by_what_exif_says() -> None:
    photos = [photo(n) for n in range(6)]
    photos[4] = photo(4, size=(800, 1200))
    marks = [("Canon", 50.0), ("Canon", 50.0), None, ("Nikon", 35.0), ("Canon", 50.0), None]
    groups = [p.group for p in camera_groups(photos, marks)]
    assert groups[0] == groups[1]
    assert len(set(groups)) == 5  # another camera, another format, and two that say nothing


def test_photos_of_one_size_with_focal_lengths_alike_share_a_camera() -> None:
    photos = [photo(n) for n in range(6)]
    groups = _groups_by_focal({0: 1000.0, 1: 1010.0, 2: 995.0, 3: 1003.0, 4: 1000.0, 5: 1700.0}, photos)
    assert len({groups[n] for n in range(5)}) == 1
    assert groups[5] != groups[0]


def test_focal_lengths_that_differ_are_not_one_camera() -> None:
    photos = [photo(n) for n in range(5)]
    groups = _groups_by_focal({0: 1000.0, 1: 1100.0, 2: 900.0, 3: 1210.0, 4: 1000.0}, photos)
    assert len(set(groups.values())) == 5


def test_sizes_are_not_mixed_and_exifs_word_stands() -> None:
    photos = [photo(n) for n in range(3)] + [photo(n, size=(800, 1200)) for n in range(3, 6)]
    groups = _groups_by_focal(dict.fromkeys(range(6), 1000.0), photos)
    assert groups[0] == groups[1] == groups[2] != groups[3] == groups[4] == groups[5]
    known = [photo(n, focal_px=1000.0, group=n // 2) for n in range(4)]
    assert _groups_by_focal(dict.fromkeys(range(4), 1000.0), known) == {0: 0, 1: 0, 2: 1, 3: 1}


def test_two_photos_are_too_few_to_share() -> None:
    photos = [photo(n) for n in range(2)]
    assert _groups_by_focal({0: 1000.0, 1: 1000.0}, photos) == {0: 0, 1: 1}


def test_cameras_in_one_place_see_no_depth() -> None:
    def scene(apart: float) -> Scene:
        views = tuple(
            View(
                str(i),
                str(i),
                LENS,
                np.eye(3),
                np.array([-apart * i / 4, 0.0, 0.0]),
                np.arange(18, dtype=np.int32),
                np.arange(18, dtype=np.int32),
            )
            for i in range(5)
        )
        points = np.stack([*np.meshgrid([-1.0, 0, 1], [-1.0, 0, 1], [9.0, 11.0])], -1).reshape(-1, 3)
        return Scene(views, points, np.zeros(18))

    assert has_parallax(scene(1.0))
    assert not has_parallax(scene(0.1))
