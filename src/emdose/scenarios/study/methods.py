"""How a study finds what its inputs do: one run each (GUM), polynomial chaos that grows, Monte Carlo on the model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emdose.checks import unknown
from emdose.errors import InputError, NotValidError
from emdose.scenarios.study.arms import StudyArm
from emdose.scenarios.study.findings.around import around
from emdose.scenarios.study.findings.around import row as _row
from emdose.scenarios.study.findings.budgets import ALL
from emdose.scenarios.study.findings.finished_run import FinishedRun
from emdose.scenarios.study.findings.peaks import MovingPeak, map_peak, peak_outputs
from emdose.scenarios.study.runner import Runner
from emdose.scenarios.study.runs import SampleOutcome

GROWTH = 1.5
"""By how much a design grows when the leave-one-out error is not yet small enough."""
DEFAULT_RUNS = {"chaos": 512, "monte-carlo": 10_000}
SHOWN_MISSING = 3


@dataclass(frozen=True)
class Options:
    """What a study was asked for; see :meth:`Study.run`."""

    method: str
    runs: int | None
    target: float | None
    degree: int | None
    seed: int
    design: str
    outputs: tuple[str, ...] | None
    trials: int | None = None


@dataclass(frozen=True, eq=False)
class Trials:
    """Random samples of the model itself: inputs (t, d), outputs (t, m), and the polynomials there (t, m)."""

    X: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    Y: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    predicted: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(frozen=True, eq=False)
class Found:
    """What one case has given.

    Parameters
    ----------
    case : StudyArm
        The case.
    nominal : SampleOutcome
        At the nominal values, on the scenario's own grid.
    names : tuple of str
        Outputs, m of them.
    mean, sd : (m,) ndarray
        Of the outputs, of the inputs' laws alone.
    parts : mapping of str to (m,) ndarray
        Standard uncertainty that each input contributes, with its sign where the method knows one.
    sensitivities : mapping of str to (m,) ndarray
        Change of the outputs per unit of each input, where it was found.
    second : mapping of str to (m,) ndarray
        What the curvature of each input contributes beside its slope, where it was found.
    X : (n, d) ndarray
        Samples of the inputs.
    Y : (n, m) ndarray
        Their outputs.
    notes : tuple of str
        What the reader has to know.
    maps : mapping of str to ndarray
        "NAME mean" and "NAME sd" of every map that was asked for, and "NAME peaks": the largest value of the map in
        many samples of its surrogate.
    peaks : mapping of str to mapping
        Outputs that are the peak of a map, found by the polynomials of that map: "map", "loo", "first", "total".
    trials : Trials
        Of the model itself, beside the polynomials.
    """

    case: StudyArm
    nominal: SampleOutcome
    names: tuple[str, ...]
    mean: np.ndarray
    sd: np.ndarray
    parts: Mapping[str, np.ndarray]
    sensitivities: Mapping[str, np.ndarray] = field(default_factory=dict)
    second: Mapping[str, np.ndarray] = field(default_factory=dict)
    X: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    Y: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    notes: tuple[str, ...] = ()
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    peaks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    trials: Trials = field(default_factory=lambda: Trials())

    @property
    def value(self) -> np.ndarray:
        """Outputs at the nominal values, (m,)."""
        return np.array([self.nominal.outputs[n] for n in self.names])


def nominal_of(case: StudyArm, runner: Runner, given: FinishedRun | None = None) -> SampleOutcome:
    """The outcome at the nominal values; raises NotValidError where there is none."""
    found = runner.outcome(case.sample()) if given is None else given.outcome
    if found.failed:
        where = f" of {case.name}" if case.name else ""
        raise NotValidError([f"the sample of the nominal values{where} has no numbers: {found.error}"])
    return found


def chosen(outcome: SampleOutcome, asked: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the outputs: those asked for, or all; raises InputError for one that there is not."""
    if asked is None:
        return tuple(outcome.outputs)
    for name in asked:
        if name not in outcome.outputs:
            raise unknown("no such output", name, list(outcome.outputs), field="outputs")
    return tuple(dict.fromkeys(asked))


