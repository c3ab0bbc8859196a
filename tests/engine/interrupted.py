"""Runs that kill themselves, one after the other: interrupted.py PHOTOS OUT KIND STEP..., each in a fork of its own.

KIND says when, in each STEP: "advance" (after the first thing done) or "write" (in the middle of writing an entry,
which is then half on disk). Prints each STEP with the signal that ended its run, 0 where none did.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from photo_sets import coarsely

from tadmor.engine.progress import Event
from tadmor.engine.workspace import Workspace


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run(photos: Path, out: Path, kind: str, step: str) -> None:
    """Remodel until the moment comes."""
    now = ""

    def listen(event: Event) -> None:
        nonlocal now
        now = event.step
        if event.step == step and event.kind == kind:
            die()

    whole = Workspace.creating

    @contextmanager
    def torn(self: Workspace, entry: Path, *, folder: bool = False) -> Iterator[Path]:
        with whole(self, entry, folder=folder) as scratch:
            yield scratch
            if kind == "write" and now == step:
                if scratch.is_file():
                    os.truncate(scratch, scratch.stat().st_size // 2)
                die()

    Workspace.creating = torn  # type: ignore[method-assign]  # that is the point
    coarsely([photos], out, listener=listen)


def main(photos: str, out: str, kind: str, *steps: str) -> None:
    """Fork for every step: importing the engine takes longer than such a run."""
    for step in steps:
        child = os.fork()
        if not child:
            run(Path(photos), Path(out), kind, step)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{step} {os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
