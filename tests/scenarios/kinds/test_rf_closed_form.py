"""A run beside its closed form on its page.

Oracle: the Mie series itself: a result made of it has no error, a run on voxels a small one; a rotated wave has rotated
fields.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emdose import scenarios
from emdose.models.bodies import cylinder, layered_head, layered_sphere, sphere
from emdose.scenarios.kinds.rf.page import closed_form
from emdose.scenarios.results import read_result, render
from emdose.scenarios.shared import toml
from emdose.validation.closed_forms.waves.mie import Sphere

BALL = {
    "scenario": {"kind": "rf", "name": "ball"},
    "phantom": {
        "type": "layered-sphere",
        "radii_m": [0.03, 0.05],
        "layers": ["muscle", "fat"],
        "spacing_m": 5e-3,
        "translate_m": [0.01, 0.0, -0.02],
    },
    "coil": {
        "type": "plane-wave",
        "direction": [1.0, 0.0, 0.0],
        "polarisation": [0.0, 1.0, 1.0],
        "polarisation_phase_deg": [0.0, 0.0, 60.0],
        "amplitude_V_m": 2.0,
    },
    "exposure": {"frequency_Hz": 128e6},
    "normalise": {"absorbed_power_W": 0.5},
    "dosimetry": {"masses_kg": [1e-3]},
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("ball")
    (folder / "ball.toml").write_text(toml.dump(copy.deepcopy(BALL)), encoding="utf-8")
    return read_result(scenarios.run(folder / "ball.toml", folder / "result", device="cpu").folder)


def percent(text: str) -> float:
    return float(text.removesuffix(" %").replace("\u2212", "-"))


def test_a_run_is_near_its_series_and_says_how_near(result: Any) -> None:
    told = closed_form.beside(result)
    assert told is not None
    names = [r["name"] for r in told["rows"]]
    assert names == ["Absorbed power", "Scattered power", "B1+ over the body (rms)", "|E| over the body (rms)"]
    errors = {r["name"]: percent(r["error"]) for r in told["rows"]}
    # Ten voxels across the radius of two layers: 24, 0.95 and 27 %, which halve with the voxel (12, 0.5 and 19 %).
    assert 5 < errors["Absorbed power"] < 30
    assert 0.2 < errors["B1+ over the body (rms)"] < 1.2
    assert 5 < errors["|E| over the body (rms)"] < 35
    assert told["rows"][0]["stated"] == "as prescribed"
    assert "2 concentric spheres (radius 30, 50 mm)" in told["words"]
    assert len(told["charts"]) == 2
    page = render(result)
    assert 'id="closed-form"' in page
    assert "Absorbed power beside the Mie series" in page


def test_what_is_the_series_has_no_error(result: Any) -> None:
    """Oracle: B1+ replaced by that of the series at the same places."""
    wave, found = closed_form.wave_of(result), closed_form.spheres(result.phantom)
    assert wave is not None
    assert found is not None
    centre, radii, tissues = found
    assert centre == pytest.approx([0.01, 0.0, -0.02], abs=1e-9)
    assert radii == pytest.approx([0.03, 0.05], rel=0.02)
    exact = Sphere([0.03, 0.05], [t.complex_permittivity(128e6) for t in tissues], 128e6)
    points = np.stack(np.broadcast_arrays(*result.phantom.grid.centre_points()), -1).reshape(-1, 3) - centre
    _, B = wave.fields(exact, points)
    b1plus = (0.5 * (B[:, 0] + 1j * B[:, 1])).reshape(result.phantom.grid.shape)
    told = closed_form.beside(replace(result, b1plus=b1plus, fields=None))
    assert told is not None
    assert percent(told["rows"][2]["error"]) < 1e-4
    assert [r["name"] for r in told["rows"]][2:] == ["B1+ over the body (rms)"]


def test_a_rotated_wave_has_rotated_fields() -> None:
    """Oracle: turning wave and points together turns the fields; a circular wave is the sum of its parts."""
    ball = Sphere([0.05], [50 - 80j], 128e6)
    points = np.random.default_rng(1).normal(scale=0.02, size=(20, 3))
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    polarisation = np.array([0.6, 0.8j, 0.0])
    E, B = closed_form.Wave(np.array([0.0, 0, 1]), polarisation, 3.0).fields(ball, points)
    turned = closed_form.Wave(turn[:, 2], turn @ polarisation, 3.0).fields(ball, points @ turn.T)
    np.testing.assert_allclose(turned[0], E @ turn.T, rtol=1e-9, atol=1e-9 * np.abs(E).max())
    np.testing.assert_allclose(turned[1], B @ turn.T, rtol=1e-9, atol=1e-9 * np.abs(B).max())
    straight, _ = ball.fields(points)
    found, _ = closed_form.Wave(np.array([0.0, 0, 1]), np.array([1.0, 0, 0]), 1.0).fields(ball, points)
    np.testing.assert_allclose(found, straight, rtol=1e-9, atol=1e-12)


def test_only_spheres_in_waves_have_one(result: Any) -> None:
    """Oracle: the kinds of body and source."""
    assert closed_form.spheres(sphere(0.05, 5e-3)) is not None
    assert closed_form.spheres(layered_sphere([0.02, 0.05], ["muscle", "fat"], 5e-3)) is not None
    assert closed_form.spheres(cylinder(0.05, 0.1, 5e-3)) is None
    assert closed_form.spheres(layered_head(spacing_m=10e-3)) is None
    coil = replace(result.coil, parameters={"radius_m": 0.1})
    assert closed_form.beside(replace(result, coil=coil)) is None
