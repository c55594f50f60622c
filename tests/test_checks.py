"""The checks of arguments: what they refuse, what they return, and that their sentences read as English.

Oracle: the contract written in `emdose.checks`, tried on values of every kind.
"""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import emdose as em
from emdose import checks
from emdose.compliance.limits import limits
from emdose.errors import InputError

NO_NUMBERS = (
    None,
    True,
    False,
    np.True_,
    "1",
    "",
    b"1",
    1j,
    np.complex128(1),
    [1.0],
    (1.0,),
    {},
    np.array([1.0]),
    str,
)
NOT_FINITE = (math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf"))
SCALARS = {
    "number": lambda v: checks.number("x_m", v),
    "positive": lambda v: checks.positive("x_m", v),
    "all_positive": lambda v: checks.all_positive(x_m=v),
    "not_negative": lambda v: checks.not_negative("x_m", v),
    "within": lambda v: checks.within("x_m", v, -5, 5),
    "metres": lambda v: checks.metres("x_m", v),
    "whole": lambda v: checks.whole("x_m", v, -3),
    "vector": lambda v: checks.vector("x_m", v),
    "unit_vector": lambda v: checks.unit_vector("x_m", v),
    "one_of": lambda v: checks.one_of("x_m", v, ["a", "b"]),
}


@pytest.mark.parametrize("check", SCALARS)
@pytest.mark.parametrize("value", [*NO_NUMBERS, *NOT_FINITE], ids=repr)
def test_what_is_no_finite_number_is_refused_by_name(check: str, value: object) -> None:
    with pytest.raises(InputError, match=r"^x_m: [^;]+(; found .+)?; expected \S") as caught:
        SCALARS[check](value)
    assert caught.value.field == "x_m"


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9))
def test_finite_numbers_pass_by_their_sign(value: float) -> None:
    for given_value in (value, np.float64(value), np.asarray(float(value))):
        assert checks.number("x", given_value) == value
        for check, good in (("positive", value > 0), ("not_negative", value >= 0), ("within", -5 <= value <= 5)):
            if good:
                assert SCALARS[check](given_value) in (value, None)
            else:
                with pytest.raises(InputError, match="x_m: "):
                    SCALARS[check](given_value)


@pytest.mark.parametrize(
    ("ends", "low", "high"), [("[]", True, True), ("(]", False, True), ("[)", True, False), ("()", False, False)]
)
def test_ends_of_a_range_belong_to_it_as_written(ends: str, low: bool, high: bool) -> None:
    for value, good in ((0.0, low), (1.0, high), (0.5, True), (-1e-300, False), (1 + 1e-15, False)):
        if good:
            assert checks.within("x", value, 0, 1, ends=ends) == value
        else:
            with pytest.raises(InputError, match="x: out of range; found"):
                checks.within("x", value, 0, 1, ends=ends)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, 1), "0 to 1"),
        ((0, 1, "(]"), "> 0 and <= 1"),
        ((0, math.inf), "a finite number >= 0"),
        ((-math.inf, 3, "[)"), "a finite number < 3"),
    ],
)
def test_ranges_in_words(arguments: tuple, words: str) -> None:
    low, high, *ends = arguments
    with pytest.raises(InputError) as caught:
        checks.within("x", math.nan, low, high, **({"ends": ends[0]} if ends else {}))
    assert str(caught.value) == f"x: out of range; found nan; expected {words}"


def test_whole_numbers() -> None:
    assert checks.whole("n", np.uint8(3), 3, 3) == 3
    for bad in (2.0, 2, 4, True, "3", np.float32(3)):
        with pytest.raises(InputError, match=r"n: bad count; found .*; expected a whole number from 3 to 3"):
            checks.whole("n", bad, 3, 3)


def test_lengths_vectors_and_directions() -> None:
    assert checks.lengths("h", 2e-3) == checks.lengths("h", np.full(3, 2e-3)) == (2e-3, 2e-3, 2e-3)
    for bad in ((1, 2), (1, 2, 0), (1, 2, math.nan), "fine", True, [[1, 2, 3]], None, (1, 2, True)):
        with pytest.raises(InputError, match=r"h: bad voxel size;.* expected one or three lengths"):
            checks.lengths("h", bad)
    np.testing.assert_allclose(checks.unit_vector("d", (0, 3, 4)), (0, 0.6, 0.8), rtol=1e-15)
    with pytest.raises(
        InputError, match=r"d: bad direction; found \(0, 0, 0\); expected three finite numbers, not all"
    ):
        checks.unit_vector("d", (0, 0, 0))
    for bad in ((1, 2, "3"), (1, 2), (1, 2, 3j), [None] * 3, (1, 2, math.inf)):
        with pytest.raises(InputError, match="v: bad vector; found "):
            checks.vector("v", bad)


