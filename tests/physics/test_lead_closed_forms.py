"""Closed forms of insulated wires and tips against each other, tables made elsewhere, and their limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emdose.validation.closed_forms.leads import insulated_wire as wire
from emdose.validation.closed_forms.leads import tips

DATA = Path(__file__).parents[1] / "data"
GEL = (80.0, 0.47)
KING = np.genfromtxt(DATA / "king_wavenumber.csv", delimiter=",", skip_header=2)


def test_wavenumber_of_gel() -> None:
    """Published for gel: 14.497 - 8.175j and 25.665 - 9.235j 1/m."""
    assert wire.wavenumber(63.87e6, *GEL) == pytest.approx(14.497 - 8.175j, abs=1e-3)
    assert wire.wavenumber(127.74e6, *GEL) == pytest.approx(25.665 - 9.235j, abs=1e-3)


@pytest.mark.parametrize("row", KING, ids=lambda r: "-".join(f"{v:g}" for v in r[:4]))
def test_king(row: np.ndarray) -> None:
    """Every row of a table made elsewhere, to its last digit: half of 1e-4 1/m and of 1e-2 ohm."""
    k, Z = wire.king_line(row[0] * 1e6, row[1] * 1e-3, row[2] * 1e-3, row[3], *GEL)
    assert max(abs(k.real - row[4]), abs(k.imag - row[5])) < 0.501e-4
    assert max(abs(Z.real - row[6]), abs(Z.imag - row[7])) < 0.501e-2


@pytest.mark.parametrize("frequency_Hz", [63.87e6, 297.2e6])
def test_thin_coat_is_no_coat(frequency_Hz: float) -> None:
    """b -> a: the wavenumber of the medium."""
    k, _ = wire.king_line(frequency_Hz, 5e-4, 5e-4 * (1 + 1e-9), 3.0, *GEL)
    assert k == pytest.approx(wire.wavenumber(frequency_Hz, *GEL), rel=1e-6)


@pytest.mark.parametrize("place", [0.0, 0.03, 0.21, 0.4])
def test_transfer_matrix_of_open_line(place: float) -> None:
    """int M(z, z') dz' is the current in a uniform field; Gauss on either side of z."""
    k, Z = wire.king_line(63.87e6, 5e-4, 7.5e-4, 3.0, *GEL)
    x, w = np.polynomial.legendre.leggauss(40)
    total = 0.0
    for low, high in ((0.0, place), (place, 0.4)):
        at = low + (high - low) * (x + 1) / 2
        total = total + (high - low) / 2 * w @ wire.transfer_matrix(place, at, 0.4, k, Z)
    assert total == pytest.approx(wire.open_line(place, 0.4, k, Z), rel=1e-6, abs=1e-12)


def test_transfer_matrix_is_symmetric_and_ends_reflect() -> None:
    """Reciprocity; no current at open ends; at a shorted one twice that of a matched one."""
    k, Z = wire.king_line(127.74e6, 5e-4, 7.5e-4, 3.0, *GEL)
    z = np.linspace(0, 0.3, 7)
    M = wire.transfer_matrix(z[:, None], z[None, :], 0.3, k, Z, (0.4 - 0.2j, -0.7j))
    np.testing.assert_allclose(M, M.T, rtol=1e-12)
    assert np.abs(wire.transfer_matrix(0.0, z, 0.3, k, Z)).max() < 1e-15
    shorted, matched = (wire.transfer_matrix(0.0, 0.1, 0.3, k, Z, (r, 0.0)) for r in (1.0, 0.0))
    assert shorted == pytest.approx(2 * matched, rel=1e-12)


def test_short_line() -> None:
    """The line with abs(kL) << 1: j w C' E L^2 / 8."""
    found = wire.open_line(0.02, 0.04, *wire.king_line(1e6, 5e-4, 7.5e-4, 3.0, 80.0, 4e3))
    assert found == pytest.approx(wire.short_wire(1e6, 5e-4, 7.5e-4, 3.0, 0.04), rel=5e-3)


def test_power_of_tip_is_that_of_its_field() -> None:
    """1/2 sigma abs(E)^2 over shells, by Gauss in 1/r."""
    u, w = np.polynomial.legendre.leggauss(8)
    inner, outer = 1e-3, 5e-3
    v = 1 / outer + (1 / inner - 1 / outer) * (u + 1) / 2
    E = tips.tip_field(1 / v, 3e-3 + 4e-3j, 63.87e6, *GEL)
    density = 0.5 * GEL[1] * np.abs(E) ** 2 * 4 * np.pi / v**4  # r^2 dr = -v^-4 dv
    found = (1 / inner - 1 / outer) / 2 * w @ density
    assert tips.tip_power(3e-3 + 4e-3j, 63.87e6, *GEL, inner, outer) == pytest.approx(found, rel=1e-12)


def test_rise_of_tip_meets_its_equation() -> None:
    """k Laplace T = -Q0 (r0/r)^4; no flux at the tip; all of the power flows outwards; T(r0) = Q0 r0^2 / (2k)."""
    Q0, r0, k = 2e6, 1.5e-3, 0.5
    r, h = np.array([2e-3, 4e-3]), 1e-5
    T = [r_ * tips.tip_rise(r_, Q0, r0, k) for r_ in (r - h, r, r + h)]
    np.testing.assert_allclose(k * (T[0] - 2 * T[1] + T[2]) / h**2 / r, -Q0 * (r0 / r) ** 4, rtol=1e-3)
    near = tips.tip_rise(np.array([r0, r0 + 1e-7]), Q0, r0, k)
    assert near[0] == pytest.approx(Q0 * r0**2 / (2 * k))
    assert abs(near[1] - near[0]) < 1e-3 * near[0] * 1e-7 / r0
    far = tips.tip_rise(1e3, Q0, r0, k)
    assert 4 * np.pi * k * 1e3 * far == pytest.approx(4 * np.pi * Q0 * r0**3, rel=1e-5)
