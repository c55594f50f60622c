"""The thin-wire moment method against a table made apart from it, closed forms, and itself turned and bent."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import pytest

import emdose as em
from emdose.constants import EPS_0
from emdose.solvers.leads.series import round_wire
from emdose.solvers.leads.wire_segments import split_path
from emdose.validation.closed_forms.leads import insulated_wire

GEL = (80.0, 0.47)
F = 63.87e6
TABLE = Path(__file__).parents[2] / "data" / "wire_currents.csv"
ROWS = list(csv.DictReader(line for line in TABLE.read_text("utf-8").splitlines() if not line.startswith("#")))
X = np.array([1.0, 0, 0])


def straight(length: float, a: float, b: float | None = None, direction=X, **options) -> em.Lead:
    unit = np.asarray(direction, float) / np.linalg.norm(direction)
    return em.Lead(np.stack([np.zeros(3), length * unit]), a, b, **options)


def of_row(row) -> tuple[em.LeadInMedium, np.ndarray, complex]:
    bare = row["kind"] == "bare"
    a, b = float(row["wire_radius_mm"]) * 1e-3, float(row["outer_radius_mm"]) * 1e-3
    L = float(row["length_cm"]) * 1e-2
    lead = straight(L, a, None if bare else b, coat_permittivity=float(row["coat_eps_r"]))
    known = 1e-3 * complex(float(row["I_mid_re_mA"]), float(row["I_mid_im_mA"]))
    solved = em.lead_in_medium(lead, float(row["frequency_MHz"]) * 1e6, *GEL)
    return solved, solved.in_field(X), known


@pytest.mark.parametrize("kind", ["bare", "coated"])
def test_table_of_80_wires(kind: str) -> None:
    """Mid current and largest current of 80 wires: 1 % of bare, 0.5 % of coated ones; the table itself has 4 digits."""
    rows = [r for r in ROWS if r["kind"] == kind]
    assert len(rows) in (32, 48)
    for row in rows:
        _, found, known = of_row(row)
        L = float(row["length_cm"]) * 1e-2
        limit = 0.01 if kind == "bare" else 0.005
        assert abs(found.at(L / 2)[0] - known) < limit * abs(known) + 0.6e-7, row
        assert np.abs(found.current_A).max() == pytest.approx(float(row["I_max_mA"]) * 1e-3, rel=limit, abs=1e-7)


def test_impedance_is_symmetric() -> None:
    bent = np.array([[0, 0, 0], [0.1, 0, 0], [0.15, 0.05, 0.02], [0.15, 0.2, 0]])
    lead = em.Lead(bent, 4e-4, 7e-4, bare_tip_m=0.01, conductivity_S_m=1e6)
    Z = em.lead_in_medium(lead, F, *GEL, tip_ball_m=2e-3, end_ball_m=0.02).impedance_ohm
    assert np.abs(Z - Z.T).max() <= 1e-12 * np.abs(Z).max()


def test_turned_lead() -> None:
    """A wire along any direction carries what one along an axis does, in the field along it."""
    u = np.array([1.0, -2.0, 0.7]) / np.linalg.norm([1.0, -2.0, 0.7])
    found = [
        em.lead_in_medium(straight(0.3, 5e-4, 7.5e-4, d), F, *GEL).in_field(d).current_A
        for d in (np.array([0, 0, 1.0]), u)
    ]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(("a", "b", "limit"), [(5e-4, 7.5e-4, 3e-4), (2.5e-4, 7.5e-4, 3e-4)])
def test_convergence_of_coated_wires(a: float, b: float, limit: float) -> None:
    lead = straight(0.4, a, b)
    fine, coarse = (em.lead_in_medium(lead, F, *GEL, segment_m=0.4 / n).in_field(X).at(0.2)[0] for n in (240, 120))
    assert abs(coarse - fine) < limit * abs(fine)


def test_bare_wire_of_the_tube_kernel_converges() -> None:
    """Richardson's view of three halvings: differences shrink by more than 1.6 a time; the axis does not."""
    rod = straight(0.05, 1.5875e-3)
    found = [
        em.lead_in_medium(rod, F, *GEL, segment_m=0.05 / n, kernel="tube").in_field(X).at(0.025)[0]
        for n in (20, 40, 80)
    ]
    first, second = abs(found[1] - found[0]), abs(found[2] - found[1])
    assert first > 1.6 * second
    assert second < 0.006 * abs(found[2])


