"""A study whose samples are all scaled to one number has no histogram of it, and a page all the same."""

from __future__ import annotations

import numpy as np

from emdose.scenarios.study_pages.pages import _histogram


def test_values_that_differ_by_rounding_have_no_histogram() -> None:
    weights = np.full(5, 0.2)
    assert _histogram(4e-6 * (1 + 1e-16 * np.arange(5)), weights) is None
    assert _histogram(np.array([np.nan] * 5), weights) is None
    found = _histogram(np.array([1.0, 1.1, 1.2, 1.4, np.nan]), weights)
    assert found is not None
    assert (found["edges"][0], found["edges"][-1]) == (1.0, 1.4)
