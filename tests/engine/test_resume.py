"""Runs that are repeated, added to, killed, interrupted or refused by the machine go on where they were."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from photo_sets import Remodelled, coarsely, content

from tadmor.engine import Result
from tadmor.engine.progress import STEPS, Event
from tadmor.engine.synthetic import Truth, compare_cameras
from tadmor.engine.verdicts import Outcome
from tadmor.engine.workspace import Workspace
from tadmor.errors import EnvironmentFailure, Interrupted, UserError

HERE = Path(__file__).parent


def stamps(folder: Path) -> dict[str, int]:
    """When each file of a workspace was last changed, but for the lock, which names the process."""
    return {
        str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file() and p.name != "lock"
    }


def copy_of(remodelled: Remodelled, folder: Path) -> Path:
    """An OUT of one's own, as if it had been moved."""
    return Path(shutil.copytree(remodelled.out, folder / "out"))


def steps_of(result: Result) -> dict[str, tuple[int, int]]:
    return {s.name: (s.done, s.reused) for s in result.record.steps}


def test_running_again_does_nothing(tiny: Truth, tiny_remodelled: Remodelled, tmp_path: Path) -> None:
    out = copy_of(tiny_remodelled, tmp_path)
    before, model = stamps(out / "workspace"), content(out)
    began_at = time.perf_counter()
    again = coarsely([tiny.folder], out)
    assert time.perf_counter() - began_at < 0.5 * tiny_remodelled.result.record.seconds
    assert stamps(out / "workspace") == before
    assert content(out) == model
    reused = steps_of(again)
    for step in ("photos", "features", "matches", "cameras", "depth", "fuse", "mesh", "texture", "evidence", "quality"):
        assert reused[step][1] > 0, f"{step} was done again"
    assert reused["photos"] == reused["features"] == (8, 8)
    assert reused["matches"] == (28, 28)
    assert again.record.verdicts == tiny_remodelled.result.record.verdicts


def test_the_same_photos_give_the_same_model_whatever_the_workers(
    tiny: Truth, tiny_remodelled: Remodelled, tmp_path: Path
) -> None:
    coarsely([tiny.folder], tmp_path / "out", workers=1)
    assert content(tmp_path / "out") == content(tiny_remodelled.out)


