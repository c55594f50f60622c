"""The titanium rod of ASTM F2182 in gel, 1 W/kg of background along it: how warm it gets beside its tip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import emdose as em
from emdose.dosimetry.sar import point_sar
from emdose.solvers.subdomain.solver import Subdomain
from emdose.validation.cases.fdtd import rod_in_gel
from emdose.validation.cases.volume_integral import gel
from emdose.values import owned

HEAT = {"heat_capacity_J_kg_K": 4150.0, "thermal_conductivity_W_m_K": 0.54, "perfusion_mL_min_kg": 0.0}
TITANIUM = {"density_kg_m3": 4430.0, "heat_capacity_J_kg_K": 526.0, "thermal_conductivity_W_m_K": 6.7}


@pytest.mark.slow
@pytest.mark.parametrize(("frequency", "published_K"), [(63.87e6, 1.3), (127.74e6, 1.45)])
def test_rise_beside_the_tip_of_the_rod(frequency: float, published_K: float) -> None:
    """A plausibility, no oracle: 1.3 and 1.45 K after 6 min are quoted for a probe within 2 mm of the tip, and their
    source was not seen. Found at 1 and 2 mm: 1.42, 1.32 and 1.52, 1.41 K in cells of 1.3 mm; 1.36, 1.27 and 1.45, 1.35
    K in cells of 0.9 mm."""
    matter = replace(gel(80, 0.47, "gel 0"), **HEAT, metabolic_heat_W_kg=0.0)
    exposure, given = rod_in_gel(frequency, matter)
    fields = Subdomain(1.3e-3).solve(exposure, given, device="cpu")
    assert fields.metal is not None
    site, metal = fields.metal.phantom, np.asarray(fields.metal.metal)
    labels = np.where(metal, len(site.tissues), np.maximum(site.labels, 1)).astype(site.labels.dtype)
    whole = replace(site, labels=owned(labels), tissues=(*site.tissues, replace(matter, name="Ti", **TITANIUM)))
    sar = np.where(metal, 0.0, point_sar(fields, site).value)
    course = em.Bioheat(surface_W_m2_K=0.0, cells_across=0).solve_sar(whole, sar_W_kg=sar, duration_s=360.0)
    rise = np.asarray(course.rise[-1])
    centres = np.stack(np.meshgrid(*(site.grid.centres(a) for a in range(3)), indexing="ij"), axis=-1)
    apart = np.linalg.norm(centres - np.array([0, 0, 0.05]), axis=-1)
    near = (apart < 2.5e-3) & ~metal
    found = float(rise[near].mean())
    assert found == pytest.approx(published_K, rel=0.15)
