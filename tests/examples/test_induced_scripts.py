"""The scripts of the gallery on induced fields, checked against an oracle each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.mark.filterwarnings("ignore:Gabriel's conductivities are poor")
def test_a_head_in_switched_gradients(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracles: conservation of energy, superposition, and the field of a ball as wide as the head in the rate at its
    place."""
    got = run("39_head_in_a_gradient.py")
    induced = got["induced"]
    assert induced.balance.max() < 1e-6
    assert np.allclose(got["size"], np.linalg.norm(200 * induced.E.sum(axis=0), axis=0), rtol=1e-5)
    # 200 T/m/s times 0.2 m, half of it times 8 to 12 cm: 1.6 to 2.4 V/m and more at the neck and where tissue is thin.
    for E in 200 * induced.E:
        assert 1.6 < np.percentile(np.linalg.norm(E, axis=0), 99) < 5
    assert "99th percentile" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:Gabriel's conductivities are poor")
def test_a_body_in_echo_planar_imaging(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracles: sums of the fields of all axes at the corners of the slew rates; normal mode is 80 % of the next one."""
    got = run("50_body_in_an_epi.py")
    found, quantities = got["run"], got["run"].summary["quantities"]
    assert list(found.peaks) == ["x", "y", "z"]
    fields = np.stack(list(found.fields.values()))
    for name, E in found.peaks.items():
        exposure = found.summary["body_gradient"]["exposures"][name]
        sums = np.linalg.norm(np.tensordot(exposure["rates"], fields[:, :, np.isfinite(E)], 1), axis=1)
        np.testing.assert_allclose(sums.max(axis=0), E[np.isfinite(E)], rtol=1e-5)
        told = exposure["tissues"][0]
        assert (told["max"], told["p99"]) == pytest.approx(
            (sums.max(), np.percentile(sums, 99, axis=1).max()), rel=1e-5
        )
        passes = [quantities[f"{name}: factor that just passes, {mode}"]["value"] for mode in ("normal", "first level")]
        assert passes[0] == pytest.approx(0.8 * passes[1], rel=1e-3)  # 80 and 100 % of the threshold of nerves
    assert "just passes" in capsys.readouterr().out
