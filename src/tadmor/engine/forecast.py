"""How long a run will still take: what each step costs by measurement, corrected by what this run has needed so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tadmor.engine.options import EFFORTS, Effort, Quality


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a step on two cores at standard quality: `fixed`, and for `each` photo (for matches: each pair).

    They grow with the `power` of the ratio of the effort's `pixels` (a field of Effort) to standard quality's.
    `shape` are points (share done, share of the time) of a step whose parts take unequal time; linear in between.
    """

    fixed: float
    each: float
    pixels: str = ""
    power: int = 0
    shape: tuple[tuple[float, float], ...] = ()

    def seconds(self, things: float, effort: Effort) -> float:
        """What the step costs for so many photos or pairs."""
        grown = 1.0
        if self.pixels:
            grown = (getattr(effort, self.pixels) / getattr(EFFORTS[Quality.STANDARD], self.pixels)) ** self.power
        return (self.fixed + self.each * things) * float(grown)

    def elapsed_share(self, share_done: float) -> float:
        """Share of the step's time that has passed when this share of its things is done."""
        points = ((0.0, 0.0), *self.shape, (1.0, 1.0))
        return float(np.interp(share_done, [x for x, _ in points], [y for _, y in points]))


COSTS: Mapping[str, Cost] = {
    "photos": Cost(1.0, 0.1, shape=((0.05, 0.4),)),
    "features": Cost(0.3, 0.26, "feature_px", 2),
    "pairs": Cost(0.0, 0.03),
    "matches": Cost(0.0, 0.05, "max_features", 2),
    "cameras": Cost(0.3, 0.3),
    "depth": Cost(0.0, 0.82, "depth_px", 2, shape=((0.5, 0.03),)),
    "fuse": Cost(0.4, 0.32, "depth_px", 2),
    "mesh": Cost(4.0, 0.2, "depth_px", 1, shape=((0.13, 0.75),)),
    "texture": Cost(1.5, 0.36, shape=((0.47, 0.12), (0.53, 0.4))),
    "evidence": Cost(0.3, 0.03),
    "quality": Cost(0.3, 0.07),
    "export": Cost(0.3, 0.01),
}
"""Measured on fountain_p11 and sceaux_castle, 11 photos each, on two cores. The order is that of the steps."""

ONCE = ("photos", "features", "pairs", "matches", "cameras")
"""Steps that a run takes once; the others are taken for every component."""

ALL_PAIRS_UP_TO, PAIRS_A_PHOTO = 40, 13
TRUST = 2.0
"""What the table above weighs beside what the run shows: as much as a stage of this many seconds, squared."""
TELLING_SECONDS = 0.5
"""Stages expected to take less say nothing of the others."""
SOONEST_SECONDS = 0.5
"""Before so much work nothing is foretold: a run may find everything done."""


@dataclass(slots=True)
class Stage:
    """One step still to come, running or over. `skipped`: share of its time that was taken over from an earlier run."""

    step: str
    things: float
    component: int = 1
    passed: float = 0.0
    skipped: float = 0.0


