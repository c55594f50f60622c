"""The script of the gallery with an implant on a grid of its own."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.slow
def test_an_implant_on_a_grid_of_its_own(run: Any) -> None:
    """Oracle: power that flows into the fine cells is absorbed there."""
    got = run("32_implant_subdomain.py")
    for fields, _ in got["solved"]:
        assert fields.power.power()["closure"] < 0.02
    assert 0 < got["peak"].expanded < got["peak"].value
