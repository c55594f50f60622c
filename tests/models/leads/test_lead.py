"""Leads and what they refuse. Oracle: lengths by hand."""

import numpy as np
import pytest

import emdose as em

PATH = [[0, 0, 0], [0.03, 0, 0], [0.03, 0.04, 0]]


def lead(**changes) -> em.Lead:
    return em.Lead(
        **{"path_m": PATH, "conductor_radius_m": 5e-4, "coat_radius_m": 7.5e-4, "bare_tip_m": 0.01, **changes}
    )


def test_lengths_and_points() -> None:
    one = lead()
    assert one.length_m == pytest.approx(0.07)
    np.testing.assert_allclose(one.points_at(np.array([0.0, 0.03, 0.05])), [[0, 0, 0], [0.03, 0, 0], [0.03, 0.02, 0]])
    assert one.is_coated_at(np.array([0.005, 0.015, 0.07])).tolist() == [False, True, True]
    assert not lead(coat_radius_m=None, bare_tip_m=0.0).is_coated_at(np.array([0.03])).any()
    np.testing.assert_allclose(one.extent_m, [[-7.5e-4, -7.5e-4, -7.5e-4], [0.03075, 0.04075, 7.5e-4]])
    assert one.hash() == lead(name="other").hash() != lead(coat_permittivity=2.1).hash()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path_m": np.array(PATH) * 1e3}, "path longer than any lead: millimetres taken for metres"),
        ({"path_m": PATH[:1]}, "path too short"),
        ({"path_m": [PATH[0], PATH[0], PATH[1]]}, "points 0 and 1"),
        ({"coat_radius_m": 4e-4}, "coat thinner than the conductor"),
        ({"bare_tip_m": 0.05, "bare_end_m": 0.03}, "bare parts longer than the lead"),
        ({"bare_end_m": -1e-3}, "negative value"),
        ({"conductivity_S_m": 0.0}, "conductivity_S_m"),
    ],
)
def test_refusals(changes: dict, words: str) -> None:
    with pytest.raises(em.InputError, match=words):
        lead(**changes)
