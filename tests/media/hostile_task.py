"""What a decoder might do when a hostile file has taken it over: the task that the sandbox's tests run."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

from tadmor.errors import EnvironmentFailure, UserError

_state = {"heap damaged": False}


def run(request: dict[str, Any]) -> dict[str, Any]:
    if _state["heap damaged"]:
        os.abort()
    return {"did": ACTIONS[request["do"]](request)}


def echo(request: dict[str, Any]) -> object:
    return request.get("text")


def sleep(request: dict[str, Any]) -> object:
    time.sleep(request["seconds"])
    return "slept"


def chatter(request: dict[str, Any]) -> object:
    os.write(1, b"a library's warning, straight to the standard output\n")
    print("another")  # noqa: T201 - the point
    return "chattered"


def crash(request: dict[str, Any]) -> NoReturn:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def damage(request: dict[str, Any]) -> object:
    _state["heap damaged"] = True
    return "damaged"


def spin(request: dict[str, Any]) -> object:
    while True:
        pass


def allocate(request: dict[str, Any]) -> object:
    return len(bytearray(2**30))


def fill(request: dict[str, Any]) -> object:
    with tempfile.TemporaryFile() as file:
        for _ in range(64):
            file.write(bytes(2**20))
            file.flush()
    return "filled"


def nonsense(request: dict[str, Any]) -> NoReturn:
    """Write rubbish where replies go: the pipe that is not 0, 1 or 2."""
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"\0\0\0\x09\x80\x04rubbish")
    time.sleep(60)
    raise AssertionError


def surroundings(request: dict[str, Any]) -> object:
    return {"environment": sorted(os.environ), "path": sys.path, "pid": os.getpid()}


def user_error(request: dict[str, Any]) -> NoReturn:
    raise UserError("photo-empty", name=request["name"])


def environment_failure(request: dict[str, Any]) -> NoReturn:
    raise EnvironmentFailure("disk-full", path=Path("/somewhere"))


def bug(request: dict[str, Any]) -> NoReturn:
    raise KeyError("no such thing")


ACTIONS = {
    f.__name__: f
    for f in (
        echo, sleep, chatter, crash, damage, spin, allocate, fill, nonsense, surroundings, user_error,
        environment_failure, bug,
    )
}  # fmt: skip
