"""The engine's only door to pycolmap: features, two-view geometry, mapping, Poisson meshing, COLMAP's text format.

pycolmap must not be imported before numba has compiled something in the process (its bundled zlib and LLVM's clash:
"double free"); `engine/__init__` sees to the order. Image points cross this module's border with pixel centres at
integers, as scene.py has it.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pycolmap
from numpy.typing import NDArray

from tadmor.engine.scene import F32, F64, U8, Lens, Scene, View
from tadmor.errors import EnvironmentFailure

pycolmap.logging.minloglevel = 3  # what goes wrong is returned; the log would print it on people's terminals too
CAMERA_MODEL = "SIMPLE_RADIAL"
DATABASE_BYTES = 2_000_000
"""What COLMAP's database takes beside what is put in."""
GLOBAL_ADJUSTMENT_GROWTH = 1.4
"""All is adjusted each time the scene has grown by so much; COLMAP's 1.1 takes a third longer for the same result."""
FORWARD_START_DEG = 4.0
FORWARD_LEAST_DEG = 0.5
DEFAULT_FOCAL_FACTOR = 1.2
"""Focal length over the long side of the photo where EXIF says nothing (COLMAP's default)."""


@dataclass(frozen=True, eq=False, slots=True)
class Features:
    """SIFT features of one photo, largest first.

    `points` (n, 2) float32 image points of the full-size photo; `scales` (n,) float32 pixels; `descriptors` (n, 128)
    uint8, RootSIFT times 512.
    """

    points: F32
    scales: F32
    descriptors: U8


@dataclass(frozen=True, eq=False, slots=True)
class PhotoToMap:
    """What mapping needs of one photo.

    `group`: photos with the same number share one camera; `focal_px` is EXIF's, or None.
    """

    photo: str
    name: str
    width: int
    height: int
    focal_px: float | None
    group: int
    points: F32


@dataclass(frozen=True, eq=False, slots=True)
class VerifiedPair:
    """Matches of two photos that agree with one relative pose or homography.

    `matches` (m, 2) uint32 are rows of the two photos' features; `configuration` is the number of COLMAP's
    TwoViewGeometryConfiguration; `geometry` (3, 3, 3) holds E, F and H, zeros for those not estimated.
    """

    first: int
    second: int
    matches: NDArray[np.uint32]
    configuration: int
    geometry: F64


@contextlib.contextmanager
def _scratch(room_bytes: int) -> Iterator[Path]:
    """Give a folder for temporary files, where there is room for them: pycolmap ends the process on a full disk.

    Raises EnvironmentFailure `disk-full`.
    """
    with tempfile.TemporaryDirectory(prefix="tadmor-") as folder:
        if shutil.disk_usage(folder).free < room_bytes:
            raise EnvironmentFailure("disk-full", path=Path(folder).parent)
        yield Path(folder)


def extract_sift(image: U8, *, max_features: int, first_octave: int) -> Features:
    """Detect SIFT features (Lowe 2004, as VLFeat does) in a grey image (h, w) uint8 and describe them as RootSIFT.

    Goes by way of files because pycolmap's array interface holds the GIL. One thread; call it from several.
    Raises EnvironmentFailure `disk-full` where there is no room for the files.
    """
    options = pycolmap.FeatureExtractionOptions()
    options.max_image_size = max(image.shape)
    options.num_threads = 1
    options.sift.max_num_features = max_features
    options.sift.first_octave = first_octave
    with _scratch(image.size + 400 * max_features + DATABASE_BYTES) as folder:
        cv2.imwrite(str(folder / "image.pgm"), image)
        path = folder / "features.db"
        pycolmap.extract_features(
            path,
            folder,
            image_names=["image.pgm"],
            camera_mode=pycolmap.CameraMode.PER_IMAGE,
            extraction_options=options,
            device=pycolmap.Device.cpu,
        )
        database = pycolmap.Database.open(path)
        stored = database.read_image_with_name("image.pgm")
        assert stored is not None, "pycolmap did not read an image that was just written"
        keypoints = database.read_keypoints(stored.image_id)
        descriptors = database.read_descriptors(stored.image_id).data
        database.close()
    return _largest_first(keypoints, descriptors)


