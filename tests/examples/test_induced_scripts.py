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
