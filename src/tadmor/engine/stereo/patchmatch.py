"""Depth, normal and matching cost of every pixel of a view by PatchMatch stereo on the CPU.

Slanted support windows and random search as in PatchMatch Stereo (Bleyer et al. 2011); red-black propagation as in
Gipuma (Galliani et al. 2015); bilaterally weighted NCC against several source views as in COLMAP (Schönberger et al.
2016); coarse to fine as in ACMM (Xu & Tao 2019).

What makes it fast: numba with error_model="numpy" (checks for division by zero block SIMD), the four texels of a
bilinear sample packed in one uint32, clamped samples instead of bounds checks, per-pixel source terms computed once
for all candidate planes, and the few best sources of a pixel chosen once a level.

A plane is (depth, normal): the depth at the pixel and the unit normal in the camera frame, whose z is below 0 since
it faces the camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from tadmor.engine.scene import F32, F64, U8, Lens

f32 = np.float32
HALF_WINDOW = 3
STRIDE = 2
COST_OUTSIDE = f32(1.3)  # of a source that the patch leaves
COST_SKIPPED = f32(2.0)
COST_FLAT = f32(1.6)
MIN_VARIANCE = f32(1.0)
MIN_FACING = f32(-0.05)  # cosine between ray and normal
SOURCES_AVERAGED = 2
FALL_BACK_MARGIN = f32(0.1)
FALL_BACK_CONTRAST = 60


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the pyramid: its image scale, its sweeps, and what each sweep tries.

    `neighbours` and random `changes` tried a pixel; size of the first change and its decay per sweep; number of best
    sources kept per pixel (0: all).
    """

    scale: float
    sweeps: int
    neighbours: int
    changes: int
    first_change: float
    decay: float
    best_sources: int


LEVELS = (Level(0.25, 6, 8, 3, 0.6, 0.6, 0), Level(0.5, 2, 8, 3, 0.12, 0.5, 3), Level(1.0, 1, 4, 2, 0.06, 0.5, 3))


@dataclass(frozen=True, eq=False, slots=True)
class SourceView:
    """A view to match against: grey picture (h, w) uint8, its pinhole lens, and its pose in the reference camera's
    frame: x_source = rotation x_reference + translation.
    """

    grey: U8
    lens: Lens
    rotation: F64
    translation: F64


def depth_map(
    grey: U8,
    lens: Lens,
    sources: Sequence[SourceView],
    depth_range: tuple[float, float],
    *,
    seed: int,
    give_up_cost: float = 0.9,
) -> tuple[F32, F32, F32]:
    """Measure a view against its sources.

    `grey` (h, w) uint8 seen by the pinhole `lens`; depths are searched within `depth_range`. Pixels whose cost at a
    coarse level exceeds `give_up_cost` are not refined. Returns depth (h, w), normal (h, w, 3) and cost (h, w), all
    float32; the cost is the mean of the two lowest 1 - NCC, 0 to 2, and at least 1.3 where nothing was measured.
    """
    planes = coarse = None
    for level in LEVELS:
        picture = _scaled(grey, level.scale)
        height, width = picture.shape
        if planes is None:
            rng = np.random.default_rng(seed)
            planes = (*_random_planes(rng, height, width, depth_range), np.zeros((height, width), f32))
        else:
            coarse = _finer(planes, lens, width, height)
            lowest_near = cv2.resize(
                cv2.erode(planes[2], np.ones((3, 3))), (width, height), interpolation=cv2.INTER_NEAREST
            )
            start = np.where(lowest_near > give_up_cost, COST_SKIPPED, f32(0)).astype(f32)
            planes = (coarse[0].copy(), coarse[1].copy(), start)
        _run_level(picture, lens, sources, level, planes, depth_range, seed)
        if coarse is not None:
            _fall_back(planes, coarse, picture)
    assert planes is not None
    return planes


Planes = tuple[F32, F32, F32]
"""Depth (h, w), normal (h, w, 3) and cost (h, w)."""


