"""Synthetic photographs against independent geometry: a ray caster, OpenCV's lens, the ellipsoid, and each other."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from PIL import ExifTags, Image
from trimesh.ray.ray_pyembree import RayMeshIntersector

from tadmor.engine.scene import F32, F64, Lens, View
from tadmor.engine.synthetic.cameras import Stand, arc
from tadmor.engine.synthetic.light import Light, daylight
from tadmor.engine.synthetic.monument import Monument, arch, arch_with_cella, built, house
from tadmor.engine.synthetic.photographs import LABEL, Optics, photograph
from tadmor.engine.synthetic.sets import PALMYRA, small_set, tour
from tadmor.engine.synthetic.shading import linear_picture
from tadmor.engine.synthetic.solids import Material, box, join
from tadmor.engine.synthetic.stone import albedo
from tadmor.engine.synthetic.truth import Truth, face_normals, on_surface

STAND = Stand((7.0, 1.8, 19.0), (0.5, 5.0, 0.0), roll_deg=3.0)
BENT = Lens(300, 200, 233.0, 151.7, 97.2, k1=-0.11, k2=0.02)  # a lens far from ideal, its axis off the middle


@pytest.fixture(scope="module")
def monument() -> Monument:
    return arch()


@pytest.fixture(scope="module")
def cairn() -> Monument:
    """A few blocks: what a photograph's file says does not depend on what it shows."""
    blocks = join(*(box((x, 0, -1), (x + 1.5, 2 + x, 1), Material.ASHLAR) for x in (-4.0, -1.0, 2.0)))
    ground = box((-60, -1, -60), (60, 0, 60), Material.SAND)
    return built("cairn", join(blocks, ground), np.array([[-4, 0, -1], [4, 4, 1.0]]), 0)


