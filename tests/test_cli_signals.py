"""How a command ends when it is stopped by signals, or when nobody reads what it says."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from event_lines import events

STUB = """
import hashlib, os, sys, threading, time, types
from pathlib import Path
import tadmor
engine = types.ModuleType("tadmor.engine")
engine.__path__ = [str(Path(tadmor.__file__).parent / "engine")]
sys.modules["tadmor.engine"] = engine
from tadmor.terminal import stopping
stopping.stoppable.__wrapped__.__kwdefaults__["grace_seconds"] = 1.5
def ready():
    print("ready", file=sys.stderr, flush=True)
def remodel(*a, listener, **k):
{body}
engine.remodel = remodel
from tadmor.cli import main
sys.argv = ["tadmor", "remodel", "photos", "-o", "out", *sys.argv[1:]]
main()
"""


def stopped(body: str, *signals: int, arguments: Sequence[str] = ()) -> tuple[subprocess.Popen[str], float, str, str]:
    """Run the stub until it is ready, send the signals, wait; the process, seconds it took to end, and its output."""
    script = STUB.format(body=textwrap.indent(textwrap.dedent(body), "    "))
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while process.stderr.readline().strip() != "ready":
        assert process.poll() is None
    sent_at = time.monotonic()
    for number in signals:
        process.send_signal(number)
        time.sleep(0.2)
    out, err = process.communicate(timeout=20)
    return process, time.monotonic() - sent_at, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_cleanly_and_does_not_wait_for_threads(number: int) -> None:
    process, seconds, out, err = stopped(
        """
        threading.Thread(target=time.sleep, args=(15,)).start()
        try:
            ready()
            time.sleep(15)
        finally:
            print("put away", flush=True)
        """,
        number,
    )
    assert process.returncode == 130
    assert seconds < 1.4
    assert out == "put away\n"
    assert "Run the same command again: it goes on where it stopped" in err
    assert "Traceback" not in err


def test_a_second_signal_ends_at_once() -> None:
    process, seconds, out, err = stopped(
        """
        try:
            ready()
            time.sleep(15)
        finally:
            time.sleep(15)
            print("put away", flush=True)
        """,
        signal.SIGINT,
        signal.SIGINT,
    )
    assert process.returncode == 130
    assert seconds < 1.4
    assert not out
    assert "Press Ctrl-C again" in err
    assert "goes on where it stopped" in err


def test_a_computation_that_no_signal_reaches_ends_after_the_grace_time() -> None:
    process, seconds, out, _ = stopped(
        """
        threading.Timer(0.3, ready).start()  # the computation is under way by then
        hashlib.pbkdf2_hmac("sha512", b"a", b"b", 40_000_000)
        """,
        signal.SIGINT,
        arguments=["--json"],
    )
    assert process.returncode == 130
    assert 1.0 < seconds < 6
    lines = events(out)
    assert [line["event"] for line in lines] == ["note", "error"]
    assert lines[-1]["code"] == "interrupted"
    assert lines[-1]["exit_code"] == 130


def test_when_nobody_reads_stdout_the_work_still_ends_well(tmp_path: Path) -> None:
    mark = tmp_path / "finished"
    body = f"""
    class Event:
        kind, step, text = "note", "photos", "x" * 2000
    for _ in range(200):
        listener(Event)
    Path({str(mark)!r}).write_text("yes")
    from tadmor.errors import UserError
    raise UserError("one-photo", name="a")
    """
    command = [sys.executable, "-c", STUB.format(body=textwrap.indent(textwrap.dedent(body), "    ")), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(timeout=20) == 3
    assert mark.exists()
    assert err == ""
