"""Metal and body, coupled. Oracles: power balance, reciprocity, the circuit, finite differences in time."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.circuits.unloaded import tune
from emdose.solvers.cosimulation import GapDrive
from emdose.solvers.mom.meshing.options import MeshOptions
from emdose.solvers.vsie import gap_fields
from emdose.solvers.vsie.band import over_band
from emdose.solvers.vsie.driven import drive_gaps

F = 127.74e6
BODY = em.phantoms.sphere(0.05, 10e-3)


def loop(**more):
    options = {"size_m": (0.12, 0.16), "strip_width_m": 0.01, "centre_m": (0, 0, 0.08), "capacitance_F": 30e-12, **more}
    return em.Exposure(BODY, em.CapacitorLoop(**options), F)


@pytest.fixture(scope="module")
def strips():
    return em.Vsie().cosimulate(loop(), [F])


def test_power_is_kept(strips):
    # Oracle: what the source delivers is absorbed, radiated, or lost in metal and elements.
    for voltage in (strips, strips.tune()):
        power = voltage.fields().power.power()
        assert power["closure"] < 1e-4
        assert power["absorbed_W"] > 0 < power["scattered_W"]
        assert 0 < power["lost_W"] < power["extinction_W"]


def test_reciprocity(strips):
    # Oracle: a symmetric network, without having been made so.
    assert strips.asymmetry < 1e-12
    gaps = strips.gap_fields
    volts = np.eye(4, dtype=complex)[:2]
    drive = GapDrive(volts, volts @ strips.network.y[0], volts, np.eye(2, dtype=complex))
    state = drive_gaps(gaps.solution, drive, em.Vsie(tolerance=1e-5), lambda *_: None)
    assert state.apart.max() < 1e-4


def test_the_network_is_stationary(strips):
    # Oracle: a network from a residual ten times smaller.
    fine = em.Vsie(network_tolerance=1e-3).cosimulate(loop(), [F])
    a, b = (np.ones(4) @ c.network.z[0] @ np.ones(4) for c in (strips, fine))
    assert a.imag == pytest.approx(b.imag, rel=2e-4)
    assert a.real == pytest.approx(b.real, rel=1e-2)


def test_a_band_from_three_frequencies():
    # Oracle: every frequency by itself.
    listed = np.linspace(0.85 * F, 1.15 * F, 9)
    found = em.Vsie().cosimulate(loop(), listed)
    told = found.fields().provenance
    assert len(told["network_frequencies_Hz"]) == 3
    one = em.Vsie().cosimulate(em.Exposure(BODY, loop().coil, listed[2]), [listed[2]]).network
    z, exact = found.network.at(listed[2]).z[0], one.z[0]
    assert np.linalg.norm(z - exact) < 1e-3 * np.linalg.norm(exact)


def test_a_band_with_a_resonance_takes_more_frequencies():
    # Oracle: a line whose admittance has a pole in the band.
    asked = []

    def y(f):
        asked.append(f)
        return np.array([[1 / (1j * (f - 1.0) + 0.02) + 0.3j * f]])

    listed = np.linspace(0.9, 1.1, 41)
    found, nodes, _ = over_band(listed, 1.0, y)
    exact = np.stack([y(f) for f in listed])
    assert len(nodes) > 3
    assert np.abs(found - exact).max() < 2e-2 * np.abs(exact).max()


def test_close_to_a_resonance_of_the_metal_with_its_gaps_short():
    # Oracle: a network from a residual ten times smaller. Two combinations of the gaps carry fifty times the current
    # of the useful mode there, which must not be all that is solved for.
    coil = em.CircuitBirdcage(
        8, radius_m=0.12, length_m=0.16, strip_width_m=0.01, shield_radius_m=0.15, shield_length_m=0.2
    )
    exposure = em.Exposure(em.phantoms.sphere(0.07, 10e-3), coil, 298e6)
    mesh = MeshOptions(across=2, shield_around=24, shield_along=6)
    pattern = tune(coil, 298e6).pattern()[:, 0]
    order = [[e.name for e in coil.elements].index(g.element.name) for g in coil.gaps]
    mode = pattern[order] / np.linalg.norm(pattern)
    rough, fine = (em.Vsie(network_tolerance=t, mesh=mesh).cosimulate(exposure, [298e6]) for t in (1e-2, 1e-3))
    a, b = (mode @ c.network.z[0] @ mode for c in (rough, fine))
    assert a.imag == pytest.approx(b.imag, rel=1e-3)
    assert a.real == pytest.approx(b.real, rel=1e-2)
    fields = rough.tune(mode=0).fields()
    assert fields.convergence["network_error"] < 5e-3
    assert fields.drive("quadrature").power.power()["closure"] < 1e-3


def test_currents_that_differ_from_the_network_are_refused(strips, monkeypatch):
    # Oracle: the check itself, at a limit that nothing meets.
    monkeypatch.setattr(gap_fields, "AGREE", 1e-15)
    monkeypatch.setattr(gap_fields, "BETTER", 0)
    with pytest.raises(em.ConvergenceError, match="currents of the gaps differ") as error:
        strips.fields()
    assert error.value.partial.convergence["network_error"] > 1e-15


class Memory(dict):
    def load(self, name):
        return self.get(name)

    def save(self, name, arrays):
        self[name] = dict(arrays)


def test_a_checkpoint_is_used_for_the_same_question_only():
    kept, heard = Memory(), []
    first = em.Vsie().cosimulate(loop(), [F], checkpoint=kept)
    again = em.Vsie().cosimulate(loop(capacitance_F=10e-12), [F], progress=heard.append, checkpoint=kept)
    assert not [e for e in heard if e.stage == "gaps"]
    np.testing.assert_array_equal(first.network.s, again.network.s)
    em.Vsie().cosimulate(loop(centre_m=(0, 0, 0.081)), [F], progress=heard.append, checkpoint=kept)
    assert [e for e in heard if e.stage == "gaps"]


def test_wires_beside_finite_differences():
    # Oracle: another engine on the same voxels; its wire of 1 mm has the field of a round wire.
    exposure = loop(strip_width_m=None, wire_radius_m=1e-3)
    by_bem = em.Vsie(conductivity_S_m=None).cosimulate(exposure, [F])
    by_grid = em.Fdtd(margin_m=0.05, cpml_cells=6).cosimulate(exposure, [F])
    mode = np.full(4, 0.5)
    a, b = (mode @ c.network.z[0] @ mode for c in (by_bem, by_grid))
    assert a.imag == pytest.approx(b.imag, rel=0.02)
    assert a.real == pytest.approx(b.real, rel=0.05)
    sar = []
    for found in (by_bem, by_grid):
        fields = found.tune().fields().drive([1]).scale(absorbed_power_W=1.0)
        sar.append(em.point_sar(fields, BODY).value)
    assert np.linalg.norm(sar[0] - sar[1]) < 0.03 * np.linalg.norm(sar[1])