def test_arrays_say_which_value_is_wrong() -> None:
    good = checks.array("a", [[1, 2, 3]], (None, 3), least=1)
    assert good.dtype == float
    assert good.shape == (1, 3)
    for bad, words in (
        ([1.0, 2.0], r"a: bad array; found 'shape \(2,\)'; expected shape \(n, 3\)"),
        ([[1, 2, math.nan]], r"a\[0, 2\]: bad array; found nan; expected finite numbers >= 1"),
        ([[1, 2, 3], [0, 2, 3]], r"a\[1, 0\]: bad array; found 0.0; expected finite numbers >= 1"),
        ("abc", r"a: bad array; found 'abc'; expected numbers of shape \(n, 3\)"),
        ([[True, False, True]], r"a: bad array; found .*; expected numbers of shape \(n, 3\)"),
        ([[1, 2], [3]], r"a: bad array; found .*; expected numbers"),
    ):
        with pytest.raises(InputError, match=words):
            checks.array("a", bad, (None, 3), least=1)
    with pytest.raises(InputError, match=r"a\[0\]: bad array; found 0.0; expected finite numbers > 0"):
        checks.array("a", [0.0], (None,), above=0)
    with pytest.raises(InputError, match="t: values do not grow; found '1 s after 2 s'; expected each larger"):
        checks.growing("t", np.array([0.0, 2.0, 1.0]), unit=" s")


def test_an_unknown_name_is_asked_about() -> None:
    """Oracle: sentences a person would say, read whole."""
    known = ["fat", "muscle", "grey_matter"]
    said = "phantom.tissue: unknown tissue; found '{}'; expected fat, muscle or grey_matter{}"
    for found, question in (
        ("fatt", "; did you mean 'fat'?"),
        ("Grey Mater", "; did you mean 'grey_matter'?"),
        ("xylophone", ""),
    ):
        error = checks.unknown("unknown tissue", found, known, field="phantom.tissue")
        assert str(error) == said.format(found, question)
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
        assert str(error.at(file="a.toml")) == f"a.toml: {error}"
    many = [f"tissue number {n}" for n in range(100)]
    assert (
        str(checks.unknown("unknown tissue", "x", many)) == "unknown tissue; found 'x'; expected one of 100 known names"
    )
    assert str(
        checks.unknown("unknown tissue", "tissue number 7", ["tissue number 77", "tissue number 17", *many[20:60]])
    )
    assert str(checks.unknown("no such port", "p1", [])) == "no such port; found 'p1'"
    assert "expected a or b or a mask" in str(checks.unknown("no", "c", ["a", "b"], also="a mask"))
    assert checks.did_you_mean("cobalt chrome", ["CoCrMo"], {"cobalt-chrome": "CoCrMo"}) == "did you mean 'CoCrMo'?"
    assert checks.did_you_mean(7, ["7"]) is None
    assert checks.did_you_mean("plna", ["plan", "plant"]) == "did you mean 'plan' or 'plant'?"


@pytest.mark.parametrize(
    ("look_up", "sentence"),
    [
        (
            lambda: em.tissues.get("grey_mater"),
            "tissue: unknown tissue; found 'grey_mater'; did you mean 'grey_matter'?",
        ),
        (
            lambda: em.metals.get("CoCrMoo"),
            r"metal: unknown metal; found 'CoCrMoo'; .* or a Metal; did you mean 'CoCrMo'\?",
        ),
        (
            lambda: limits(region="haed"),
            r"region: no limit with this region; found 'haed'; .*; did you mean 'head'\?",
        ),
        (lambda: em.Vie(method="gmers"), r"method: unknown choice; found 'gmers'; .*; did you mean 'gmres'\?"),
        (
            lambda: em.read_implant("a.stl", "CoCrMo", unit="incj"),
            r"unit: unknown unit; .*; did you mean 'inch' or 'in'\?",
        ),
        (
            lambda: em.phantoms.stylised_adult(landmark="kneee"),
            r"landmark: unknown landmark; found 'kneee'; .*did you mean",
        ),
    ],
)
def test_every_look_up_asks_the_same_way(look_up, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        look_up()