class Forecast:
    """Follows a run through its stages; components repeat the later ones."""

    def __init__(self, effort: Effort | None = None) -> None:
        self._effort = effort or EFFORTS[Quality.STANDARD]
        self._stages = [Stage(step, 1) for step in COSTS]
        self._place = -1
        self._worked: list[tuple[float, float]] = []  # seconds taken and expected of finished stages
        self._fraction = 0.0
        self.components = 1

    @property
    def component(self) -> int:
        """Number of the component that is being modelled, from 1."""
        return self._stages[max(self._place, 0)].component

    def begin(self, step: str, total: int) -> None:
        """Enter the next stage of this name; `total` is its number of things, which tells how many photos there are."""
        later = range(self._place + 1, len(self._stages))
        place = next((i for i in later if self._stages[i].step == step), None)
        if place is None:
            self._stages.insert(self._place + 1, Stage(step, total))
            place = self._place + 1
        self._place = place
        if step in {"photos", "features"}:
            self._expect(total)
        elif step == "matches":
            self._stages[place].things = total

    def _expect(self, photos: int) -> None:
        for stage in self._stages:
            stage.things = photos
            if stage.step == "matches":
                all_pairs = photos * (photos - 1) / 2
                stage.things = all_pairs if photos <= ALL_PAIRS_UP_TO else PAIRS_A_PHOTO * photos

    def split(self, photos: Sequence[int]) -> None:
        """Plan the later steps once for each component, of so many photos."""
        repeated = [step for step in COSTS if step not in ONCE]
        self._stages[self._place + 1 :] = [
            Stage(step, count, component) for component, count in enumerate(photos, 1) for step in repeated
        ]
        self.components = max(1, len(photos))

    def advance(self, done: int, total: int, *, reused: bool) -> None:
        """Tell how far the stage is; `reused`: the last things done stood in the workspace already."""
        stage = self._stages[self._place]
        cost = COSTS.get(stage.step)
        share = min(1.0, done / max(total, 1))
        passed = cost.elapsed_share(share) if cost else share
        if reused:
            stage.skipped += max(0.0, passed - stage.passed)
        stage.passed = max(stage.passed, passed)

    def end(self, seconds: float, *, reused_share: float) -> None:
        """Leave the stage after so many seconds; `reused_share` of its things stood in the workspace already."""
        stage = self._stages[self._place]
        stage.passed = 1.0
        stage.skipped = max(stage.skipped, min(1.0, reused_share))
        if stage.skipped < 0.95:
            self._worked.append((seconds, self._cost(stage) * (1 - stage.skipped)))

    def seconds_left(self, elapsed: float) -> float | None:
        """Seconds still to go, `elapsed` seconds into the running stage; None while nothing has been computed yet."""
        if self._place < 0 or elapsed + math.fsum(seconds for seconds, _ in self._worked) < SOONEST_SECONDS:
            return None
        stage = self._stages[self._place]
        cost = self._cost(stage) * (1 - stage.skipped)
        later = math.fsum(self._cost(s) for s in self._stages[self._place + 1 :])
        if stage.passed >= 1:
            return later * self._slowness()
        # what the stage itself shows counts the more, the farther it is: early on its share done is a rough guess
        share = (stage.passed - stage.skipped) / max(1 - stage.skipped, 1e-9)
        expected = cost * self._slowness()
        if share > 0:
            rest = (1 - share) * (elapsed + (1 - share) * max(expected, elapsed))
        else:
            rest = max(expected - elapsed, 0.1 * expected)
        return rest + later * self._slowness(elapsed, share * cost)

    def _slowness(self, seconds: float = 0.0, cost: float = 0.0) -> float:
        """Seconds that this run needs for what should take one, counting also a stage that took `seconds`.

        A geometric mean over the stages: one that is far off (photos with very many matches) says little of the others.
        """
        stages = [(t, c) for t, c in (*self._worked, (seconds, cost)) if c >= TELLING_SECONDS]
        weights = [math.sqrt(c) for _, c in stages]
        logarithms = (w * math.log(max(t, 0.01) / c) for w, (t, c) in zip(weights, stages, strict=True))
        return math.exp(math.fsum(logarithms) / (math.fsum(weights) + TRUST))

    @property
    def fraction(self) -> float:
        """How much of the whole run is done, 0 to 1; never falls."""
        costs = [self._cost(s) for s in self._stages]
        done = math.fsum(costs[: max(self._place, 0)])
        if self._place >= 0:
            done += costs[self._place] * self._stages[self._place].passed
        self._fraction = max(self._fraction, done / max(math.fsum(costs), 1e-9))
        return min(1.0, self._fraction)

    def _cost(self, stage: Stage) -> float:
        cost = COSTS.get(stage.step)
        return cost.seconds(stage.things, self._effort) if cost else 1.0
