"""A whole run on photographs whose cameras and surface are known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import trimesh
from photo_sets import DRAFT, Remodelled, coarsely
from scipy.spatial.transform import Rotation

from tadmor.engine.options import Options
from tadmor.engine.scene import F32, F64, I32, Lens, View
from tadmor.engine.scene_file import load_scenes
from tadmor.engine.surface.evidence import EvidenceClass
from tadmor.engine.synthetic import Truth, compare_cameras, compare_surface
from tadmor.engine.synthetic.distance import distance_to_mesh
from tadmor.engine.synthetic.truth import CameraErrors
from tadmor.engine.verdicts import Outcome
from tadmor.engine.workspace import Workspace

FOOTPRINT_M = 21 / (28 / 36 * 640)
"""What a pixel of the depth maps covers at the arch: distance over focal length."""


@dataclass(frozen=True, eq=False, slots=True)
class Glb:
    """What another program reads from model.glb: one mesh of all its parts, and which faces have a texture."""

    vertices: F64
    faces: I32
    textured: np.typing.NDArray[np.bool_]
    attributes: dict[str, np.typing.NDArray[np.float64]]


@pytest.fixture(scope="module")
def glb(remodelled: Remodelled) -> Glb:
    scene = trimesh.load(remodelled.out / "model.glb", process=False)
    vertices, faces, textured, start = [], [], [], 0
    attributes: dict[str, list[np.typing.NDArray[np.float64]]] = {}
    for part in scene.geometry.values():
        vertices.append(np.asarray(part.vertices, np.float64))
        faces.append(np.asarray(part.faces, np.int32) + start)
        textured.append(np.full(len(part.faces), part.visual.material.baseColorTexture is not None))
        for name, values in part.vertex_attributes.items():
            attributes.setdefault(name, []).append(np.asarray(values, np.float64).ravel())
        start += len(part.vertices)
    return Glb(
        np.concatenate(vertices),
        np.concatenate(faces),
        np.concatenate(textured),
        {name: np.concatenate(values) for name, values in attributes.items()},
    )


@pytest.fixture(scope="module")
def errors(remodelled: Remodelled) -> CameraErrors:
    return compare_cameras(remodelled.truth, remodelled.result.record.components[0].scene.views)


def model_arrays(remodelled: Remodelled) -> dict[str, np.typing.NDArray[np.float64]]:
    entry = remodelled.result.record.components[0].model_entry
    assert entry is not None
    return Workspace.load_arrays(entry)


def test_every_photo_is_placed_in_one_component(remodelled: Remodelled) -> None:
    record = remodelled.result.record
    assert len(record.components) == 1
    assert [v.outcome for v in record.verdicts] == [Outcome.USED] * 8
    assert {v.component for v in record.verdicts} == {1}
    assert [v.name for v in record.verdicts] == [v.name for v in remodelled.truth.views]
    assert min(v.figure or 0 for v in record.verdicts) > 300


def test_cameras_are_where_the_photos_were_taken(errors: CameraErrors) -> None:
    # a tenth of a pixel at 21 m through a focal length of 622 px is 3 mm
    assert errors.missing == ()
    assert errors.centre_m.mean() < 0.02
    assert errors.centre_m.max() < 0.05
    assert errors.rotation_deg.max() < 0.3


def test_lenses_are_those_that_took_the_photos(remodelled: Remodelled) -> None:
    true = remodelled.truth.views[0].lens
    for view in remodelled.result.record.components[0].scene.views:
        assert (view.lens.width, view.lens.height) == (800, 533)
        assert view.lens.focal_px == pytest.approx(true.focal_px, rel=0.01)
        corner = np.array([0.6, 0.4])
        assert np.linalg.norm(view.lens.distort(corner) - true.distort(corner)) < 6


def test_gps_gives_metres_and_north(remodelled: Remodelled, errors: CameraErrors) -> None:
    scene = remodelled.result.record.components[0].scene
    assert scene.metric == "gps"
    assert errors.similarity.scale == pytest.approx(1, abs=0.03)
    north = errors.similarity.rotation @ [0, 0, -1]
    assert np.degrees(np.arctan2(north[0], -north[2])) == pytest.approx(0, abs=1)


def test_up_is_up(errors: CameraErrors) -> None:
    up = errors.similarity.rotation @ [0, 1, 0]
    assert np.degrees(np.arccos(up[1])) < 3


def test_what_is_called_observed_is_right_and_what_is_inferred_need_not_be(
    remodelled: Remodelled, errors: CameraErrors, glb: Glb
) -> None:
    classes = glb.attributes["_EVIDENCE_CLASS"][glb.faces].min(1)

    def accuracy(which: np.typing.NDArray[np.bool_]) -> float:
        found = compare_surface(remodelled.truth, glb.vertices, glb.faces[which], errors.similarity, samples=20_000)
        return found.accuracy(3 * FOOTPRINT_M)

    observed, inferred = accuracy(classes == EvidenceClass.OBSERVED), accuracy(classes == EvidenceClass.INFERRED)
    assert observed > 0.9
    assert inferred < observed - 0.2
    share = remodelled.result.record.components[0].evidence
    assert share is not None
    assert share.area_share[EvidenceClass.OBSERVED] > 0.4
    assert sum(share.area_share.values()) == pytest.approx(1)


def test_what_the_photos_show_is_in_the_model(remodelled: Remodelled, errors: CameraErrors, glb: Glb) -> None:
    found = compare_surface(remodelled.truth, glb.vertices, glb.faces, errors.similarity, samples=20_000)
    assert found.completeness(5 * FOOTPRINT_M) > 0.88
    assert found.accuracy(5 * FOOTPRINT_M) > 0.72
    assert np.median(found.accuracy_m) < 1.5 * FOOTPRINT_M


def test_evidence_is_what_the_true_cameras_say(remodelled: Remodelled, errors: CameraErrors, glb: Glb) -> None:
    assert set(glb.attributes) == {"_EVIDENCE_PHOTOS", "_EVIDENCE_ANGLE_DEG", "_EVIDENCE_GSD", "_EVIDENCE_CLASS"}
    photos, angle_deg = glb.attributes["_EVIDENCE_PHOTOS"], glb.attributes["_EVIDENCE_ANGLE_DEG"]
    gsd, classes = glb.attributes["_EVIDENCE_GSD"], glb.attributes["_EVIDENCE_CLASS"]
    assert np.array_equal(photos == 0, classes == EvidenceClass.INFERRED)
    assert np.array_equal(gsd > 0, photos > 0)
    assert np.array_equal(angle_deg > 0, photos > 1)
    observed = classes == EvidenceClass.OBSERVED
    assert photos[observed].min() >= 3
    assert angle_deg[observed].min() >= 5
    assert photos.max() <= 8
    centres = np.array([v.centre for v in remodelled.truth.views])
    world = errors.similarity.apply(glb.vertices)
    towards = centres[:, None] - world[None]
    distance = np.linalg.norm(towards, axis=2)
    towards /= distance[..., None]
    widest = np.degrees(np.arccos(np.clip(np.einsum("avk,bvk->abv", towards, towards), -1, 1))).max((0, 1))
    everywhere = photos == 8
    assert everywhere.sum() > 1000
    assert angle_deg[everywhere] == pytest.approx(widest[everywhere], abs=0.2)
    assert (angle_deg <= widest + 0.2).all()
    assert (gsd[photos > 0] > 0.7 * distance.min(0)[photos > 0] / remodelled.truth.views[0].lens.focal_px).all()


def test_faces_that_no_photo_paints_have_no_texture(glb: Glb) -> None:
    photos = glb.attributes["_EVIDENCE_PHOTOS"]
    assert 0 < (~glb.textured).sum() < 0.3 * len(glb.faces)
    # a painted face is seen at its middle, so mostly at its corners too; an unpainted one hardly ever
    assert (photos[glb.faces[glb.textured]].max(1) > 0).mean() > 0.98
    unpainted, painted = photos[glb.faces[~glb.textured]], photos[glb.faces[glb.textured]]
    assert (unpainted.min(1) == 0).mean() > 0.4
    assert unpainted.mean() < 0.4 * painted.mean()


def test_held_out_photos_paint_nothing_and_are_scored(remodelled: Remodelled) -> None:
    component = remodelled.result.record.components[0]
    assert component.held_out == (4,)
    assert [v.name for v in remodelled.result.record.verdicts if v.held_out] == ["photo_005.jpg"]
    painters = set(model_arrays(remodelled)["painter"].tolist())
    assert 4 not in painters
    assert painters - {-1} <= {0, 1, 2, 3, 5, 6, 7}
    assert len(painters - {-1}) >= 5
    (layout,) = (remodelled.workspace / "layout").glob("*.npz")
    assert 4 not in Workspace.load_arrays(layout)["blended"]
    scores = {s.row: s for s in component.scores}
    assert {row for row, s in scores.items() if s.held_out} == {4}
    assert len(scores) == 8
    # held out, a photo is predicted a little worse than one that paints, and far better than by chance
    others = np.mean([s.score.psnr_fit_db for row, s in scores.items() if row != 4])
    assert 17 < scores[4].score.psnr_fit_db < others + 0.5
    assert scores[4].score.coverage > 0.5


def read_cameras(folder: Path) -> dict[str, View]:
    """The text model by name, read as colmap.github.io/format.html says, in this engine's convention."""
    lenses: dict[int, Lens] = {}
    for line in (folder / "cameras.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            number, model, width, height, *params = line.split()
            assert model == "RADIAL"
            focal, cx, cy, k1, k2 = map(float, params)
            lenses[int(number)] = Lens(int(width), int(height), focal, cx - 0.5, cy - 0.5, k1, k2)
    views = {}
    lines = [line for line in (folder / "images.txt").read_text().splitlines() if not line.startswith("#")]
    for line in lines[::2]:
        _, w, x, y, z, tx, ty, tz, camera, name = line.split(maxsplit=9)
        rotation = Rotation.from_quat([float(x), float(y), float(z), float(w)]).as_matrix()
        views[name] = View(name, name, lenses[int(camera)], rotation, np.array([float(tx), float(ty), float(tz)]))
    return views


def test_the_cameras_are_in_the_frame_of_the_model(remodelled: Remodelled, errors: CameraErrors, glb: Glb) -> None:
    views = read_cameras(remodelled.out / "cameras")
    assert set(views) == {v.name for v in remodelled.truth.views}
    observed = glb.vertices[glb.attributes["_EVIDENCE_CLASS"] == EvidenceClass.OBSERVED]
    off = []
    for name, view in views.items():
        true = remodelled.truth.view(name)
        drawn: F32 = remodelled.truth.depth(true)
        in_camera = view.camera_points(observed)
        ahead = in_camera[:, 2] > 0.1
        shown = in_camera[ahead, :2] / in_camera[ahead, 2:]
        # the photo shows a vertex where its lens says; the truth is drawn without distortion
        pixel = true.lens.pinhole.distort(true_pinhole(true.lens, view.lens.distort(shown)))
        column, row = np.rint(pixel).astype(int).T
        inside = (column >= 0) & (row >= 0) & (column < drawn.shape[1]) & (row < drawn.shape[0])
        depth = drawn[row[inside], column[inside]]
        mine = in_camera[ahead][inside][:, 2] * errors.similarity.scale
        visible = (depth > 0) & (mine < depth * 1.05)
        off.append(mine[visible] / depth[visible] - 1)
    together = np.abs(np.concatenate(off))
    assert len(together) > 50_000
    assert np.median(together) < 0.006
    assert (together < 0.02).mean() > 0.75


def true_pinhole(lens: Lens, pixels: F64) -> F64:
    """Normalised coordinates (n, 2) of image points (n, 2) through a lens with distortion, by fixed-point iteration."""
    bent = (pixels - [lens.cx, lens.cy]) / lens.focal_px
    straight = bent.copy()
    for _ in range(20):
        r2 = (straight**2).sum(1, keepdims=True)
        straight = bent / (1 + r2 * (lens.k1 + r2 * lens.k2))
    return straight


def test_points_of_the_text_model_are_seen_where_it_says(remodelled: Remodelled) -> None:
    folder = remodelled.out / "cameras"
    views = read_cameras(folder)
    lines = [line for line in (folder / "images.txt").read_text().splitlines() if not line.startswith("#")]
    names = {int(line.split()[0]): line.split(maxsplit=9)[9] for line in lines[::2]}
    image_points = {
        int(head.split()[0]): np.array(body.split(), float).reshape(-1, 3)
        for head, body in zip(lines[::2], lines[1::2], strict=True)
    }
    points = [line.split() for line in (folder / "points3D.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(points) > 1000
    for point in points[:: len(points) // 200]:
        track = np.array(point[8:], int).reshape(-1, 2)
        assert len(track) >= 2
        for image, place in track:
            x, y, number = image_points[int(image)][place]
            assert number == int(point[0])
            in_camera = views[names[int(image)]].camera_points(np.array([point[1:4]], float))
            found = views[names[int(image)]].lens.distort(in_camera[:, :2] / in_camera[:, 2:])[0]
            assert found + 0.5 == pytest.approx([x, y], abs=2.1)


def test_the_report_says_what_the_files_are(remodelled: Remodelled) -> None:
    told = json.loads((remodelled.out / "report.json").read_text())
    assert told["error"] is None
    assert len(told["verdicts"]) == 8
    (component,) = told["components"]
    for file in component["files"]:
        assert (remodelled.out / file["path"]).stat().st_size == file["size_bytes"]
    assert {"model.glb", "evidence.glb", "model.ply", "cloud.ply"} <= {f["path"] for f in component["files"]}
    assert component["scale_source"] == "gps"
    assert (remodelled.out / "report.html").stat().st_size > 10_000


def test_the_other_files_show_the_same_surface(remodelled: Remodelled, glb: Glb) -> None:
    low, high = glb.vertices.min(0), glb.vertices.max(0)
    for name in ("evidence.glb", "model.ply"):
        mesh = trimesh.load(remodelled.out / name, force="mesh", process=False)
        assert len(mesh.faces) == len(glb.faces)
        assert mesh.bounds == pytest.approx(np.stack([low, high]), abs=1e-4)
        assert mesh.area == pytest.approx(trimesh.Trimesh(glb.vertices, glb.faces, process=False).area, rel=1e-4)
    cloud = trimesh.load(remodelled.out / "cloud.ply")
    assert len(cloud.vertices) > 10_000
    sample = np.asarray(cloud.vertices, np.float64)[:: len(cloud.vertices) // 500]
    assert np.median(distance_to_mesh(sample, glb.vertices, glb.faces, reach=1.0)) < FOOTPRINT_M


def test_a_known_length_scales_the_model(tiny: Truth, tiny_remodelled: Remodelled, tmp_path: Path) -> None:
    before = tiny_remodelled.result.record.components[0].scene
    assert before.metric is None
    unit_m = compare_cameras(tiny, before.views).similarity.scale  # as a person would find it with a tape
    options = Options(quality=DRAFT.quality, metres_per_unit=unit_m)
    again = coarsely([tiny.folder], tmp_path / "out", options=options).record.components[0]
    assert again.scene.metric == "given"
    assert again.unit == "m"
    assert compare_cameras(tiny, again.scene.views).similarity.scale == pytest.approx(1, abs=0.005)


def test_the_scenes_that_are_kept_are_those_in_the_record(remodelled: Remodelled) -> None:
    (entry,) = (remodelled.workspace / "cameras").glob("*.npz")
    scenes, method = load_scenes(entry)
    assert method == remodelled.result.record.mapping_method == "incremental"
    for stored, view in zip(scenes[0].views, remodelled.result.record.components[0].scene.views, strict=True):
        assert stored.lens == view.lens
        assert np.array_equal(stored.rotation, view.rotation)
