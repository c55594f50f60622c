"""The script of the gallery that audits a file: its findings, and that its SAR is that of the solution."""

from __future__ import annotations

from typing import Any

import numpy as np

import emdose as em


def test_audited_fields(run: Any) -> None:
    got = run("49_audited_fields.py")
    audit, fields, ball = got["audit"], got["fields"], got["ball"]
    assert set(audit.contradicted) == {"length", "time", "amplitude"}
    assert audit.open == ()
    drive = np.array([1, 1j, -1])
    expected = em.point_sar(fields.drive(drive), ball).value
    np.testing.assert_allclose(audit.sar(drive).value, expected, rtol=1e-5, atol=1e-6 * expected.max())
