"""The headline strip."""

from __future__ import annotations

import pytest

from emdose.scenarios.kinds.rf.page.content import tiles


@pytest.mark.parametrize(
    ("phantom_kg", "patient_kg", "label"),
    [(5.4, 75.0, "SAR of the phantom"), (5.4, None, "SAR of the phantom"), (62.0, 62.0, "Whole-body SAR")],
)
def test_only_a_whole_body_has_a_whole_body_sar(phantom_kg, patient_kg, label):
    # Oracle: the definition, absorbed power over the mass of the patient.
    summary = {
        "quantities": {"whole_body_sar": {"value": 0.5, "unit": "W/kg", "uncertainty": None}},
        "check_inputs": {"inputs": {"phantom_mass_kg": phantom_kg, "patient_mass_kg": patient_kg}},
    }
    assert [t["label"] for t in tiles(summary)] == [label]
