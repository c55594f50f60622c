"""Heat in blocks, slabs and balls against closed forms, and its balance."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.models.bodies import gel_box
from emdose.models.bodies.tissues import Constant, Tissue
from emdose.models.implants import shapes
from emdose.solvers.heat.materials import Metals, mixed_conductivity
from emdose.solvers.heat.near_metal import metal_body
from emdose.solvers.heat.problem import HeatMaps, HeatProblem
from emdose.solvers.heat.rise import heat, steady
from emdose.solvers.heat.stepping import Stepper
from emdose.validation.closed_forms import heat as exact
from emdose.validation.rows import Row, at_least, at_most, compare

K, C, W = 0.5, 4e6, 3e3


def uniform(device: Any) -> list[Row]:
    """Uniform source with and without perfusion."""
    shape, rows = (6, 7, 8), []
    for name, perfusion in (("without perfusion", 0.0), ("with perfusion", W)):
        found = heat(_block(shape, 2e-3, perfusion), np.full((1, *shape), 2e3), 900.0, device=device)
        rows += [
            compare(
                f"uniform source, {name}",
                "closed form",
                "rise after 900 s [K]",
                float(exact.uniform(2e3, C, perfusion, 900.0)),
                float(found.final.max()),
                2e-3,
            ),
            at_most(
                f"uniform source, {name}",
                "conservation of energy",
                "unaccounted heat over supplied",
                found.balance_error,
                1e-3,
            ),
        ]
    return rows


def cosine(device: Any) -> list[Row]:
    """Decay of a product of cosines: order in space and in time."""
    be = backend.get(device)

    def run(shape: tuple[int, int, int], lengths: tuple[float, ...], steps: int, t: float) -> tuple[Any, Any]:
        h = tuple(length / n for length, n in zip(lengths, shape, strict=True))
        problem = HeatProblem(_block(shape, h, W), be, "float64", 1)
        x, y, z = (np.cos(m * np.pi * (np.arange(n) + 0.5) / n) for n, m in zip(shape, (1, 2, 1), strict=True))
        mode = x[:, None, None] * y[:, None] * z
        stepper = Stepper(problem, problem.field(np.zeros((1, *shape))))
        stepper.T += problem.field(mode[None])
        for _ in range(steps):
            stepper.advance(t / steps, np.ones(1))
        rate = exact.cosine_decay(K, C, W, np.pi * np.array([1, 2, 1]) / lengths)
        return problem.result(stepper.T)[0], np.exp(-rate * t) * mode

    space = [
        float(np.abs(np.subtract(*run((n, 2 * n, n + 4), (0.04, 0.06, 0.05), 100, 400.0))).max()) for n in (12, 24)
    ]
    fields = [run((12, 12, 12), (0.024, 0.036, 0.024), n, 100.0)[0] for n in (10, 20, 320)]
    times = [float(np.abs(f - fields[-1]).max()) for f in fields[:2]]
    return [
        at_least(
            "cosine mode", "order of convergence", "order in space", 2.0, float(np.log2(space[0] / space[1])), 1.8
        ),
        at_least(
            "cosine mode", "order of convergence", "order in time", 2.0, float(np.log2(times[0] / times[1])), 1.85
        ),
    ]


def slab(device: Any) -> list[Row]:
    """A slab that loses heat to the air: transient and steady."""
    n, h = 40, 1e-3
    active = np.zeros((n + 2, 3, 3), bool)
    active[1:-1] = True
    maps = HeatMaps(
        (h, h, h),
        np.full(active.shape, C),
        np.full(active.shape, K),
        np.zeros(active.shape),
        active,
        surface_W_m2_K=20.0,
        edges="insulated",
    )
    q, x = np.where(active, 1e4, 0.0)[None], (np.arange(n) + 0.5) * h
    rows = []
    for name, t in (("after 600 s", 600.0), ("steady", np.inf)):
        found = (steady(maps, q, device) if np.isinf(t) else heat(maps, q, t, device=device).final)[0, 1:-1, 1, 1]
        expected = exact.robin_slab(x, t, n * h, 1e4, K, C, 20.0)
        error = float(np.abs(found / expected - 1).max())
        rows.append(
            at_most(f"slab in air, {name}", "eigenfunctions", "largest relative error of the rise", error, 5e-3)
        )
    return rows


def ball(device: Any) -> list[Row]:
    """A perfused sphere, and a heated metal ball cut by voxels: octants of 28 voxels."""
    n, h, a, perfusion = 28, 1e-3, 6e-3, 2e4
    share, r = _octant(n, h, a)
    found = steady(_block(share.shape, h, perfusion), 1e5 * share[None], device)[0]
    expected = exact.perfused_sphere(r, a, 1e5, K, perfusion)
    everywhere = np.ones(share.shape, bool)
    metals = Metals(share, (share > 0).astype(np.uint8), [_CoCr()])
    faces, k = mixed_conductivity(share, metals, everywhere, np.full(share.shape, K), (h, h, h))
    maps = HeatMaps((h, h, h), np.full(share.shape, C), k, perfusion * (1 - share), everywhere, face_conductivity=faces)
    metal = steady(maps, 1e6 * share[None], device)[0]
    inside = share == 1
    reference = exact.heated_ball(r, a, 1e6, _CoCr.thermal_conductivity_W_m_K, K, perfusion)
    return [
        at_most(
            "perfused sphere, 6 voxels",
            "closed form",
            "largest error of the rise over its peak",
            float(np.abs(found - expected).max() / expected.max()),
            5e-3,
        ),
        compare(
            "metal ball in tissue, 6 voxels",
            "closed form",
            "mean rise of the metal [K]",
            float(reference[inside].mean()),
            float(metal[inside].mean()),
            1e-2,
        ),
    ]


def small(device: Any) -> list[Row]:
    """A ball of 2 mm radius in voxels of 5 mm, which are split near it as they are by default."""
    a, power, gel = 2e-3, 0.2, Tissue("gel", 1000.0, Constant(80.0, 0.47), C / 1000.0, K, 0.0, 0.0)
    implant = shapes.sphere(a, "CoCrMo", subdivisions=3)
    metal = metal_body(gel_box(5e-3, (0.09, 0.09, 0.09), gel), implant)
    maps, alloy = metal.maps(), implant.parts[0].metal
    q = metal.fraction * (power / implant.volume_m3)
    times = [30.0, 300.0]
    found = heat(maps, q[None], times[-1], times_s=times, device=device).rise[0]
    capacity = alloy.density_kg_m3 * alloy.heat_capacity_J_kg_K
    outside = exact.warming_ball(np.array(times), a, power, capacity, K, C)
    inside = outside + power / (8 * np.pi * alloy.thermal_conductivity_W_m_K * a)
    name, rows = "small ball, 0.8 voxels across", []
    for n, t in enumerate(times):
        for place, expected, mask in (
            ("tissue", outside, metal.tissue),
            ("metal", inside, metal.fraction > 0.5),
        ):
            peak = float(found[n][mask].max())
            rows.append(
                compare(name, "closed form", f"peak in {place} after {t:g} s [K]", float(expected[n]), peak, 5e-2)
            )
    kept = float(maps.power_W(q[None])[0])
    return [*rows, compare(name, "conservation of energy", "power in the cells [W]", power, kept, 1e-3)]


class _CoCr:
    """Round values of a cobalt-chromium alloy."""

    density_kg_m3, heat_capacity_J_kg_K, thermal_conductivity_W_m_K = 8300.0, 450.0, 13.0


def _block(shape: tuple[int, ...], h: Any, perfusion: float) -> HeatMaps:
    spacing = (h, h, h) if np.ndim(h) == 0 else h
    capacity, conductivity, taken = (np.full(shape, v) for v in (C, K, perfusion))
    return HeatMaps(spacing, capacity, conductivity, taken, np.ones(shape, bool))


def _octant(n: int, h: float, radius: float, samples: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Share of every voxel in a ball around the low corner, and distances of the voxel centres from it."""
    fine = (np.arange(n * samples) + 0.5) * h / samples
    inside = fine[:, None, None] ** 2 + fine[:, None] ** 2 + fine**2 < radius**2
    x = (np.arange(n) + 0.5) * h
    share = inside.reshape(n, samples, n, samples, n, samples).mean(axis=(1, 3, 5))
    return share, np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2)


CASES = {
    "bioheat": uniform,
    "bioheat-order": cosine,
    "bioheat-slab": slab,
    "bioheat-ball": ball,
    "bioheat-small": small,
}