def first_order(
    case: StudyArm,
    runner: Runner,
    options: Options,
    nominal: SampleOutcome,
    coarse: StudyArm | None,
    finished: FinishedRun | None = None,
) -> Found:
    """The law of propagation: outputs at each input moved by its standard uncertainty, one run an input.

    With twice as many runs as inputs both sides are tried, and with enough for every two independent inputs what these
    do together. On a coarser grid the relative changes count, and of what a finished run tells of its neighbours; where
    that grid is too coarse for a valid result, the samples are on the grid of the scenario.

    Parameters
    ----------
    case : StudyArm
        The case.
    runner : Runner
        Computes.
    options : Options
        Runs and outputs.
    nominal : SampleOutcome
        On the grid of the scenario.
    coarse : StudyArm or None
        The same case on a coarser grid, which the sensitivities come from.
    finished : FinishedRun, optional
        Tells samples without a run, where it can.

    Raises
    ------
    InputError
        For fewer runs than inputs.

    Source: JCGM 100:2008 (GUM), 5.1.2 and 5.1.3.
    """
    from emdose.uncertainty.propagation import first_order as propagated
    from emdose.uncertainty.propagation import first_order_samples

    names = chosen(nominal, options.outputs)
    value = np.array([nominal.outputs[n] for n in names])
    inputs = case.inputs
    if inputs is None:
        return Found(case, nominal, names, value, np.zeros_like(value), {})
    least = len(first_order_samples(inputs))
    if options.runs is not None and options.runs < least:
        expected = f"at least {least}: the nominal values, and one for each of {inputs.dimension} inputs"
        raise InputError("fewer samples than a budget takes", field="runs", found=options.runs, expected=expected)
    twice = first_order_samples(inputs, both=True)
    both = options.runs is not None and options.runs >= len(twice)
    X = twice if both else first_order_samples(inputs)
    singles = len(X)
    if both and inputs.independent and options.runs is not None:
        whole = first_order_samples(inputs, both=True, pairs=True)
        X = whole if options.runs >= len(whole) else X
    pairs = len(X) > singles
    found = around(case, runner, nominal, names, X, coarse, finished, all_names=options.outputs is None)
    names, value, Y, notes = found.names, found.value, np.array(found.Y), list(found.notes)
    missing = [int(np.argmax(X[i] != X[0])) for i in range(1, singles) if i not in found.known]
    if missing:
        told = ", ".join(inputs.names[j] for j in missing[:SHOWN_MISSING])
        more = f" and {len(missing) - SHOWN_MISSING} more" if len(missing) > SHOWN_MISSING else ""
        notes.append(f"Without the contribution of {told}{more}: the samples have failed.")
    left_out = 0
    for i in range(singles, len(X)):
        of_it = [next(s for s in range(1, singles) if X[s, j] == X[i, j]) for j in np.flatnonzero(X[i] != X[0])]
        if not {i, *of_it} <= found.known:  # as if both added up
            Y[i] = Y[of_it].sum(axis=0) - value
            left_out += 1
    if left_out:
        notes.append(f"What inputs do together is left out of {left_out} pairs: samples have failed.")
    tables = [propagated(inputs, Y[:, k], n, both=both, pairs=pairs) for k, n in enumerate(names)]
    sources = [row.source for row in tables[0].contributions] if tables else list(inputs.names)
    rows = {n: [t.contributions[j] for t in tables] for j, n in enumerate(sources)}
    return Found(
        case,
        nominal,
        names,
        value,
        np.array([t.combined for t in tables]),
        {n: np.array([r.contribution for r in each]) for n, each in rows.items()},
        {
            n: np.array([r.sensitivity or 0.0 for r in each])
            for n, each in rows.items()
            if each[0].sensitivity is not None
        },
        {n: np.array([r.second_order for r in each]) for n, each in rows.items()},
        X,
        Y,
        tuple(notes),
    )


