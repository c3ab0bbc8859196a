"""What a listener is told."""

from __future__ import annotations

import pytest

from tadmor.engine.progress import STEPS, Event, Progress


def test_events_count_what_is_done_and_what_is_taken_over() -> None:
    told: list[Event] = []
    progress = Progress(told.append)
    with progress.step("features", 5) as record:
        record.reused += 2
        progress.advance(2)
        for _ in range(3):
            progress.advance()
    progress.note("a sentence")
    assert [event.kind for event in told] == ["begin", *["advance"] * 4, "end", "note"]
    assert [event.done for event in told] == [0, 2, 3, 4, 5, 5, 5]
    assert [event.reused for event in told] == [0, 2, 2, 2, 2, 2, 2]
    assert {(e.step, e.step_number, e.steps, e.total) for e in told} == {("features", 2, len(STEPS), 5)}
    assert told[-1].text == "a sentence"


def test_a_repeated_step_adds_up_in_its_record_and_starts_anew_in_events() -> None:
    told: list[Event] = []
    progress = Progress(told.append)
    for _ in range(2):
        with progress.step("fuse", 3) as record:
            record.reused += 3
            progress.advance(3)
    assert progress.records["fuse"].reused == 6
    assert [event.reused for event in told] == [0, 3, 3, 0, 3, 3]
    assert progress.current == "fuse"


def test_a_step_that_fails_is_recorded_and_does_not_end() -> None:
    told: list[Event] = []
    progress = Progress(told.append)

    def fail() -> None:
        with progress.step("mesh", 3):
            raise ValueError("no surface")

    with pytest.raises(ValueError, match="no surface"):
        fail()
    assert [event.kind for event in told] == ["begin"]
    assert progress.records["mesh"].seconds > 0
