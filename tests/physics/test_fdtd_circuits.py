"""Circuit coils by FDTD: networks of gaps, elements in the grid, antennas and birdcages against theory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emdose.errors import InputError
from emdose.models import bodies
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.circuit_birdcage import CircuitBirdcage
from emdose.models.coils.circuit_loops import CapacitorLoop, CapacitorLoopArray
from emdose.models.coils.conductors import FeedPort, LumpedElement, Wire
from emdose.models.coils.dipole import Dipole
from emdose.models.exposure import Exposure
from emdose.solvers.fdtd.solver import Fdtd
from emdose.validation.cases.volume_integral import gel
from emdose.validation.closed_forms.coils.dipole import impedance_hallen
from emdose.validation.closed_forms.coils.ladder import ladder_modes

H = 0.01
QUICK = {"margin_m": 0.03, "cpml_cells": 8}
AIR = gel(1.001, 0.0, "nearly air")
"""A tissue that is none: phantoms must hold some."""


def loop(**options):
    """A square loop with four capacitors over a sphere."""
    body = bodies.sphere(0.04, H, gel())
    coil = CapacitorLoop(
        size_m=(0.08, 0.08), capacitors=4, capacitance_F=30e-12, resistance_ohm=0.5, centre_m=(0, 0, 0.06), gap_m=H
    )
    if options:
        coil = coil.with_values({e.name: options for e in coil.elements})
    return body, coil


@pytest.fixture(scope="module")
def cosimulation():
    body, coil = loop()
    return Fdtd(tolerance=1e-4, **QUICK).cosimulate(Exposure(body, coil, 128e6), device="cpu")


def test_the_network_of_the_gaps(cosimulation):
    # Oracle: reciprocity (the matrix before it was symmetrised) and passivity.
    assert cosimulation.asymmetry < 1e-5
    assert cosimulation.residual <= 1e-4
    assert 0.9 < cosimulation.network.gain() <= 1 + 1e-5
    assert len(cosimulation.network.frequencies_Hz) == 41
    assert cosimulation.network.names == ("feed", "C2", "C3", "C4")


def test_tuning_and_power(cosimulation):
    # Oracle: the natural frequency of the tuned coil; conservation of energy between circuit, body and radiation.
    tuned = cosimulation.tune()
    values = [e.capacitance_F for e in tuned.coil.elements]
    assert np.ptp(values) < 1e-18
    assert min(abs(m.frequency_Hz / 128e6 - 1) for m in tuned.modes()) < 2e-3
    fields = tuned.fields()
    power = fields.power.power()
    assert fields.drive_unit == "V"
    assert power["closure"] < 1e-3
    assert power["lost_W"] > 0
    s = complex(fields.provenance["cosimulation"]["S"][0, 0])
    assert power["extinction_W"] == pytest.approx((1 - abs(s) ** 2) / (8 * 50), rel=1e-6)
    # No new run: detuning the coil changes the drive that reaches it, at once.
    detuned = cosimulation.with_values({e.name: 300e-12 for e in cosimulation.coil.elements}).fields()
    assert detuned.power.absorbed_W[0, 0].real < 0.05 * power["absorbed_W"]
    with pytest.raises(InputError, match="no such element"):
        cosimulation.tune(["C9"])


def test_matching_delivers_all_the_power(cosimulation):
    # Oracle: a matched feed takes what its source can give, V^2 / (8 R); energy closes with the ladder's part.
    from emdose.circuits.matching import match

    tuned = cosimulation.tune()
    matched = tuned.with_circuit(match(tuned.network, tuned.circuit, 128e6, kind="L").circuit)
    assert abs(matched.s_parameters().at(128e6).s[0, 0, 0]) < 1e-3
    power = matched.fields().power.power()
    assert power["extinction_W"] == pytest.approx(1 / 400, rel=1e-5)
    assert power["closure"] < 2e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"resistance_ohm": 5.0, "inductance_H": 20e-9, "capacitance_F": 25e-12},
        {"resistance_ohm": 2e3, "inductance_H": 200e-9, "capacitance_F": 20e-12, "topology": "parallel"},
    ],
)
def test_elements_in_the_grid_act_as_in_the_circuit(values):
    # Oracle: circuit theory around the network of the bare metal, near a resonance.
    body, coil = loop(**values)
    separate = CircuitCoil("loop", coil.conductors, coil.elements[1:], coil.feeds)
    exposure = Exposure(body, separate, 128e6)
    a, b = (Fdtd(circuit=c, tolerance=1e-4, **QUICK).solve(exposure, device="cpu") for c in ("grid", "network"))
    for x, y in ((a.E, b.E), (a.B, b.B)):
        assert np.linalg.norm(x - y) < 1e-3 * np.linalg.norm(y)
    for name in ("absorbed_W", "extinction_W", "lost_W"):
        assert a.power.power()[name] == pytest.approx(b.power.power()[name], rel=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize("radius", [0.05 * H, 0.5 * H])
def test_elements_across_several_edges_of_a_thin_wire(radius):
    # Oracle: circuit theory around the network of the bare wire; both ask for less than 0.9 of Courant's step.
    ring = Wire(
        [
            (0, 0.04, 0.06),
            (0.04, 0.04, 0.06),
            (0.04, -0.04, 0.06),
            (-0.04, -0.04, 0.06),
            (-0.04, 0.04, 0.06),
            (0, 0.04, 0.06),
        ],
        radius,
    )
    elements = [
        LumpedElement("s", (-H, -0.04, 0.06), (H, -0.04, 0.06), 5.0, 10e-9, 20e-12),
        LumpedElement("p", (-0.04, -H, 0.06), (-0.04, H, 0.06), 500.0, 200e-9, 5e-12, "parallel"),
    ]
    coil = CircuitCoil("loop", [ring], elements, [FeedPort("feed", (0.04, -H / 2, 0.06), (0.04, H / 2, 0.06))])
    exposure = Exposure(bodies.sphere(0.04, H, gel()), coil, 128e6)
    a, b = (Fdtd(circuit=c, tolerance=1e-4, **QUICK).solve(exposure, device="cpu") for c in ("grid", "network"))
    assert np.linalg.norm(a.E - b.E) < 1e-3 * np.linalg.norm(b.E)
    for name in ("absorbed_W", "extinction_W", "lost_W"):
        assert a.power.power()[name] == pytest.approx(b.power.power()[name], rel=5e-3)


def test_a_feed_beside_an_element_is_for_the_network(cosimulation):
    exposure = cosimulation.gap_fields.problem.exposure
    with pytest.raises(InputError, match=r'in parallel with an element .*circuit="network"'):
        Fdtd(circuit="grid", **QUICK).solve(exposure, device="cpu")


@pytest.mark.slow
def test_reciprocity_of_unlike_loops():
    # Oracle: S12 = S21, with a body off the middle and feeds alone; the array has no symmetry then.
    body = bodies.sphere(0.04, H, gel()).translate((0.015, 0.008, 0.02))
    coil = CapacitorLoopArray(2, radius_m=0.08, length_m=0.08, capacitors=1)
    found = Fdtd(tolerance=1e-5, **QUICK).cosimulate(Exposure(body, coil, 298e6), device="cpu")
    s = np.stack([[r.voltages[0, i] - 50 * r.currents[0, i] for r in found.parts[1]] for i in range(2)])
    assert abs(s[0, 1] - s[1, 0]) < 1e-4 * abs(s[0, 1])
    assert abs(found.network.s[0, 0, 0] - found.network.s[0, 1, 1]) > 1e-3
    assert found.asymmetry < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("radius", [1e-3, 2.5e-3, None])
def test_dipole_impedance(radius):
    # Oracle: Hallen's integral equation for a wire of that radius, around half a wavelength. A line of edges acts
    # like a wire of 0.2 cells, and a wire ends half a cell beyond its last edges.
    length, frequencies = 0.51, [270e6, 290e6, 310e6]
    coil = Dipole(length, wire_radius_m=radius, gap_m=H, centre_m=(0, 0, 0.005))
    exposure = Exposure(bodies.sphere(0.03, H, AIR).translate((0.1, 0, 0)), coil, 290e6)
    found = Fdtd(tolerance=1e-4).cosimulate(exposure, frequencies, device="cpu")
    for f, z in zip(found.network.frequencies_Hz, found.network.z[:, 0, 0], strict=True):
        expected = impedance_hallen(length + H, radius or 0.1985 * H, f, 24)
        assert abs(z - expected) < 0.05 * abs(expected) + 3


def birdcage():
    """An unloaded high-pass birdcage of wires."""
    coil = CircuitBirdcage(8, radius_m=0.09, length_m=0.12, capacitance_F=30e-12, wire_radius_m=2e-3, gap_m=H, feeds=1)
    return Exposure(bodies.sphere(0.03, H, AIR), coil, 128e6)


@pytest.mark.slow
def test_birdcage_spectrum():
    # Oracle: the ladder formula with the mesh inductances extracted from the runs at one frequency.
    exposure = birdcage()
    found = Fdtd(tolerance=1e-3, **QUICK).cosimulate(exposure, np.linspace(60e6, 140e6, 17), device="cpu")
    rungs, at = 8, found.network.at(60e6)
    top, bottom = (
        [at.index(n) for n in names]
        for names in (["feed 1", *(f"top {n}" for n in range(2, 9))], [f"bottom {n}" for n in range(1, 9)])
    )
    # Mesh currents run along the top arc and back along the bottom one; the square grid has two kinds of meshes.
    z = at.z[0]
    mesh = z[np.ix_(top, top)] - z[np.ix_(top, bottom)] - z[np.ix_(bottom, top)] + z[np.ix_(bottom, bottom)]
    L = mesh.imag / (2 * math.pi * 60e6)
    row = np.array([np.mean([L[i, (i + k) % rungs] for i in range(rungs)]) for k in range(rungs)])
    expected = ladder_modes(rungs, 0.0, row / 2, ring_capacitance_F=30e-12)
    modes = np.array([m.frequency_Hz for m in found.modes(low_Hz=50e6, high_Hz=400e6)])
    for m in range(1, rungs // 2 + 1):
        assert np.abs(modes / expected[m] - 1).min() < 0.02
    # The useful mode is twofold.
    assert np.sum(np.abs(modes / expected[1] - 1) < 0.02) >= 2