def _finer(planes: Planes, lens: Lens, width: int, height: int) -> Planes:
    """Carry planes over to a larger image: a pixel takes the plane of the one it lies in, and its own depth on it."""
    depth, normal, cost = (cv2.resize(a, (width, height), interpolation=cv2.INTER_NEAREST) for a in planes)
    old_height, old_width = planes[0].shape
    columns = np.minimum(((np.arange(width) + 0.5) * old_width / width).astype(int), old_width - 1)
    rows = np.minimum(((np.arange(height) + 0.5) * old_height / height).astype(int), old_height - 1)
    old, new = lens.scaled_to(old_width, old_height), lens.scaled_to(width, height)
    from_x = ((columns - old.cx) / old.focal_px).astype(f32)[None]
    from_y = ((rows - old.cy) / old.focal_px).astype(f32)[:, None]
    to_x = ((np.arange(width) - new.cx) / new.focal_px).astype(f32)[None]
    to_y = ((np.arange(height) - new.cy) / new.focal_px).astype(f32)[:, None]
    was = normal[..., 0] * from_x + normal[..., 1] * from_y + normal[..., 2]
    faces = np.minimum(normal[..., 0] * to_x + normal[..., 1] * to_y + normal[..., 2], MIN_FACING)
    return (depth * np.clip(was / faces, f32(0.9), f32(1.1))).astype(f32), normal, cost


def _fall_back(planes: Planes, coarse: Planes, picture: U8) -> None:
    """Where the coarser level matched clearly better, keep what it found: walls and ground want its wider window.

    Not near strong edges: there a wide window sees the foreground and carries its depth over into what lies behind
    (foreground fattening).
    """
    depth, normal, cost = planes
    window = np.ones((4 * HALF_WINDOW + 1, 4 * HALF_WINDOW + 1), np.uint8)
    contrast = cv2.subtract(cv2.dilate(picture, window), cv2.erode(picture, window))
    better = (coarse[2] + FALL_BACK_MARGIN < cost) & (contrast < FALL_BACK_CONTRAST)
    depth[better] = coarse[0][better]
    normal[better] = coarse[1][better]
    cost[better] = coarse[2][better] + FALL_BACK_MARGIN


def _scaled(grey: U8, scale: float) -> U8:
    if scale == 1:
        return grey
    size = (max(16, round(grey.shape[1] * scale)), max(16, round(grey.shape[0] * scale)))
    smaller: U8 = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return smaller


def _random_planes(
    rng: np.random.Generator, height: int, width: int, depth_range: tuple[float, float]
) -> tuple[F32, F32]:
    """Planes uniform in inverse depth that roughly face the camera."""
    near, far = depth_range
    depth = 1 / (1 / far + rng.random((height, width)) * (1 / near - 1 / far))
    normal = rng.normal(0, 0.4, (height, width, 3))
    normal[..., 2] = -1
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    return depth.astype(f32), normal.astype(f32)


def _run_level(
    picture: U8,
    lens: Lens,
    sources: Sequence[SourceView],
    level: Level,
    planes: tuple[F32, F32, F32],
    depth_range: tuple[float, float],
    seed: int,
) -> None:
    """Score the planes, then sweep: red pixels, black pixels, in place."""
    texels, offsets, sizes, homographies, epipoles = _pack_sources(picture, lens, sources, level.scale)
    k = lens.scaled_to(picture.shape[1], picture.shape[0])
    calibration = np.array([k.focal_px, k.focal_px * 1.0, k.cx, k.cy], f32)
    best_sources = np.zeros(picture.shape, np.int32)
    averaged = min(SOURCES_AVERAGED, len(sources))
    shared = (picture, texels, offsets, sizes, homographies, epipoles, *planes, best_sources, calibration)
    limits = (f32(depth_range[0]), f32(depth_range[1]), averaged, level.best_sources)
    scoring = True
    _sweep(*shared, *limits, 0, 0, scoring, level.neighbours, level.changes, f32(1), seed)
    for sweep in range(level.sweeps):
        change = f32(level.first_change * level.decay**sweep)
        for parity in (0, 1):
            _sweep(*shared, *limits, parity, sweep, not scoring, level.neighbours, level.changes, change, seed)