@pytest.fixture(scope="module")
def light(monument: Monument) -> Light:
    return daylight(monument, shadow_size=1024, sky_directions=6, sky_spacing_m=1.0)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return small_set(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def caster(monument: Monument) -> RayMeshIntersector:
    return RayMeshIntersector(trimesh.Trimesh(monument.vertices, monument.faces, process=False))


def pixels(lens: Lens) -> F64:
    column, row = np.meshgrid(np.arange(lens.width), np.arange(lens.height))
    return np.stack([column.ravel(), row.ravel()], 1).astype(float)


def cast(caster: RayMeshIntersector, view: View, ideal: F64) -> F64:
    """Depth (n,) along rays through ideal image coordinates (n, 2), 0 where they meet nothing."""
    direction = np.concatenate([ideal, np.ones((len(ideal), 1))], 1) @ view.rotation
    origin = np.broadcast_to(view.centre, direction.shape)
    _, ray, where = caster.intersects_id(origin, direction, return_locations=True, multiple_hits=False)
    depth = np.zeros(len(ideal))
    depth[ray] = view.camera_points(where)[:, 2]
    return depth


def test_true_depth_agrees_with_a_ray_caster(monument: Monument, caster: RayMeshIntersector) -> None:
    view = STAND.view("a.jpg", BENT)
    depth = Truth(monument, Path(), (view,)).depth(view).ravel()
    expected = cast(caster, view, (pixels(BENT) - [BENT.cx, BENT.cy]) / BENT.focal_px)
    close = np.abs(depth - expected) <= 1e-3 * np.maximum(expected, 1)
    assert (expected > 0).mean() > 0.5
    assert close.mean() > 0.998


def test_the_picture_shows_stone_where_rays_through_the_lens_meet_it(
    monument: Monument, light: Light, caster: RayMeshIntersector
) -> None:
    # OpenCV inverts the distortion here; blue beats red in the sky and nowhere on the building
    view = STAND.view("a.jpg", BENT)
    distortion = np.array([BENT.k1, BENT.k2, 0, 0])
    ideal = cv2.undistortPoints(pixels(BENT)[:, None], BENT.matrix, distortion).reshape(-1, 2).astype(float)
    expected = cast(caster, view, ideal).reshape(BENT.height, BENT.width)
    picture = linear_picture(monument, light, view)
    blue = picture[..., 2] > picture[..., 0]
    near, sky = (expected > 0) & (expected < 60), expected == 0
    assert min(near.sum(), sky.sum()) > 10000

    def wrong(right: int, down: int) -> int:
        moved = np.roll(blue, (down, right), (0, 1))
        return int((moved[near].sum()) + (~moved[sky]).sum())

    assert wrong(0, 0) < 0.005 * blue.size
    for step in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        assert wrong(*step) > 2 * wrong(0, 0)


def test_the_lens_is_the_one_opencv_undoes(monument: Monument, light: Light) -> None:
    straight = STAND.view("a.jpg", BENT.pinhole)
    picture = linear_picture(monument, light, STAND.view("a.jpg", BENT))
    undone = cv2.undistort(picture, BENT.matrix, np.array([BENT.k1, BENT.k2, 0, 0]))
    expected = linear_picture(monument, light, straight)
    middle = (slice(30, -30), slice(30, -30))
    window = cv2.createHanningWindow((BENT.width - 60, BENT.height - 60), cv2.CV_32F)
    grey = [np.ascontiguousarray(image[middle].mean(2)) for image in (undone, expected)]
    (shift_x, shift_y), _ = cv2.phaseCorrelate(grey[0], grey[1], window)
    assert abs(shift_x) < 0.08
    assert abs(shift_y) < 0.08
    corner = (slice(20, 60), slice(20, 90))
    assert np.corrcoef(undone[corner].ravel(), expected[corner].ravel())[0, 1] > 0.97


def read(truth: Truth, view: View) -> F32:
    with Image.open(truth.folder / view.name) as photo:
        return np.asarray(photo.convert("L"), np.float32)


def seen_colours(truth: Truth, view: View, points: F64, *, off_px: float = 0.0) -> tuple[F64, F64]:
    """Grey (n,) at the image of world points through the lens, nan where the photo does not show them."""
    lens = view.lens
    local = view.camera_points(points)
    ideal = local[:, :2] / local[:, 2:]
    depth = truth.depth(view)
    flat = np.rint(lens.pinhole.distort(ideal)).astype(int)
    inside = ((flat >= 8) & (flat < [lens.width - 8, lens.height - 8])).all(1) & (local[:, 2] > 0)
    flat[~inside] = 8
    shown = inside & (np.abs(depth[flat[:, 1], flat[:, 0]] - local[:, 2]) < 0.05)
    at = (lens.distort(ideal) + off_px).astype(np.float32)
    grey = cv2.remap(read(truth, view), at[:, 0], at[:, 1], cv2.INTER_LINEAR).ravel().astype(float)
    return np.where(shown, grey, np.nan), local[:, 2]


def test_one_place_has_one_colour_in_two_photos(small: Truth) -> None:
    monument = small.monument
    vertices, faces = monument.vertices.astype(float), monument.faces[monument.faces_in_region()]
    points, face = on_surface(vertices, faces, 40000, np.random.default_rng(0))
    points = points[np.abs(face_normals(vertices, faces)[face, 2]) > 0.8]  # the fronts
    first, second = small.views[3], small.views[4]
    here, there, moved = (
        seen_colours(small, first, points)[0],
        seen_colours(small, second, points)[0],
        seen_colours(small, second, points, off_px=4.0)[0],
    )
    both = ~np.isnan(here) & ~np.isnan(there) & ~np.isnan(moved)
    assert both.sum() > 1200
    right = np.corrcoef(here[both], there[both])[0, 1]
    wrong = np.corrcoef(here[both], moved[both])[0, 1]
    assert right > 0.8
    assert wrong < 0.6


def test_small_set_is_what_it_says(small: Truth) -> None:
    assert len(small.views) == 8
    assert sorted(p.name for p in small.folder.iterdir()) == [view.name for view in small.views]
    for view in small.views:
        with Image.open(small.folder / view.name) as photo:
            assert photo.size == (view.lens.width, view.lens.height) == (800, 533)
            levels = np.asarray(photo)
        assert 60 < levels.mean() < 200
        assert (levels >= 254).mean() < 0.05


def test_exif_tells_the_true_lens_and_that_it_is_synthetic(small: Truth) -> None:
    moments = []
    for view in small.views:
        with Image.open(small.folder / view.name) as photo:
            exif = photo.getexif()
            xmp = photo.info["xmp"]
        detail = exif.get_ifd(ExifTags.IFD.Exif)
        equivalent = detail[ExifTags.Base.FocalLengthIn35mmFilm]
        assert equivalent * view.lens.width / 36 == pytest.approx(view.lens.focal_px, rel=1e-9)
        assert detail[ExifTags.Base.FocalLength] == equivalent
        assert (exif[ExifTags.Base.Make], exif[ExifTags.Base.Model]) == ("Tadmor", "synthetic")
        assert LABEL in exif[ExifTags.Base.ImageDescription]
        assert LABEL in exif[ExifTags.Base.Copyright]
        assert b"digitalsourcetype/algorithmicMedia" in xmp
        assert not exif.get_ifd(ExifTags.IFD.GPSInfo)
        moments.append(datetime.strptime(detail[ExifTags.Base.DateTimeOriginal], "%Y:%m:%d %H:%M:%S"))  # noqa: DTZ007  # Exif has no zone
    assert moments == sorted(set(moments))


def digests(folder: Path) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())]