def _largest_first(keypoints: NDArray[Any], descriptors: NDArray[Any]) -> Features:
    keypoints = np.asarray(keypoints, np.float32)
    if not len(keypoints):
        return Features(np.zeros((0, 2), np.float32), np.zeros(0, np.float32), np.zeros((0, 128), np.uint8))
    if keypoints.shape[1] == 6:  # an affine shape: its area's root is the scale
        scales = np.sqrt(np.abs(keypoints[:, 2] * keypoints[:, 5] - keypoints[:, 3] * keypoints[:, 4]))
    else:
        scales = keypoints[:, 2]
    order = np.argsort(-scales, kind="stable")
    return Features(
        keypoints[order, :2] - np.float32(0.5),
        scales[order].astype(np.float32),
        np.asarray(descriptors, np.uint8)[order],
    )


def _camera(camera_id: int, width: int, height: int, focal_px: float | None) -> Any:
    focal = focal_px or DEFAULT_FOCAL_FACTOR * max(width, height)
    camera = pycolmap.Camera.create_from_model_name(camera_id, CAMERA_MODEL, focal, width, height)
    camera.has_prior_focal_length = focal_px is not None
    return camera


def verify_pair(
    one: PhotoToMap,
    two: PhotoToMap,
    matches: NDArray[np.uint32],
    indices: tuple[int, int],
    *,
    seed: int,
    min_inliers: int = 15,
) -> VerifiedPair | None:
    """Keep the matches (m, 2) that one epipolar geometry or homography explains, or None where they are too few.

    This is COLMAP's two-view estimation (Schönberger & Frahm 2016).
    """
    if len(matches) < min_inliers:
        return None
    options = pycolmap.TwoViewGeometryOptions()
    options.ransac.random_seed = seed
    options.min_num_inliers = min_inliers
    cameras = [_camera(k + 1, p.width, p.height, p.focal_px) for k, p in enumerate((one, two))]
    geometry = pycolmap.estimate_two_view_geometry(
        cameras[0],
        one.points.astype(np.float64) + 0.5,
        cameras[1],
        two.points.astype(np.float64) + 0.5,
        matches,
        options,
    )
    inliers = np.asarray(geometry.inlier_matches, np.uint32).reshape(-1, 2)
    bad = {pycolmap.TwoViewGeometryConfiguration.DEGENERATE, pycolmap.TwoViewGeometryConfiguration.WATERMARK}
    if len(inliers) < min_inliers or geometry.config in bad:
        return None
    matrices = np.stack(
        [np.zeros((3, 3)) if m is None else np.asarray(m, np.float64) for m in (geometry.E, geometry.F, geometry.H)]
    )
    return VerifiedPair(*indices, inliers, int(geometry.config), matrices)


def _write_database(path: Path, photos: Sequence[PhotoToMap], pairs: Sequence[VerifiedPair]) -> None:
    database = pycolmap.Database.open(path)
    groups: dict[int, PhotoToMap] = {}
    for photo in photos:
        groups.setdefault(photo.group, photo)
    for group, photo in groups.items():
        camera = _camera(group + 1, photo.width, photo.height, photo.focal_px)
        database.write_camera(camera, use_camera_id=True)
        rig = pycolmap.Rig(rig_id=group + 1)
        rig.add_ref_sensor(camera.sensor_id)
        database.write_rig(rig, use_rig_id=True)
    for i, photo in enumerate(photos):
        image = pycolmap.Image(name=f"{i:06d}", camera_id=photo.group + 1, image_id=i + 1)
        image.frame_id = i + 1
        frame = pycolmap.Frame(frame_id=i + 1, rig_id=photo.group + 1)
        frame.add_data_id(image.data_id)
        database.write_frame(frame, use_frame_id=True)
        database.write_image(image, use_image_id=True)
        database.write_keypoints(i + 1, photo.points + np.float32(0.5))
    for pair in pairs:
        geometry = pycolmap.TwoViewGeometry()
        geometry.config = pycolmap.TwoViewGeometryConfiguration(pair.configuration)
        geometry.E, geometry.F, geometry.H = (m if m.any() else None for m in pair.geometry)
        geometry.inlier_matches = pair.matches
        database.write_matches(pair.first + 1, pair.second + 1, pair.matches)
        database.write_two_view_geometry(pair.first + 1, pair.second + 1, geometry)
    database.close()


