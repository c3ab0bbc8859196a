"""Scenes in the workspace: one .npz for all components of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tadmor.engine.scene import F64, Lens, Scene, View
from tadmor.engine.workspace import Workspace


def save_scenes(workspace: Workspace, entry: Path, scenes: Sequence[Scene], method: str) -> None:
    """Write the scenes under an entry."""
    arrays: dict[str, NDArray[Any]] = {"count": np.array(len(scenes)), "method": np.array(method)}
    for n, scene in enumerate(scenes):
        views = scene.views
        lenses = [
            (v.lens.width, v.lens.height, v.lens.focal_px, v.lens.cx, v.lens.cy, v.lens.k1, v.lens.k2) for v in views
        ]
        arrays |= {
            f"{n}.photo": np.array([v.photo for v in views]),
            f"{n}.name": np.array([v.name.encode("utf-8", "surrogateescape") for v in views]),
            f"{n}.lens": np.array(lenses, np.float64),
            f"{n}.rotation": np.array([v.rotation for v in views]),
            f"{n}.translation": np.array([v.translation for v in views]),
            f"{n}.seen": np.concatenate([v.point_index for v in views]),
            f"{n}.features": np.concatenate([v.feature_index for v in views]),
            f"{n}.seen_count": np.array([len(v.point_index) for v in views]),
            f"{n}.points": scene.points,
            f"{n}.errors": scene.point_error_px,
            f"{n}.metric": np.array(scene.metric or ""),
        }
    workspace.save_arrays(entry, **arrays)


def load_scenes(entry: Path) -> tuple[list[Scene], str]:
    """Read what `save_scenes` wrote: the scenes and the method."""
    stored = Workspace.load_arrays(entry)
    scenes = []
    for n in range(int(stored["count"])):
        get = {
            name: stored[f"{n}.{name}"]
            for name in ("photo", "name", "lens", "rotation", "translation", "points", "errors", "metric")
        }
        ends = np.cumsum(stored[f"{n}.seen_count"])[:-1]
        seen = np.split(stored[f"{n}.seen"].astype(np.int32), ends)
        features = np.split(stored[f"{n}.features"].astype(np.int32), ends)
        views = tuple(
            View(str(photo), _name(name), _lens(lens), rotation, translation, points, shown)
            for photo, name, lens, rotation, translation, points, shown in zip(
                get["photo"], get["name"], get["lens"], get["rotation"], get["translation"], seen, features, strict=True
            )
        )
        scenes.append(Scene(views, get["points"], get["errors"], str(get["metric"]) or None))
    return scenes, str(stored["method"])


def _name(stored: bytes) -> str:
    return bytes(stored).decode("utf-8", "surrogateescape")


def _lens(stored: F64) -> Lens:
    width, height, focal_px, cx, cy, k1, k2 = map(float, stored)
    return Lens(int(width), int(height), focal_px, cx, cy, k1, k2)