@pytest.mark.parametrize("kernel", ["axis", "tube"])
def test_stripped_ends_are_metal_of_the_conductor(kernel: str) -> None:
    """Insulation of the medium's own permittivity, where nothing conducts, is no insulation: stripped or not, that is
    the bare wire. A contact of the outer radius takes 30 % more. Stripped all along it is that to rounding."""
    wire, medium = straight(0.2, 5e-4), (127.74e6, 80.0, 1e-4)
    ends = {"coat_permittivity": 80.0, "bare_tip_m": 0.02, "bare_end_m": 0.01}
    bare, stripped, contact, whole = (
        em.lead_in_medium(lead, *medium, segment_m=2e-3, kernel=kernel).in_field(X)
        for lead in (
            wire,
            straight(0.2, 5e-4, 1.5e-3, **ends),
            straight(0.2, 5e-4, 1.5e-3, **ends, bare_radius_m=1.5e-3),
            straight(0.2, 5e-4, 1.5e-3, bare_tip_m=0.2),
        )
    )
    for s in (0.02, 0.1):
        assert abs(stripped.at(s)[0] - bare.at(s)[0]) < 0.015 * abs(bare.at(s)[0])
    assert abs(contact.at(0.02)[0] / bare.at(0.02)[0]) > 1.25
    np.testing.assert_allclose(whole.current_A, bare.current_A, rtol=1e-12)


