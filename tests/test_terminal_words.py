"""The words of the progress display, and the plain lines."""

from __future__ import annotations

import io
import itertools
import time
from dataclasses import replace

import pytest

from tadmor.engine.progress import Event
from tadmor.terminal import words
from tadmor.terminal.display import LineDisplay, TerminalDisplay, display_on

EVENT = Event("advance", "matches", 4, 12, 34, 55, 42.0, seconds=3.0, fraction=0.4)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.7, "1 h 00 min"),
        (4020, "1 h 07 min"),
    ],
)
def test_seconds_taken(seconds: float, text: str) -> None:
    assert words.seconds_taken(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "a few seconds left"),
        (8, "about 10 s left"),
        (57, "about 55 s left"),
        (58, "about 1 min left"),
        (3000, "about 50 min left"),
        (3590, "about 1 h 00 min left"),
        (5400, "about 1 h 30 min left"),
    ],
)
def test_seconds_left(seconds: float | None, text: str) -> None:
    assert words.seconds_left(seconds) == text


def test_an_estimate_is_counted_down_but_never_out() -> None:
    assert words.counted_down(None, 5) is None
    assert words.counted_down(40, 10) == 30
    assert words.counted_down(40, 20) == 20
    left = [words.counted_down(40, passed) for passed in range(20, 400, 10)]
    assert all(a is not None and b is not None and a > b > 0 for a, b in itertools.pairwise(left))


def test_a_running_step() -> None:
    assert f"{words.step_heading(EVENT)}: {words.step_now(EVENT)}" == "4 of 12 · matches: 34 of 55 pairs"
    assert words.step_now(replace(EVENT, step="depth")) == "62 %"
    assert words.step_now(replace(EVENT, step="cameras", total=1)) == ""
    second = replace(EVENT, step="depth", step_number=6, component=2, components=3)
    assert words.step_heading(second) == "model 2 of 3 · 6 of 12 · depth"


def test_a_finished_step() -> None:
    over = replace(EVENT, kind="end", done=55)
    assert words.step_over(over) == "55 pairs"
    assert words.step_over(replace(over, reused=55)) == "55 pairs, taken over"
    assert words.step_over(replace(over, reused=45)) == "55 pairs, 45 of them taken over"
    assert words.step_over(replace(over, step="mesh", done=0, reused=1)) == "taken over"
    assert words.step_over(replace(over, step="mesh")) == ""


def test_where_there_is_no_terminal_lines_are_printed_every_few_seconds() -> None:
    stream = io.StringIO()
    display = LineDisplay(stream, every_seconds=0.25)
    for done in range(20):
        display.show(replace(EVENT, done=done))
    assert stream.getvalue() == ""  # too soon for a line
    time.sleep(0.7)  # a step that tells nothing still shows that it goes on
    display.show(Event("note", "matches", 4, 12, 19, 55, 42.0, "a sentence"))
    display.show(replace(EVENT, kind="end", done=55, seconds=12.3))
    display.close()
    *running, note, last = stream.getvalue().splitlines()
    assert 1 <= len(running) <= 3
    assert set(running) == {"4 of 12 · matches: 19 of 55 pairs · about 40 s left"}
    assert note == "a sentence"
    assert last == "4 of 12 · matches: 55 pairs, 12 s"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    display = display_on(stream)
    assert isinstance(display, TerminalDisplay)
    display.show(EVENT)
    time.sleep(0.4)
    display.show(replace(EVENT, kind="end", done=55, seconds=12.3))
    display.close()
    assert "40 %" in stream.getvalue()
    assert "4 of 12 · matches: 34 of 55 pairs" in stream.getvalue()
    assert "✓  matches    55 pairs" in stream.getvalue()
    assert stream.getvalue().rstrip().endswith("\x1b[2K")  # the bar is taken away


def test_a_stream_that_breaks_stops_nothing() -> None:
    stream = io.StringIO()
    display = LineDisplay(stream)
    stream.close()
    display.say("nobody hears this")
    display.close()
