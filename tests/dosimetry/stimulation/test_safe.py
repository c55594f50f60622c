"""The hardware model: three exact filters per axis, beside the public recursion and by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.dosimetry import SafeAxis

X = SafeAxis((0.2e-3, 0.03e-3, 3e-3), (0.4, 0.1, 0.5), 30.0, 24.0, 0.35)
Y = SafeAxis((1.5e-3, 2.5e-3, 0.15e-3), (0.55, 0.15, 0.3), 15.0, 12.0, 0.31)
MODEL = em.SafeModel("made up", X, Y, Y)
W = em.waveforms.epi(20e-3, slew_T_m_s=100.0, echoes=16, repetition_s=0.02)


def test_a_ramp_from_rest_by_hand() -> None:
    """Oracle: every filter of a step is 1 - exp(-t / tau)."""
    t, found = MODEL.response(em.waveforms.trapezoid_train(20e-3, rise_s=0.2e-3, direction=(1, 0, 0), unit="T/m"))
    at = int(np.searchsorted(t, 0.2e-3 - 1e-12))
    shares = [a * (1 - math.exp(-0.2e-3 / tau)) for a, tau in zip(X.parts, X.tau_s, strict=True)]
    assert found[at, 0] == pytest.approx(0.35 * 100 / 30 * sum(shares), rel=1e-12)
    assert not found[:, 1:].any()


def test_public_recursion_is_near_and_comes_nearer() -> None:
    """Oracle: the recursion f += dt / (tau + dt) (x - f) of the public code, first order in its step."""
    exact = np.linalg.norm(MODEL.response(W)[1], axis=1).max()
    errors = [abs(np.linalg.norm(MODEL.response(W, raster_s=s)[1], axis=1).max() / exact - 1) for s in (10e-6, 2.5e-6)]
    assert errors[0] < 0.03
    assert errors[1] < 0.4 * errors[0]


ASC = """# a made-up file
asGPAParameters[0].sGCParameters.flGScaleFactorX = 0.35
flGScaleFactorY = 0.31
flGScaleFactorZ = 0.31
"""


def lines(prefix: str, limit: float) -> str:
    text = ""
    for axis, of in (("X", X), ("Y", Y), ("Z", Y)):
        for n in range(3):
            text += (
                f"{prefix}flGSWDTau{axis}[{n}] = {1e3 * of.tau_s[n]:g}\n{prefix}flGSWDA{axis}[{n}] = {of.parts[n]}\n"
            )
        text += f"{prefix}flGSWDStimulationLimit{axis} = {limit or of.limit_T_m_s}\n"
        text += f"{prefix}flGSWDStimulationThreshold{axis} = {of.threshold_T_m_s}\n"
    return text


def test_file_is_read_in_both_forms(tmp_path: Path) -> None:
    old, new = tmp_path / "old.asc", tmp_path / "new.asc"
    old.write_text(ASC + lines("", 0))
    new.write_text(ASC + lines("GradPatSup.Phys.PNS.", 0) + lines("GradPatSup.Phys.CarNS.", 50.0))
    for path in (old, new):
        got = em.read_stimulation_model(path)
        assert got.x.tau_s == pytest.approx(X.tau_s)
        assert (got.x.parts, got.y.limit_T_m_s, got.z.scale, got.name) == (X.parts, 15.0, 0.31, path.stem)
        assert got.threshold == pytest.approx(0.8)
    assert em.read_stimulation_model(new, "cardiac").x.limit_T_m_s == 50.0
    with pytest.raises(em.InputError, match="no cardiac model"):
        em.read_stimulation_model(old, "cardiac")


def test_bad_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.asc"
    for text, match in (
        ("$INCLUDE MP_OTHER\n" + ASC, "key missing.*includes 'MP_OTHER'"),
        (ASC + lines("", 0) + "flGSWDTauX[0] = 7\n", "two values"),
        (ASC + lines("", 0).replace("flGSWDAX[0] = 0.4", "flGSWDAX[0] = 0.9"), "axis X.*add up to 1"),
        (ASC + lines("", 0).replace("flGSWDAX[0] = 0.4", "flGSWDAX[0] = often"), "not a number"),
    ):
        path.write_text(text)
        with pytest.raises(em.InputError, match=match) as caught:
            em.read_stimulation_model(path)
        assert "bad.asc" in str(caught.value)
    with pytest.raises(em.InputError, match="gradients of three axes"):
        MODEL.response(em.waveforms.trapezoid_train(20e-3, rise_s=0.2e-3))
