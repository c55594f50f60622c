"""The shipped limits: values, corners, marks, and how rows are found."""

from __future__ import annotations

import pytest

from emdose.compliance.limits import limits, table
from emdose.errors import InputError

IEC = "IEC 60601-2-33"
EDITIONS = ("2010+A2:2015", "2022")


def one(**query):
    (row,) = limits(**query)
    return row


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize(
    ("quantity", "mode", "ts", "expected"),
    [
        ("gradient dB/dt, nerve stimulation", "normal", 1.0, 21.76),
        ("gradient dB/dt, nerve stimulation", "first level", 1.0, 27.20),
        ("gradient dB/dt, cardiac stimulation", "normal", 1.0, 70.55),
        ("gradient E, nerve stimulation", "normal", 1.0, 2.39),
        ("gradient E, nerve stimulation", "first level", 1.0, 2.99),
        ("gradient E, cardiac stimulation", "first level", 1.0, 7.06),
        ("gradient dB/dt, nerve stimulation", "normal", 0.2, 44.8),
        ("gradient dB/dt, nerve stimulation", "first level", 0.2, 56.0),
        ("gradient dB/dt, cardiac stimulation", "first level", 0.2, 310.1),
    ],
)
def test_gradient_limits_at_two_durations(edition, quantity, mode, ts, expected):
    # Oracle: values computed once by hand from the published formulae, to the digits given.
    row = one(standard=IEC, edition=edition, quantity=quantity, mode=mode)
    digits = 1 if expected > 40 and ts == 0.2 else 2
    assert round(row.value(ts=ts), digits) == expected
    assert not row.verified


SAR_TABLE = [
    ("whole-body SAR", "normal", "whole body", {"T": 22}, 2.0),
    ("whole-body SAR", "first level", "whole body", {"T": 22}, 4.0),
    ("whole-body SAR", "first level", "whole body", {"T": 25}, 4.0),
    ("whole-body SAR", "first level", "whole body", {"T": 26}, 3.75),
    ("whole-body SAR", "first level", "whole body", {"T": 33}, 2.0),
    ("whole-body SAR", "first level", "whole body", {"T": 40}, 2.0),
    ("partial-body SAR", "normal", "exposed part", {"r": 1.0}, 2.0),
    ("partial-body SAR", "normal", "exposed part", {"r": 0.25}, 8.0),
    ("partial-body SAR", "normal", "exposed part", {"r": 0.0}, 10.0),
    ("partial-body SAR", "first level", "exposed part", {"r": 1.0}, 4.0),
    ("partial-body SAR", "first level", "exposed part", {"r": 0.5}, 7.0),
    ("head SAR", "normal", "head", {}, 3.2),
    ("head SAR", "first level", "head", {}, 3.2),
    ("local SAR", "normal", "head and trunk", {}, 10.0),
    ("local SAR", "normal", "extremities", {}, 20.0),
    ("local SAR", "first level", "head and trunk", {}, 20.0),
    ("local SAR", "first level", "extremities", {}, 40.0),
]


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize(("quantity", "mode", "region", "variables", "expected"), SAR_TABLE)
def test_sar_limits_by_hand(edition, quantity, mode, region, variables, expected):
    # Oracle: the SAR table of IEC 60601-2-33 as printed in public summaries; twice as much over any 10 s.
    rows = limits(IEC, edition, quantity, mode, region)
    assert {row.window_s: row.value(**variables) for row in rows} == {360.0: expected, 10.0: 2 * expected}


def test_marks_say_what_was_read():
    # Oracle: only edition 2010+A2:2015 had its SAR table read in public; the local limits and edition 2022 not.
    sar = [row for row in limits(IEC) if row.unit == "W/kg"]
    assert {row.verified for row in sar if row.edition == "2022"} == {False}
    old = [row for row in sar if row.edition != "2022"]
    assert {row.quantity for row in old if row.verified} == {"whole-body SAR", "partial-body SAR", "head SAR"}
    assert {row.quantity for row in old if not row.verified} == {"local SAR"}
    assert all(row.source for row in table())


ALL = {"f": 50.0, "r": 0.3, "T": 22.0, "ts": 0.5}


def test_every_row_is_usable_and_unique():
    # Oracle: each formula has a positive value at the ends of its frequency range, and no row occurs twice.
    for row in table():
        for f in {50.0 if end is None else end for end in (row.f_min_Hz, row.f_max_Hz)}:
            assert row.value(**(ALL | {"f": f})) > 0
    keys = [(r.standard, r.edition, r.quantity, r.mode, r.region, r.coil_type, r.window_s, r.f_min_Hz) for r in table()]
    assert len(set(keys)) == len(keys) >= 100


PIECEWISE = [
    # group, corners that join to rounding of the printed numbers, and the two that do not (1.25 %)
    ({"standard": "ICNIRP 2010", "quantity": "E", "mode": "occupational", "region": "CNS head"}, (10, 25, 400)),
    ({"standard": "ICNIRP 2010", "quantity": "E", "mode": "public", "region": "CNS head"}, (10, 25)),
    ({"standard": "ICNIRP 2010", "quantity": "B reference", "mode": "occupational"}, (8, 25, 300, 3000)),
    ({"standard": "ICNIRP 2010", "quantity": "B reference", "mode": "public"}, (8, 25, 400)),
    ({"standard": "Directive 2013/35/EU", "quantity": "E sensory ELV"}, (10, 25)),
]


@pytest.mark.parametrize(("query", "corners"), PIECEWISE)
def test_piecewise_limits_join_at_their_corners(query, corners):
    # Oracle: continuity, exact in the printed numbers at these corners.
    for corner in corners:
        low, high = limits(**query, frequency_Hz=corner)
        assert low.value(f=corner) == pytest.approx(high.value(f=corner), rel=1e-12)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"standard": "ICNIRP 2010", "quantity": "E", "mode": "occupational", "region": "all tissues"}, (0.8, 0.81)),
        ({"standard": "ICNIRP 2010", "quantity": "E", "mode": "public", "region": "all tissues"}, (0.4, 0.405)),
        ({"standard": "ICNIRP 2010", "quantity": "B reference", "mode": "public"}, (8e-2 / 3000, 2.7e-5)),
        ({"standard": "Directive 2013/35/EU", "quantity": "E health ELV"}, (1.1, 1.14)),
    ],
)
def test_known_steps_at_3_khz_are_kept(query, expected):
    # Oracle: the printed numbers do not join at 3 kHz; they are shipped as printed.
    values = sorted(row.value(f=3000.0) for row in limits(**query, frequency_Hz=3000.0))
    assert values == pytest.approx(sorted(expected))


def test_frequency_outside_a_row_is_refused():
    # Oracle: one-line error with the range.
    row = limits("ICNIRP 2010", quantity="E", mode="public", region="CNS head")[0]
    with pytest.raises(InputError, match=r"1\.0 to 10\.0 Hz"):
        row.value(f=11.0)


@pytest.mark.parametrize(
    ("query", "choice"),
    [
        ({"standard": "IEC 60601-2-34"}, IEC),
        ({"standard": IEC, "edition": "2002"}, "2010[+]A2:2015"),
        ({"standard": IEC, "mode": "second level"}, "first level"),
        ({"standard": "ICNIRP 2020", "quantity": "B"}, "SAR"),
    ],
)
def test_unknown_keys_list_the_choices(query, choice):
    # Oracle: the error names what there is.
    with pytest.raises(InputError, match=choice):
        limits(**query)