def chaos(case: StudyArm, runner: Runner, options: Options, nominal: SampleOutcome, share: float = 1.0) -> Found:
    """Polynomial chaos on a design that grows until its leave-one-out error is small enough.

    Parameters
    ----------
    case, runner, options, nominal
        As of :func:`first_order`.
    share : float
        Share of the runs that this case has.

    Raises
    ------
    InputError
        For fewer samples than a polynomial of degree 1 has terms.
    """
    from emdose.uncertainty.designs import design

    names = chosen(nominal, options.outputs)
    value = np.array([nominal.outputs[n] for n in names])
    inputs = case.inputs
    if inputs is None:
        return Found(case, nominal, names, value, np.zeros_like(value), {})
    d = inputs.dimension
    degree = options.degree
    terms = math.comb(d + (degree or 1), d)
    most = math.ceil(share * (options.runs or DEFAULT_RUNS["chaos"]))
    if most < terms + 1:
        expected = f"at least {terms + 1}: a polynomial of degree {degree or 1} of {d} inputs has {terms} terms"
        raise InputError("fewer samples than terms", field="runs", found=most, expected=expected)
    target = options.target
    n = most if target is None or options.design == "latin hypercube" else min(most, max(2 * terms, terms + d + 1))
    outcomes: list[SampleOutcome] = []
    while True:
        U = design(options.design, n, inputs, seed=options.seed)
        X = np.asarray(inputs.of_uniform(U))
        asked = [case.sample(x, i) for i, x in enumerate(X)]
        outcomes = runner.map(asked, total=n if target is None else None)
        good = [o for o in outcomes if not o.failed and all(name in o.outputs for name in names)]
        if len(good) < terms + 1:
            expected = (
                f"at least {terms + 1}; {len(outcomes) - len(good)} have failed, {n - len(outcomes)} were not begun"
            )
            raise InputError("fewer samples than terms", field="runs", found=len(good), expected=expected)
        Xg = X[[o.index for o in good]]
        Y = np.array([_row(o.outputs, names) for o in good])
        model = fit(inputs, Xg, Y, degree=degree or "auto")
        loo = float(np.max(np.asarray(model.loo)))
        runner.fitted(loo)
        if target is None or loo <= target or n >= most or runner.out_of_time:
            break
        n = min(most, max(n + d, math.ceil(GROWTH * n)))
    notes = []
    if target is not None and loo > target:
        notes.append(f"The leave-one-out error {loo:.2g} has not come below {target:g} with {len(good)} samples.")
    tried = trials_of(case, runner, options, names, share, notes)
    predicted = np.asarray(model.predict(tried.X), float).reshape(len(tried.X), -1) if len(tried.X) else tried.Y
    maps, peaks = maps_of(case, good, Xg, options, notes, names, Y, tried.X)
    mean, variance = np.array(model.mean, float), np.array(model.variance, float)
    first = np.clip(np.array(model.first, float), 0.0, 1.0)
    told = {}
    for output, (name, peak) in peaks.items():
        k = names.index(output)
        mean[k], variance[k], first[:, k] = peak.mean, peak.sd**2, np.clip(peak.first, 0.0, 1.0)
        if predicted.size:
            predicted[:, k] = peak.predicted
        shares = {"first": peak.first.tolist(), "total": peak.total.tolist()}
        told[output] = {"map": name, "loo": peak.loo, **shares}
        notes.append(f"{output} is the peak of the polynomials of the map {name}: it may move from place to place.")
    parts = {name: np.sqrt(first[j] * variance) for j, name in enumerate(inputs.names)}
    rest = np.maximum(variance * (1.0 - first.sum(axis=0)), 0.0)
    if np.any(rest > 1e-12 * np.maximum(variance, 1e-300)):
        parts["interactions of inputs"] = np.sqrt(rest)
    tried = Trials(tried.X, tried.Y, predicted)
    return Found(case, nominal, names, mean, np.sqrt(variance), parts, {}, {}, Xg, Y, tuple(notes), maps, told, tried)


def trials_of(
    case: StudyArm, runner: Runner, options: Options, names: Sequence[str], share: float, notes: list[str]
) -> Trials:
    """Trials of the model at random inputs, where they are asked for: those of a Monte Carlo study of the same seed."""
    from emdose.uncertainty.designs import design

    if not options.trials or case.inputs is None:
        return Trials()
    n = math.ceil(share * options.trials)
    X = np.asarray(case.inputs.of_uniform(design("random", n, case.inputs, seed=options.seed)))
    outcomes = runner.map([case.sample(x, i) for i, x in enumerate(X)], total=len(runner.outcomes) + n)
    good = [o for o in outcomes if not o.failed and all(name in o.outputs for name in names)]
    if len(good) < n:
        notes.append(f"Of {n} trials of the model {len(good)} have numbers.")
    if not good:
        return Trials()
    return Trials(X[[o.index for o in good]], np.array([_row(o.outputs, names) for o in good]))


