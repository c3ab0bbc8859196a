"""What a run tells while it works: which step, how far, how long still."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tadmor.engine.forecast import COSTS, Forecast
from tadmor.engine.options import Effort

STEPS = tuple(COSTS)
"""Names of the steps, in their order."""


@dataclass(frozen=True, slots=True)
class Event:
    """One moment of a run.

    `kind`: "begin", "advance" and "end" of a step, or "note", a sentence in `text` that a person should read. `done` of
    `total` things of the step are finished, `reused` of them taken over from an earlier run; `seconds` have passed
    since it began. `seconds_left` is an estimate for the whole run, None while nothing is known; `fraction` is how much
    of the whole run is done (0 to 1, never falling). From "depth" on, steps are taken for each of `components` in turn.
    """

    kind: str
    step: str
    step_number: int
    steps: int
    done: int
    total: int
    seconds_left: float | None
    text: str = ""
    reused: int = 0
    seconds: float = 0.0
    fraction: float = 0.0
    component: int = 1
    components: int = 1


@dataclass(slots=True)
class StepRecord:
    """What a step took: wall and CPU seconds, the peak memory in MB after it, and how much was taken over."""

    name: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    done: int = 0
    reused: int = 0


Listener = Callable[[Event], None]


def cpu_seconds() -> float:
    """User and system CPU seconds of this process and its finished children."""
    return sum(
        r.ru_utime + r.ru_stime for r in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def peak_mb() -> float:
    """Most memory in MB that this process has held, with its largest finished child (Linux: ru_maxrss is in KiB)."""
    return sum(resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


class Progress:
    """Follows a run, keeps the record of every step and tells a listener.

    `effort` is what was chosen, for the estimate of the time left.
    """

    def __init__(self, listener: Listener = lambda event: None, effort: Effort | None = None) -> None:
        self.listener = listener
        self.records: dict[str, StepRecord] = {}
        self._forecast = Forecast(effort)
        self._record = StepRecord("")
        self._done = self._total = self._reused_before = self._reused_told = 0
        self._began_at = time.perf_counter()

    @contextmanager
    def step(self, name: str, total: int = 1) -> Iterator[StepRecord]:
        """Time one step; `total` is the number of things in it."""
        self._record = record = self.records.setdefault(name, StepRecord(name))
        self._done, self._total = 0, total
        self._reused_before = self._reused_told = record.reused
        self._began_at, cpu = time.perf_counter(), cpu_seconds()
        self._forecast.begin(name, total)
        self._tell("begin")
        try:
            yield record
        finally:
            seconds = time.perf_counter() - self._began_at
            record.seconds += seconds
            record.cpu_seconds += cpu_seconds() - cpu
            record.peak_mb = peak_mb()
        whole = self._done == 0 and self._reused > 0
        self._forecast.end(seconds, reused_share=1.0 if whole else self._reused / max(total, 1))
        self._tell("end")

    @property
    def current(self) -> str:
        """Name of the step that runs, or ran last."""
        return self._record.name

    def split(self, photos: Sequence[int]) -> None:
        """Tell that the steps to come are taken once for each component, of so many photos."""
        self._forecast.split(photos)

    def advance(self, count: int = 1) -> None:
        """Tell that `count` more things of the current step are finished."""
        self._done += count
        self._record.done += count
        reused = self._record.reused - self._reused_told >= count > 0
        self._reused_told = self._record.reused
        self._forecast.advance(self._done, self._total, reused=reused)
        self._tell("advance")

    def note(self, text: str) -> None:
        """Tell a sentence that a person should read."""
        self._tell("note", text)

    @property
    def _reused(self) -> int:
        return self._record.reused - self._reused_before

    def _tell(self, kind: str, text: str = "") -> None:
        seconds, name, forecast = time.perf_counter() - self._began_at, self._record.name, self._forecast
        self.listener(
            Event(
                kind,
                name,
                STEPS.index(name) + 1 if name in STEPS else 0,
                len(STEPS),
                self._done,
                self._total,
                forecast.seconds_left(seconds),
                text,
                reused=self._reused,
                seconds=seconds,
                fraction=forecast.fraction,
                component=forecast.component,
                components=forecast.components,
            )
        )
