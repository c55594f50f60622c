"""Network of a loop's gap from FDTD runs, beside quasi-static wires."""

from __future__ import annotations

import math

import numpy as np
import pytest

import emdose as em
from emdose.circuits.unloaded import coil_modes


@pytest.mark.slow
def test_inductance_of_a_loop():
    """Oracle: partial inductances of a wire of 0.1985 cells radius, which a line of edges acts like.

    With a capacitor so large that its frequency is low, the limit that the fit takes. The signs of V and I show in Z.
    """
    step = 10e-3
    loop = {"size_m": (0.2, 0.2), "capacitors": 1, "gap_m": step, "capacitance_F": 10e-12}
    mode = coil_modes(em.CapacitorLoop(**{**loop, "capacitance_F": 10e-9}, wire_radius_m=0.1985 * step))[0]
    quasi = 1 / ((2 * math.pi * mode.frequency_Hz) ** 2 * 10e-9)
    exposure = em.Exposure(em.phantoms.sphere(0.03, step, "fat"), coil=em.CapacitorLoop(**loop), frequency_Hz=30e6)
    found = em.Fdtd(tolerance=1e-3).cosimulate(exposure, frequencies_Hz=[15e6, 20e6, 30e6, 45e6, 60e6])
    w = 2 * math.pi * found.network.frequencies_Hz
    z = found.network.z[:, 0, 0]
    stray, inverse = np.polyfit(w**2, w / z.imag, 1)
    assert 1 / inverse == pytest.approx(quasi, rel=0.03)
    assert 0.3e-12 < -stray < 2e-12
    # The loop's own radiation and the body: small, and never negative beyond the accuracy of the runs.
    assert np.all(z.real > -1e-4 * np.abs(z))