def test_bent_path_is_a_smooth_arc() -> None:
    """An arc of 4 and of 40 legs; a right angle in a uniform field along its bisector."""
    along = 0.12 / 0.08

    def arc(n: int) -> np.ndarray:
        t = np.linspace(0, along, n + 1)
        return 0.08 * np.stack([np.cos(t), np.sin(t), 0 * t], axis=1)

    few, many = (em.lead_in_medium(em.Lead(arc(n), 5e-4, 7.5e-4), F, *GEL).in_field([0, 1, 0]) for n in (12, 96))
    middle = [c.at(c.distance_m[-1] / 2)[0] for c in (few, many)]
    assert abs(middle[0] - middle[1]) < 0.01 * abs(middle[1])
    corner = em.Lead(np.array([[0.1, 0, 0], [0, 0, 0], [0, 0.1, 0]]), 5e-4, 7.5e-4)
    one, other = (em.lead_in_medium(corner, F, *GEL).in_field(E).current_A[0] for E in ([-1, 1, 0], [1, -1, 0]))
    np.testing.assert_allclose(one, one[::-1], rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(one, -other, rtol=1e-12)


def test_short_wire_tends_to_its_coat() -> None:
    """j w C' E L^2 / 8 where the gel conducts far better than the insulation: proportional to its permittivity."""
    for eps in (2.0, 4.0):
        lead = straight(0.1, 5e-4, 7.5e-4, coat_permittivity=eps)
        found = em.lead_in_medium(lead, 1e6, *GEL).in_field(X).at(0.05)[0]
        assert found == pytest.approx(insulated_wire.short_wire(1e6, 5e-4, 7.5e-4, eps, 0.1), rel=0.005)
    published = em.lead_in_medium(straight(0.1, 5e-4, 7.5e-4), F, *GEL).in_field(X).at(0.05)[0]
    assert published == pytest.approx(2.76e-5 + 19.72e-5j, rel=1e-3)


def test_line_of_king_in_a_uniform_field() -> None:
    """The transmission line differs by 5 % (L2) at 0.2 m, as it is known to."""
    found = em.lead_in_medium(straight(0.2, 5e-4, 7.5e-4), F, *GEL).in_field(X)
    line = insulated_wire.open_line(found.distance_m, 0.2, *insulated_wire.king_line(F, 5e-4, 7.5e-4, 3.0, *GEL))
    assert 0.03 < np.linalg.norm(found.current_A[0] - line) / np.linalg.norm(line) < 0.06


def test_share_of_the_metal() -> None:
    """1/8 in rod, 10 cm: 0.2 to 0.7 %; wire of 0.1 mm, 20 cm: 5 to 11 %, its current 5 to 9 % lower."""
    for f in (F, 127.74e6):
        for sigma in (5.8e5, 1.16e6, 1.35e6):  # Ti6Al4V, CoCrMo, 316L
            rod = em.lead_in_medium(straight(0.1, 1.5875e-3, conductivity_S_m=sigma), f, *GEL).in_field(X)
            assert 0.002 < (rod.metal_W / rod.power_W)[0] < 0.007
            if sigma > 1e6:
                thin, perfect = (
                    em.lead_in_medium(straight(0.2, 1e-4, conductivity_S_m=s), f, *GEL).in_field(X)
                    for s in (sigma, None)
                )
                assert 0.05 < (thin.metal_W / thin.power_W)[0] < 0.11
                assert 0.05 < 1 - np.abs(thin.at(0.1) / perfect.at(0.1))[0] < 0.09


def test_round_wire_at_both_ends_of_frequency() -> None:
    """Direct current: 1 / (pi a^2 sigma); thin skin: (1 + j) Rs / (2 pi a)."""
    assert round_wire(10.0, 1e-4, 1e6) == pytest.approx(1 / (np.pi * 1e-8 * 1e6), rel=1e-4)
    skin = np.sqrt(2 / (2 * np.pi * 1e12 * 4e-7 * np.pi * 1e6))
    assert round_wire(1e12, 1e-3, 1e6) == pytest.approx((1 + 1j) / (1e6 * skin) / (2e-3 * np.pi), rel=2e-3)


def test_balls_at_both_ends_at_low_frequency() -> None:
    """A well insulated wire between two balls: E L / (2 Z), Z = (1 / r - 1 / distance) / (4 pi sigma) of each."""
    r, L = 4e-3, 0.2
    lead = straight(L, 4e-4, 4e-3, coat_permittivity=1.0)
    found = em.lead_in_medium(lead, 1e4, *GEL, tip_ball_m=r, end_ball_m=r).in_field(X)
    sigma = GEL[1] + 2j * np.pi * 1e4 * 80 * EPS_0
    known = L / (2 * (1 / r - 1 / (L + 2 * r)) / (4 * np.pi * sigma))
    assert found.at(0.1)[0] == pytest.approx(known, rel=0.03)


def test_load_and_helix() -> None:
    """An open circuit in the middle halves the lead; the inductance of a helix shortens its wave."""
    lead = straight(0.2, 5e-4, 7.5e-4)
    open_, half = (
        em.lead_in_medium(lead, F, *GEL, loads_ohm={0.1: 1e12}).in_field(X).at(0.05)[0],
        em.lead_in_medium(straight(0.1, 5e-4, 7.5e-4), F, *GEL).in_field(X).at(0.05)[0],
    )
    assert abs(open_ - half) < 0.03 * abs(half)
    k, Z = insulated_wire.king_line(F, 5e-4, 7.5e-4, 3.0, *GEL)
    for inductance in (0.0, 9e-7):
        # j k Z in series and j k / Z across are the line's; the helix joins the former.
        wave = np.sqrt((k * Z + 2 * np.pi * F * inductance) * k / Z)
        lengths = np.arange(0.2, 0.5, 0.02)
        currents = [
            np.abs(
                em.lead_in_medium(straight(L, 5e-4, 7.5e-4, inductance_H_m=inductance), F, *GEL, segment_m=0.01)
                .in_field(X)
                .at(L / 2)[0]
            )
            for L in lengths
        ]
        at = int(np.argmax(currents))
        best = np.polyfit(lengths[at - 1 : at + 2], currents[at - 1 : at + 2], 2)
        assert -best[1] / (2 * best[0]) == pytest.approx(np.pi / wave.real, rel=0.03)


def test_pieces_and_fields_along_the_path_add_up() -> None:
    solved = em.lead_in_medium(straight(0.2, 5e-4, 7.5e-4), F, *GEL)
    edges = np.linspace(0, 0.2, 14)
    parts = solved.pieces(edges[:-1], edges[1:]).current_A.sum(0)
    whole = solved.in_field(X).current_A[0]
    np.testing.assert_allclose(parts, whole, rtol=1e-10, atol=1e-16)
    np.testing.assert_allclose(solved.along(np.array([0, 0.2]), np.ones(2)).current_A[0], whole, rtol=1e-10, atol=1e-16)
    np.testing.assert_allclose(
        solved.in_field(lambda r: np.ones((len(r), 3))).current_A[0], whole, rtol=1e-10, atol=1e-16
    )


def test_segments_keep_corners_and_ends_of_the_insulation() -> None:
    path = np.array([[0, 0, 0], [0.1, 0, 0], [0.1, 0.05, 0]])
    found = split_path(path, 0.03, (0.01, 0.14))
    for s in (0.0, 0.01, 0.1, 0.14, 0.15):
        assert np.abs(found.distance_m - s).min() < 1e-12
    assert found.length_m.max() <= 0.03 + 1e-12


def test_200_segments_take_less_than_a_second() -> None:
    lead = straight(0.6, 5e-4, 7.5e-4)
    best = np.inf
    for _ in range(3):
        begun = time.perf_counter()
        assert len(em.lead_in_medium(lead, F, *GEL, segment_m=3e-3).in_field(X).distance_m) == 201
        best = min(best, time.perf_counter() - begun)
    assert best < 5.0  # a busy machine; the benchmark states the time


def test_bad_input() -> None:
    lead = straight(0.2, 5e-4, 7.5e-4)
    with pytest.raises(em.InputError, match="without insulation"):
        straight(0.2, 5e-4, bare_radius_m=1e-3)
    with pytest.raises(em.InputError, match="load off the lead"):
        em.lead_in_medium(lead, F, *GEL, loads_ohm={0.3: 50})
    with pytest.raises(em.InputError, match="unknown kernel"):
        em.lead_in_medium(lead, F, *GEL, kernel="exact")
    with pytest.raises(em.InputError, match="segments do not fit"):
        em.lead_in_medium(lead, F, *GEL, segment_m=1e-6)
    with pytest.raises(em.InputError, match="field does not fit"):
        em.lead_in_medium(lead, F, *GEL).along(np.array([0, 0.1, 0.2]), np.ones(2))
