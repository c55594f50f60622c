"""Budgets of a study: what its inputs contribute, and what is numerical beside it, each as a kind of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import is_number, unknown

if TYPE_CHECKING:
    from emdose.uncertainty.budget import Budget, Contribution

ALL = "all inputs together"
"""What a Monte Carlo study that is too small to tell inputs apart calls them."""
NUMERICAL, STATED, DISCRETISATION = "numerical", "stated", "discretisation"
LEVELS = (0.001, 0.005, 0.01, 0.025, *(round(0.05 * n, 2) for n in range(1, 20)), 0.975, 0.99, 0.995, 0.999)
"""Probabilities of the quantiles that a summary states."""
POWERS = ("W/kg", "W", "K")
"""Units of numbers that go with the square of the field."""
METHODS = {
    "budget": "first order, one run an input",
    "chaos": "polynomial chaos",
    "monte-carlo": "Monte Carlo on the model",
}

FROM_THE_RUN = "first order, from the run itself"
"""Basis of a budget that took no samples."""


def budget_of(result: Any, k: int, *, numerical: bool = True) -> Budget:
    """The budget of the output of a number.

    Parameters
    ----------
    result : StudyResult
        The study, which knows this module.
    k : int
        Place of the output among its names.
    numerical : bool
        With what voxels, tolerance and polynomials leave uncertain.
    """
    from emdose.uncertainty.budget import Budget

    name = result.names[k]
    rows = _physical(result, k)
    correlation = _correlation(result, len(rows))
    value = sum(c.weight * float(c.value[k]) for c in result.cases)
    peak = result.cases[0].peaks.get(name)
    how = METHODS[result.method] if peak is None else f"peak of the polynomials of the map {peak['map']}"
    # Trials of the model beside a polynomial are none of its samples.
    fitted = sum(len(c.X) for c in result.cases) if result.method == "chaos" else result.samples
    runs = f"{how}, {fitted} samples" if fitted else FROM_THE_RUN
    found = Budget(name, result.units.get(name, ""), value, tuple(rows), correlation, result.coverage, runs)
    extra = list(_numerical(result, k)) if numerical else []
    return found.extended(*extra) if extra else found


def stated(result: Any, name: str, budget: Budget) -> dict[str, Any]:
    """The entry "uncertainty" of a quantity; with interval and quantiles where the method knows more than a sd.

    The draws of the inputs are widened by what is not of the inputs, as a normal law.
    """
    entry = budget.uncertainty()
    if result.method == "budget":
        return entry
    values, weights = result.draws
    k = result.names.index(name)
    rest = sum(r.variance for r in budget.contributions if r.kind != "physical")
    noise = np.random.default_rng(0).standard_normal(len(values)) * math.sqrt(rest)
    order = np.argsort(values[:, k] + noise)
    upto = np.cumsum(weights[order])
    x = np.interp(LEVELS, (upto - 0.5 * weights[order]) / upto[-1], (values[:, k] + noise)[order])
    ends = np.interp([0.5 - budget.coverage / 2, 0.5 + budget.coverage / 2], LEVELS, x)
    return entry | {"interval": ends.tolist(), "quantiles": {"p": list(LEVELS), "x": x.tolist()}}


def loo_of(case: Any) -> np.ndarray:
    """Relative leave-one-out errors (m,) of the polynomials of a case; of a peak that of the polynomials of its map."""
    found = np.array(case.chaos.loo, float).reshape(-1)
    for peak in case.peaks.values():
        found[peak["place"]] = peak["loo"]
    return found


def shares_of(method: str, case: Any, what: str) -> dict[str, np.ndarray]:
    """Variance (m,) of the outputs of a case by input: "first" or "total"; of a budget both are the same."""
    if case.inputs is None:
        return {}
    if method == "budget":
        C = np.array([case.parts[n] for n in case.inputs.names])
        covered = C * C
        if not case.inputs.independent:
            sd = np.asarray(case.inputs.sd, float)
            covered = C * ((case.inputs.covariance() / np.outer(sd, sd)) @ C)
        covered = covered + np.array([case.second[n] for n in case.inputs.names]) ** 2
        of_pairs = {n: np.asarray(v) ** 2 for n, v in case.second.items() if n not in case.inputs.names}
        return dict(zip(case.inputs.names, covered, strict=True)) | of_pairs
    if ALL in case.parts:
        return {ALL: np.asarray(case.parts[ALL]) ** 2}
    index = np.array(getattr(case.chaos, what), float).reshape(len(case.inputs.names), -1)
    for peak in case.peaks.values():
        index[:, peak["place"]] = peak[what]
    return dict(zip(case.inputs.names, index * np.asarray(case.sd, float) ** 2, strict=True))


def spread_of_maps(cases: Sequence[Any]) -> dict[str, dict[str, np.ndarray]]:
    """Mean, standard deviation and their ratio over the voxels of every map that all cases have."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for name in [k.removesuffix(" mean") for k in cases[0].maps if k.endswith(" mean")]:
        if not all(f"{name} mean" in c.maps for c in cases):
            continue
        means, sds = ([np.asarray(c.maps[f"{name} {w}"], float) for c in cases] for w in ("mean", "sd"))
        weights = [c.weight for c in cases]
        mean = np.asarray(sum(w * m for w, m in zip(weights, means, strict=True)))
        spread = sum(w * (s**2 + (m - mean) ** 2) for w, m, s in zip(weights, means, sds, strict=True))
        sd = np.sqrt(np.asarray(spread))
        with np.errstate(divide="ignore", invalid="ignore"):
            found[name] = {"mean": mean, "sd": sd, "relative sd": np.where(mean != 0, sd / np.abs(mean), np.nan)}
    return found