def pack_texels(grey: U8) -> NDArray[np.uint32]:
    """Pack each 2 x 2 block of an 8-bit picture into one uint32, so that a bilinear sample costs one load."""
    p = np.pad(grey, ((0, 1), (0, 1)), mode="edge").astype(np.uint32)
    return np.ascontiguousarray(p[:-1, :-1] | p[:-1, 1:] << 8 | p[1:, :-1] << 16 | p[1:, 1:] << 24)


def _pack_sources(
    picture: U8, lens: Lens, sources: Sequence[SourceView], scale: float
) -> tuple[NDArray[np.uint32], NDArray[np.int32], F32, F32, F32]:
    """All sources' texels in one array with offsets and sizes, and per source H = K_s R K^-1 and e = K_s t
    (plane-induced homography: Hartley & Zisserman 2003, section 13.1).
    """
    inverse = np.linalg.inv(lens.scaled_to(picture.shape[1], picture.shape[0]).matrix)
    packed, homographies, epipoles = [], [], []
    for source in sources:
        small = _scaled(source.grey, scale)
        k = source.lens.scaled_to(small.shape[1], small.shape[0]).matrix
        packed.append(pack_texels(small))
        homographies.append(k @ source.rotation @ inverse)
        epipoles.append(k @ source.translation)
    offsets = np.cumsum([0] + [p.size for p in packed[:-1]]).astype(np.int32)
    sizes = np.array([p.shape for p in packed], f32)
    return (
        np.concatenate([p.ravel() for p in packed]),
        offsets,
        sizes,
        np.array(homographies, f32),
        np.array(epipoles, f32),
    )


@njit(inline="always")
def _xorshift(state):  # type: ignore[no-untyped-def]  # compiled by numba
    """Marsaglia's xorshift32: the next state."""
    state ^= state << np.uint32(13)
    state ^= state >> np.uint32(17)
    state ^= state << np.uint32(5)
    return np.uint32(state)


@njit(inline="always")
def _centred(state):  # type: ignore[no-untyped-def]  # compiled by numba
    """A state as a number in -0.5 .. 0.5."""
    return f32(state) * f32(1 / 4294967296.0) - f32(0.5)


