"""The engine's nouns: cameras, views, image points, scenes.

Conventions, stated once for the whole engine:

* An image array is indexed [row, column]; an image point is (x, y) = (column, row). Pixel centres lie at integers:
  (0, 0) is the centre of the top left pixel. COLMAP puts that centre at (0.5, 0.5); only `colmap.py` and files in
  COLMAP's format know.
* Camera frames: x right, y down, z forwards. `cam_from_world` maps world to camera: x_cam = R x_world + t.
* World: after the cameras step, Y up. Units are metres where `Scene.metric` says so, otherwise arbitrary.
* Depth is z in the camera frame, in world units, 0 where nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Lens:
    """A camera with radial distortion (COLMAP's RADIAL model, two coefficients; square pixels).

    `width`, `height` and `focal_px` are in pixels, `cx` and `cy` the principal point with pixel centres at integers;
    `k1` and `k2` have no dimension.
    """

    width: int
    height: int
    focal_px: float
    cx: float
    cy: float
    k1: float = 0.0
    k2: float = 0.0

    def scaled_to(self, width: int, height: int) -> Lens:
        """Return the lens of the same photo resized to `width` x `height` pixels."""
        s = width / self.width
        return Lens(
            width,
            height,
            self.focal_px * s,
            (self.cx + 0.5) * s - 0.5,
            (self.cy + 0.5) * height / self.height - 0.5,
            self.k1,
            self.k2,
        )

    @property
    def matrix(self) -> F64:
        """(3, 3) calibration matrix without the distortion."""
        return np.array([[self.focal_px, 0, self.cx], [0, self.focal_px, self.cy], [0, 0, 1.0]])

    @property
    def pinhole(self) -> Lens:
        """Return the same lens without distortion."""
        return replace(self, k1=0.0, k2=0.0)

    def distort(self, points: F64) -> F64:
        """Map normalised image coordinates (..., 2) of an ideal pinhole to image points (..., 2) in pixels."""
        r2 = (points**2).sum(-1, keepdims=True)
        bent: F64 = points * (1 + r2 * (self.k1 + r2 * self.k2)) * self.focal_px + np.array([self.cx, self.cy])
        return bent

    def undistort(self, points: F64) -> F64:
        """Map image points (..., 2) in pixels to normalised coordinates of an ideal pinhole, by fixed-point steps."""
        distorted = (points - np.array([self.cx, self.cy])) / self.focal_px
        ideal: F64 = distorted.copy()
        for _ in range(12):
            r2 = (ideal**2).sum(-1, keepdims=True)
            ideal = distorted / (1 + r2 * (self.k1 + r2 * self.k2))
        return ideal


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """One photograph whose camera is known.

    `photo` is the photo's id in the workspace; `rotation` (3, 3) and `translation` (3,) are cam_from_world;
    `point_index` (m,) int32 are the rows of `Scene.points` that the photo sees and `feature_index` (m,) int32 the rows
    of the photo's features that show them.
    """

    photo: str
    name: str
    lens: Lens
    rotation: F64
    translation: F64
    point_index: I32 = field(default_factory=lambda: np.zeros(0, np.int32))
    feature_index: I32 = field(default_factory=lambda: np.zeros(0, np.int32))

    @property
    def centre(self) -> F64:
        """(3,) position of the camera in the world."""
        centre: F64 = -self.rotation.T @ self.translation
        return centre

    def camera_points(self, world: F64) -> F64:
        """World points (n, 3) in this camera's frame."""
        points: F64 = world @ self.rotation.T + self.translation
        return points

    def projection(self, lens: Lens | None = None) -> F64:
        """(3, 4) matrix from homogeneous world points to those of the undistorted photo, or of one through `lens`."""
        k = (lens or self.lens).matrix
        return np.hstack([k @ self.rotation, (k @ self.translation)[:, None]])


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """One component: photographs that were placed in one common frame, and the points that tie them together.

    `points` (n, 3) float64 world; `point_error_px` (n,) mean reprojection error; `metric` tells where the scale comes
    from ("gps", "given"), None where world units are arbitrary.
    """

    views: tuple[View, ...]
    points: F64
    point_error_px: F64
    metric: str | None = None

    @property
    def centres(self) -> F64:
        """(n_views, 3) camera positions."""
        return np.array([view.centre for view in self.views])


def project_into(points: F64, lens: Lens, rotation: F64, translation: F64) -> tuple[I32, I32, F64, I32]:
    """Rows, columns and depths of world points (n, 3) inside a pinhole's picture, and which points they are."""
    in_camera = points @ rotation.T + translation
    z = np.maximum(in_camera[:, 2], 1e-9)
    x = np.round(in_camera[:, 0] / z * lens.focal_px + lens.cx)
    y = np.round(in_camera[:, 1] / z * lens.focal_px + lens.cy)
    inside = (in_camera[:, 2] > 0) & (x >= 0) & (y >= 0) & (x < lens.width) & (y < lens.height)
    index = np.nonzero(inside)[0]
    return y[index].astype(np.int32), x[index].astype(np.int32), in_camera[index, 2], index.astype(np.int32)