def test_the_same_seed_writes_the_same_files(cairn: Monument, tmp_path: Path) -> None:
    stands = arc(2, radius=20.0, degrees=10.0, height=1.7, target=(0.0, 5.0, 0.0))
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        photograph(cairn, stands, tmp_path / name, width=240, height=160, seed=seed)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert not set(digests(tmp_path / "a")) & set(digests(tmp_path / "c"))


def test_monuments_come_out_the_same_and_differ_by_seed(monument: Monument) -> None:
    again, other = arch(), arch(seed=3)
    assert np.array_equal(again.vertices, monument.vertices)
    assert np.array_equal(again.faces, monument.faces)
    assert other.vertices.shape != monument.vertices.shape or not np.array_equal(other.vertices, monument.vertices)


def earth_centred(latitude_deg: float, longitude_deg: float, altitude_m: float) -> F64:
    """Earth-centred coordinates on WGS84 (the textbook formula, not the one under test)."""
    a, b = 6378137.0, 6356752.314245
    phi, lam = np.radians([latitude_deg, longitude_deg])
    n = a**2 / np.sqrt((a * np.cos(phi)) ** 2 + (b * np.sin(phi)) ** 2)
    return np.array(
        [
            (n + altitude_m) * np.cos(phi) * np.cos(lam),
            (n + altitude_m) * np.cos(phi) * np.sin(lam),
            (b**2 / a**2 * n + altitude_m) * np.sin(phi),
        ]
    )


