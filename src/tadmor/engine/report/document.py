"""report.json: the record of a run as plain JSON values, as report.schema.json describes them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import tadmor
from tadmor.engine.progress import StepRecord
from tadmor.engine.record import ComponentRecord, EvidenceSummary, RunRecord
from tadmor.engine.scene import View
from tadmor.engine.steps.quality import PhotoScore
from tadmor.engine.surface.evidence import EvidenceClass
from tadmor.engine.surface.rendering import MIN_COVERAGE
from tadmor.engine.verdicts import Verdict
from tadmor.media.photo import PhotoFacts
from tadmor.media.photo_search import printable

FORMAT, FORMAT_VERSION = "tadmor-report", 1
SIGNIFICANT = 7
CLASS_NAMES = {
    EvidenceClass.OBSERVED: "observed",
    EvidenceClass.WEAKLY_OBSERVED: "weakly_observed",
    EvidenceClass.INFERRED: "inferred",
}


def document(record: RunRecord, out: Path) -> dict[str, Any]:
    """Return the report as JSON values.

    Positions from GPS stay out, and so do the paths of the machine: a report is handed on, and contributors may be at
    risk. Names are printable text; bytes in file names that are no UTF-8 stand as escapes.
    """
    whole = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "tool": {"name": "tadmor", "version": tadmor.__version__},
        "started_at": record.started_at,
        "seconds": record.seconds,
        "workers": record.workers,
        "options": _options(record),
        "synthetic": record.synthetic,
        "mapping_method": record.mapping_method or None,
        "error": _error(record.error, record, out),
        "steps": [_step(step) for step in record.steps],
        "verdicts": [_verdict(number, v, record, out) for number, v in enumerate(record.verdicts, 1)],
        "photos": [_photo(record.names[key], facts) for key, facts in record.photos.items()],
        "components": [_component(c, record, out) for c in record.components],
    }
    tidy: dict[str, Any] = _tidy(whole)
    return tidy


def _options(record: RunRecord) -> dict[str, Any]:
    return {k: [str(x) for x in v] if isinstance(v, tuple) else v for k, v in record.options.to_json().items()}


def _error(text: str | None, record: RunRecord, out: Path) -> dict[str, str] | None:
    """A coded error's text taken apart: what str(TadmorError) writes ends in its code in brackets."""
    if text is None:
        return None
    coded = re.fullmatch(r"(.*?)\s*\[([a-z0-9-]+)\]", text, re.DOTALL)
    message, code = (coded[1], coded[2]) if coded else (text, "other")
    return {"code": code, "message": _without_paths(message, record, out)}


def _without_paths(text: str, record: RunRecord, out: Path) -> str:
    for folder, name in ((record.workspace, "workspace"), (out.absolute(), ".")):
        text = text.replace(f"{folder}/", "" if name == "." else f"{name}/").replace(str(folder), name)
    return printable(text)


def _step(step: StepRecord) -> dict[str, Any]:
    return {
        "name": step.name,
        "seconds": step.seconds,
        "cpu_seconds": step.cpu_seconds,
        "peak_mb": step.peak_mb,
        "done": step.done,
        "reused": step.reused,
    }


def _verdict(number: int, verdict: Verdict, record: RunRecord, out: Path) -> dict[str, Any]:
    return {
        "number": number,
        "name": printable(verdict.name),
        "outcome": str(verdict.outcome),
        "figure": verdict.figure,
        "measure": printable(verdict.measure),
        "reason": _without_paths(verdict.reason, record, out),
        "component": verdict.component,
        "held_out": verdict.held_out,
    }


def _photo(name: str, facts: PhotoFacts) -> dict[str, Any]:
    return {
        "name": printable(name),
        "sha256": facts.sha256,
        "size_bytes": facts.size_bytes,
        "width_px": facts.width,
        "height_px": facts.height,
        "camera_make": None if facts.make is None else printable(facts.make),
        "camera_model": None if facts.model is None else printable(facts.model),
        "focal_px": facts.focal_px,
        "focal_source": facts.focal_source,
        "taken_at": facts.taken_at,
    }


def _component(component: ComponentRecord, record: RunRecord, out: Path) -> dict[str, Any]:
    scene = component.scene
    held_out = [s for s in component.scores if s.held_out]
    others = [s for s in component.scores if not s.held_out]
    return {
        "number": component.number,
        "folder": component.folder,
        "unit": component.unit,
        "scale_source": scene.metric,
        "points": len(scene.points),
        "views": [_view(v, held_out=row in component.held_out) for row, v in enumerate(scene.views)],
        "model": _model(component),
        "evidence": _evidence(component.evidence),
        "scores": [_score(s, scene.views[s.row].name) for s in component.scores],
        "mean_held_out": _mean(held_out),
        "mean_input": _mean(others),
        "files": [{"path": printable(p), "size_bytes": size} for p, size in sorted((component.files or {}).items())],
        "problem": _error(component.problem, record, out),
    }


def _view(view: View, *, held_out: bool) -> dict[str, Any]:
    return {
        "photo": printable(view.name),
        "centre": [float(x) for x in view.centre],
        "focal_px": view.lens.focal_px,
        "points": len(view.point_index),
        "held_out": held_out,
    }


def _model(component: ComponentRecord) -> dict[str, Any] | None:
    if component.bounds is None:
        return None
    return {
        "vertices": component.vertices,
        "faces": component.faces,
        "texture_px": [list(size) for size in component.texture_px],
        "bounds": [list(corner) for corner in component.bounds],
    }


def _evidence(summary: EvidenceSummary | None) -> dict[str, Any] | None:
    if summary is None:
        return None
    return {
        "area_share": {name: summary.area_share[c] for c, name in CLASS_NAMES.items()},
        "median_photos": summary.median_photos,
        "median_angle_deg": summary.median_angle_deg,
        "median_gsd": summary.median_gsd,
        "untextured_faces_share": summary.inferred_faces_share,
    }


def _score(scored: PhotoScore, name: str) -> dict[str, Any]:
    score = scored.score
    measured = score.coverage >= MIN_COVERAGE
    return {
        "photo": printable(name),
        "held_out": scored.held_out,
        "coverage": score.coverage,
        "psnr_db": score.psnr_db if measured else None,
        "psnr_fit_db": score.psnr_fit_db if measured else None,
        "ssim": score.ssim if measured else None,
    }


def _mean(scores: Sequence[PhotoScore]) -> dict[str, Any] | None:
    """Means over photos: of the coverage over all, of the likeness over those that the model covers at all."""
    if not scores:
        return None
    measured = [s.score for s in scores if s.score.coverage >= MIN_COVERAGE]
    mean: dict[str, Any] = {"photos": len(scores), "coverage": float(np.mean([s.score.coverage for s in scores]))}
    for name in ("psnr_db", "psnr_fit_db", "ssim"):
        mean[name] = float(np.mean([getattr(s, name) for s in measured])) if measured else None
    return mean


def _tidy(value: Any) -> Any:
    """Numbers to seven significant figures, and null where JSON has no number for them."""
    if isinstance(value, dict):
        return {key: _tidy(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_tidy(v) for v in value]
    if isinstance(value, float | np.floating):
        number = float(value)
        return float(f"{number:.{SIGNIFICANT}g}") if math.isfinite(number) else None
    if isinstance(value, np.integer):
        return int(value)
    return value
