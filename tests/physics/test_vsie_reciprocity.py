"""Two loops around one body by ``Vsie``: each is driven by itself."""

from __future__ import annotations

import pytest

from emdose.validation.cases import coils


@pytest.mark.parametrize("frequency_Hz", [298e6, pytest.param(128e6, marks=pytest.mark.slow)])
def test_currents_of_two_loops(frequency_Hz):
    # Oracle: reciprocity; the sphere makes 80 % and 19 % of the current that one loop draws from the other.
    Y, bare = coils.transfer(frequency_Hz, "cpu")
    assert abs(Y[0, 1] - Y[1, 0]) < 1e-4 * abs(Y[0, 1])
    assert abs(Y[0, 1] - bare[0, 1]) > 0.1 * abs(Y[0, 1])


@pytest.mark.slow
def test_it_is_the_solution_that_is_reciprocal():
    # Oracle: a difference that falls with the residual has not been made zero by the way it is computed.
    rough, fine = (coils.transfer(128e6, "cpu", tolerance=t)[0] for t in (1e-2, 1e-6))
    apart = [abs(Y[0, 1] / Y[1, 0] - 1) for Y in (rough, fine)]
    assert apart[0] > 1e-4
    assert apart[1] < 2e-6


def test_rows_of_the_validation():
    # Oracle: reciprocity.
    assert [r for r in coils.reciprocity("cpu") if not r.passed] == []
