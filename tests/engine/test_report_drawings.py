"""The report's drawings against known geometry: plan, overview, evidence, wall of stones."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import trimesh
from report_record import box, view

from tadmor.engine import report
from tadmor.engine.report.contents import grade, hundredths, wall
from tadmor.engine.report.evidence_drawing import DARK, LIGHT, Palette, draw_evidence, face_classes, headlight
from tadmor.engine.report.overview import choose_overview, look_at
from tadmor.engine.report.pictures import scaled_with_edges
from tadmor.engine.report.plan import draw_plan
from tadmor.engine.scene import F64, I32, Scene
from tadmor.engine.surface.evidence import CLASS_COLOURS

ALL_OBSERVED = np.full(8, 2, np.uint8)


def scene_of(places: list[tuple[float, float, float]], points: F64) -> Scene:
    views = tuple(view(f"{i}.jpg", f"k{i}", place) for i, place in enumerate(places))
    return Scene(views, points, np.zeros(len(points)))


# ---------- plan ----------


def test_the_plan_is_to_scale_and_not_mirrored() -> None:
    places = [(0.0, 1.6, 8.0), (6.0, 1.6, 0.0), (-6.0, 3.0, -5.0)]
    plan = draw_plan(scene_of(places, box()[0]), box()[0], [1], [4, 5, 6])
    drawn = np.array([(w.x, w.y) for w in plan.wedges])
    scale = plan.scale_width / plan.scale_length
    truth = np.array(places)[:, [0, 2]]
    assert np.allclose(drawn - drawn[0], (truth - truth[0]) * scale, atol=0.2)  # right is X, down is Z
    assert [w.number for w in plan.wedges] == [4, 5, 6]
    assert [w.held_out for w in plan.wedges] == [False, True, False]


def test_wedges_open_towards_what_the_camera_looks_at() -> None:
    places = [(0.0, 1.6, 8.0), (6.0, 1.6, 0.0)]
    plan = draw_plan(scene_of(places, box()[0]), box()[0], [], [1, 2])
    for wedge, (x, _, z) in zip(plan.wedges, places, strict=True):
        assert wedge.outline is not None
        apex, left, right = (np.array(p.split(","), float) for p in wedge.outline.split())
        middle = (left + right) / 2 - apex
        towards = np.array([-x, -z]) / np.hypot(x, z)
        assert middle @ towards > 0.999 * np.linalg.norm(middle)
        # the views' field of view: 320 px at a focal length of 300 px
        assert np.isclose(np.linalg.norm(left - right) / np.linalg.norm(middle), 320 / 300, rtol=0.01)


def test_numbers_on_the_plan_do_not_overlap() -> None:
    rng = np.random.default_rng(5)
    places = [(float(8 * np.sin(a)), 1.6, float(8 * np.cos(a))) for a in rng.uniform(0, 7, 150)]
    plan = draw_plan(scene_of(places, box()[0]), box()[0], [], list(range(1, 151)))
    at = np.array([w.label for w in plan.wedges if w.label is not None])
    assert 10 < len(at) < 150
    apart = np.abs(at[:, None] - at[None])
    assert ((apart[..., 0] >= 5.5) | (apart[..., 1] >= 8.5))[~np.eye(len(at), dtype=bool)].all()


def test_a_camera_that_looks_straight_down_has_no_wedge() -> None:
    plan = draw_plan(scene_of([(0.0, 9.0, 0.0), (4.0, 1.0, 4.0)], box()[0]), box()[0], [], [1, 2])
    assert plan.wedges[0].outline is None
    assert plan.wedges[1].outline is not None


def test_the_shadow_lies_where_the_points_are() -> None:
    points = np.concatenate([box()[0], np.tile([[1.0, 0.0, 0.5]], (500, 1))])
    plan = draw_plan(scene_of([(0.0, 1.6, 8.0)], points), points, [], [1])
    camera, scale = plan.wedges[0], plan.scale_width / plan.scale_length
    x, y = camera.x + scale * 1.0, camera.y + scale * (0.5 - 8.0)
    row, column = np.unravel_index(plan.shadow[..., 3].argmax(), plan.shadow.shape[:2])
    assert np.allclose([2 * column + 1, 2 * row + 1], [x, y], atol=2.5)


# ---------- overview ----------


def test_the_overview_shows_the_whole_model_from_the_photos_side() -> None:
    vertices, faces = box()
    scene = scene_of([(0.5, 1.6, 6.0), (2.0, 1.6, 5.0)], vertices)
    overview = choose_overview(scene, vertices, faces, ALL_OBSERVED)
    lens = overview.lens(800)
    seen = vertices @ overview.rotation.T + overview.translation
    u, v = (seen[:, :2] / seen[:, 2:] * lens.focal_px + (lens.cx, lens.cy)).T
    assert (seen[:, 2] > 0).all()
    assert ((u > 0) & (u < lens.width) & (v > 0) & (v < lens.height)).all()
    assert np.ptp(u) > 0.6 * lens.width or np.ptp(v) > 0.6 * lens.height
    centre = -overview.rotation.T @ overview.translation
    assert centre[2] > 3
    assert centre[1] > 1.6


def test_the_overview_stays_on_this_side_of_a_wall() -> None:
    vertices, faces = box()
    walls = np.array([[-30, -1, 7], [30, -1, 7], [30, 30, 7], [-30, 30, 7]], float)
    both = np.concatenate([vertices, walls])
    turned: I32 = np.concatenate([faces, [[8, 10, 9], [8, 11, 10]]]).astype(np.int32)  # faces the box
    scene = scene_of([(0.0, 1.6, 6.5)], vertices)
    overview = choose_overview(scene, both, turned, np.array([2] * 8 + [1] * 4, np.uint8))
    centre = -overview.rotation.T @ overview.translation
    between = trimesh.Trimesh(walls, turned[-2:] - 8, process=False)
    hit = between.ray.intersects_any([centre], [np.array([0, 1.5, 0]) - centre])
    assert not hit[0]


def test_look_at_is_level_and_looks_there() -> None:
    centre, target = np.array([3.0, 2.0, 5.0]), np.array([0.0, 1.0, -1.0])
    rotation, translation = look_at(centre, target)
    assert np.allclose(rotation @ rotation.T, np.eye(3))
    assert np.isclose(np.linalg.det(rotation), 1)
    assert np.allclose((rotation @ target + translation)[:2], 0)
    assert np.allclose(rotation @ centre + translation, 0)
    assert np.isclose(rotation[0, 1], 0)  # the camera's x axis is horizontal
    assert rotation[1, 1] < 0  # and its y axis points down


# ---------- evidence ----------


def test_observed_is_solid_in_its_colour_and_the_others_are_drawn_over() -> None:
    lit = np.ones((60, 80), np.float32)
    drawn = {kind: draw_evidence(np.full((60, 80), kind, np.int32), lit, (LIGHT,))[0][..., ::-1] for kind in range(3)}
    assert (drawn[2] == CLASS_COLOURS[2]).all()
    for kind, edge in ((1, LIGHT.hatching), (0, LIGHT.dashes)):
        plain = (drawn[kind] == CLASS_COLOURS[kind]).all(-1)
        marked = (drawn[kind] == np.array(list(bytes.fromhex(edge[1:])))).all(-1)
        assert (plain ^ marked).all()
        assert 0.08 < marked.mean() < 0.4
    # hatching runs along the falling diagonals of x + y; dashes along rows
    hatched = (drawn[1] != CLASS_COLOURS[1]).any(-1)
    assert (hatched[1:, :-1] == hatched[:-1, 1:]).all()
    dashed = (drawn[0] != CLASS_COLOURS[0]).any(-1)
    assert set(dashed.any(axis=1)) == {True, False}


def test_nothing_is_drawn_where_there_is_no_model() -> None:
    drawn = draw_evidence(np.full((5, 5), -1, np.int32), np.ones((5, 5), np.float32), (LIGHT, DARK))
    assert not np.any(drawn)


def test_a_face_is_as_good_as_its_least_evidenced_corner() -> None:
    faces = np.array([[0, 1, 2], [1, 2, 3], [0, 1, 4]], np.int32)
    assert face_classes(faces, np.array([2, 2, 1, 0, 2], np.uint8)).tolist() == [1, 0, 2]


def test_headlight_is_the_cosine_to_the_axis() -> None:
    c, s = np.cos(np.radians(60)), np.sin(np.radians(60))
    vertices = np.array([[0, 0, 5], [1, 0, 5], [0, 1, 5], [0, 0, 5], [1, 0, 5], [0, c, 5 + s]], float)
    faces = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    shade = headlight(vertices, faces, np.array([[0, 1, -1]], np.int32), np.eye(3))
    assert np.allclose(shade, [[1, 0.5, 0]])


def test_scaling_down_leaves_no_dark_fringe() -> None:
    y, x = np.mgrid[:90, :120]
    hit = np.hypot(x - 60, y - 45) < 30
    picture = np.where(hit[..., None], np.array([40, 90, 200], np.uint8), 0).astype(np.uint8)
    small = scaled_with_edges(picture, hit, 40)
    assert small.shape == (30, 40, 4)
    assert (small[small[..., 3] > 0][:, :3] == [40, 90, 200]).all()
    assert np.isclose(small[..., 3].sum() / 255 * 9, hit.sum(), rtol=0.01)


def test_the_sheet_draws_evidence_in_the_pictures_colours() -> None:
    css = (Path(report.__file__).parent / "report.css").read_text()
    names = {"inferred": 0, "weak": 1, "observed": 2}

    def token(name: str) -> tuple[str, str]:
        found = re.search(rf"--ev-{name}: light-dark\((#\w+), (#\w+)\)", css)
        assert found
        return found[1], found[2]

    for name, kind in names.items():
        assert token(name) == (LIGHT.classes[kind], DARK.classes[kind])
    assert token("weak-edge") == (LIGHT.hatching, DARK.hatching)
    assert token("inferred-edge") == (LIGHT.dashes, DARK.dashes)


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    parts = [c / 255 for c in bytes.fromhex(colour[1:])]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_classes_differ_in_lightness_too() -> None:
    def contrast(palette: Palette, a: int, b: int) -> float:
        one, two = sorted((luminance(palette.classes[a]), luminance(palette.classes[b])))
        return (two + 0.05) / (one + 0.05)

    for palette in (LIGHT, DARK):
        assert min(contrast(palette, 0, 1), contrast(palette, 1, 2), contrast(palette, 0, 2)) > 1.6


# ---------- wall ----------


def test_a_wall_has_one_hundred_stones_of_the_right_kinds() -> None:
    for shares in ((0.694, 0.276, 0.03), (1 / 3, 1 / 3, 1 / 3), (1.0, 0.0, 0.0), (0.005, 0.005, 0.99)):
        stones = hundredths(dict(zip(("observed", "weakly_observed", "inferred"), shares, strict=True)))
        assert sum(stones) == 100
        assert all(abs(n - 100 * s) < 1 for n, s in zip(stones, shares, strict=True))
        for across in (10, 20):
            drawing = wall(stones, across)
            assert tuple(p.count("M") for p in (drawing.observed, drawing.weak, drawing.inferred)) == stones


def test_grades_follow_the_likeness() -> None:
    assert [grade(x) for x in (31.0, 26.0, 25.9, 20.0, 12.0)] == ["good", "good", "fair", "fair", "rough"]
