"""The EPT scripts of the gallery, against the cylinders that they are about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest


def test_nifti_in_nifti_out(run: Any, tmp_path: Path) -> None:
    """Oracles: the properties of the cylinder; the affine of what was read."""
    got = run("06_ept_nifti.py")
    for label, sigma, permittivity in ((2, 0.34, 52.0), (1, 0.60, 73.0)):
        mean = got["maps"].region_mean(got["b1"].labels == label)
        assert mean.conductivity == pytest.approx(sigma, rel=0.015)
        assert mean.permittivity == pytest.approx(permittivity, rel=0.015)
        assert 0 < mean.u_conductivity < 0.02
    written = nibabel.load(tmp_path / "ept_conductivity.nii.gz")
    np.testing.assert_allclose(written.affine, nibabel.load(tmp_path / "b1.nii").affine)
    assert {f"ept_{n}.nii.gz" for n in ("permittivity", "u_conductivity", "u_permittivity", "covariance", "flags")} <= {
        p.name for p in tmp_path.iterdir()
    }


def test_from_the_scanner_to_a_map(run: Any) -> None:
    """Oracles: the conductivity of the cylinder; the phase of its field, within its uncertainty."""
    got = run("26_scanner_to_map.py")
    mean, b1 = got["mean"], got["b1"]
    assert abs(mean.conductivity - 0.34) < mean.expanded("conductivity") < 0.01
    turn = np.exp(1j * (b1.phase - np.angle(got["transmit"] * got["receive"])))[b1.mask]
    error = np.angle(turn / turn.mean()) / b1.u_phase[b1.mask]
    assert np.sqrt(np.mean(error**2)) == pytest.approx(1, abs=0.15)
    notes = " ".join(b1.notes)
    assert "8192 steps a turn" in notes
    assert "3 echoes" in notes


def test_without_eptlib_the_comparison_says_so(
    run: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracles: one clear line where the program is missing; only fits within a tissue reach every voxel."""
    monkeypatch.setenv("PATH", "/nonexistent")
    got = run("ept_beside_eptlib.py")
    assert "EPTlib is left out: EPTlib not found" in capsys.readouterr().out
    whole, window = got["maps"]["emdose"], got["maps"]["emdose, as EPTlib"]
    assert whole.valid[got["b1"].mask].all()
    assert window.valid[got["b1"].mask].mean() < 0.6
    assert set(got["maps"]) == {"emdose", "emdose, as EPTlib"}


def test_repeatability_budget(run: Any) -> None:
    """Oracles: the GUM's sum of squares; the interval holds the truth; noise explains a part of the scatter."""
    got = run("ept_repeatability.py")
    assert got["u_c"] ** 2 == pytest.approx(sum(u**2 for u in got["budget"].values()))
    mean = got["sigma"].mean()
    assert abs(mean - got["SIGMA"]) < 2 * got["u_c"] * mean
    # Five scans tell a standard deviation to a factor of about two; temperature adds to the noise.
    assert 0.4 < got["sigma"].std(ddof=1) / mean / got["expected"] < 3.5