def peaks_of(cases: Sequence[Any], name: str) -> np.ndarray:
    """Peaks of a map in the samples of all cases, as many of each as its weight says; InputError for another name."""
    known = [k.removesuffix(" peaks") for k in cases[0].maps if k.endswith(" peaks")]
    if name not in known:
        raise unknown("no such map in this study", name, known, field="maps")
    most = max(c.weight for c in cases)
    each = [(np.asarray(c.maps[f"{name} peaks"]), c.weight / most) for c in cases]
    return np.concatenate([peaks[: max(1, round(len(peaks) * share))] for peaks, share in each])


def _physical(result: Any, k: int) -> list[Contribution]:
    from emdose.uncertainty.budget import Contribution

    found: dict[str, tuple[float, float, float]] = {}
    for case in result.cases:
        for name, part in case.parts.items():
            c, square, second = found.get(name, (0.0, 0.0, 0.0))
            bent = float(case.second[name][k]) if name in case.second else 0.0
            value = float(part[k])
            found[name] = (c + case.weight * value, square + case.weight * value**2, second + case.weight * bent**2)
    rows = []
    for name, (c, square, second) in found.items():
        about = _about(result.cases, name, k) if len(result.cases) == 1 else {}
        contribution = c if len(result.cases) == 1 else math.copysign(math.sqrt(square), c)
        rows.append(Contribution(name, contribution, second_order=math.sqrt(second), **about))
    if len(result.cases) > 1:
        between = float(result.between[k])
        rows.append(Contribution("strata", between, law="discrete"))
    return rows


def _about(cases: Any, name: str, k: int) -> dict[str, Any]:
    """What a row tells of its source."""
    inputs = cases[0].inputs
    if inputs is None or name not in inputs.names:
        return {}
    one = inputs.inputs[inputs.index(name)]
    about = {"estimate": one.nominal, "unit": one.unit, "law": one.law.kind, "width": one.law.width}
    if one.law.points is None:
        about["divisor"] = one.law.divisor
    if name in cases[0].sensitivities:
        about["sensitivity"] = float(cases[0].sensitivities[name][k])
        about["dof"] = float(getattr(one.law, "dof", math.inf) or math.inf)
    return about


def _correlation(result: Any, rows: int) -> Any:
    """Correlation of the rows of a first-order budget; the parts of the other methods add up as they are."""
    inputs = result.cases[0].inputs
    if result.method != "budget" or inputs is None or inputs.independent:
        return None
    d = inputs.dimension
    found = np.eye(rows)
    r = inputs.covariance() / np.outer(inputs.sd, inputs.sd)
    np.fill_diagonal(r, 1.0)
    found[:d, :d] = r
    return found


def _numerical(result: Any, k: int) -> list[Contribution]:
    """Voxels or mesh, tolerance and closure, and the error of the polynomial."""
    from emdose.uncertainty.budget import Contribution

    name = result.names[k]
    unit = result.units.get(name, "")
    rows = []
    voxels, stated, solver = 0.0, 0.0, 0.0
    parts: dict[str, float] = {}
    basis, of = "", "voxels"
    for case in result.cases:
        told = (case.about.get("uncertainty") or {}).get(name)
        value = abs(float(case.value[k]))
        exact = isinstance(told, Mapping) and told.get("expanded") == 0
        if isinstance(told, Mapping) and is_number(told.get("expanded")) and told.get("k"):
            u = case.weight * float(told["expanded"]) / float(told["k"])
            if isinstance(told.get("components"), Mapping):
                for part, share in told["components"].items():
                    parts[part] = parts.get(part, 0.0) + case.weight * float(share)
            elif told.get("kind") == DISCRETISATION:
                voxels, basis, of = voxels + u, str(told.get("basis") or ""), str(told.get("of") or of)
            else:
                stated, basis = stated + u, str(told.get("basis") or told.get("kind") or "")
        if not exact:
            power = 1.0 if unit in POWERS else 0.5
            closure, residual = case.about.get("closure") or 0.0, case.about.get("residual") or 0.0
            solver += case.weight * power * max(abs(closure), 2 * residual) * value
    rows += [Contribution(part, u, kind=STATED) for part, u in parts.items()]
    if stated:
        rows.append(Contribution(basis or "stated by the run", stated, kind=STATED))
    if voxels:
        rows.append(Contribution(of, voxels, width=2 * voxels, divisor="2", kind=DISCRETISATION))
    if solver:
        about: dict[str, Any] = {"law": "uniform", "width": solver, "divisor": "sqrt 3", "kind": NUMERICAL}
        rows.append(Contribution("tolerance and power balance", solver / math.sqrt(3), **about))
    if result.method == "chaos":
        left = [c.weight * float(loo_of(c)[k]) * float(c.sd[k]) ** 2 for c in result.cases if len(c.X)]
        if sum(left) > 0:
            what = "polynomials of the map" if name in result.cases[0].peaks else "polynomial"
            rows.append(Contribution(f"{what} (leave-one-out)", math.sqrt(sum(left)), kind=NUMERICAL))
    return rows
