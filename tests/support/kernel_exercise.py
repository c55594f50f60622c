"""Every kernel of every file, launched once on small random input, by a given loader.

Used by the tests that compare the compiled kernels with their references and, as a script, under the sanitizers of
gcc: ``python kernel_exercise.py`` compiles with the flags in EMDOSE_CFLAGS and runs all of them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import emdose
from emdose.compute import backend, kernel_text

Result = dict[str, np.ndarray]


class Recorder:
    """A kernel module that remembers which of its kernels ran."""

    def __init__(self, module) -> None:
        self.module, self.ran = module, set()

    def launch(self, kernel, shape, *args) -> None:
        self.ran.add(kernel)
        self.module.launch(kernel, shape, *args)


def bandwidth(kernels: Recorder, real: type) -> Result:
    rng = np.random.default_rng(1)
    b, c = rng.normal(size=(2, 3001)).astype(real)
    a = np.full(3001, np.nan, real)
    kernels.launch("triad", 3001, 1.5, b, c, a)
    kernels.launch("scaled_add", (3, 5, 200), 0.5, b, c)
    return {"a": a, "c": c}


def average(kernels: Recorder, real: type) -> Result:
    """A lumpy body that touches the ends of the grid, with a cube whose shell is cut at 0.9995 (a rim)."""
    rng = np.random.default_rng(2)
    n0, n1, n2 = shape = (13, 11, 12)
    # Whole numbers: their sums are exact in any order, so that ties fall the same way everywhere.
    weight = np.where(rng.random(shape) < 0.93, 1000.0, 0.0)
    weight[:7] = 1000.0
    weight[9, 5, 5] = 1e6
    target = 1000.0 * (3 + 2 * 0.9995) ** 3
    values = rng.normal(size=shape)
    masses, table = np.zeros((2, n0 + 1, n1 + 1, n2 + 1))
    counts = np.zeros(masses.shape, np.uint32)
    for kind, out, maps in (
        ("sum", masses, (weight, np.ones(shape))),
        ("sum", table, (weight, values)),
        ("count", counts, (weight,)),
    ):
        kernels.launch(f"{kind}_rows", n0 * n1, n1, n2, *maps, out)
        kernels.launch(f"{kind}_lines", (n0 + 1) * (n2 + 1), n1 + 1, n2 + 1, out)
        kernels.launch(f"{kind}_lines", (n1 + 1) * (n2 + 1), n0 + 1, (n1 + 1) * (n2 + 1), out)
    half, reach = np.empty((2, *shape), np.int16)
    fraction, mass, sums = np.empty((3, *shape))
    rim = np.empty(shape, np.uint8)
    kernels.launch("grow_cubes", shape, target, weight, masses, counts, half, fraction, mass, reach, rim)
    kernels.launch("cube_sums", shape, table, half, fraction, sums)
    before = np.full((n0 + 2, n1 + 2, n2 + 2), -np.inf)
    after = before.copy()
    everywhere = np.arange(weight.size)
    for level in range(int(reach.max()), -1, -1):
        kernels.launch("widen_level", shape, level, reach, sums, before, after)
        kernels.launch("enter_rims", everywhere.size, *shape, level, everywhere, reach, rim, sums, after)
        before, after = after, before
    voxels = np.flatnonzero((weight > 0) & (half < 0))
    steps, face_fraction = np.empty(6 * voxels.size, np.int32), np.empty(6 * voxels.size)
    face_mass, face_sums = np.empty((2, 6 * voxels.size))
    kernels.launch(
        "grow_face_cubes", 6 * voxels.size, *shape, target, voxels, weight, masses, steps, face_fraction, face_mass
    )
    kernels.launch("face_cube_sums", 6 * voxels.size, *shape, voxels, table, steps, face_fraction, face_sums)
    assert (rim == 2).any()
    assert (steps >= 0).any()
    return {
        "masses": masses,
        "table": table,
        "counts": counts,
        "half": half,
        "fraction": fraction,
        "mass": mass,
        "reach": reach,
        "rim": rim,
        "sums": sums,
        "largest": before,
        "steps": steps,
        "face_fraction": face_fraction,
        "face_mass": face_mass,
        "face_sums": face_sums,
    }


def average_graded(kernels: Recorder, real: type) -> Result:
    """Voxels of random edges, a lumpy body: centred cubes, those on faces, and the largest around some voxels."""
    rng = np.random.default_rng(12)
    shape = (9, 10, 11)
    edges = [rng.uniform(0.5, 1.5, n) for n in shape]
    nodes = np.concatenate([np.concatenate([[0.0], np.cumsum(e)]) for e in edges])
    grid = {**dict(zip(("nx", "ny", "nz"), shape, strict=True)), "nodes": nodes}
    volume = edges[0][:, None, None] * edges[1][:, None] * edges[2]
    weight = np.where(rng.random(shape) < 0.95, rng.uniform(900, 1100, shape), 0.0)

    def table(values: np.ndarray) -> np.ndarray:
        return np.pad(values, ((1, 0),) * 3).cumsum(0).cumsum(1).cumsum(2)

    masses, volumes = table(weight * volume), table((weight > 0) * volume)
    counts = table(weight > 0).astype(np.uint32)
    values = table(rng.normal(size=shape))
    found = {}
    body = np.flatnonzero(weight > 0)
    for faces, voxels in ((1, body), (6, body[::7].copy())):
        side, mass, sums = np.full((3, faces * voxels.size), np.nan)
        kernels.launch(
            "grow_graded_cubes",
            side.size,
            grid,
            faces,
            1.5e4,
            voxels,
            weight,
            masses,
            volumes,
            counts,
            side,
            mass,
        )
        kernels.launch("graded_cube_sums", side.size, grid, faces, voxels, side, values, sums)
        found |= {f"side {faces}": side, f"mass {faces}": mass, f"sums {faces}": sums}
    sides, means, best = np.full(shape, -1.0), rng.normal(size=shape), np.empty(body.size)
    sides.reshape(-1)[body] = found["side 1"]
    kernels.launch("graded_largest", body.size, grid, float(sides.max()), body, sides, means, best)
    assert 50 < (found["side 1"] > 0).sum() < body.size
    assert (best > -1e300).any()
    return {**found, "best": best}


def _complex(rng: np.random.Generator, shape: tuple[int, ...], real: type) -> np.ndarray:
    kind = np.complex64 if real is np.float32 else np.complex128
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(kind)


def lattice(kernels: Recorder, real: type) -> Result:
    """A slab of rows 2 to 5 of 8, two ports."""
    rng = np.random.default_rng(3)
    n0, ny, n2, first, n1, ports = 6, 8, 10, 2, 4, 2
    green = _complex(rng, (n0 // 2 + 1, ny // 2 + 1, n2), real)
    g = [_complex(rng, (n,), real) for n in (n0, ny, n2)]
    dyadic = _complex(rng, (ports, 3, n0, n1, n2), real)
    scalar = dyadic.copy()
    kernels.launch("dyadic", (ports * n0, n1, n2), n0, first, ny, 0.7, green, *g, dyadic)
    kernels.launch("scalar", (ports * n0, n1, n2), n0, first, ny, green, scalar)
    return {"dyadic": dyadic, "scalar": scalar}


def basis(kernels: Recorder, real: type) -> Result:
    """Two ports, three of four vectors, with a last part that is not full."""
    rng = np.random.default_rng(5)
    ports, capacity, vectors, n = 2, 4, 3, 531
    V, w, h = (_complex(rng, shape, real) for shape in ((ports, capacity, n), (ports, n), (ports, vectors)))
    parts = -(-n // 256)
    out = np.empty((ports, vectors, parts), V.dtype)
    kernels.launch("project", out.size, n, vectors, capacity, parts, V, w, out)
    kernels.launch("subtract", ports * -(-n // 16), n, vectors, capacity, -(-n // 16), V, h, w)
    return {"sums": out.sum(-1), "w": w}


def filaments(kernels: Recorder, real: type) -> Result:
    """Points near, far and very far from three pieces, two ports, all components of A and curl A."""
    rng = np.random.default_rng(4)
    n, pieces, ports = 53, 3, 2
    points = rng.uniform(-1, 1, (3, n)) * np.geomspace(0.05, 20, n)
    start = rng.uniform(-0.1, 0.1, (pieces, 3))
    tangent = rng.normal(size=(pieces, 3))
    tangent /= np.linalg.norm(tangent, axis=1)[:, None]
    length = rng.uniform(0.05, 0.2, pieces)
    currents = _complex(rng, (ports, pieces), real)
    found = {}
    for component in range(3):
        for magnetic in (0, 1):
            out = np.zeros((ports, n), currents.dtype)
            wires = {"pieces": pieces, "ports": ports, "k": 2.7, "start": start, "tangent": tangent}
            wires |= {"length": length, "currents": currents}
            kernels.launch("filaments", -(-n // 16), n, points, wires, component, magnetic, out)
            found[f"{'curl A' if magnetic else 'A'} {component}"] = out
    return found


def window(kernels: Recorder, real: type) -> Result:
    """Filters wider than the map along every axis, and B1+ with voxels outside the mask."""
    rng = np.random.default_rng(5)
    shape = n0, n1, n2 = 5, 4, 70
    data = rng.normal(size=(2, *shape)).astype(real)
    found = {}
    for axis, r in ((0, 3), (1, 5), (2, 36)):
        out = np.full((3, *shape), np.nan, real)
        extents = (n0, n1, 2)
        kernels.launch("contract", extents, n2, axis, 2, 3, r, rng.normal(size=(3, 2, 2 * r + 1)), data, out)
        found[f"along {axis}"] = out
    n = 500
    magnitude, phase, u = rng.uniform(0.5, 1, n), rng.uniform(-3, 3, n), rng.uniform(0.1, 1, n)
    mask = (rng.random(n) < 0.8).astype(np.uint8)
    b, noise = np.full((2, n), np.nan, real), np.full((3, n), np.nan, real)
    kernels.launch("phasor", n, 0.5, magnitude, phase, mask, *b)
    kernels.launch("complex_noise", n, 1, 0.5, magnitude, phase, u, np.array([0.3]), mask, *noise)
    fields = [rng.normal(size=n).astype(real) for _ in range(4)]
    gains, out = rng.uniform(0, 1, (9, n)).astype(real), np.empty((5, n))
    of = {"use": mask, **dict(zip(("lr", "li", "cr", "ci"), fields, strict=True)), "to_re": -0.5, "to_im": 2.0}
    kernels.launch("quotient", n, of, *out[:2])
    kernels.launch("spread", n, of, gains, *out[2:])
    return {**found, "b": b, "noise": noise, "out": out}


def local_fit(kernels: Recorder, real: type) -> Result:
    """Ragged regions with thin parts; polynomials of degree 2, 3 and 4; one and two channels."""
    from emdose.ept.local.kernels import local_fit as layout

    found = {}
    for degree, channels, noises, keep in ((2, 2, 3, 1), (3, 1, 1, 0), (4, 2, 0, 1)):
        rng = np.random.default_rng(6 + degree)
        shape = n0, n1, n2 = 5, 6, 19
        r, total = (3, 2, 3), 5 * 6 * 19
        basis, moments = (layout._exponents(d) for d in (degree, 2 * degree))
        region = (rng.random(shape) < 0.9).astype(np.int32)
        region[:, :, 9] = 0
        region[0] *= -1
        data, noise = (
            rng.normal(size=(channels, *shape)).astype(real),
            rng.random((max(noises, 1), *shape)).astype(real),
        )
        rows = rng.normal(size=(2, len(basis)))
        offsets = np.ascontiguousarray(np.argwhere(np.ones([2 * n + 1 for n in r])) - np.array(r), np.int32)
        scaled = (offsets / np.array(r))[:, None]
        powers = np.concatenate([np.prod(scaled ** e[None], axis=2) for e in (moments, basis)], axis=1)
        fit = {
            "size": n2,
            "degree": degree,
            "channels": channels,
            "functionals": 2,
            "noises": noises,
            "keep": keep,
            "pivot": 1e-3,
            "minimum": 25.0,
            "targets": rows,
        }
        sizes = (channels * 2, max(noises, 1) * 3, channels * (channels + 1) // 2, 1, 2 * len(basis))
        name = "2" if degree == 2 else "4"
        out = [np.zeros((n, total), real) for n in sizes]
        near = {
            "offsets": len(offsets),
            "contrast": 0.5,
            "offset": offsets,
            "region": region,
            "powers": powers,
            "reference": rng.uniform(1, 2, shape).astype(real),
            "data": data,
            "noise": noise,
        }
        extents = (n0, n1, -(-n2 // 16))
        kernels.launch(f"gather{name}", extents, fit, near, *out)
        found |= {f"gather {degree} {n}": a for n, a in enumerate(out)}
        # Moment maps of the mask itself, so that the normal matrix is one.
        mask = (region != 0).astype(real)
        taps = [(np.arange(-n, n + 1) / n)[None] ** np.arange(2 * degree + 1)[:, None] for n in r]
        maps = [
            _filtered(one, d, taps)
            for images, d in ((mask[None], 2 * degree), (data * mask, degree), (noise * mask, 2 * degree))
            for one in [images]
        ]
        square = _filtered(
            np.stack([data[i] * data[j] * mask for i in range(channels) for j in range(i, channels)]), 0, taps
        )
        out = [np.zeros((n, total + 9), real) for n in sizes]
        images = {
            "r": r[2],
            "place": 9,
            "row": n2,
            "sheet": n1 * n2,
            "total": total + 9,
            "z": taps[2],
            "use": (region > 0).astype(np.uint8),
            "square": square.astype(real),
            **{n: a.astype(real) for n, a in zip(("mask", "data", "noise"), maps, strict=True)},
        }
        kernels.launch(f"fit{name}", extents, fit, images, *out)
        found |= {f"fit {degree} {n}": a for n, a in enumerate(out)}
    return found


def _filtered(images: np.ndarray, degree: int, taps: list[np.ndarray]) -> np.ndarray:
    from scipy.ndimage import correlate1d

    return np.concatenate(
        [
            np.stack(
                [
                    correlate1d(
                        correlate1d(image.astype(float), taps[0][a], axis=0, mode="constant"),
                        taps[1][b],
                        axis=1,
                        mode="constant",
                    )
                    for a in range(degree + 1)
                    for b in range(degree + 1 - a)
                ]
            )
            for image in images
        ]
    )


def panels(kernels: Recorder, real: type) -> Result:
    """Targets that do not fill a tile, sources in parts that do not divide evenly, some closer than counts; points in
    the plane of a triangle, above it, and on a corner."""
    rng = np.random.default_rng(7)
    n, m, parts = 45, 523, 2
    targets = rng.normal(size=(3, n)).astype(real)
    sources = np.concatenate([rng.normal(size=(m, 3)), np.full((m, 1), 0.04)], axis=1).astype(real)
    sources[:n:2, :3] = targets[:, ::2].T
    found = {}
    for kernel, densities, rows in (
        ("potential_1", 1, 1),
        ("potential_3", 3, 3),
        ("potential_9", 9, 9),
        ("field_1", 1, 3),
        ("field_3", 3, 9),
    ):
        out = np.full((parts, rows, n), np.nan)
        q = rng.normal(size=(m, densities)).astype(real)
        kernels.launch(kernel, parts * -(-n // 32), n, m, parts, targets, sources, q, out)
        found[kernel] = out.sum(axis=0).astype(real)
    corners = rng.normal(size=(5, 3, 3))
    others = corners.mean(axis=1), corners[:, 0], corners[:, :2].mean(axis=1)
    points = np.concatenate([rng.normal(size=(20, 3)), *others])
    points[:5] = corners[:, 0] + 1e-3
    pairs = np.argwhere(np.ones((len(points), len(corners))))
    out = np.full((4, len(pairs)), np.nan)
    kernels.launch("near", len(pairs), *np.ascontiguousarray(pairs.T), points, corners, out)
    linear, density = np.full((3, len(pairs)), np.nan), rng.normal(size=(len(corners), 4))
    kernels.launch("near_linear", len(pairs), *np.ascontiguousarray(pairs.T), points, corners, density, linear)
    start = np.array([0, 2, 2, 5])
    rows = rng.normal(size=(2, 4, 3))
    kernels.launch(
        "add_rows",
        3,
        5,
        2,
        4,
        start,
        np.array([0, 3, 1, 2, 3], np.int32),
        rng.normal(size=(4, 5)).astype(real),
        rng.normal(size=(4, 2)).astype(real),
        rows,
    )
    return found | {"near": out, "near_linear": linear, "rows": rows}


def bioheat(kernels: Recorder, real: type) -> Result:
    """A lumpy body on a grid with two bundles of rows along z; two sources, with sinks of their own or shared."""
    from emdose.solvers.heat.problem import Layout

    rng = np.random.default_rng(9)
    active = rng.random((5, 7, 300)) < 0.9
    active[2] = False
    layout = Layout(active, backend.get("cpu"))
    n, plane, maps = layout.n, layout.plane, 2
    x, y, z = layout.x, layout.y, layout.z

    def put(values: np.ndarray, fill: float = 0.0) -> np.ndarray:
        return layout.pad(np.where(active, values, fill).astype(real), fill)

    g = []
    for axis in range(3):
        faces = rng.uniform(1, 2, active.shape) * active * np.roll(active, -1, axis)
        faces[tuple(-1 if a == axis else slice(None) for a in range(3))] = 0
        g.append(put(faces))
    heat = put(rng.uniform(1, 2, active.shape), 1.0)
    sink = np.stack([put(rng.uniform(0, 1, active.shape)) for _ in range(maps)])
    q, T = (np.stack([put(rng.normal(size=active.shape)) for _ in range(maps)]) for _ in range(2))
    scale = np.array([0.5, 2.0], real)
    found = {"sink": sink.copy()}
    for own in (0, 1):
        h, pick = 0.35, maps if own else 1
        m, change = np.ones((pick, *layout.shape), real), np.zeros_like(T)
        second, u, a, c = (np.ones(layout.shape, real) for _ in range(4))
        lines = layout.lines("y", pick)
        kernels.launch("pivots", y.launches(CPU, pick), lines, h, heat, g[1], sink[:pick], m)
        kernels.launch("pivots", x.launches(CPU), layout.lines("x", 0), h, heat, g[0], sink, second)
        kernels.launch("pivots_z", z.launches(CPU), layout.columns(1), h, heat, g[2], u, a, c)
        lines, flow = layout.lines("y", maps), layout.flow(tuple(g), sink)
        state = (g[1].copy(), m, scale, q, T, change)
        kernels.launch("first_sweep", y.launches(CPU, maps), lines, flow, 2 * h, own, *state)
        found[f"first {own}"] = change.copy()
        lines = layout.lines("x", maps)
        kernels.launch("second_sweep", x.launches(CPU, maps), lines, h, heat, g[0], second, change)
        found[f"second {own}"] = change.copy()
        kernels.launch("last_sweep", z.launches(CPU, maps), layout.columns(maps), u, a, c, change, T)
        found |= {f"{name} {own}": values.copy() for name, values in (("T", T), ("m", m), ("u", u), ("a", a), ("c", c))}
    for step in (0.0, 0.7):
        out = np.zeros_like(q[0])
        flow = layout.flow(tuple(g), sink[0])
        kernels.launch("stencil", -(-(n - 2 * plane) // 64), n, flow, step, q[0], T[0], out)
        found[f"stencil {step}"] = out
    return found


CPU = backend.get("cpu")


def triangles(kernels: Recorder, real: type) -> Result:
    """Triangles of several sizes in a box of voxels, rays through them, and all their pairs."""
    rng = np.random.default_rng(11)
    n, side = 40, 6
    corners = rng.uniform(0, side, (n, 1, 3)) + rng.normal(size=(n, 3, 3)) * rng.uniform(0.1, 2, (n, 1, 1))
    columns = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), -1).reshape(-1, 2)
    triangle = np.repeat(np.arange(n, dtype=np.int32), len(columns))
    column = np.tile(columns, (n, 1)).astype(np.int32)
    low, high = np.empty((2, len(triangle)), np.int32)
    kernels.launch("column_spans", len(triangle), corners, triangle, column, low, high)
    some = np.flatnonzero(high > low)
    voxel = np.column_stack([column[some], low[some]]).astype(np.int32)
    pieces = np.empty((len(some), 4))
    kernels.launch("voxel_pieces", len(some), corners, triangle[some], voxel, pieces)
    origin, direction = rng.uniform(0, side, (30, 3)), rng.normal(size=(30, 3))
    distance, which = np.empty(30), np.empty(30, np.int32)
    kernels.launch("first_hits", 30, origin, direction, n, corners, 1e-9, distance, which)
    pair = np.stack(np.triu_indices(n, 1), 1).astype(np.int32)
    crossing = np.empty(len(pair), np.uint8)
    kernels.launch("crossing_pairs", len(pair), corners, pair, 1e-12, crossing)
    assert len(some) > 100
    assert 0 < crossing.sum() < len(pair)
    assert 0 < (which < 0).sum() < 30
    return {
        "low": low,
        "high": high,
        "pieces": pieces,
        "distance": np.where(which < 0, 0.0, distance),
        "which": which,
        "crossing": crossing,
    }


def potential(kernels: Recorder, real: type) -> Result:
    """Two right-hand sides, odd numbers of nodes, and one weight in five zero."""
    rng = np.random.default_rng(22)
    kind = np.complex64 if real is np.float32 else np.complex128
    ports, shape, coarse = 2, (7, 5, 6), (4, 3, 3)

    def draw(*extents: int) -> np.ndarray:
        return (rng.normal(size=extents) + 1j * rng.normal(size=extents)).astype(kind)

    def framed(*extents: int) -> np.ndarray:
        """Random values inside a frame of zeros, one node wide along the last three axes."""
        return np.pad(draw(*extents), [(0, 0)] * (len(extents) - 3) + [(1, 1)] * 3)

    g = framed(3, *shape) * (rng.random((3, *(n + 2 for n in shape))) < 0.8).astype(real)
    level = dict(zip(("nx", "ny", "nz"), shape, strict=True)) | {
        "g": g,
        "total": framed(*shape),
        "over": framed(*shape),
    }
    b, x = framed(ports, *shape), framed(ports, *shape)
    applied, left, relaxed, raised = np.zeros_like(x), np.zeros_like(x), x.copy(), x.copy()
    up, down = framed(ports, *coarse), framed(ports, *coarse)
    nodes, half = (ports * shape[0], *shape[1:]), (ports * shape[0], shape[1], 3)
    kernels.launch("conduct", nodes, level, x, applied)
    for colour in (0, 1):
        kernels.launch("relax", half, level, colour, b, relaxed)
        kernels.launch("residual", half, level, colour, b, x, left)
    kernels.launch("restrict_nodes", (ports * coarse[0], *coarse[1:]), coarse[0], *shape, x, down)
    kernels.launch("prolong_nodes", nodes, shape[0], *coarse, up, raised)
    return {"applied": applied, "left": left, "relaxed": relaxed, "down": down, "raised": raised}


def multigrid(kernels: Recorder, real: type) -> Result:
    """Cells with odd numbers of them, a hole in the middle, rows that end early, two right-hand sides."""
    rng = np.random.default_rng(21)
    ports, shape, coarse = 2, (7, 5, 6), (4, 3, 3)
    nx, ny, nz = shape

    def framed(count: int, extents: tuple[int, ...], low: float = -1.0) -> np.ndarray:
        """Random values between planes of zeros."""
        return np.pad(rng.uniform(low, 1.0, (count, *extents)), ((0, 0), (1, 1), (0, 0), (0, 0))).astype(real)

    g = framed(3, shape, 0.1)
    for c in range(3):
        g[c][tuple((1 if a == 0 else 0) if a == c else slice(None) for a in range(3))] = 0
    g[:, 4:6, 2:4, 2:4] = 0
    span = np.stack([rng.integers(0, 2, (nx, ny)), rng.integers(3, 7, (nx, ny))], axis=2).astype(np.int32)
    span[2, 1] = 0
    whole = np.tile(np.array([0, 3], np.int32), (4, 3, 1))
    below, ground = framed(1, shape, 0.0), np.zeros((1, 6, 3, 3), real)
    level = {"nx": nx, "g": g, "dinv": np.zeros((nx + 2, ny, nz), real), "norm": framed(1, shape, 0.5)}
    level["dinv"][1:-1] = np.where(rng.random(shape) < 0.9, 0.2, 0.0)
    low = {"nx": 4, "g": np.zeros((3, 6, 3, 3), real), "dinv": np.zeros((6, 3, 3), real), "norm": level["norm"]}
    low["dinv"][1:-1] = rng.random(coarse) < 0.8
    x, b, up = framed(ports, shape), framed(ports, shape), framed(ports, coarse)
    double = [a.astype(float) for a in (b, x)]
    out = {name: np.zeros_like(x) for name in ("applied", "left", "begun", "relaxed", "renewed")}
    out |= {"down": np.zeros_like(up), "raised": x.copy(), "dinv": np.zeros((nx + 2, ny, nz), real)}
    out |= {"norm": np.zeros((nx + 2, ny, nz), real), "coarse": np.zeros((3, 6, 3, 3), real)}
    launch, ends = (ports * nx, ny, nz), (nx, span)
    kernels.launch("conduct", launch, *ends, level, x, out["applied"])
    kernels.launch("renew", launch, *ends, level, 0.7, *double, out["renewed"])
    kernels.launch("begin", launch, *ends, level, 0.6, 1.4, b, out["begun"])
    kernels.launch("relax", launch, *ends, level, 0.8, b, x, out["relaxed"])
    kernels.launch("residual", launch, *ends, level, b, x, out["left"])
    kernels.launch("restrict_cells", (ports * 4, 3, 3), 4, whole, low, *shape, x, out["down"])
    kernels.launch("prolong_cells", launch, *ends, level, *coarse, up, out["raised"])
    kernels.launch("invert", shape, *ends, level, below, out["dinv"])
    kernels.launch("weigh", shape, *ends, level, *coarse, low["dinv"], out["norm"])
    kernels.launch("coarsen", coarse, *shape, g, out["coarse"])
    kernels.launch("ground", coarse, 4, whole, low | {"g": out["coarse"]}, *shape, g, level["norm"], below, ground)
    n, parts = x[0].size, 4
    dots, gram = np.full(ports * parts, np.nan), np.full(ports * 2 * parts, np.nan)
    rows = np.full(ports * nx * ny, np.nan)
    kernels.launch("dot", ports * parts, n, parts, x, b, dots)
    kernels.launch("row_dot", ports * nx * ny, nx * ny, ny, nz, span, x, b, rows)
    kernels.launch("gram", ports * 2 * parts, n, 2, parts, x, b, gram)
    stepped, remains, turned, rest, total = x.copy(), b.copy(), x.copy(), x.copy(), b.astype(float)
    kernels.launch("move_along", launch, *ends, np.array([0.5, -2.0]), b, x, stepped, remains)
    kernels.launch("turn", launch, *ends, np.array([0.5, -2.0]), b, turned)
    kernels.launch("collect", launch, *ends, rest, total)
    return out | {
        "ground": ground,
        "dots": dots,
        "rows": rows,
        "gram": gram,
        "stepped": stepped,
        "remains": remains,
        "turned": turned,
        "rest": rest,
        "total": total,
    }


def branches(kernels: Recorder, real: type) -> Result:
    """Rows longer than the lanes of a sum and shorter ones, one without corners, voxels in every corner of the box."""
    rng = np.random.default_rng(23)
    nx, n1, n2 = 4, 5, 21
    g, emf = np.zeros((3, nx + 2, n1, n2), real), np.full((3, nx + 2, n1, n2), 0.25)
    g[:, 1:-1] = rng.random((3, nx, n1, n2))
    for c in range(3):
        g[c][tuple((slice(None, 2) if a == 0 else slice(None, 1)) if a == c else slice(None) for a in range(3))] = 0
    span = np.stack([rng.integers(0, 3, (nx, n1)), rng.integers(5, n2 + 1, (nx, n1))], axis=2).astype(np.int32)
    span[2, 1] = 0
    net = {"nx": nx, "n1": n1, "n2": n2, "scale": 4.0, "g": g, "emf": emf}
    rows, weights = rng.normal(size=(3, nx, n1, 9)), rng.normal(size=(2, n2, 4))
    first = rng.integers(0, 6, (2, n2)).astype(np.int32)
    kernels.launch("impress", (3 * nx, n1, n2), nx, span, 9, 4, rows, weights, first, emf)
    b, phi = np.zeros((nx + 2, n1, n2)), np.zeros((nx + 2, n1, n2))
    phi[1:-1] = rng.normal(size=(nx, n1, n2))
    driven, left = np.full((nx * n1, 2), np.nan), np.full((nx * n1, 3), np.nan)
    kernels.launch("drive", nx * n1, span, net, b, driven)
    kernels.launch("judge", nx * n1, span, net, phi, left)
    cells = np.array([0, (n1 - 1) * (n2 - 1) - 1, 100, (nx - 1) * (n1 - 1) * (n2 - 1) - 1])
    E = np.full((3, len(cells)), np.nan, np.float32)
    kernels.launch("centres", len(cells), net, cells, np.array([0.5, 1.0, 2.0]), phi, E)
    return {"emf": emf, "b": b, "driven": driven, "left": left, "E": E}


def cut_faces(kernels: Recorder, real: type) -> Result:
    """Middles of faces anywhere in them, also next to the ends of the box."""
    rng = np.random.default_rng(22)
    ports, (nx, ny, nz) = 2, (5, 4, 6)
    offset = (rng.uniform(-0.5, 0.5, (3, 2, nx, ny, nz)) * (rng.random((3, 2, nx, ny, nz)) < 0.5)).astype(real)
    kind = np.complex64 if real is np.float32 else np.complex128
    field = (rng.normal(size=(ports, 3, nx, ny, nz)) + 1j * rng.normal(size=(ports, 3, nx, ny, nz))).astype(kind)
    out = {"collected": np.full_like(field, np.nan), "spread": np.full_like(field, np.nan)}
    kernels.launch("collect", (3 * ports * nx, ny, nz), nx, offset, field, out["collected"])
    kernels.launch("spread", (3 * ports * nx, ny, nz), nx, offset, field, out["spread"])
    return out


class Prepared:
    """What a schedule of the Yee engine calls, passed on to a recorder."""

    def __init__(self, kernels: Recorder) -> None:
        self.launch = kernels.launch

    def prepare(self, kernel, shape, *args) -> Callable[..., None]:
        return lambda *first: self.launch(kernel, shape, *first, *args[len(first) :])


def _yee_tables(real: type):
    """A small graded problem with everything that the engine knows, and fields in it."""
    from emdose.models.grids.rectilinear import RectilinearGrid
    from emdose.solvers import yee_engine as engine
    from emdose.solvers.yee_engine.tables.tables import Tables

    rng = np.random.default_rng(6)
    grid = RectilinearGrid(*(np.cumsum(rng.uniform(0.01, 0.013, n)) for n in (17, 18, 25)))
    labels = (rng.random(grid.shape) < 0.3).astype(np.uint8)
    labels[:, :9] = 0
    wire = np.array([[2, 9, 6, k] for k in range(6, 10)])
    thin = engine.thin_wire(grid, wire, 0.001)
    materials = engine.materials_from_voxels(grid, labels, np.array([1.0, 50.0]), np.array([0.0, 0.7]))
    pulse = engine.Gaussian(1e9, start=0.1)
    walls = ("cpml", "cpml", "cpml", "pmc", "cpml", "cpml")
    problem = engine.YeeProblem(
        grid,
        materials.scaled(thin.edges, thin.permittivity).with_pec(wire[1:]),
        walls,
        engine.Cpml(3),
        sources=[engine.CurrentSource("i", np.array([[1, 5, 7, 8], [0, 5, 7, 8]]), np.array([1.0, 2.0]), pulse)],
        ports=[engine.VoltagePort("p", np.array([[0, 6, 8, 12], [0, 7, 8, 12]]), 50.0, pulse)],
        lumped=[engine.Lumped("c", np.array([[1, 8, 11, 12]]), 1.0, 1e-9, 1e-12)],
        face_factors=thin.faces,
        dft=engine.Dft([1e8, 2e8], [engine.DftRegion("r", (1, 2, 3), (12, 13, 14))], 2),
    )
    tables = Tables(problem, backend.get("cpu"), np.dtype(real).name)
    for field in (tables.e, tables.h):
        inner = field[:, 2:-1, 1:-1, 1:-9]  # rows end before their padding
        inner[...] = rng.normal(size=inner.shape)
    return tables


def _yee_steps(kernels: Recorder, real: type, schedule: str, file: str, **options: int) -> Result:
    """Seven steps of a schedule, the kernels of one file through a recorder."""
    from emdose.solvers.yee_engine.walks import schedules

    class Kernels(backend.KernelSet):
        def load(self, package: str | None, name: str, real: str = "float"):
            return Prepared(kernels) if name == file else super().load(package, name, real)

    tables = _yee_tables(real)
    record = getattr(schedules, schedule)(tables, backend.Backend("cpu", np, Kernels()), **options).advance(0, 7)
    return {"e": tables.e, "h": tables.h, "psi": tables.psi, "state": tables.state, "dft": tables.dft, "record": record}


def yee(kernels: Recorder, real: type) -> Result:
    """Seven steps, one thread per cell."""
    found = _yee_steps(kernels, real, "Cells", "yee")
    kernels.launch(
        "terms",
        1,
        0,
        0,
        {"columns": 1, "entry": np.array([3]), "row": np.array([0, 1]), "column": np.zeros(1, np.int32)}
        | {"coefficient": np.ones(1)},
        np.ones(1),
        found["e"],
    )
    return found


def yee_pass(kernels: Recorder, real: type) -> Result:
    """Seven steps, the last of which is none of this file."""
    return _yee_steps(kernels, real, "OnePass", "yee_pass")


def yee_walk(kernels: Recorder, real: type) -> Result:
    """Seven steps in blocks of three, two chunks."""
    return _yee_steps(kernels, real, "Blocks", "yee_walk", depth=3, strip=5, chunks=2)


def yee_rows(kernels: Recorder, real: type) -> Result:
    """Rows that are uniform, uniform at either end, and not at all."""
    ids = np.repeat(np.random.default_rng(7).integers(0, 3, (3, 4, 5, 4)), 4, axis=3)
    rows = np.full((4, 5, 3, 3), -1, np.int32)
    wide = rows.copy()
    ids[0, 0] = 1
    kernels.launch("uniform_rows", 60, 20, 15, 16, 0, ids.astype(np.uint8), np.zeros(1, np.uint16), rows)
    kernels.launch("uniform_rows", 60, 20, 15, 16, 1, np.zeros(1, np.uint8), ids.astype(np.uint16), wide)
    return {"rows": rows, "wide": wide}


def yee_watch(kernels: Recorder, real: type) -> Result:
    """Energy of random fields."""
    t = _yee_tables(real)
    rng, lattice = np.random.default_rng(8), t.lattice
    nx, ny, _ = lattice.nodes
    out = np.zeros((nx * ny, 2))
    eps, weight = rng.random(len(lattice.ca)), rng.random(lattice.factors.shape)
    structs = (t.structs["mesh"], t.structs["medium"])
    kernels.launch("row_energy", nx * ny, *structs, eps, weight, t.e, t.h, out)
    return {"energy": out}


def pairs(kernels: Recorder, real: type) -> Result:
    """Triangles and wires in two equal sectors, some close together, some far; rows of half functions at random."""
    rng = np.random.default_rng(14)
    each, sectors = 16, 2
    n = each * sectors
    kind = np.tile(np.where(np.arange(each) < 9, 2.0, 1.0), sectors)
    corner = rng.normal(size=(3, 3, n))
    wire = kind == 1
    corner[1, :, wire] = -corner[0, :, wire]
    corner[2, :, wire] = corner[0, :, wire]
    corner -= np.where(wire, 0.0, corner.mean(axis=0))
    side = (corner[1] - corner[0]).T, (corner[2] - corner[0]).T
    nodes = np.where(wire, np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.1, 0.9, 0.0]])[:, :, None], 1 / 6)
    nodes = np.where(~wire & np.eye(3, dtype=bool)[:, :, None], 2 / 3, nodes)
    elements = {
        "count": n,
        "k": 0.7,
        "magnetic": 1.3,
        "electric": 0.9,
        "centre": np.where(np.arange(n) % 2, 1.0, 30.0) * rng.normal(size=(3, n)),
        "corner": corner,
        "offset": np.einsum("qkn,kcn->qcn", nodes, corner),
        "weight": np.full((3, n), 1 / 3),
        "measure": np.where(wire, np.linalg.norm(side[0], axis=1), 0.5 * np.linalg.norm(np.cross(*side), axis=1)),
        "kind": kind,
        "bulk": np.where(wire, 0.5 * 0.01**2, 0.0),
    }
    barycentric = rng.dirichlet((1.0, 1.0, 1.0), 5)
    rule = {
        "triangle_points": 5,
        "wire_points": 4,
        "triangle": np.column_stack([barycentric, np.full(5, 0.2)]),
        "wire": np.column_stack([rng.random(4), np.full(4, 0.25)]),
    }
    functions = {
        "sectors": sectors,
        "elements": each,
        "stride": n,
        "first": np.array([0, 2, 3, 6, 8], np.int32),
        "element": rng.integers(0, each, 8).astype(np.int32),
        "sector": rng.integers(0, sectors, 8).astype(np.int32),
        "half": rng.integers(0, 3, 8).astype(np.int32),
        "coef": rng.normal(size=8),
    }
    tiles, found = 2, np.zeros((each, 3, 3, n, 2))
    kernels.launch("far_pairs", each * tiles, tiles, 0, 0, elements, found)
    t, s = (x.ravel() for x in np.meshgrid(np.arange(each), np.arange(n), indexing="ij"))
    near = ((t + s) % 3 == 0) | (t == s)  # never far: an element beside itself
    kernels.launch("near_pairs", int(near.sum()), 0, t[near], s[near], elements, rule, found)
    part = np.zeros((5, 3, 3, n, 2))
    kernels.launch("far_pairs", 5 * tiles, tiles, 4, 16, elements, part)
    # As the kernels see them, in one chunk from element 4 on, and symmetric.
    Z, rows = np.zeros((2, sectors, 4, 4, 2)), np.array([0, 2, 3], np.int32)
    kernels.launch("gather_rows", (3, sectors, 4), 0, each, 0, rows, functions, found, Z[0])
    alone = {**functions, "sectors": 1, "elements": n, "sector": np.zeros(8, np.int32)}
    kernels.launch("gather_rows", (3, 1, 4), 4, 9, 1, rows, alone, found[4:9], Z[1, :1])
    # From the tile of s0 on: what lies before is left as it was on one device, and computed on another.
    return {"pairs": found, "part": part[:, :, :, 16:], "Z": Z}


def dominance(kernels: Recorder, real: type) -> Result:
    """Matrices of four channels around one that bounds about half of them."""
    rng = np.random.default_rng(12)
    A = rng.normal(size=(50, 4, 4)) + 1j * rng.normal(size=(50, 4, 4))
    Q = (A @ A.conj().swapaxes(1, 2)).astype(np.complex64 if real == np.float32 else np.complex128)
    rows, columns = np.tril_indices(4)
    packed, which = np.ascontiguousarray(Q[:, rows, columns]), np.arange(49, -1, -1)
    P = np.ascontiguousarray((15 * np.eye(4) + 0.5 * Q[0].astype(complex))[rows, columns]).view(float)
    below = np.zeros(50, np.uint8)
    kernels.launch("dominated", 50, 4, 0.1, which, P, packed, below)
    return {"below": below.astype(float)}


def local_means(kernels: Recorder, real: type) -> Result:
    """A lumpy body of three tissues that touches the ends of the grid."""
    rng = np.random.default_rng(21)
    shape = (9, 8, 10)
    on = rng.random(shape) < 0.9
    cells = np.flatnonzero(on)
    m = cells.size
    index = np.full(on.size, -1, np.int32)
    index[cells] = np.arange(m)
    tissue = (np.indices(shape).sum(0) // 9 + 1).astype(np.int16).reshape(-1)[cells]
    voxels = {**dict(zip(("n0", "n1", "n2"), shape, strict=True)), "m": m, "cells": cells}
    voxels |= {"index": index, "labels": tissue}
    E = rng.normal(size=(6, m)).astype(real)
    weights = np.array([0.5, 1, 0.5, 0.25, 0.5, 0.5, 0.5, 0.25, 1], real)
    box, line, along = np.empty_like(E), np.empty_like(E[0]), np.empty_like(E[:2])
    kernels.launch("box_means", m, voxels, 1, 2, 0, weights, 6, E, box)
    kernels.launch("axis_means", m, voxels, 1, 3, np.array([1, 1, 0.5, 0.25], real), E[1], line)
    direction = rng.normal(size=(3, m))
    direction /= np.linalg.norm(direction, axis=0)
    kernels.launch("line_means", m, voxels, 7, 0.31 * direction, direction.astype(real), 2, E, along)
    return {"box": box, "line": line, "along": along}


def wires(kernels: Recorder, real: type) -> Result:
    """Wires near and far, one point on the line of a wire and one in it."""
    rng = np.random.default_rng(5)
    ends = rng.uniform(-0.2, 0.2, (40, 2, 3))
    points = rng.uniform(-0.2, 0.2, (30, 3))
    points[0], points[1] = 2 * ends[0, 1] - ends[0, 0], ends[3].mean(axis=0) + 1e-3
    pull, A, B = rng.normal(size=40), np.zeros((30, 3)), np.zeros((30, 3))
    kernels.launch("wire_potentials", 30, 40, ends, pull, points, A)
    kernels.launch("wire_fields", 30, 40, ends, pull, points, B)
    return {"A": A, "B": B[1:]}


EXERCISES: dict[str, Callable[[Recorder, type], Result]] = {
    "yee": yee,
    "yee_pass": yee_pass,
    "yee_walk": yee_walk,
    "yee_rows": yee_rows,
    "yee_watch": yee_watch,
    "bandwidth": bandwidth,
    "average": average,
    "average_graded": average_graded,
    "lattice": lattice,
    "filaments": filaments,
    "basis": basis,
    "window": window,
    "local_fit": local_fit,
    "triangles": triangles,
    "multigrid": multigrid,
    "branches": branches,
    "potential": potential,
    "cut_faces": cut_faces,
    "bioheat": bioheat,
    "pairs": pairs,
    "dominance": dominance,
    "local_means": local_means,
    "wires": wires,
}
REALS = {"float": np.float32, "double": np.float64}
ROOT = Path(emdose.__file__).parents[1]
# Kernel files and the packages that launch them; texts without the line are included by others.
PACKAGES = {
    path.stem: ".".join(path.parents[1].relative_to(ROOT).parts)
    for path in sorted(ROOT.glob("emdose/**/kernels/*.cuh"))
    if '#include "common.cuh"' in path.read_text(encoding="utf-8")
}


def run(kernels: backend.KernelSet, name: str, real: str) -> tuple[Result, str]:
    """Results of one file's kernels, and who ran them; fails when a kernel of the file was left out."""
    module = kernels.load(PACKAGES[name], name, real)
    recorder = Recorder(module)
    result = EXERCISES[name](recorder, REALS[real])
    assert recorder.ran == set(module.signatures), f"{name}: not exercised: {set(module.signatures) - recorder.ran}"
    return result, module.kind


def reals(name: str) -> tuple[str, ...]:
    """Both precisions, where the text says ``real`` at all."""
    text = (ROOT / PACKAGES[name].replace(".", "/") / "kernels" / f"{name}.cuh").read_text("utf-8")
    return tuple(REALS) if re.search(r"\bc?real\b", text) else ("double",)


def source(name: str) -> str:
    """Text of a kernel file with what it includes."""
    return kernel_text.source(PACKAGES[name], name)


if __name__ == "__main__":
    os.environ.pop("LD_PRELOAD", None)  # the sanitizers have been loaded here; the compiler runs without them
    for file in EXERCISES:
        for kind in reals(file):
            print(file, kind, run(backend.get("cpu").kernels, file, kind)[1])
    sys.stdout.flush()
