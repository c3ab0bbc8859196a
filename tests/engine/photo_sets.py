"""Photographs with known truth, and models of them, made once for all tests of the engine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tadmor.engine import Options, Quality, Result, colmap, remodel
from tadmor.engine.synthetic import PALMYRA, Truth, small_set

DRAFT = Options(quality=Quality.DRAFT)


@dataclass(frozen=True, eq=False, slots=True)
class Remodelled:
    """A set of photographs and what the engine made of it."""

    truth: Truth
    result: Result

    @property
    def out(self) -> Path:
        return self.result.out

    @property
    def workspace(self) -> Path:
        return self.result.record.workspace


def poisson_at_depth(depth: int) -> Any:
    """The mesher with another octree depth than is asked for: a coarse surface costs a tenth of the time."""
    mesher = colmap.poisson_mesh

    def coarse(oriented_points: Path, asked: int, *, folder: Path) -> Path:
        return mesher(oriented_points, min(depth, asked), folder=folder)

    return coarse


def coarsely(inputs: Sequence[Path], out: Path, *, options: Options = DRAFT, workers: int = 2, **more: Any) -> Result:
    """Remodel with a coarse surface: for what does not hang on the surface."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(colmap, "poisson_mesh", poisson_at_depth(6))
        return remodel(inputs, out, options=options, workers=workers, **more)


def content(folder: Path) -> dict[str, str]:
    """What the model is: the bytes of its files but for the report, which tells times."""
    files = [p for p in folder.rglob("*") if p.is_file() and "workspace" not in p.parts and p.stem != "report"]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """8 photos of the arch, 800 x 533 px, with exact GPS positions."""
    return small_set(tmp_path_factory.mktemp("small") / "photos", origin=PALMYRA)


@pytest.fixture(scope="session")
def remodelled(small: Truth, tmp_path_factory: pytest.TempPathFactory) -> Remodelled:
    """The model of `small`, with all that OUT holds."""
    out = tmp_path_factory.mktemp("remodelled") / "out"
    return Remodelled(small, remodel([small.folder], out, options=DRAFT, workers=2))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """8 photos of the arch, 480 x 320 px, without GPS: what remodels in a few seconds."""
    return small_set(tmp_path_factory.mktemp("tiny") / "photos", width=480, height=320)


@pytest.fixture(scope="session")
def tiny_remodelled(tiny: Truth, tmp_path_factory: pytest.TempPathFactory) -> Remodelled:
    """The coarse model of `tiny`; not to be written to."""
    out = tmp_path_factory.mktemp("tiny-remodelled") / "out"
    return Remodelled(tiny, coarsely([tiny.folder], out))
