"""Poisson meshing in its child process: the surface, and that the parent goes on meanwhile."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tadmor.engine import colmap
from tadmor.errors import EnvironmentFailure
from tadmor.media.ply import read_ply, write_ply_cloud


@pytest.fixture
def sphere(tmp_path: Path) -> Path:
    """Points of a sphere of radius 2 with outward normals."""
    normals = np.random.default_rng(1).normal(size=(20_000, 3))
    normals = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32)
    file = tmp_path / "sphere.ply"
    write_ply_cloud(file, 2 * normals, normals=normals, colours=np.zeros((len(normals), 3), np.uint8))
    return file


def test_a_sphere_comes_back_while_the_parent_goes_on(sphere: Path, tmp_path: Path) -> None:
    beats: list[float] = []
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.02):
            beats.append(time.monotonic())

    heart = threading.Thread(target=beat)
    heart.start()
    began_at = time.monotonic()
    mesh = read_ply(colmap.poisson_mesh(sphere, 7, folder=tmp_path))
    took = time.monotonic() - began_at
    over.set()
    heart.join()
    assert np.linalg.norm(mesh.vertices, axis=1) == pytest.approx(np.full(len(mesh.vertices), 2), abs=0.03)
    assert max(np.diff(beats)) < took / 2  # a locked interpreter would skip a beat of almost that length


def test_a_child_that_the_machine_kills_is_the_machines_matter(
    sphere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(colmap, "_POISSON", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(EnvironmentFailure) as caught:
        colmap.poisson_mesh(sphere, 7, folder=tmp_path)
    assert caught.value.code == "workers-lost"


def test_a_child_that_fails_says_why(sphere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colmap, "_POISSON", "raise SystemExit('no normals')")
    with pytest.raises(RuntimeError, match="no normals"):
        colmap.poisson_mesh(sphere, 7, folder=tmp_path)