def map_photos(
    photos: Sequence[PhotoToMap],
    pairs: Sequence[VerifiedPair],
    *,
    seed: int,
    globally: bool = False,
    forward: bool = False,
    two_view_tracks: bool = False,
) -> list[Any]:
    """Place the photos one by one (Schönberger & Frahm 2016) or, `globally`, all at once (GLOMAP, Pan et al. 2024).

    Returns pycolmap reconstructions of at least two photos, largest first; image ids are rows of `photos` plus one.
    `forward`: begin with two photos one behind the other and use narrow angles too: who walks along a street has no
    others. `two_view_tracks`: incrementally, also use what only two photos show: where no three photos belong together.
    On one thread: several give other cameras each time, and two saved no time on 100 photos.
    """
    room = sum(4 * photo.points.nbytes for photo in photos) + sum(4 * pair.matches.nbytes for pair in pairs)
    with _scratch(room + DATABASE_BYTES) as folder:
        path = folder / "scene.db"
        _write_database(path, photos, pairs)
        pycolmap.set_random_seed(seed)
        if globally:
            options = pycolmap.GlobalPipelineOptions()
            options.num_threads = 1
            options.random_seed = seed
            options.min_model_size = 3
            found = pycolmap.global_mapping(path, folder, folder, options)
        else:
            options = pycolmap.IncrementalPipelineOptions()
            options.num_threads = 1
            options.random_seed = seed
            options.min_model_size = 2
            options.extract_colors = False
            options.ba_global_frames_ratio = options.ba_global_points_ratio = GLOBAL_ADJUSTMENT_GROWTH
            options.ba_local_max_refinements = 1
            if forward:
                options.mapper.init_max_forward_motion = 1.0
                options.mapper.init_min_tri_angle = FORWARD_START_DEG
                options.mapper.filter_min_tri_angle = options.triangulation.min_angle = FORWARD_LEAST_DEG
            if two_view_tracks:
                options.triangulation.ignore_two_view_tracks = False
                # two photos do not tell their lens: left free, it bends the whole scene
                options.ba_refine_focal_length = options.ba_refine_extra_params = False
            found = pycolmap.incremental_mapping(path, folder, folder, options)
    return sorted(found.values(), key=lambda r: (-r.num_reg_images(), -r.num_points3D()))


def registered(reconstruction: Any) -> list[int]:
    """Rows of the photos that a reconstruction placed."""
    return sorted(i - 1 for i in reconstruction.reg_image_ids())


def focal_lengths(reconstruction: Any) -> dict[int, float]:
    """Focal length in pixels of every placed photo, by row."""
    images = reconstruction.images
    return {
        i - 1: float(reconstruction.cameras[images[i].camera_id].focal_length) for i in reconstruction.reg_image_ids()
    }


def regrouped(reconstruction: Any, photos: Sequence[PhotoToMap], groups: dict[int, int]) -> Any:
    """Rebuild a reconstruction with other camera groups (row -> group), each starting from its lenses' median."""
    result = pycolmap.Reconstruction()
    rows = registered(reconstruction)
    for group in sorted(set(groups.values())):
        members = [row for row in rows if groups[row] == group]
        if not members:
            continue
        params = np.median(
            [reconstruction.cameras[reconstruction.images[r + 1].camera_id].params for r in members], axis=0
        )
        photo = photos[members[0]]
        camera = _camera(group + 1, photo.width, photo.height, photo.focal_px)
        camera.params = params
        result.add_camera_with_trivial_rig(camera)
    for row in rows:
        old = reconstruction.images[row + 1]
        image = pycolmap.Image(name=old.name, camera_id=groups[row] + 1, image_id=row + 1)
        image.points2D = pycolmap.Point2DList([pycolmap.Point2D(p.xy) for p in old.points2D])
        result.add_image_with_trivial_frame(image, old.cam_from_world())
    for point in reconstruction.points3D.values():
        result.add_point3D(point.xyz, point.track)
    return result


