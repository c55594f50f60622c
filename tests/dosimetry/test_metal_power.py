"""Power in metal by perturbation. Oracles: Mie series of a perfect conductor in gel, the surface resistance by hand."""

import numpy as np
import pytest

import emdose as em
from emdose.constants import MU_0
from emdose.dosimetry.in_metal import metal_power
from emdose.dosimetry.power import power_report
from emdose.dosimetry.sar import point_sar
from emdose.models.bodies import layered_sphere
from emdose.models.implants import shapes
from emdose.validation.cases.volume_integral import complex_permittivity, gel
from emdose.validation.closed_forms import Sphere

F, CORE, BODY = 128e6, 12e-3, 24e-3


def mean_square(core_m: float, body_m: float) -> float:
    """Integral of abs(H_t)^2 over the surface of a perfect conductor in a ball of gel [A^2]."""
    ball = Sphere([core_m, body_m], [np.inf, complex_permittivity(78, 0.47, F)], F)
    x, w = np.polynomial.legendre.leggauss(24)
    t, p = np.meshgrid(np.arccos(x), np.arange(48) * 2 * np.pi / 48, indexing="ij")
    n = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], -1).reshape(-1, 3)
    H = ball.fields(n * core_m * (1 + 1e-9))[1] / MU_0
    tangential = H - n * np.einsum("pc,pc->p", n, H)[:, None]
    return float((np.abs(tangential) ** 2).sum(1) @ np.repeat(w, 48)) * 2 * np.pi / 48 * core_m**2


def solved(step_m: float, shift: float) -> em.Fields:
    ball = shapes.sphere(CORE, "Ti6Al4V", (0.3 * shift * step_m, 0.2 * shift * step_m, 0.4 * shift * step_m))
    body = layered_sphere((BODY,), [gel(78, 0.47)], step_m)
    return em.Vie().solve(em.Exposure(body, em.PlaneWave(), F, implants=[ball])).drive([1.0])


def test_ball_of_titanium_beside_its_series() -> None:
    fields = solved(4e-3, 0)
    found = metal_power(fields)
    (part,) = found.parts
    sigma = shapes.sphere(CORE, "Ti6Al4V").metals[0].conductivity_S_m
    assert part.surface_resistance_ohm == pytest.approx(np.sqrt(np.pi * F * MU_0 / sigma))
    assert part.area_m2 == pytest.approx(4 * np.pi * CORE**2, rel=1e-3)
    exact = 0.5 * part.surface_resistance_ohm * mean_square(CORE, BODY)
    assert abs(part.power_W / exact - 1) < found.relative_uncertainty < 0.4
    assert found.density.sum() * fields.grid.voxel_volume_m3 == pytest.approx(found.power_W, rel=1e-5)
    assert fields.metal is not None
    assert not found.density[~np.asarray(fields.metal.metal)].any()
    sar = point_sar(fields, fields.metal.phantom)
    report = power_report(fields, fields.metal.phantom, sar)
    assert report.to_dict()["metal_W"] == {"sphere": pytest.approx(found.power_W)}
    rows = found.table(report.absorbed_W)
    assert [r["metal_W"] for r in rows] == [0.0, found.power_W]
    assert rows[1]["share"] == pytest.approx(found.power_W / (found.power_W + report.absorbed_W))


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0, 1])
def test_ball_of_titanium_tends_to_its_series(shift: int) -> None:
    errors = []
    for step in (4e-3, 3e-3, 2e-3):
        found = metal_power(solved(step, shift))
        exact = 0.5 * found.parts[0].surface_resistance_ohm * mean_square(CORE, BODY)
        errors.append(found.power_W / exact - 1)
        assert abs(errors[-1]) < found.relative_uncertainty
    assert abs(errors[-1]) < 0.1


def test_without_metal_there_is_nothing_to_say() -> None:
    body = layered_sphere((BODY,), [gel(78, 0.47)], 6e-3)
    fields = em.Vie().solve(em.Exposure(body, em.PlaneWave(), F)).drive([1.0])
    with pytest.raises(em.InputError, match="fields without metal"):
        metal_power(fields)


def test_crowded_points_are_drawn_together_without_loss_of_area() -> None:
    """Oracle: a plate by hand; its two sides stay apart, area and its moment stay."""
    from emdose.dosimetry import in_metal

    x = np.random.default_rng(1).uniform(0, 0.02, (4000, 3)) * (1, 1, 0)
    place = np.concatenate([x, x + np.array([0, 0, 1e-4])])
    normal = np.repeat([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]], len(x), axis=0)
    area = np.full(len(place), 2 * 4e-4 / len(place))
    where, side, size = in_metal._merged(place, normal, area, 2e-3)
    assert len(size) < 0.1 * len(area)
    assert size.sum() == pytest.approx(area.sum())
    assert size @ where == pytest.approx(area @ place)
    assert size[side[:, 2] > 0.999].sum() == pytest.approx(4e-4)
    few = in_metal._merged(place[::100], normal[::100], 100 * area[::100], 2e-3)
    assert len(few[2]) == len(place[::100])
