"""The scripts of the gallery on moving in a static field and on nerves, checked against an oracle each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.mark.filterwarnings("ignore:Gabriel's conductivities:emdose.errors.EmdoseWarning")
def test_walking_past_a_magnet(run: Any) -> None:
    """Oracles: dB/dt of the walk from the field along its line, less of everything further out, nothing left out."""
    got = run("41_walking_past_a_magnet.py")
    near, far = (got["answers"].along(walk) for walk in got["walks"].values())
    assert near.left_out <= 2e-3
    for name in ("largest_B_T", "largest_dBdt_T_s"):
        assert getattr(near, name).max() > getattr(far, name).max() > 0.5 * getattr(near, name).max()
    assert near.peak_E > far.peak_E > 0.05
    middle = np.array([[0.0, 0.0, 1.35]])
    assert near.largest_B_T.max() > np.linalg.norm(got["magnet"].field(middle))


def test_nerves_and_an_epi(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracles: the rows of the table themselves, and the response of the train that just passes."""
    got = run("42_nerves_and_an_epi.py")
    rows = [r for r in got["checks"].rows if r.limit.mode == "normal" and r.counted]
    factor = got["checks"].inputs["passes"]["normal"]["as played"]["factor"]
    of_nerves = [r.ratio for r in rows if "as played" in r.region]
    assert factor == pytest.approx(1 / max(of_nerves))
    assert got["response"].peak == pytest.approx(got["response"].combined.max())
    assert "unverified" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Gabriel's conductivities:emdose.errors.EmdoseWarning")
def test_walking_with_a_hip(run: Any) -> None:
    """Oracles: heat of the hip, which cannot be more than the work of its drag at walking speed, and that good
    conductors draw the field in tissue."""
    got = run("51_walking_with_a_hip.py")
    numbers = {key.partition(": ")[2]: entry["value"] for key, entry in got["run"].quantities.items()}
    assert 1.2 < numbers["with over without the implant, within 10 mm"] < 4
    drag, heat = (np.asarray(got["hip"][key]) for key in ("drag_N", "heat_W"))
    assert heat.max() <= 1.3 * drag.max()
    assert heat.max() == pytest.approx(numbers["power of eddy currents in the implant"], rel=1e-6)
    assert got["run"].validity.state == "valid"
