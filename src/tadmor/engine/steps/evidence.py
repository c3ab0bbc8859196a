"""evidence: how well every vertex of the model is evidenced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from tadmor.engine.job import Job
from tadmor.engine.scene import Scene
from tadmor.engine.steps.fuse import Fused, load_cloud
from tadmor.engine.steps.texture import Textured
from tadmor.engine.surface.evidence import Evidence, Witnesses
from tadmor.engine.surface.topology import vertex_normals
from tadmor.engine.workspace import Workspace, digest

VERSION = 2
MEASURED_FOOTPRINTS = 3.0


def run(job: Job, scene: Scene, fused: Fused, textured: Textured) -> Path:
    """Return the evidence entry: arrays of `Evidence` per vertex of the model. Held-out photos are witnesses too."""
    space = job.workspace
    entry = space.entry("evidence", digest(textured.model.name, fused.cloud.name, VERSION), ".npz")
    with job.progress.step("evidence", len(scene.views)) as record:
        if entry.exists():
            record.reused += len(scene.views)
            job.progress.advance(len(scene.views))
            return entry
        model = space.load_arrays(textured.model)
        # seams duplicate vertices: judge each place once
        used, back = np.unique(model["mesh_vertex"], return_inverse=True)
        first = np.zeros(len(used), np.int64)
        first[back] = np.arange(len(back))
        vertices = model["vertices"][first]
        witnesses = Witnesses(vertices, vertex_normals(vertices, back[model["faces"]].astype(np.int32)))
        for view, lens, sight in zip(scene.views, fused.lenses, textured.sights, strict=True):
            k = np.array([lens.focal_px, lens.cx, lens.cy])
            witnesses.add(space.load_arrays(sight)["depth"], k, view.rotation, view.translation, view.lens.focal_px)
            job.progress.advance()
        cloud = load_cloud(fused.cloud)
        measured, footprints = cloud.points[cloud.measured], cloud.footprints[cloud.measured]
        distance, nearest = cKDTree(measured).query(vertices, workers=job.compute.threads)
        found = witnesses.evidence(distance < MEASURED_FOOTPRINTS * footprints[nearest])
        space.save_arrays(
            entry,
            photos=found.photos[back],
            angle_deg=found.angle_deg[back],
            gsd=found.gsd[back],
            classes=found.classes[back],
        )
    return entry


def load_evidence(entry: Path) -> Evidence:
    """Load the evidence of the model's vertices."""
    return Evidence(**Workspace.load_arrays(entry))