def written_position(path: Path) -> F64:
    """East, up and south of PALMYRA in metres, from the GPS tags of a photo."""
    with Image.open(path) as photo:
        gps = photo.getexif().get_ifd(ExifTags.IFD.GPSInfo)
    assert (gps[ExifTags.GPS.GPSLatitudeRef], gps[ExifTags.GPS.GPSLongitudeRef]) == ("N", "E")
    tags = (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude)
    degrees = [sum(float(part) / 60**i for i, part in enumerate(gps[tag])) for tag in tags]
    here = earth_centred(degrees[0], degrees[1], float(gps[ExifTags.GPS.GPSAltitude]))
    offset = here - earth_centred(PALMYRA.latitude_deg, PALMYRA.longitude_deg, PALMYRA.altitude_m)
    phi, lam = np.radians([PALMYRA.latitude_deg, PALMYRA.longitude_deg])
    east = np.array([-np.sin(lam), np.cos(lam), 0])
    up = np.array([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    return np.array([east @ offset, up @ offset, -np.cross(up, east) @ offset])


def test_gps_positions_are_the_true_ones_with_the_noise_asked_for(cairn: Monument, tmp_path: Path) -> None:
    stands = arc(12, radius=30.0, degrees=300.0, height=1.7, target=(0.0, 5.0, 0.0))
    exact = photograph(cairn, stands, tmp_path / "exact", width=60, height=40, origin=PALMYRA)
    centres = np.array([view.centre for view in exact.views])
    positions = np.array([written_position(exact.folder / view.name) for view in exact.views])
    np.testing.assert_allclose(positions, centres, atol=0.005)
    rough = photograph(cairn, stands, tmp_path / "rough", width=60, height=40, origin=replace(PALMYRA, gps_noise_m=3.0))
    off = np.array([written_position(rough.folder / view.name) for view in rough.views]) - centres
    assert 1.8 < off.std() < 4.5


def test_optics_change_the_lens(cairn: Monument, tmp_path: Path) -> None:
    stands = arc(1, radius=20.0, degrees=0.0, height=1.7, target=(0.0, 5.0, 0.0))
    truth = photograph(cairn, stands, tmp_path, width=72, height=48, optics=Optics(focal_35mm=50, k1=0.02))
    assert truth.views[0].lens == Lens(72, 48, 100.0, 35.5, 23.5, 0.02)


@pytest.mark.parametrize("build", [arch, arch_with_cella, house])
def test_monuments_are_sound_meshes(build: type[Monument]) -> None:
    monument = build()  # type: ignore[call-arg]  # the parameter is a function that builds one
    assert 20_000 < len(monument.faces) < 300_000
    assert np.array_equal(np.unique(monument.faces), np.arange(len(monument.vertices)))
    corners = monument.vertices[monument.faces].astype(float)
    assert np.isfinite(corners).all()
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    assert (area > 0).mean() > 0.999
    np.testing.assert_allclose(np.linalg.norm(monument.normals, axis=2), 1, atol=1e-3)
    assert np.abs(monument.tint).max() <= 1


def first_hit(caster: RayMeshIntersector, x: float, y: float) -> float:
    """Return the z of what one sees from the front, looking straight along -z."""
    where, _, _ = caster.intersects_location(
        np.array([[x, y, 20.0]]), np.array([[0.0, 0.0, -1.0]]), multiple_hits=False
    )
    return float(where[0, 2]) if len(where) else -np.inf


@pytest.mark.parametrize(("x", "y"), [(0.0, 3.0), (0.0, 8.5), (-7.0, 2.0), (7.0, 5.0)])
def test_one_can_look_through_the_passages(caster: RayMeshIntersector, x: float, y: float) -> None:
    assert first_hit(caster, x, y) < -60


@pytest.mark.parametrize(("x", "y"), [(4.3, 5.0), (-9.5, 3.0), (0.0, 9.4), (7.0, 7.5)])
def test_columns_arches_and_niches_stand_in_the_way(caster: RayMeshIntersector, x: float, y: float) -> None:
    assert 1.0 < first_hit(caster, x, y) < 4.0


def test_a_tour_enters_the_room_and_never_a_wall() -> None:
    monument = arch_with_cella()
    caster = RayMeshIntersector(trimesh.Trimesh(monument.vertices, monument.faces, process=False))
    places = np.array([stand.position for stand in tour(200)])
    assert len(places) == 200
    inside = (np.abs(places[:, 0]) < 5.5) & (np.abs(places[:, 2] + 16) < 7)
    assert inside.sum() >= 60
    directions = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1], [0, -1, 0]])
    for direction in directions:
        where, ray, _ = caster.intersects_location(
            places, np.broadcast_to(direction, places.shape), multiple_hits=False
        )
        assert np.linalg.norm(where - places[ray], axis=1).min() > 0.25


def test_weathering_never_repeats_and_has_detail_at_every_size() -> None:
    rng = np.random.default_rng(0)
    start = rng.uniform(-20, 20, (200, 3))
    step = np.stack(np.meshgrid(np.arange(16), np.arange(16)), -1).reshape(-1, 2)
    for pixel_m in (0.01, 0.04):
        patches = []
        for corner in start:
            points = corner + np.concatenate([step * pixel_m, np.zeros((256, 1))], 1)
            n = len(points)
            normal = np.tile([0.0, 0.0, 1.0], (n, 1))
            stone = np.full(n, Material.ASHLAR, np.uint8)
            patches.append(albedo(points, normal, stone, np.zeros(n, np.float32), np.full(n, pixel_m), 0).mean(1))
        flat = np.array(patches)
        assert (flat.std(1) / flat.mean(1)).min() > 0.04
        alike = np.corrcoef(flat) - np.eye(len(flat))
        assert alike.max() < 0.9


def test_the_sun_casts_shadows(monument: Monument, light: Light) -> None:
    view = Stand((0.0, 1.7, 14.0), (0.0, 3.0, 0.0)).view("a.jpg", Lens(180, 120, 140.0, 89.5, 59.5))
    picture = linear_picture(monument, light, view).mean(2)
    depth = Truth(monument, Path(), (view,)).depth(view)
    wall = (depth > 11.0) & (depth < 12.5)
    bright, dark = np.percentile(picture[wall], [90, 10])
    assert bright / dark > 2.5
