"""A run that kills itself, for the tests of resuming: interrupted.py PHOTOS OUT STEP KIND, in a process of its own.

KIND says when, in the STEP: "begin", "advance" (after the first thing done), or "write" (in the middle of writing an
entry, which is then half on disk).
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


def main(photos: str, out: str, step: str, kind: str) -> None:
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
    coarsely([Path(photos)], Path(out), listener=listen)


if __name__ == "__main__":
    main(*sys.argv[1:])
