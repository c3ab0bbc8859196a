"""What a run has to say for itself: everything the report is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tadmor.engine.options import Options
from tadmor.engine.progress import StepRecord
from tadmor.engine.scene import Scene
from tadmor.engine.steps.quality import PhotoScore
from tadmor.engine.surface.evidence import EvidenceClass
from tadmor.engine.verdicts import Verdict
from tadmor.media.photo import PhotoFacts


@dataclass(frozen=True, slots=True)
class EvidenceSummary:
    """Share of the model's area by class (0 to 1), medians over what photos see, and the share of unseen faces.

    The ground sampling distance is in world units.
    """

    area_share: Mapping[EvidenceClass, float]
    median_photos: float
    median_angle_deg: float
    median_gsd: float
    inferred_faces_share: float


@dataclass(frozen=True, eq=False, slots=True)
class ComponentRecord:
    """One modelled component; `folder` is relative to OUT ("." for the first).

    `model_entry` and `evidence_entry` are in the workspace: pictures can be rendered from them. `problem` is the text
    of the coded error that says why there is no model, where there is none.
    """

    number: int
    folder: str
    scene: Scene
    held_out: tuple[int, ...] = ()
    scores: tuple[PhotoScore, ...] = ()
    evidence: EvidenceSummary | None = None
    vertices: int = 0
    faces: int = 0
    texture_px: tuple[tuple[int, int], ...] = ()
    bounds: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None
    files: Mapping[str, int] | None = None
    model_entry: Path | None = None
    evidence_entry: Path | None = None
    problem: str | None = None

    @property
    def unit(self) -> str:
        """The unit of lengths in the world: "m", or "unit" where the scale is not known."""
        return "m" if self.scene.metric else "unit"


@dataclass(frozen=True, eq=False, slots=True)
class RunRecord:
    """A whole run. `photos` are the facts of every readable photo by its workspace key; `verdicts` cover every file
    given, in its order.
    """

    started_at: str
    seconds: float
    options: Options
    workers: int
    steps: tuple[StepRecord, ...]
    verdicts: tuple[Verdict, ...]
    photos: Mapping[str, PhotoFacts]
    names: Mapping[str, str]
    components: tuple[ComponentRecord, ...]
    pairs: NDArray[np.int32]
    mapping_method: str
    synthetic: bool
    workspace: Path
    error: str | None = None
