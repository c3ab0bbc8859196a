"""Plain words for what a run tells: steps, things counted, seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the engine takes seconds to import, and --help needs none of it
    from tadmor.engine.progress import Event

COUNTED = {"photos": "files", "features": "photos", "matches": "pairs", "evidence": "photos", "quality": "photos"}
"""What the things of a step are, where people can count them; the others are shown in per cent."""


def seconds_taken(seconds: float) -> str:
    """Duration of what is over: "0.4 s", "12 s", "3 min 05 s", "1 h 07 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def seconds_left(seconds: float | None) -> str:
    """Rounded as roughly as the estimate is; empty where nothing is known."""
    if seconds is None:
        return ""
    if seconds < 7.5:
        return "a few seconds left"
    if seconds < 57.5:
        return f"about {5 * round(seconds / 5)} s left"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {minutes} min left"
    return f"about {minutes // 60} h {minutes % 60:02d} min left"


def counted_down(seconds: float | None, passed: float) -> float | None:
    """What is left of an estimate after `passed` seconds without news.

    Half of it is counted down by the clock; then ever slower, since what is late is likely to be later still.
    """
    if seconds is None or passed <= seconds / 2:
        return seconds if seconds is None else seconds - passed
    return seconds**2 / (4 * passed)


def taken_over(event: Event) -> bool:
    """Whether a step that ended stood in the workspace already, whole."""
    # the last thing of some steps puts the others together and is always done
    return event.reused > 0 and (event.done == 0 or event.reused >= max(event.total - 1, 1))


def step_heading(event: Event) -> str:
    """Where the run is: "3 of 12 · matches"."""
    model = (
        f"model {event.component} of {event.components} · " if event.components > 1 and event.step_number > 5 else ""
    )
    return f"{model}{event.step_number} of {event.steps} · {event.step}"


def step_now(event: Event) -> str:
    """How far the running step is: "34 of 55 pairs", "40 %", or nothing."""
    if event.total <= 1:
        return ""
    if event.step in COUNTED:
        return f"{event.done} of {event.total} {COUNTED[event.step]}"
    return f"{round(100 * event.done / event.total)} %"


def step_over(event: Event) -> str:
    """What a finished step did: "55 pairs", "11 photos, taken over", "11 photos, 10 of them taken over"."""
    things = f"{event.total} {COUNTED[event.step]}" if event.step in COUNTED else ""
    if taken_over(event):
        over = "taken over"
    elif event.reused and event.step in COUNTED:
        over = f"{event.reused} of them taken over"
    else:
        over = ""
    return ", ".join(part for part in (things, over) if part)
