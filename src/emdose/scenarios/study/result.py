"""What a study has found: statistics, shares of the inputs, budgets; written to a folder and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import unknown, within
from emdose.errors import InputError
from emdose.io.disk import atomic
from emdose.io.disk.checkpoint import FolderCheckpoint
from emdose.io.disk.run_files import to_json
from emdose.scenarios.study.findings.budgets import (
    ALL,
    budget_of,
    loo_of,
    peaks_of,
    shares_of,
    spread_of_maps,
)
from emdose.scenarios.study.findings.cases import StudyCase
from emdose.scenarios.study.findings.mixtures import inputs_of_dict, weighted_quantile
from emdose.scenarios.study.findings.model_checks import FEWEST, model_checks
from emdose.scenarios.study.runs import SampleOutcome
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.uncertainty.budget import Budget
    from emdose.uncertainty.model_checks import ModelCheck

STUDY_FILE = "study.json"
TABLE = "table"
FORM = 1
BETWEEN = "strata"
QUANTILES = (0.025, 0.05, 0.5, 0.95, 0.975)
ARRAYS = ("value", "mean", "sd", "X", "Y", "trials_X", "trials_Y", "trials_predicted")
GROUPS = ("parts", "sensitivities", "second")
DRAWS = 65_536
"""Points of the surrogates of several cases that quantiles are taken from."""


@read_only
@dataclass(frozen=True, eq=False)
class StudyResult:
    """What a study has found.

    Parameters
    ----------
    name : str
        Of the scenario or the function.
    method : "budget", "chaos" or "monte-carlo"
        How.
    names : tuple of str
        Outputs.
    units : mapping of str to str
        Their units.
    cases : tuple of StudyCase
        One for each stratum.
    failed : tuple of SampleOutcome
        Samples without numbers, with their inputs and the reason.
    samples : int
        Samples with numbers.
    cached : int
        Those of them that were computed before.
    coverage : float
        Probability of the intervals.
    notes : tuple of str
        What the reader has to know.
    seconds : float
        Time that it took [s].
    identity : str
        Hash of what was studied.
    folder : Path or None
        Where it is kept.
    """

    name: str
    method: str
    names: tuple[str, ...]
    units: Mapping[str, str]
    cases: tuple[StudyCase, ...]
    failed: tuple[SampleOutcome, ...] = ()
    samples: int = 0
    cached: int = 0
    coverage: float = 0.95
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    identity: str = ""
    folder: Path | None = None

    # ---- statistics ----------------------------------------------------------------------------------------------
    @property
    def value(self) -> dict[str, float]:
        """Outputs at the nominal values."""
        return self._each(self._weighted([c.value for c in self.cases]))

    @property
    def mean(self) -> dict[str, float]:
        """Mean of each output."""
        return self._each(self._weighted([c.mean for c in self.cases]))

    @property
    def std(self) -> dict[str, float]:
        """Standard deviation of each output by the laws of the inputs, without what is numerical."""
        return self._each(np.sqrt(self._within**2 + self.between**2))

    @property
    def chaos(self) -> Any:
        """Polynomial surrogate of the outputs in the order of ``names``; of several cases that of each."""
        if self.method == "budget":
            raise InputError("a budget has no polynomial", field="method", found="budget", expected='"chaos"')
        found = tuple(c.chaos for c in self.cases if c.inputs is not None)
        return found[0] if len(found) == 1 else found

    @property
    def loo(self) -> dict[str, float]:
        """Relative leave-one-out error of the polynomial of each output; the largest of all cases."""
        if self.method == "budget":
            return {}
        errors = [loo_of(c) for c in self.cases if c.inputs is not None and ALL not in c.parts]
        return self._each(np.max(errors, axis=0)) if errors else {}

    @property
    def maps(self) -> dict[str, dict[str, np.ndarray]]:
        """For every map that was asked for: "mean", "sd" and "relative sd" over its voxels, NaN outside of the body."""
        return spread_of_maps(self.cases)

    def peaks(self, name: str) -> np.ndarray:
        """The largest value of a map in many samples: of its surrogate for chaos, so that the peak may move.

        Parameters
        ----------
        name : str
            Map that was asked for. Of several cases the samples stand by their weights.

        Raises
        ------
        InputError
            For a map that the study does not have.
        """
        return peaks_of(self.cases, name)

    def quantile(self, q: float) -> dict[str, float]:
        """The quantile of each output: by the normal law for a budget, the surrogate for chaos, the samples otherwise.

        Raises
        ------
        InputError
            For a probability that is none.
        """
        within("q", q, 0, 1, problem="bad probability")
        if self.method == "budget":
            from scipy.special import ndtri

            mean, sd = self.mean, self.std
            return {n: float(mean[n] + (ndtri(q) * sd[n] if sd[n] else 0.0)) for n in self.names}
        values, weights = self.draws
        if np.ptp(weights) == 0:
            return self._each(np.quantile(values, q, axis=0))
        return self._each(np.array([weighted_quantile(v, weights, q) for v in values.T]))

    @cached_property
    def draws(self) -> tuple[np.ndarray, np.ndarray]:
        """Values (n, m) and weights (n,) of the mixture of all cases; of the peaks of maps their laws alone."""
        values, weights = [], []
        for n, case in enumerate(self.cases):
            if case.inputs is None or not len(case.X):
                found = np.asarray(case.value)[None]
            elif self.method == "chaos":
                found = np.array(case.chaos.sample(max(1, DRAWS // len(self.cases)), seed=n))
                for peak in case.peaks.values():
                    found[:, peak["place"]] = np.resize(case.maps[f"{peak['map']} peaks"], len(found))
            else:
                found = np.asarray(case.Y)
            values.append(found)
            weights.append(np.full(len(found), case.weight / len(found)))
        return np.concatenate(values), np.concatenate(weights)

    def compare(self, trials: StudyResult | None = None) -> dict[str, ModelCheck]:
        """The polynomials beside the model itself: mean, sd and quantiles of every output, and whether they agree.

        Parameters
        ----------
        trials : StudyResult, optional
            A Monte Carlo study of the same inputs; by default the trials that ``run(..., trials=)`` has made.

        Raises
        ------
        InputError
            For a study without polynomials or trials, and for trials of something else.
        """
        return model_checks(self, trials)

    @property
    def sobol(self) -> dict[str, dict[str, dict[str, float]]]:
        """For every output "first" and "total": the share of its variance by input.

        Of a budget both are the same: it knows no interactions. Of correlated inputs they are shares of the germs in
        the order of the inputs (see the theory). Strata share by ``"strata"``.
        """
        out: dict[str, dict[str, dict[str, float]]] = {n: {"first": {}, "total": {}} for n in self.names}
        variance = np.maximum(self._within**2 + self.between**2, 1e-300)
        for what in ("first", "total"):
            shares: dict[str, np.ndarray] = {}
            for case in self.cases:
                for name, part in shares_of(self.method, case, what).items():
                    shares[name] = shares.get(name, 0.0) + case.weight * part
            if len(self.cases) > 1:
                shares[BETWEEN] = self.between**2
            for name, part in shares.items():
                for k, output in enumerate(self.names):
                    out[output][what][name] = float(part[k] / variance[k])
        return out

    # ---- budgets -------------------------------------------------------------------------------------------------
    def budget(self, name: str, *, numerical: bool = True) -> Budget:
        """The uncertainty budget of one output.

        Parameters
        ----------
        name : str
            The output.
        numerical : bool
            With what voxels, tolerance and polynomials leave uncertain, each as a kind of its own.

        Raises
        ------
        InputError
            For an output that there is not.
        """
        return budget_of(self, self._index(name), numerical=numerical)

    def words(self, name: str) -> str:
        """Which input dominates the uncertainty of an output, in a sentence."""
        budget = self.budget(name)
        if not budget.combined:
            return f"Nothing that was varied changes {name}."
        found = sorted(zip(budget.shares, budget.contributions, strict=True), key=lambda row: -row[0])
        text = f"The variance of {name} comes from {_listed(found[:3])}."
        of_inputs = [(share, row) for share, row in found if row.kind == "physical"]
        all_of_them = sum(share for share, _ in of_inputs)
        if 0 < all_of_them < 99.5:
            among = [(100 * share / all_of_them, row) for share, row in of_inputs]
            text += f" Of what its inputs make of it, most comes from {_listed(among[:3])}."
        return text

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file, without the samples."""
        mean, std, value = self.mean, self.std, self.value
        return {
            "form": FORM,
            "name": self.name,
            "method": self.method,
            "identity": self.identity,
            "coverage": self.coverage,
            "samples": self.samples,
            "cached": self.cached,
            "failed": [{"inputs": dict(o.inputs), "error": o.error, "tries": o.tries} for o in self.failed],
            "notes": list(self.notes),
            "seconds": self.seconds,
            "units": dict(self.units),
            "inputs": [one for c in self.cases[:1] if c.inputs is not None for one in c.inputs.to_dict()["inputs"]],
            "strata": [self._stratum(c) for c in self.cases],
            "outputs": {n: self._output(n) | {"value": value[n], "mean": mean[n], "sd": std[n]} for n in self.names},
            "cases": [self._case(c) for c in self.cases],
        }

    def _stratum(self, case: StudyCase) -> dict[str, Any]:
        each = zip(self.names, case.mean, case.sd, strict=True)
        outputs = {n: {"mean": float(m), "sd": float(s)} for n, m, s in each}
        return {"name": case.name, "weight": case.weight, "outputs": outputs}

    def _output(self, name: str) -> dict[str, Any]:
        shares = self._all_shares[name]
        return {
            "unit": self.units.get(name, ""),
            "budget": self.budget(name).to_dict(),
            "words": self.words(name),
            "first": shares["first"],
            "total": None if self.method == "budget" else shares["total"],
            "indices": self.indices,
            "loo": self.loo.get(name),
            "quantiles": {f"{q:g}": self._all_quantiles[q][name] for q in QUANTILES},
            "model": self.checks[name].to_dict() if name in self.checks else None,
        }

    @property
    def indices(self) -> str:
        """What the shares of the inputs are called."""
        if any(c.inputs is not None and not c.inputs.independent for c in self.cases):
            return "Shares of the variance, of correlated inputs in their order"
        return "Shares of the variance to first order" if self.method == "budget" else "Sobol indices"

    @cached_property
    def _all_shares(self) -> dict[str, dict[str, dict[str, float]]]:
        return self.sobol

    @cached_property
    def checks(self) -> dict[str, ModelCheck]:
        """What :meth:`compare` says of the trials that the study has made; empty without any."""
        enough = sum(len(c.trials_X) for c in self.cases) >= FEWEST
        return self.compare() if self.method == "chaos" and enough else {}

    @cached_property
    def _all_quantiles(self) -> dict[float, dict[str, float]]:
        return {q: self.quantile(q) for q in QUANTILES}

    def _case(self, case: StudyCase) -> dict[str, Any]:
        return {
            "name": case.name,
            "weight": case.weight,
            "inputs": None if case.inputs is None else case.inputs.to_dict(),
            "degree": case.degree,
            "about": case.about,
            "peaks": {name: dict(peak) for name, peak in case.peaks.items()},
        }

    def write(self, folder: Path | str) -> None:
        """Put study.json and the table of the samples into a folder.

        Raises
        ------
        OutputError
            When they cannot be written.
        """
        folder = Path(folder)
        arrays: dict[str, np.ndarray] = {}
        for n, case in enumerate(self.cases):
            for key in ARRAYS:
                arrays[f"{n}.{key}"] = np.asarray(getattr(case, key))
            arrays |= {f"{n}.map.{key}": np.asarray(values) for key, values in case.maps.items()}
            for group in GROUPS:
                table = getattr(case, group)
                arrays[f"{n}.{group}.names"] = np.array(json.dumps(list(table)))
                arrays[f"{n}.{group}"] = np.array([table[k] for k in table]).reshape(len(table), len(self.names))
        FolderCheckpoint(folder, self.identity).save(TABLE, arrays)
        atomic.write_text(folder / STUDY_FILE, to_json(self.to_dict(), indent=1, exact=True) + "\n")

    # ---- inside --------------------------------------------------------------------------------------------------
    @property
    def _within(self) -> np.ndarray:
        return np.sqrt(self._weighted([np.asarray(c.sd) ** 2 for c in self.cases]))

    @property
    def between(self) -> np.ndarray:
        """Standard deviation of the means of the cases, (m,)."""
        means = [np.asarray(c.mean) for c in self.cases]
        middle = self._weighted(means)
        return np.sqrt(self._weighted([(m - middle) ** 2 for m in means]))

    def _weighted(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        return np.asarray(sum(c.weight * np.asarray(r) for c, r in zip(self.cases, rows, strict=True)))

    def _each(self, values: np.ndarray) -> dict[str, float]:
        return {n: float(v) for n, v in zip(self.names, values, strict=True)}

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise unknown("no such output", name, list(self.names), field="outputs")
        return self.names.index(name)


def read_study(folder: Path | str) -> StudyResult:
    """Read a study back from its folder; failed samples come without their arrays.

    Raises
    ------
    InputError
        When there is none, or it is damaged.
    """
    folder = Path(folder)
    told = read_json(folder)
    if told is None:
        raise InputError("no finished study here", file=folder, expected=f"a folder with {STUDY_FILE}")
    arrays = FolderCheckpoint(folder, told["identity"]).load(TABLE)
    if arrays is None:
        raise InputError("the table of this study is damaged or missing", file=folder, expected="run it again")
    names = tuple(told["outputs"])
    cases = []
    for n, row in enumerate(told["cases"]):
        groups: dict[str, Any] = {}
        for group in GROUPS:
            keys = json.loads(str(arrays[f"{n}.{group}.names"]))
            groups[group] = dict(zip(keys, arrays[f"{n}.{group}"], strict=True))
        plain: Any = {key: arrays[f"{n}.{key}"] for key in ARRAYS if f"{n}.{key}" in arrays}
        inputs = None if row["inputs"] is None else inputs_of_dict(row["inputs"])
        start = f"{n}.map."
        maps = {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
        cases.append(
            StudyCase(
                row["name"],
                row["weight"],
                inputs,
                **plain,
                **groups,
                degree=row["degree"],
                about=row["about"],
                maps=maps,
                peaks=row.get("peaks") or {},
            )
        )
    failed = tuple(
        SampleOutcome(n, "", o["inputs"], error=o["error"], tries=o["tries"]) for n, o in enumerate(told["failed"])
    )
    same = {k: told[k] for k in ("name", "method", "units", "samples", "cached", "coverage", "seconds", "identity")}
    return StudyResult(
        **same, names=names, cases=tuple(cases), failed=failed, notes=tuple(told["notes"]), folder=folder
    )


def read_json(folder: Path) -> dict[str, Any] | None:
    """study.json of a folder; None where there is none that is whole."""
    try:
        told = json.loads((folder / STUDY_FILE).read_text(encoding="utf-8"))
        return told if isinstance(told, dict) and told.get("form") == FORM else None
    except (OSError, ValueError):
        return None


def _listed(rows: Sequence[tuple[float, Any]]) -> str:
    """Sources with their shares in percent, those below 5 % left out but for the first."""
    return ", ".join(f"{row.source} ({share:.0f} %)" for n, (share, row) in enumerate(rows) if share >= 5 or not n)
