"""Jobs that share. Oracle: the same job on its own, bit for bit."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from emdose import scenarios
from emdose.compute.shared import Shared
from emdose.scenarios import kinds
from emdose.scenarios.loading import from_tables

LAYERED = {
    "type": "layered-sphere",
    "radii_m": [0.04, 0.05],
    "layers": ["muscle", "fat"],
    "spacing_m": 12.5e-3,
}
PLACED = {
    "resample_spacing_m": 8e-3,
    "rotate_deg": [0.0, 0.0, 30.0],
    "crop_margin_m": 8e-3,
    "translate_m": [0, 0, 5e-3],
}


@pytest.fixture
def loaded(small, write):
    """The small scenario with changes of its tables, loaded."""

    def loaded(changes):
        tables = copy.deepcopy(small)
        for name, change in changes.items():
            tables[name] = {**({} if "type" in change else tables.get(name, {})), **change}
        return scenarios.load(write(tables))

    return loaded


def outcomes(job):
    solution = job.solve()
    return solution, job.evaluate(solution)


def test_what_is_shared_is_the_same_to_the_last_bit(loaded):
    shared = Shared(10**8, reduced=False)
    changes = [
        {"phantom": LAYERED},
        {"phantom": {**LAYERED, "tissues": {"fat": {"density_kg_m3": 950.0}}}},
        {"phantom": LAYERED, "coil": {"length_m": 0.25}},
    ]
    for change in changes:
        scenario = loaded(change)
        alone = outcomes(kinds.get("rf").job(scenario, "cpu"))
        job = kinds.get("rf").sharing_job(scenario, "cpu", shared)
        assert job.shared is shared
        together = outcomes(job)
        for name in ("E", "B", "residual"):
            np.testing.assert_array_equal(getattr(together[0], name), getattr(alone[0], name))
        for name, average in alone[1].averages.items():
            np.testing.assert_array_equal(together[1].averages[name].value, average.value)
        assert together[1].summary["quantities"] == alone[1].summary["quantities"]
    assert shared.told.hits >= 8


@pytest.mark.parametrize("placed", [{}, PLACED])
def test_the_voxels_of_a_changed_body_are_shared(loaded, placed):
    shared = Shared(10**8)
    air = {"relative_permittivity": 1.0, "conductivity_S_m": 0.0}
    for change in ({}, {"fat": {"conductivity_S_m": 0.1}}, {"fat": {"density_kg_m3": 900.0}}, {"fat": air}):
        scenario = loaded({"phantom": {**LAYERED, **placed, "tissues": change}})
        alone = kinds.get("rf").job(scenario, "cpu").body
        together = kinds.get("rf").sharing_job(scenario, "cpu", shared).body
        assert together.hash() == alone.hash()
        assert together.grid == alone.grid
    assert shared.told.made == 2


def test_a_kind_of_its_own_gets_the_memo_as_well(loaded):
    """By the default of the protocol, which knows of no constructor."""
    from emdose.scenarios.shared.kind import Kind

    shared, scenario = Shared(10**6), loaded({})
    job = Kind.sharing_job(kinds.get("rf"), scenario, "cpu", shared)
    assert job.shared is shared


def test_other_frequencies_and_grids_share_nothing(loaded):
    shared = Shared(10**8, reduced=False)
    for change in ({}, {"exposure": {"frequency_Hz": 64e6}}, {"phantom": {"spacing_m": 15e-3}}):
        scenario = loaded(change)
        alone = kinds.get("rf").job(scenario, "cpu").solve()
        together = kinds.get("rf").sharing_job(scenario, "cpu", shared).solve()
        np.testing.assert_array_equal(together.E, alone.E)


def test_samples_by_tables_share_too(small):
    """As a study makes them: tables without a file of their own."""
    shared = Shared(10**8)
    for sigma in (0.5, 0.6):
        tables = copy.deepcopy(small)
        tables["phantom"]["tissues"] = {"head_liquid": {"conductivity_S_m": sigma}}
        kinds.get("rf").sharing_job(from_tables(tables, "small.toml"), "cpu", shared)
    assert (shared.told.made, shared.told.hits) == (2, 2)


def test_a_job_starts_from_the_solutions_of_those_before(loaded, tmp_path):
    """Density changes neither matrix nor right-hand side: the answer is there already, and is within its tolerance."""
    shared = Shared(10**8, tmp_path)
    first = kinds.get("rf").sharing_job(loaded({"phantom": LAYERED}), "cpu", shared).solve()
    lighter = loaded({"phantom": {**LAYERED, "tissues": {"fat": {"density_kg_m3": 900.0}}}})
    for memo in (shared, pickle.loads(pickle.dumps(shared))):
        job = kinds.get("rf").sharing_job(lighter, "cpu", memo)
        again = job.solve()
        assert again.convergence["from_basis"] == [True]
        assert again.convergence["products"] == [0]
        assert again.residual.max() <= 1e-4
        assert np.linalg.norm(again.E - first.E) < 1e-3 * np.linalg.norm(first.E)
    ports = job.evaluate(again).summary["convergence"]["ports"]
    assert [p["from_basis"] for p in ports] == [True]


def test_a_job_among_others_solves_for_its_drive_alone(loaded):
    """Oracle: the job alone, which solves for every port and combines them."""
    for change in (
        {"phantom": LAYERED},
        {"phantom": LAYERED, "drive": {"amplitudes": [1.0, 0.5], "phases_deg": [0, -70]}},
    ):
        scenario = loaded(change)
        alone, together = (
            outcomes(job)[1]
            for job in (
                kinds.get("rf").job(scenario, "cpu"),
                kinds.get("rf").sharing_job(scenario, "cpu", Shared(10**8)),
            )
        )
        for name, entry in alone.summary["quantities"].items():
            found = together.summary["quantities"][name]
            assert found["value"] == pytest.approx(entry["value"], rel=2e-3)
            assert found["unit"] == entry["unit"]
        assert len(together.summary["convergence"]["ports"]) == 1
        assert together.fields.provenance["drive"] == alone.fields.provenance["drive"]
        np.testing.assert_allclose(np.abs(together.coil.currents), np.abs(alone.coil.currents), rtol=1e-3, atol=1e-12)
