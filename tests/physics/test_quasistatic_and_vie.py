"""The potential on voxels beside the volume integral, which knows waves and charges, at frequencies where both apply.

Oracle: another equation (full Maxwell, static inverse as preconditioner) on the same voxels; what is left at 1 MHz is
the wave, which grows with frequency squared and less.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import emdose as em
from emdose.models.gradients.coils import wire_potential
from emdose.validation.cases.induced.bodies import tissue

LOOP = em.Loop(0.06, centre_m=(0.01, 0.0, 0.09), normal=(0.2, 0, 1))


class Current:
    """The loop's current as a source."""

    name, drive_unit = "loop", "A/s"

    @staticmethod
    def impressed_E(points_m: np.ndarray) -> np.ndarray:
        return -np.asarray(wire_potential(np.asarray(LOOP.segments), np.real(LOOP.currents[0]), points_m))


@pytest.mark.parametrize(("frequency_Hz", "limit"), [(10e3, 5e-4), (1e6, 1.5e-3), (10e6, 1e-2)])
def test_layers_in_the_field_of_a_loop(frequency_Hz: float, limit: float) -> None:
    layers = (tissue("core", 0.33, 100.0), tissue("shell", 0.02, 60.0), tissue("skin", 0.5, 80.0))
    body = em.phantoms.layered_sphere((0.03, 0.04, 0.05), layers, 5e-3, samples=1)
    source: Any = Current()
    slow = em.Quasistatic(displacement=True).solve(body, source, frequency_Hz)
    full = em.Vie(dtype="complex128", tolerance=1e-7).solve(em.Exposure(body, LOOP, frequency_Hz))
    E = full.E_centre()[0].reshape(3, -1)[:, slow.cells]
    wanted = 2j * np.pi * frequency_Hz * slow.E[0]
    assert np.linalg.norm(E - wanted) < limit * np.linalg.norm(wanted)
    assert np.abs(E - wanted).max() < limit * np.abs(wanted).max()