def adjust(reconstruction: Any, *, principal_point: bool) -> float:
    """Bundle adjustment of everything in place; returns the mean reprojection error in pixels."""
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_principal_point = principal_point
    options.print_summary = False
    options.ceres.solver_options.num_threads = 1
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in sorted(reconstruction.reg_image_ids()):
        config.add_image(image_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    # what pycolmap.bundle_adjustment does too, but that turns the log on and prints on people's terminals
    pycolmap.create_default_bundle_adjuster(options, config, reconstruction).solve()
    reconstruction.update_point_3d_errors()
    return float(reconstruction.compute_mean_reprojection_error())


def to_scene(reconstruction: Any, photos: Sequence[PhotoToMap], *, max_error_px: float = 4.0) -> Scene:
    """Take a reconstruction over into the engine's own nouns, leaving out points that fit badly."""
    ids = [i for i, p in reconstruction.points3D.items() if p.error <= max_error_px]
    row_of = {point: row for row, point in enumerate(ids)}
    points = np.array([reconstruction.points3D[i].xyz for i in ids]).reshape(-1, 3)
    errors = np.array([reconstruction.points3D[i].error for i in ids])
    views = []
    for row in registered(reconstruction):
        image = reconstruction.images[row + 1]
        pose = image.cam_from_world()
        shown: dict[int, int] = {}
        for feature, p in enumerate(image.points2D):
            if p.has_point3D() and p.point3D_id in row_of:
                shown.setdefault(row_of[p.point3D_id], feature)
        seen = sorted(shown)
        photo = photos[row]
        views.append(
            View(
                photo.photo,
                photo.name,
                _lens(reconstruction.cameras[image.camera_id]),
                np.asarray(pose.rotation.matrix()),
                np.asarray(pose.translation, np.float64),
                np.array(seen, np.int32),
                np.array([shown[point] for point in seen], np.int32),
            )
        )
    return Scene(tuple(views), points, errors)


def _lens(camera: Any) -> Lens:
    focal, cx, cy, k1 = camera.params
    return Lens(camera.width, camera.height, float(focal), float(cx) - 0.5, float(cy) - 0.5, float(k1))


def resect(
    lens: Lens, points: F64, world: F64, *, refine_focal: bool, seed: int, max_error_px: float
) -> tuple[Lens, F64, F64, NDArray[np.bool_]] | None:
    """Place one more photo from image points (n, 2) of known world points (n, 3): RANSAC on P3P, then refinement.

    Returns the lens, rotation (3, 3), translation (3,) (cam_from_world) and inliers (n,), or None where no pose agrees.
    """
    camera = pycolmap.Camera.create_from_model_name(1, CAMERA_MODEL, lens.focal_px, lens.width, lens.height)
    camera.params = [lens.focal_px, lens.cx + 0.5, lens.cy + 0.5, lens.k1]
    options = pycolmap.AbsolutePoseEstimationOptions()
    options.ransac.max_error = max_error_px
    options.ransac.random_seed = seed
    options.estimate_focal_length = refine_focal
    refinement = pycolmap.AbsolutePoseRefinementOptions()
    refinement.refine_focal_length = refine_focal
    refinement.refine_extra_params = refine_focal
    found = pycolmap.estimate_and_refine_absolute_pose(points + 0.5, world, camera, options, refinement)
    if found is None:
        return None
    pose = found["cam_from_world"]
    inliers = np.asarray(found["inlier_mask"], bool)
    return _lens(camera), np.asarray(pose.rotation.matrix()), np.asarray(pose.translation, np.float64), inliers


def poisson_mesh(oriented_points: Path, depth: int, *, folder: Path) -> Path:
    """Mesh a PLY of oriented points by screened Poisson (Kazhdan & Hoppe 2013); returns the untrimmed mesh's PLY.

    On one thread: two give another mesh each time, are no faster, and ten times slower where the cores are busy, since
    they wait for each other in a loop. In a child process, since pycolmap holds the GIL throughout: for that long no
    progress could be shown and Ctrl-C would not be heard. Raises EnvironmentFailure `workers-lost` where the machine
    kills the child, as it does when memory runs out.
    """
    result = folder / "poisson.ply"
    command = [sys.executable, "-P", "-c", _POISSON, str(oriented_points), str(result), str(depth)]
    done = subprocess.run(command, check=False, capture_output=True)  # noqa: S603  # our own program and paths
    if done.returncode < 0:
        reason = f"meshing ended by signal {-done.returncode}"
        raise EnvironmentFailure("workers-lost", step="mesh", reason=reason)
    if done.returncode or not result.exists():
        raise RuntimeError(f"Poisson meshing failed: {done.stderr.decode(errors='replace')}")
    return result


_POISSON = """
import ctypes, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
if sys.platform == "linux":  # end with the parent, however that ends
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
import pycolmap
options = pycolmap.PoissonMeshingOptions()
options.depth = int(sys.argv[3])
options.trim = 0.0
options.color = False
options.num_threads = 1
pycolmap.poisson_meshing(sys.argv[1], sys.argv[2], options)
"""


def write_text_model(scene: Scene, colours: U8, folder: Path) -> None:
    """Write cameras.txt, images.txt and points3D.txt (COLMAP's text format, colmap.github.io/format.html).

    `colours` (n_points, 3) uint8 RGB. One camera a distinct lens; image names are the photos' display names; the
    tracks' image points are the points' projections, since features are not part of a Scene.

    COLMAP reads a name in a text model only up to its first space: where one has a space, the binary model, which
    COLMAP prefers, is written too.
    """
    reconstruction = pycolmap.Reconstruction()
    cameras: dict[Lens, int] = {}
    for view in scene.views:
        if view.lens not in cameras:
            lens = view.lens
            cameras[lens] = len(cameras) + 1
            camera = pycolmap.Camera.create_from_model_name(
                cameras[lens], "RADIAL", lens.focal_px, lens.width, lens.height
            )
            camera.params = [lens.focal_px, lens.cx + 0.5, lens.cy + 0.5, lens.k1, lens.k2]
            reconstruction.add_camera_with_trivial_rig(camera)
    tracks: list[list[tuple[int, int]]] = [[] for _ in scene.points]
    for number, view in enumerate(scene.views, 1):
        in_camera = view.camera_points(scene.points[view.point_index])
        pixels = view.lens.distort(in_camera[:, :2] / in_camera[:, 2:]) + 0.5
        image = pycolmap.Image(name=view.name, camera_id=cameras[view.lens], image_id=number)
        image.points2D = pycolmap.Point2DList([pycolmap.Point2D(p) for p in pixels])
        pose = pycolmap.Rigid3d(pycolmap.Rotation3d(view.rotation), view.translation)
        reconstruction.add_image_with_trivial_frame(image, pose)
        for place, point in enumerate(view.point_index):
            tracks[point].append((number, place))
    for xyz, colour, track in zip(scene.points, colours, tracks, strict=True):
        if len(track) >= 2:
            elements = [pycolmap.TrackElement(image, place) for image, place in track]
            reconstruction.add_point3D(xyz, pycolmap.Track(elements), colour)
    reconstruction.update_point_3d_errors()
    folder.mkdir(parents=True, exist_ok=True)
    reconstruction.write_text(folder)
    if any(" " in view.name for view in scene.views):
        reconstruction.write_binary(folder)