@njit(nogil=True, fastmath=True, cache=True, error_model="numpy")
def _sweep(  # type: ignore[no-untyped-def]  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917  # one loop nest: splitting it costs half the speed
    picture,
    texels,
    offsets,
    sizes,
    homographies,
    epipoles,
    depth,
    normal,
    cost,
    best_sources,
    calibration,
    nearest,
    farthest,
    averaged,
    kept,
    parity,
    sweep,
    scoring,
    neighbours,
    changes,
    change,
    seed,
):
    """One pass over the pixels.

    `scoring`: score the present planes with every source and remember the best sources of each pixel. Otherwise, for
    pixels of one `parity` of a chequerboard: try the planes of neighbours and random changes on those sources.
    """
    height, width = picture.shape
    n_sources = offsets.size
    inv_fx = f32(1) / calibration[0]
    inv_fy = f32(1) / calibration[1]
    cx = calibration[2]
    cy = calibration[3]
    per_side = (2 * HALF_WINDOW) // STRIDE + 1
    samples = per_side * per_side
    half = f32(HALF_WINDOW)
    reference = np.zeros(samples, f32)
    weight = np.zeros(samples, f32)
    du = np.zeros(samples, f32)
    dv = np.zeros(samples, f32)
    spatial = np.zeros(samples, f32)
    costs = np.zeros(n_sources, f32)
    at_infinity = np.zeros((n_sources, 3), f32)
    used = np.zeros(n_sources, np.int32)
    ranked = np.zeros(n_sources, np.int32)
    for k in range(samples):
        du[k] = f32(-HALF_WINDOW + STRIDE * (k % per_side))
        dv[k] = f32(-HALF_WINDOW + STRIDE * (k // per_side))
        spatial[k] = f32(1) + (du[k] * du[k] + dv[k] * dv[k]) / (f32(2) * half * half)
    candidates = 1 if scoring else neighbours + changes
    for y in range(height):
        state = np.uint32(seed * 7919 + y * 104729 + sweep * 31 + 1)
        for _ in range(4):
            state = _xorshift(state)
        for x in range(width):
            if not scoring and ((x + y) & 1) != parity:
                continue
            if x < HALF_WINDOW or y < HALF_WINDOW or x >= width - HALF_WINDOW or y >= height - HALF_WINDOW:
                cost[y, x] = COST_SKIPPED
                continue
            if cost[y, x] >= f32(1.5):
                continue
            # The patch: samples, bilateral weights, mean and variance.
            centre = f32(picture[y, x])
            k = 0
            for j in range(-HALF_WINDOW, HALF_WINDOW + 1, STRIDE):
                for i in range(-HALF_WINDOW, HALF_WINDOW + 1, STRIDE):
                    reference[k] = f32(picture[y + j, x + i])
                    k += 1
            total = f32(0)
            mean = f32(0)
            variance = f32(0)
            for k in range(samples):
                difference = (reference[k] - centre) * f32(8.0 / 255)
                w = f32(1.0) / ((f32(1.0) + difference * difference) * spatial[k])
                weight[k] = w
                total += w
                mean += w * reference[k]
                variance += w * reference[k] * reference[k]
            inv_total = f32(1) / total
            mean *= inv_total
            variance = variance * inv_total - mean * mean
            for k in range(samples):
                weight[k] *= inv_total
            if variance < MIN_VARIANCE:
                cost[y, x] = COST_FLAT
                continue
            u = f32(x)
            v = f32(y)
            ray_x = (u - cx) * inv_fx
            ray_y = (v - cy) * inv_fy
            d = depth[y, x]
            nx = normal[y, x, 0]
            ny = normal[y, x, 1]
            nz = normal[y, x, 2]
            best = cost[y, x]
            step = change
            mask = best_sources[y, x]
            if scoring:
                best = COST_OUTSIDE
                best_sources[y, x] = (1 << n_sources) - 1
            n_used = 0
            for s in range(n_sources):
                if scoring or (mask >> s) & 1:
                    used[n_used] = s
                    for r in range(3):
                        at_infinity[n_used, r] = (
                            homographies[s, r, 0] * u + homographies[s, r, 1] * v + homographies[s, r, 2]
                        )
                    n_used += 1
            averaged_here = min(averaged, n_used)
            for q in range(candidates):
                # The plane to try.
                td = d
                tx = nx
                ty = ny
                tz = nz
                if not scoring:
                    if q < neighbours:
                        reach = 1 if q < 4 else (3 + 2 * (sweep % 3))
                        side = q & 3
                        xx = x + (reach if side == 0 else (-reach if side == 1 else 0))
                        yy = y + (reach if side == 2 else (-reach if side == 3 else 0))
                        if xx < 0 or yy < 0 or xx >= width or yy >= height:
                            continue
                        if cost[yy, xx] > f32(1.0) and sweep > 0:
                            continue
                        tx = normal[yy, xx, 0]
                        ty = normal[yy, xx, 1]
                        tz = normal[yy, xx, 2]
                        facing = tx * ray_x + ty * ray_y + tz
                        if facing > MIN_FACING:
                            continue
                        td = depth[yy, xx] * (tx * (f32(xx) - cx) * inv_fx + ty * (f32(yy) - cy) * inv_fy + tz) / facing
                        if abs(td - d) < f32(3e-4) * d and nx * tx + ny * ty + nz * tz > f32(0.999):
                            continue
                    else:
                        kind = q - neighbours
                        state = _xorshift(state)
                        r0 = _centred(state)
                        state = _xorshift(state)
                        r1 = _centred(state)
                        state = _xorshift(state)
                        r2 = _centred(state)
                        state = _xorshift(state)
                        r3 = _centred(state)
                        if kind != 1:
                            td = d * (f32(1) + f32(0.1) * step * r0)
                        if kind != 0:
                            tx += step * f32(2) * r1
                            ty += step * f32(2) * r2
                            tz += step * f32(2) * r3
                            length = f32(1) / np.sqrt(tx * tx + ty * ty + tz * tz)
                            tx *= length
                            ty *= length
                            tz *= length
                        if kind == 2 and best > f32(0.6):
                            td = f32(1) / (f32(1) / farthest + (r0 + f32(0.5)) * (f32(1) / nearest - f32(1) / farthest))
                        step *= f32(0.5)
                    if td < nearest or td > farthest:
                        continue
                facing = tx * ray_x + ty * ray_y + tz
                if facing > MIN_FACING:
                    continue
                # Inverse depth over the patch is linear: g0 + gx du + gy dv.
                inverse = f32(1.0) / (td * facing)
                gx = tx * inv_fx * inverse
                gy = ty * inv_fy * inverse
                g0 = f32(1.0) / td
                for i in range(n_used):
                    s = used[i]
                    e0 = epipoles[s, 0]
                    e1 = epipoles[s, 1]
                    e2 = epipoles[s, 2]
                    bx = at_infinity[i, 0] + e0 * g0
                    by = at_infinity[i, 1] + e1 * g0
                    bz = at_infinity[i, 2] + e2 * g0
                    ax = homographies[s, 0, 0] + e0 * gx
                    ay = homographies[s, 1, 0] + e1 * gx
                    az = homographies[s, 2, 0] + e2 * gx
                    qx = homographies[s, 0, 1] + e0 * gy
                    qy = homographies[s, 1, 1] + e1 * gy
                    qz = homographies[s, 2, 1] + e2 * gy
                    last_x = sizes[s, 1] - f32(1.01)
                    last_y = sizes[s, 0] - f32(1.01)
                    c = COST_OUTSIDE
                    swing = half * (abs(az) + abs(qz))
                    if bz > f32(2) * swing and bx > 0 and by > 0 and bx < last_x * bz and by < last_y * bz:
                        sum_s = f32(0)
                        sum_ss = f32(0)
                        sum_rs = f32(0)
                        first = np.int32(offsets[s])
                        row = np.int32(sizes[s, 1])
                        for k in range(reference.size):
                            z = f32(1.0) / (bz + az * du[k] + qz * dv[k])
                            px = min(max((bx + ax * du[k] + qx * dv[k]) * z, f32(0)), last_x)
                            py = min(max((by + ay * du[k] + qy * dv[k]) * z, f32(0)), last_y)
                            xi = np.int32(px)
                            yi = np.int32(py)
                            fx = px - f32(xi)
                            fy = py - f32(yi)
                            texel = texels[np.uint32(np.int32(yi * row) + xi + first)]
                            t00 = f32(np.int32(texel & np.uint32(255)))
                            t01 = f32(np.int32((texel >> np.uint32(8)) & np.uint32(255)))
                            t10 = f32(np.int32((texel >> np.uint32(16)) & np.uint32(255)))
                            t11 = f32(np.int32(texel >> np.uint32(24)))
                            upper = t00 + fx * (t01 - t00)
                            lower = t10 + fx * (t11 - t10)
                            value = upper + fy * (lower - upper)
                            w = weight[k] * value
                            sum_s += w
                            sum_ss += w * value
                            sum_rs += w * reference[k]
                        source_variance = sum_ss - sum_s * sum_s
                        c = f32(1.0)
                        if source_variance > f32(1.0):
                            c = f32(1.0) - (sum_rs - mean * sum_s) / np.sqrt(variance * source_variance)
                    costs[i] = c
                # The mean of the lowest costs; when scoring, also which sources they came from.
                ranks = averaged_here
                if scoring:
                    for i in range(n_used):
                        ranked[i] = i
                    ranks = max(averaged_here, kept)
                mean_cost = f32(0)
                chosen = 0
                for i in range(min(ranks, n_used)):
                    lowest = i
                    for j in range(i + 1, n_used):
                        if costs[j] < costs[lowest]:
                            lowest = j
                    swap = costs[i]
                    costs[i] = costs[lowest]
                    costs[lowest] = swap
                    if i < averaged_here:
                        mean_cost += costs[i]
                    if scoring:
                        swap_rank = ranked[i]
                        ranked[i] = ranked[lowest]
                        ranked[lowest] = swap_rank
                        chosen |= 1 << ranked[i]
                mean_cost /= f32(averaged_here)
                if scoring:
                    best = mean_cost
                    if kept > 0:
                        best_sources[y, x] = chosen
                elif mean_cost < best:
                    best = mean_cost
                    d = td
                    nx = tx
                    ny = ty
                    nz = tz
            depth[y, x] = d
            normal[y, x, 0] = nx
            normal[y, x, 1] = ny
            normal[y, x, 2] = nz
            cost[y, x] = best
