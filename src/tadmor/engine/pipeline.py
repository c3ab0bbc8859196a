"""The main job: photographs in, OUT full of models. Read `_steps` for the order of the work."""

from __future__ import annotations

import datetime
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numba
import numpy as np
from threadpoolctl import threadpool_limits

from tadmor.engine import report
from tadmor.engine.compute import Compute
from tadmor.engine.job import Job
from tadmor.engine.options import Options
from tadmor.engine.progress import Listener, Progress
from tadmor.engine.record import ComponentRecord, EvidenceSummary, RunRecord
from tadmor.engine.scene import Scene
from tadmor.engine.steps import (
    cameras,
    depth,
    evidence,
    export,
    features,
    fuse,
    matches,
    mesh,
    pairs,
    photos,
    quality,
    texture,
)
from tadmor.engine.steps.photos import Photos
from tadmor.engine.surface.evidence import EvidenceClass
from tadmor.engine.surface.topology import face_normals
from tadmor.engine.verdicts import Outcome, Verdict
from tadmor.engine.workspace import FULL, Workspace, told_apart
from tadmor.errors import EnvironmentFailure, Interrupted, TadmorError, UserError
from tadmor.media.photo_search import FoundPhoto, find_photos

MIN_FEATURES = 200
INPUTS_FILE = "inputs.json"
SURELY_ALIKE = 100
"""Photos that share so many verified matches show the same; where not even two of them can be placed, they were taken
from one spot."""


@dataclass(frozen=True, eq=False, slots=True)
class Result:
    """What a run left: the folder, the report's path and everything the report says."""

    out: Path
    report: Path
    record: RunRecord


def remodel(
    inputs: Sequence[Path | str],
    out: Path | str,
    *,
    options: Options | None = None,
    workspace: Path | str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    listener: Listener = lambda event: None,
) -> Result:
    """Rebuild what the photographs in `inputs` (files and folders) show, into the folder `out`.

    Work is kept in `workspace` (default: OUT/workspace); the same call goes on where an earlier one stopped.
    `workers`: threads on this machine (default: its cores); `scheduler`: address of a Dask scheduler whose workers
    share the workspace; `listener` is told of the progress, from several threads but by one at a time.

    Raises UserError where the photos do not allow a model, with the report written all the same; EnvironmentFailure
    where the machine stands in the way; Interrupted on Ctrl-C.
    """
    out = Path(out).absolute()
    found = find_photos([Path(p) for p in inputs])
    space = Workspace(Path(workspace) if workspace else out / "workspace")
    _claim(out, space, found, overwrite=overwrite)
    options = options or Options()
    progress = Progress(listener, options.effort)
    cv2.setNumThreads(1)  # the cores are shared out by Compute, one view a thread
    with space.locked(), Compute(workers, scheduler) as compute, threadpool_limits(1):
        compute.require(space.root)
        numba.set_num_threads(min(compute.threads, numba.config.NUMBA_NUM_THREADS))
        job = Job(space, options, compute, progress)
        _note_inputs(out, space, found)
        try:
            return _Run(job, out, found).go()
        except KeyboardInterrupt as stop:
            raise Interrupted("interrupted", step=progress.current or "the start") from stop
        except MemoryError as error:
            raise EnvironmentFailure("memory-full", step=progress.current or "the start") from error
        except OSError as error:
            if error.errno in FULL:  # not in the workspace or OUT, which say so themselves
                raise EnvironmentFailure("disk-full", path=error.filename or tempfile.gettempdir()) from error
            raise


def _claim(out: Path, space: Workspace, found: Sequence[FoundPhoto], *, overwrite: bool) -> None:
    """Make sure that OUT is a folder for us: empty, or of an earlier run into it that shares a photo with this one."""
    if out.exists() and not out.is_dir():
        raise UserError("output-is-a-file", path=out)
    with told_apart(out):
        out.mkdir(parents=True, exist_ok=True)
        held = any(p != space.root and not p.name.startswith(".") for p in out.iterdir())
    before = set(_noted_inputs(space).get(_noted_as(out, space), ()))
    taken = held or (before and space.root.is_relative_to(out))
    if taken and not overwrite and before.isdisjoint(_paths(found)):
        raise UserError("output-holds-another-run", path=out)


def _note_inputs(out: Path, space: Workspace, found: Sequence[FoundPhoto]) -> None:
    noted = _noted_inputs(space) | {_noted_as(out, space): _paths(found)}
    space.save_json(space.root / INPUTS_FILE, noted)


