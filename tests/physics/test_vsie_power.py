"""What a cage of copper with shield and body takes and gives, by ``Vsie``. Oracle: conservation of energy."""

from __future__ import annotations

import pytest

import emdose as em
from emdose.validation.cases import coils

SLOW = pytest.mark.slow


@pytest.mark.parametrize("frequency_Hz", [128e6, pytest.param(64e6, marks=SLOW), pytest.param(298e6, marks=SLOW)])
def test_rows_of_the_validation(frequency_Hz):
    # Oracle: energy; radiated power from the far field, absorbed from E in tissue, lost from the currents of the metal.
    assert [r for r in coils.cage_balance("cpu", [frequency_Hz]) if not r.passed] == []


@pytest.mark.slow
@pytest.mark.parametrize("frequency_Hz", coils.CLOSURES)
def test_around_a_head(frequency_Hz):
    # Oracle: energy; no share is so small that it could be missing.
    body = em.phantoms.layered_head(spacing_m=8e-3 if frequency_Hz > 200e6 else 10e-3)
    fields = coils.tuned_cage(body, frequency_Hz, "cpu")
    for name in fields.drives:
        power = fields.drive(name).power.power()
        assert power["closure"] < coils.CLOSURES[frequency_Hz]
        for part in ("absorbed_W", "scattered_W", "lost_W"):
            assert power[part] > 5 * coils.CLOSURES[frequency_Hz] * power["extinction_W"]
