"""What a run tells while it works: which step, how far, how long still."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """One moment of a run. `seconds_left` is an estimate for the whole run, None while nothing is known."""

    kind: str  # "begin" | "advance" | "end" | "note"
    step: str
    step_number: int
    steps: int
    done: int
    total: int
    seconds_left: float | None
    text: str = ""


@dataclass(slots=True)
class StepRecord:
    """What a step took: wall and CPU seconds, peak memory of the process in MB after it, and how much was taken over
    unchanged.
    """

    name: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    done: int = 0
    reused: int = 0


Listener = Callable[[Event], None]

# Share of a typical run that each step takes, measured on fountain_p11; the time left is scaled by what this run has
# needed so far.
SHARES: Mapping[str, float] = {
    "photos": 4,
    "features": 12,
    "pairs": 1,
    "matches": 7,
    "cameras": 11,
    "depth": 27,
    "fuse": 8,
    "mesh": 26,
    "texture": 18,
    "evidence": 2,
    "quality": 4,
    "export": 4,
}


def cpu_seconds() -> float:
    """User and system CPU seconds of this process and its finished children."""
    return sum(
        r.ru_utime + r.ru_stime for r in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def peak_mb() -> float:
    """Peak resident memory of this process in MB (Linux: ru_maxrss is in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass(slots=True)
class Progress:
    """Follows a run, keeps the record of every step and tells a listener."""

    listener: Listener = lambda event: None
    records: dict[str, StepRecord] = field(default_factory=dict)
    _current: str = ""
    _done: int = 0
    _total: int = 0
    _spent_share: float = 0.0
    _worked_share: float = 0.0
    _worked_seconds: float = 0.0

    @contextmanager
    def step(self, name: str, total: int = 1) -> Iterator[StepRecord]:
        """Time one step; `total` is the number of things in it."""
        record = self.records.setdefault(name, StepRecord(name))
        self._current, self._done, self._total = name, 0, total
        wall, cpu = time.perf_counter(), cpu_seconds()
        self._tell("begin")
        try:
            yield record
        finally:
            seconds = time.perf_counter() - wall
            record.seconds += seconds
            record.cpu_seconds += cpu_seconds() - cpu
            record.peak_mb = peak_mb()
            share = SHARES.get(name, 1)
            self._spent_share += share
            if record.reused == 0:
                self._worked_share += share
                self._worked_seconds += seconds
        self._tell("end")

    @property
    def current(self) -> str:
        """Name of the step that runs, or ran last."""
        return self._current

    def advance(self, count: int = 1) -> None:
        """Tell that `count` more things of the current step are finished."""
        self._done += count
        self.records[self._current].done += count
        self._tell("advance")

    def note(self, text: str) -> None:
        """Tell a sentence that a person should read."""
        self._tell("note", text)

    def _tell(self, kind: str, text: str = "") -> None:
        names = list(SHARES)
        number = names.index(self._current) + 1 if self._current in SHARES else 0
        event = Event(kind, self._current, number, len(names), self._done, self._total, self._seconds_left(), text)
        self.listener(event)

    def _seconds_left(self) -> float | None:
        if self._worked_share <= 0:
            return None
        left = sum(SHARES.values()) - self._spent_share
        if self._total:
            left -= SHARES.get(self._current, 0) * min(1.0, self._done / self._total)
        return max(0.0, left) * self._worked_seconds / self._worked_share
