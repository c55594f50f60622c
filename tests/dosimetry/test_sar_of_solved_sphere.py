"""SAR of solved fields: the map, the edges and the solver's power matrix agree."""

from __future__ import annotations

import json

import numpy as np
import pytest

import emdose as em
from emdose.dosimetry.power import power_report
from emdose.dosimetry.transmission.qmatrix import q_matrices


@pytest.fixture(scope="module")
def solved():
    phantom = em.phantoms.sphere(0.05, 12.5e-3)
    coil = em.Birdcage(rungs=8, radius_m=0.1, length_m=0.12)
    exposure = em.Exposure(phantom, coil=coil, frequency_Hz=127.74e6)
    return phantom, coil, em.Vie(tolerance=1e-4).solve(exposure, device="cpu")


def test_map_edges_and_solver_agree_on_the_absorbed_power(solved):
    # Oracle: conservation, to single precision, for fields computed by the volume integral solver.
    phantom, _, fields = solved
    driven = fields.drive("quadrature").scale(b1plus_rms_T=2e-6)
    report = power_report(driven, phantom, em.point_sar(driven, phantom))
    assert report.map_W == pytest.approx(report.absorbed_W, rel=1e-4)
    assert report.edge_absorbed_W == pytest.approx(report.absorbed_W, rel=1e-4)
    assert report.closure < 1e-2
    # What a file gets says the same, in plain values.
    saved = json.loads(json.dumps(report.to_dict()))
    assert {k: v for k, v in saved.items() if k != "tissues"} == {
        k: getattr(report, k) for k in saved if k != "tissues"
    }
    assert [row["tissue"] for row in saved["tissues"]] == [row.tissue for row in report.tissues]
    assert sum(row["power_W"] for row in saved["tissues"]) == pytest.approx(report.map_W)


def test_fields_of_one_body_give_no_sar_of_another(solved):
    # Oracle: SAR goes with the conductivity, so ten times as much would give ten times the SAR of the same fields.
    phantom, _, fields = solved
    driven = fields.drive("quadrature")
    name = phantom.tissues[1].name
    salty = phantom.with_tissue(name, conductivity_S_m=10 * phantom.tissues[1].conductivity(127.74e6))
    for use in (em.point_sar, lambda f, p: q_matrices(fields, p)):
        with pytest.raises(em.InputError, match=r"solved in another body.*solve again") as caught:
            use(driven, salty)
        assert "\n" not in str(caught.value)
    # Perfusion, density and names enter no field.
    warm = em.point_sar(driven, phantom.with_tissue(name, perfusion_mL_min_kg=100.0, density_kg_m3=1100.0))
    same = em.point_sar(driven, phantom)
    assert warm.power_W() == pytest.approx(same.power_W())


def test_q_matrices_of_both_modes_hold_every_drive(solved):
    # Oracle: v^H Q v = SAR of the driven fields, for drives the coil names.
    phantom, coil, fields = solved
    q = q_matrices(fields, phantom)
    for name in ("quadrature", "anti-quadrature"):
        expected = em.point_sar(fields.drive(name), phantom).value
        np.testing.assert_allclose(q.sar_map(coil.drives[name]), expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_permitted_b1plus_brings_the_binding_value_to_its_limit(solved):
    # Oracle: closing the loop: fields scaled to the permitted B1+rms have a binding ratio of 1.
    phantom, coil, fields = solved
    driven = fields.drive("quadrature").scale(b1plus_rms_T=1e-6)
    phantom = phantom.with_regions(head=phantom.body)
    options = {"coil": coil, "patient": True, "patient_mass_kg": 70.0, "device": "cpu"}
    permitted = em.check(driven, phantom, **options).b1plus_rms_limit_T("normal")
    again = em.check(driven.scale(b1plus_rms_T=permitted), phantom, **options)
    assert again.binding("normal").ratio == pytest.approx(1.0, rel=1e-5)
