"""The progress of a run on stderr: a live display on a terminal, plain lines everywhere else."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tadmor.terminal import words

if TYPE_CHECKING:
    from tadmor.engine.progress import Event

LINE_EVERY_SECONDS = 5.0
BAR_WIDTH = 40


class Display(Protocol):
    """Shows the events of a run until it is closed.

    `show` is called from several threads, by one at a time.
    """

    def show(self, event: Event) -> None:
        """Take in one moment of the run."""

    def say(self, text: str) -> None:
        """Print a sentence that stays."""

    def close(self) -> None:
        """Stop; finished steps stay on the screen."""


def display_on(stream: TextIO) -> Display:
    """Return the display that suits where the stream goes."""
    console = Console(file=stream, highlight=False, markup=False, soft_wrap=True)
    return TerminalDisplay(console) if console.is_terminal and not console.is_dumb_terminal else LineDisplay(stream)


class TerminalDisplay:
    """A bar for the whole run with the time left, the running step below it, finished steps above."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._event: Event | None = None
        self._told_at = 0.0
        # what the engine's libraries print must reach the screen as it is, not through the display
        self._live = Live(
            console=console,
            get_renderable=self._picture,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def show(self, event: Event) -> None:
        """Take in one moment of the run."""
        if event.kind == "note":
            self.say(event.text)
            return
        self._event, self._told_at = event, time.monotonic()
        if event.kind == "end":
            line = Table.grid(padding=(0, 2))
            line.add_row("✓", f"{event.step:<9}", f"{words.step_over(event):<34}", words.seconds_taken(event.seconds))
            self._console.print(line)

    def say(self, text: str) -> None:
        """Print a sentence that stays."""
        self._console.print(Text(text))

    def close(self) -> None:
        """Take the bar away; finished steps stay."""
        self._live.stop()

    def _picture(self) -> RenderableType:
        event = self._event
        if event is None:
            return Text("Starting ...")
        left = words.counted_down(event.seconds_left, time.monotonic() - self._told_at)
        bar = Table.grid(padding=(0, 2))
        share = f"{round(100 * event.fraction):3d} %"
        # rich's own colours look like an alarm
        done = ProgressBar(1.0, event.fraction, BAR_WIDTH, complete_style="green", finished_style="green")
        bar.add_row(done, share, words.seconds_left(left))
        now = words.step_now(event) if event.kind != "end" else words.step_over(event)
        return Group(bar, Text(words.step_heading(event) + (f": {now}" if now else "")))


class LineDisplay:
    """A line for every finished step, and one every few seconds while a step goes on."""

    def __init__(self, stream: TextIO, *, every_seconds: float = LINE_EVERY_SECONDS) -> None:
        self._stream = stream
        self._every = every_seconds
        self._event: Event | None = None
        self._told_at = self._printed_at = time.monotonic()
        self._lock = threading.Lock()
        self._over = threading.Event()
        # long computations tell nothing for a while; whoever follows a log must see that they go on
        self._clock = threading.Thread(target=self._tick, name="progress lines", daemon=True)
        self._clock.start()

    def show(self, event: Event) -> None:
        """Take in one moment of the run."""
        with self._lock:
            if event.kind == "note":
                self._print(event.text)
                return
            self._event, self._told_at = event, time.monotonic()
            if event.kind == "end":
                over = words.step_over(event)
                took = words.seconds_taken(event.seconds)
                self._print(f"{words.step_heading(event)}: {f'{over}, ' if over else ''}{took}")
            elif self._due():
                self._print_now()

    def say(self, text: str) -> None:
        """Print a sentence that stays."""
        with self._lock:
            self._print(text)

    def close(self) -> None:
        """Stop the clock."""
        self._over.set()

    def _tick(self) -> None:
        while not self._over.wait(self._every / 5):
            with self._lock:
                if self._event is not None and self._event.kind != "end" and self._due():
                    self._print_now()

    def _due(self) -> bool:
        return time.monotonic() - self._printed_at >= self._every

    def _print_now(self) -> None:
        assert self._event is not None
        left = words.counted_down(self._event.seconds_left, time.monotonic() - self._told_at)
        now, still = words.step_now(self._event), words.seconds_left(left)
        self._print(f"{words.step_heading(self._event)}{f': {now}' if now else ''}{f' · {still}' if still else ''}")

    def _print(self, line: str) -> None:
        self._printed_at = time.monotonic()
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more; the run goes on
            self._stream.write(line + "\n")
            self._stream.flush()


class NoDisplay:
    """Shows nothing: --quiet."""

    def show(self, event: Event) -> None:
        """Take in one moment of the run."""

    def say(self, text: str) -> None:
        """Leave the sentence unsaid."""

    def close(self) -> None:
        """Nothing to stop."""