def monte_carlo(case: StudyArm, runner: Runner, options: Options, nominal: SampleOutcome, share: float = 1.0) -> Found:
    """Monte Carlo on the model itself; where the samples are enough, a polynomial says which input is to blame.

    Parameters
    ----------
    case, runner, options, nominal, share
        As of :func:`chaos`.

    Source: JCGM 101:2008.
    """
    from emdose.uncertainty.designs import design

    names = chosen(nominal, options.outputs)
    value = np.array([nominal.outputs[n] for n in names])
    inputs = case.inputs
    if inputs is None:
        return Found(case, nominal, names, value, np.zeros_like(value), {})
    n = max(2, math.ceil(share * (options.runs or DEFAULT_RUNS["monte-carlo"])))
    kind = "random" if options.design == "sobol" else options.design  # its spread is what the errors are judged by
    X = np.asarray(inputs.of_uniform(design(kind, n, inputs, seed=options.seed)))
    outcomes = runner.map([case.sample(x, i) for i, x in enumerate(X)], total=n)
    good = [o for o in outcomes if not o.failed and all(name in o.outputs for name in names)]
    if len(good) < 2:
        raise InputError("fewer than two samples have numbers", field="runs", found=len(good), expected="2 at least")
    Xg, Y = X[[o.index for o in good]], np.array([_row(o.outputs, names) for o in good])
    sd = Y.std(axis=0, ddof=1)
    terms = math.comb(inputs.dimension + (options.degree or 1), inputs.dimension)
    parts = {ALL: sd}
    notes = [f"Standard deviations have a standard uncertainty of {100 / math.sqrt(2 * (len(good) - 1)):.2g} %."]
    if len(good) >= 2 * terms and inputs.independent:
        model = fit(inputs, Xg, Y, degree=options.degree or "auto")
        shares = np.clip(np.asarray(model.first, float), 0, 1) * (1 - np.clip(np.asarray(model.loo, float), 0, 1))
        shares /= np.maximum(shares.sum(axis=0), 1.0)
        parts = {name: np.sqrt(shares[j]) * sd for j, name in enumerate(inputs.names)}
        rest = np.sqrt(np.maximum(1 - shares.sum(axis=0), 0.0)) * sd
        parts["interactions of inputs, and what the polynomial misses"] = rest
    maps, _ = maps_of(case, good, Xg, options, notes, names, Y)
    return Found(case, nominal, names, Y.mean(axis=0), sd, parts, {}, {}, Xg, Y, tuple(notes), maps)


def maps_of(
    case: StudyArm,
    outcomes: Sequence[SampleOutcome],
    X: np.ndarray,
    options: Options,
    notes: list[str],
    names: Sequence[str] = (),
    outputs: np.ndarray | None = None,
    trials: np.ndarray | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, tuple[str, MovingPeak]]]:
    """Mean and standard deviation of every map, and the peaks of its surrogate: a peak moves from place to place.

    Also the outputs that are the peak of a map, by the name of the map and what its polynomials make of it.

    Parameters
    ----------
    case : StudyArm
        With its inputs.
    outcomes : sequence of SampleOutcome
        Samples with numbers.
    X : (n, d) ndarray
        Their inputs.
    options : Options
        Method and degree.
    notes : list of str
        What could not be done is put there.
    names, outputs : sequence of str, (n, m) ndarray
        Outputs of the samples.
    trials : (t, d) ndarray, optional
        Inputs at which peaks are evaluated.
    """
    from emdose.uncertainty.chaos import peak_samples

    found: dict[str, np.ndarray] = {}
    peaks: dict[str, tuple[str, MovingPeak]] = {}
    for name in outcomes[0].maps:
        shapes = {o.maps[name].shape for o in outcomes}
        if len(shapes) > 1:
            notes.append(f"The map {name} has another shape in some samples: it has no statistics.")
            continue
        inside = np.all([np.isfinite(o.maps[name]) for o in outcomes], axis=0)
        Y = np.stack([o.maps[name][inside] for o in outcomes]).astype(np.float32)
        whole = {what: np.full(inside.shape, np.nan, np.float32) for what in ("mean", "sd")}
        if options.method == "chaos":
            model = fit(case.inputs, X, Y, degree=options.degree or "auto")
            whole["mean"][inside], whole["sd"][inside] = model.mean, model.sd
            of_it = {} if outputs is None else peak_outputs(names, outputs, {name: Y})
            if of_it.keys() - peaks.keys():
                peak = map_peak(model, X, Y, trials)
                peaks |= {output: (name, peak) for output in of_it if output not in peaks}
                found[f"{name} peaks"] = peak.values
            else:
                found[f"{name} peaks"] = np.asarray(peak_samples(model).values)
        else:
            whole["mean"][inside], whole["sd"][inside] = Y.mean(axis=0), Y.std(axis=0, ddof=1)
            found[f"{name} peaks"] = Y.max(axis=1)
        found |= {f"{name} {what}": values for what, values in whole.items()}
    return found, peaks


def fit(*given: Any, **options: Any) -> Any:
    """Polynomial chaos of samples."""
    from emdose.uncertainty import chaos as room

    return room.fit(*given, **options)
