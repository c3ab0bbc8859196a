"""The sandbox against tasks that crash, hang, devour and lie."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from tadmor.errors import EnvironmentFailure, UserError
from tadmor.media.sandbox import Limits, Sandbox, TaskDied, _error
from tadmor.media.sandbox_child import _allow_cpu

HERE = Path(__file__).parent
TASK = "hostile_task:run"
LIMITS = Limits(memory_bytes=256 * 2**20, cpu_seconds=1, wall_seconds=5, file_bytes=8 * 2**20)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))
        patch.setenv("SECRET_KEY", "of the server")
        with Sandbox(TASK, workers=1, limits=LIMITS) as sandbox:
            yield sandbox


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        pytest.param({"do": "crash"}, "it crashed with SIGSEGV", id="crash"),
        pytest.param({"do": "spin"}, "it took more than 1 s of processor time", id="endless loop"),
        pytest.param({"do": "allocate"}, "it needed more than 256 MiB of memory", id="memory"),
        pytest.param({"do": "fill"}, "it wrote a file of more than 8 MiB", id="disk"),
        pytest.param({"do": "nonsense"}, "it answered nonsense", id="nonsense"),
        pytest.param({"do": "bug"}, "KeyError: 'no such thing'", id="exception"),
    ],
)
def test_a_task_that_dies_says_why_and_the_next_is_unharmed(
    sandbox: Sandbox, request_: dict[str, object], reason: str
) -> None:
    with pytest.raises(TaskDied) as caught:
        sandbox.call(request_)
    assert caught.value.reason == reason
    assert sandbox.call({"do": "echo", "text": "نصر \udcff\n"}) == {"did": "نصر \udcff\n"}


def test_a_task_that_waits_for_ever_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    with Sandbox(TASK, workers=1, limits=Limits(wall_seconds=0.3)) as sandbox:
        sandbox.call({"do": "echo"})
        began = time.monotonic()
        with pytest.raises(TaskDied, match=r"more than 0\.3 s"):
            sandbox.call({"do": "sleep", "seconds": 60})
        assert time.monotonic() - began < 3


def test_the_processor_time_counts_from_each_task_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_utime=7.1, ru_stime=0.3))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8, 100))
    monkeypatch.setattr(resource, "setrlimit", lambda what, value: limits.append((what, value)))
    _allow_cpu(2)
    _allow_cpu(1000)
    assert limits == [(resource.RLIMIT_CPU, (10, 100)), (resource.RLIMIT_CPU, (100, 100))]


def test_a_task_that_dies_of_an_earlier_file_is_judged_afresh(sandbox: Sandbox) -> None:
    assert sandbox.call({"do": "damage"}) == {"did": "damaged"}
    assert sandbox.call({"do": "echo", "text": "innocent"}) == {"did": "innocent"}


def test_printing_does_not_garble_the_replies(sandbox: Sandbox) -> None:
    assert sandbox.call({"do": "chatter"}) == {"did": "chattered"}


def test_coded_errors_come_back_as_themselves(sandbox: Sandbox) -> None:
    with pytest.raises(UserError) as user:
        sandbox.call({"do": "user_error", "name": "قوس النصر.jpg"})
    assert (user.value.code, user.value.params) == ("photo-empty", {"name": "قوس النصر.jpg"})
    with pytest.raises(EnvironmentFailure) as environment:
        sandbox.call({"do": "environment_failure"})
    assert (environment.value.code, environment.value.params) == ("disk-full", {"path": "/somewhere"})


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {"kind": "UserError"},
        {"kind": "Interrupted", "code": "interrupted", "params": {"step": "x"}},
        {"kind": "UserError", "code": "made-up", "params": {}},
        {"kind": "UserError", "code": "photo-empty", "params": {}},
        {"kind": "UserError", "code": "photo-empty", "params": {"code": "x", "name": "x"}},
        {"kind": "UserError", "code": "photo-empty", "params": {"name": ["x"]}},
        {"kind": ["UserError"], "code": "photo-empty", "params": {"name": "x"}},
    ],
)
def test_errors_that_make_no_sense_are_not_believed(told: object) -> None:
    assert isinstance(_error(told), TaskDied)


def test_secrets_and_the_working_folder_stay_outside(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a stranger speaks')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    with Sandbox(TASK, workers=1) as fresh:
        seen = fresh.call({"do": "surroundings"})["did"]
    assert str(tmp_path) not in seen["path"]
    assert "" not in seen["path"]
    assert "SECRET_KEY" in os.environ
    assert "SECRET_KEY" not in seen["environment"]


def test_many_threads_share_few_children_and_a_crash_harms_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    with Sandbox(TASK, workers=2, limits=LIMITS) as sandbox, ThreadPoolExecutor(8) as pool:

        def ask(i: int) -> object:
            try:
                return sandbox.call({"do": "crash"} if i % 10 == 3 else {"do": "echo", "text": i})["did"]
            except TaskDied:
                return "died"

        assert list(pool.map(ask, range(40))) == ["died" if i % 10 == 3 else i for i in range(40)]


def test_a_child_that_cannot_start_is_not_the_files_fault() -> None:
    with Sandbox("no_such_module:run", workers=1) as sandbox:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="No module named 'no_such_module'"):
                sandbox.call({})


def test_closing_ends_the_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    with Sandbox(TASK, workers=1) as sandbox:
        child = sandbox.call({"do": "surroundings"})["did"]["pid"]
        assert _runs(child)
    assert not _runs(child)
    with pytest.raises(RuntimeError, match="closed"):
        sandbox.call({"do": "echo"})


@pytest.mark.parametrize("busy", [False, True])
def test_children_end_when_the_parent_is_killed(tmp_path: Path, *, busy: bool) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import threading, time\n"
        "from tadmor.media.sandbox import Sandbox\n"
        "sandbox = Sandbox('hostile_task:run', workers=1)\n"
        "print(sandbox.call({'do': 'surroundings'})['did']['pid'], flush=True)\n"
        f"sandbox.call({{'do': {'spin' if busy else 'echo'!r}}})\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment, text=True)
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.2)
        assert _runs(child)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    """Whether a process exists and is not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