def _noted_inputs(space: Workspace) -> dict[str, list[str]]:
    """The files that were given last, by the folder OUT."""
    file = space.root / INPUTS_FILE
    noted: dict[str, list[str]] = space.load_json(file) if file.is_file() else {}
    return noted


def _noted_as(out: Path, space: Workspace) -> str:
    """What OUT is called in the workspace: an OUT that holds its workspace may be moved with it."""
    return "." if space.root.is_relative_to(out) else str(out)


def _paths(found: Sequence[FoundPhoto]) -> list[str]:
    return [str(f.path.absolute()) for f in found]


class _Run:
    """One run: what has been found out so far, for the report."""

    def __init__(self, job: Job, out: Path, found: Sequence[FoundPhoto]) -> None:
        self.job = job
        self.out = out
        self.found = found
        self.started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.clock = time.perf_counter()
        self.photos = Photos((), ())
        self.verdicts: dict[str, Verdict] = {}
        self.components: list[ComponentRecord] = []
        self.pairs = np.zeros((0, 3), np.int32)
        self.method = ""
        self.features: dict[str, int] = {}

    def go(self) -> Result:
        """Run the steps; whatever people must know is in the report, also when there is no model."""
        try:
            self._steps()
        except UserError as error:
            self._report(error)
            raise
        return self._report(None)

    def _steps(self) -> None:
        job = self.job
        self.photos = photos.run(job, self.found)
        self.verdicts = {v.name: v for v in self.photos.verdicts}
        self._require_photos()
        detected = features.run(job, self.photos)
        self._judge_features(detected)
        compared = pairs.run(job, self.photos, detected)
        verified = matches.run(job, self.photos, detected, compared)
        self.pairs = np.array([(p.first, p.second, len(p.matches)) for p in verified], np.int32).reshape(-1, 3)
        placed = cameras.run(job, self.photos, detected, verified)
        self.method = placed.method
        self._judge_overlap(placed.scenes)
        job.progress.split([len(scene.views) for scene in placed.scenes])
        problems: list[UserError] = []
        for number, scene in enumerate(placed.scenes, 1):
            try:
                self.components.append(self._model(number, scene))
            except UserError as error:
                problems.append(error)
                self._give_up(number, scene, error)
        if len(problems) == len(placed.scenes):
            raise problems[0]
        self._forget_earlier_components()

    def _model(self, number: int, scene: Scene) -> ComponentRecord:
        """Take one component from its cameras to its files; the first that gets so far goes into OUT itself."""
        job = self.job
        folder = f"component-{number}" if any(c.files for c in self.components) else "."
        if number > 1:
            job.progress.note(f"Component {number}: {len(scene.views)} photographs that do not connect to the others")
        stereo = depth.run(job, scene)
        fused = fuse.run(job, scene, stereo)
        surface = mesh.run(job, fused)
        textured = texture.run(job, scene, stereo, fused, surface)
        evident = evidence.run(job, scene, fused, textured)
        scores = quality.run(job, scene, textured)
        unit_name = "m" if scene.metric else "unit"
        exported = export.run(job, scene, fused, textured, evident, self.out / folder, unit_name=unit_name)
        for row in textured.held_out:
            name = scene.views[row].name
            self.verdicts[name] = replace(self.verdicts[name], held_out=True)
        model = job.workspace.load_arrays(textured.model)
        return ComponentRecord(
            number,
            folder,
            scene,
            held_out=textured.held_out,
            scores=scores,
            evidence=_summary(job, textured.model, evident),
            vertices=len(model["vertices"]),
            faces=len(model["faces"]),
            texture_px=tuple((int(w), int(h)) for w, h in model["page_size"]),
            bounds=_bounds(model["vertices"]),
            files=exported.sizes,
            model_entry=textured.model,
            evidence_entry=evident,
        )

    def _give_up(self, number: int, scene: Scene, error: UserError) -> None:
        """List a component without a model, and say so of its photos."""
        self.components.append(ComponentRecord(number, f"component-{number}", scene, problem=str(error)))
        for view in scene.views:
            verdict = self.verdicts[view.name]
            if verdict.component == number:
                self.verdicts[view.name] = replace(verdict, outcome=Outcome.NO_DEPTH, component=None)

    def _forget_earlier_components(self) -> None:
        """Remove the models of components that an earlier run into OUT had and this one has not."""
        current = {c.folder for c in self.components if c.files}
        with told_apart(self.out):
            for folder in self.out.glob("component-*"):
                if folder.name not in current and folder.is_dir():
                    export.remove_own_files(folder)

    def _require_photos(self) -> None:
        usable = self.photos.usable
        if not usable:
            raise UserError("no-usable-photos", count=len(self.found), report=self.out / "report.html")
        if len(usable) == 1:
            self.verdicts[usable[0].name] = Verdict(usable[0].name, Outcome.NO_OVERLAP, 0, "other usable photographs")
            raise UserError("one-photo", name=usable[0].name)

    def _judge_features(self, detected: dict[str, Path]) -> None:
        """Verdicts on photos with too few features; they stay in, in case they match all the same."""
        self.features = {
            p.key: len(self.job.workspace.load_arrays(detected[p.key])["points"]) for p in self.photos.usable
        }

    def _judge_overlap(self, scenes: Sequence[Scene]) -> None:
        component: dict[str, int] = {}
        for number, scene in enumerate(scenes, 1):
            for view in scene.views:
                component.setdefault(view.photo, number)
        best = np.zeros(len(self.photos.usable), np.int64)
        for i, j, count in self.pairs:
            best[i], best[j] = max(best[i], count), max(best[j], count)
        for row, photo in enumerate(self.photos.usable):
            number_of = component.get(photo.key)
            if number_of is not None:
                seen = next(len(v.point_index) for v in scenes[number_of - 1].views if v.photo == photo.key)
                verdict = Verdict(
                    photo.name, Outcome.USED, seen, "points shared with other photos", component=number_of
                )
            elif self.features[photo.key] < MIN_FEATURES:
                verdict = Verdict(
                    photo.name,
                    Outcome.TOO_FEW_FEATURES,
                    self.features[photo.key],
                    f"features; {MIN_FEATURES} are needed",
                )
            else:
                verdict = Verdict(photo.name, Outcome.NO_OVERLAP, int(best[row]), "matches with the photo most alike")
            self.verdicts[photo.name] = verdict
        if not scenes:
            alike = [photo.name for photo, count in zip(self.photos.usable, best, strict=True) if count >= SURELY_ALIKE]
            for name in alike:
                self.verdicts[name] = replace(self.verdicts[name], outcome=Outcome.NO_DEPTH)
            if alike:
                raise UserError("no-parallax", count=len(alike))
            raise UserError("no-overlap", count=len(self.photos.usable), report=self.out / "report.html")

    def _report(self, error: TadmorError | None) -> Result:
        usable = self.photos.usable
        record = RunRecord(
            started_at=self.started_at,
            seconds=time.perf_counter() - self.clock,
            options=self.job.options,
            workers=self.job.compute.workers,
            steps=tuple(self.job.progress.records.values()),
            verdicts=tuple(self.verdicts[f.name] for f in self.found if f.name in self.verdicts),
            photos={p.key: p.facts for p in usable},
            names={p.key: p.name for p in usable},
            components=tuple(self.components),
            pairs=self.pairs,
            mapping_method=self.method,
            synthetic=any("synthetic" in (p.facts.model or "").lower() for p in usable),
            workspace=self.job.workspace.root,
            error=str(error) if error else None,
        )
        with told_apart(self.out):
            page = report.write(record, self.out)
        return Result(self.out, page, record)


def _bounds(vertices: np.typing.NDArray[np.float64]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    low, high = vertices.min(0), vertices.max(0)
    return (float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2]))


def _summary(job: Job, model_entry: Path, evidence_entry: Path) -> EvidenceSummary:
    model, found = job.workspace.load_arrays(model_entry), evidence.load_evidence(evidence_entry)
    faces = model["faces"]
    area = np.linalg.norm(face_normals(model["vertices"], faces), axis=1) / 2
    # a face is as good as its least evidenced corner
    classes = found.classes[faces].min(1)
    total = max(float(area.sum()), 1e-30)
    seen = found.photos > 0
    return EvidenceSummary(
        {c: float(area[classes == c].sum()) / total for c in EvidenceClass},
        float(np.median(found.photos[seen])) if seen.any() else 0.0,
        float(np.median(found.angle_deg[seen])) if seen.any() else 0.0,
        float(np.median(found.gsd[seen])) if seen.any() else 0.0,
        float((model["face_page"] < 0).mean()),
    )