def test_a_photo_more_costs_that_photo(tiny: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    names = [v.name for v in tiny.views]
    for name in names[:7]:
        shutil.copy2(tiny.folder / name, folder / name)
    first = coarsely([folder], tmp_path / "out")
    assert len(first.record.components[0].scene.views) == 7
    shutil.copy2(tiny.folder / names[7], folder / names[7])
    workspace = tmp_path / "out" / "workspace"
    before = stamps(workspace)
    second = coarsely([folder], tmp_path / "out")
    done = steps_of(second)
    assert done["photos"] == (8, 7)
    assert done["features"] == (8, 7)
    assert done["matches"] == (28, 21)
    new = {path.split("/")[0] for path in stamps(workspace).keys() - before.keys()}
    assert {"photos", "features", "matches"} <= new
    after = stamps(workspace)
    kept = ("photos/", "intake/", "features/", "matches/")
    assert all(after[path] == at for path, at in before.items() if path.startswith(kept))
    assert len([p for p in after.keys() - before.keys() if p.startswith("features/")]) == 1
    assert len([p for p in after.keys() - before.keys() if p.startswith("matches/")]) == 7
    assert [v.outcome for v in second.record.verdicts] == [Outcome.USED] * 8
    assert compare_cameras(tiny, second.record.components[0].scene.views).centre_m.max() < 0.1


WRITTEN = ("photos", "features", "matches", "cameras", "depth", "fuse", "mesh", "texture", "evidence", "quality")


@pytest.mark.parametrize(("kind", "steps"), [("advance", STEPS), ("write", WRITTEN)])
def test_killed_in_every_step_it_ends_with_the_same_model(
    kind: str, steps: tuple[str, ...], tiny: Truth, tiny_remodelled: Remodelled, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(HERE / "interrupted.py"), str(tiny.folder), str(out), kind, *steps]
    (tmp_path / "tmp").mkdir()  # the killed leave temporary files behind
    environment = {**os.environ, "PYTHONPATH": str(HERE), "TMPDIR": str(tmp_path / "tmp")}
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert told.splitlines() == [f"{step} {int(signal.SIGKILL)}" for step in steps]
    assert list((out / "workspace" / "scratch").iterdir()) or kind != "write"
    result = coarsely([tiny.folder], out)
    assert content(out) == content(tiny_remodelled.out)
    assert result.record.verdicts == tiny_remodelled.result.record.verdicts
    assert list((out / "workspace" / "scratch").iterdir()) == []


@pytest.mark.parametrize("step", ["photos", "matches", "depth", "export"])
def test_ctrl_c_leaves_what_can_be_resumed(step: str, tiny: Truth, tiny_remodelled: Remodelled, tmp_path: Path) -> None:
    out = copy_of(tiny_remodelled, tmp_path)
    for kind in {"photos": ["photos", "intake"], "matches": ["matches"], "depth": ["depths"]}.get(step, []):
        shutil.rmtree(out / "workspace" / kind)

    def listen(event: Event) -> None:
        if event.step == step and event.kind == "advance":
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        coarsely([tiny.folder], out, listener=listen)
    assert caught.value.code == "interrupted"
    assert caught.value.params == {"step": step}
    coarsely([tiny.folder], out)
    assert content(out) == content(tiny_remodelled.out)


def test_a_file_that_cannot_grow_is_told_and_the_run_goes_on_later(
    tiny: Truth, tiny_remodelled: Remodelled, tmp_path: Path
) -> None:
    out = copy_of(tiny_remodelled, tmp_path)
    for kind in ("pictures", "depths"):
        shutil.rmtree(out / "workspace" / kind)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing on fails with EFBIG instead
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, limits[1]))
    try:
        with pytest.raises(EnvironmentFailure) as caught:
            coarsely([tiny.folder], out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert caught.value.code == "disk-full"
    assert "pictures" in str(caught.value.params["path"])
    coarsely([tiny.folder], out)
    assert content(out) == content(tiny_remodelled.out)


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[None]:
    """Mount something on a folder, or skip the test where that is not allowed."""
    if shutil.which("mount") is None:
        pytest.skip("no mount here")
    done = subprocess.run(["mount", *arguments, str(folder)], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting needs root: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("megabytes", [1, 6, 14])
def test_a_full_disk_is_told_and_the_run_goes_on_later(
    megabytes: int, tiny: Truth, tiny_remodelled: Remodelled, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    disk = tmp_path / "disk"
    disk.mkdir()
    space = disk / "workspace"
    with mounted(disk, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs"):
        with pytest.raises(EnvironmentFailure) as caught:
            coarsely([tiny.folder], tmp_path / "out", workspace=space)
        assert caught.value.code == "disk-full"
        assert str(caught.value.params["path"]).startswith(str(space))
        assert "nothing was lost" in caught.value.advice
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        coarsely([tiny.folder], tmp_path / "out", workspace=space)
    assert content(tmp_path / "out") == content(tiny_remodelled.out)


def test_a_full_disk_for_temporary_files_is_told(tiny: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = tmp_path / "tmp"
    disk.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(disk))
    with mounted(disk, "-t", "tmpfs", "-o", "size=1m", "tmpfs"), pytest.raises(EnvironmentFailure) as caught:
        coarsely([tiny.folder], tmp_path / "out")
    assert caught.value.code == "disk-full"
    assert caught.value.params["path"] == disk


def test_a_folder_that_cannot_be_written_is_told(tiny: Truth, tiny_remodelled: Remodelled, tmp_path: Path) -> None:
    out = copy_of(tiny_remodelled, tmp_path)
    with mounted(out, "--bind", "-o", "ro", str(out)), pytest.raises(EnvironmentFailure) as caught:
        coarsely([tiny.folder], out)
    assert caught.value.code == "not-writable"
    assert content(out) == content(tiny_remodelled.out)


def test_a_file_in_place_of_a_folder_is_told(tiny: Truth, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError) as out_is_a_file:
        coarsely([tiny.folder], tmp_path / "file")
    assert out_is_a_file.value.code == "output-is-a-file"
    for out, workspace in ((tmp_path / "file" / "out", None), (tmp_path / "out", tmp_path / "file")):
        with pytest.raises(EnvironmentFailure) as caught:
            coarsely([tiny.folder], out, workspace=workspace)
        assert caught.value.code == "not-writable"
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_folder_in_place_of_a_file_is_told(tiny: Truth, tiny_remodelled: Remodelled, tmp_path: Path) -> None:
    out = copy_of(tiny_remodelled, tmp_path)
    (out / "model.glb").unlink()
    (out / "model.glb" / "mine").mkdir(parents=True)
    with pytest.raises(EnvironmentFailure) as caught:
        coarsely([tiny.folder], out)
    assert caught.value.code == "not-writable"
    assert (out / "model.glb" / "mine").is_dir()


def test_two_runs_in_one_workspace_are_told(tiny: Truth, tiny_remodelled: Remodelled, tmp_path: Path) -> None:
    out = copy_of(tiny_remodelled, tmp_path)
    with Workspace(out / "workspace").locked(), pytest.raises(EnvironmentFailure) as caught:
        coarsely([tiny.folder], out)
    assert caught.value.code == "workspace-in-use"
    assert caught.value.params["pid"] == str(os.getpid())
    coarsely([tiny.folder], out)  # and it is free again
    assert content(out) == content(tiny_remodelled.out)


def test_pairs_compared_while_photos_were_few_stay_when_they_are_many(
    tiny: Truth, tiny_remodelled: Remodelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_remodelled.workspace, tmp_path / "workspace")
    entries = set((tmp_path / "workspace" / "matches").iterdir())
    monkeypatch.setattr("tadmor.engine.steps.matches.PROBE_FROM_PHOTOS", 8)
    result = coarsely([tiny.folder], tmp_path / "out", workspace=tmp_path / "workspace")
    assert steps_of(result)["matches"] == (28, 28)
    assert set((tmp_path / "workspace" / "matches").iterdir()) == entries
    assert content(tmp_path / "out") == content(tiny_remodelled.out)
