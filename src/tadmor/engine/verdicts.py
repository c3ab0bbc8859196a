"""What became of every photograph, with the figure behind it. Nothing is lost silently."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The verdicts there are; `docs/formats/report.md` explains them."""

    USED = "used"
    BLURRED = "blurred"
    TOO_FEW_FEATURES = "too-few-features"
    NO_OVERLAP = "no-overlap"
    NO_DEPTH = "no-depth"
    DUPLICATE = "duplicate"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One photo's verdict. `figure` is the number it rests on and `measure` says what it counts, in plain words.

    `component` numbers the model the photo is used in, from 1; `held_out` photos were placed but kept out of the
    texture to measure it.
    """

    name: str
    outcome: Outcome
    figure: float | None = None
    measure: str = ""
    reason: str = ""
    component: int | None = None
    held_out: bool = False
