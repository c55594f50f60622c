"""The cheap tier: one or two runs for each input, perhaps one for each pair, and the law of propagation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from emdose.checks import array, flag, positive
from emdose.errors import InputError
from emdose.uncertainty.budget import COVERAGE, Budget, Contribution
from emdose.uncertainty.inputs import Input, Inputs


def first_order_samples(inputs: Inputs, both: bool = False, step: float = 1.0, *, pairs: bool = False) -> np.ndarray:
    """Samples (n, d) that a first-order budget asks for: the nominal one, those of each input by itself, then pairs.

    Parameters
    ----------
    inputs : Inputs
        The inputs.
    both : bool
        Steps up and down, which tell a curved dependence from a straight one; up alone otherwise.
    step : float
        Step in standard deviations; it ends at the bounds of a law. A discrete input is put at each of its values.
    pairs : bool
        Also both of every two continuous inputs at once, which tells what they do only together.

    Raises
    ------
    InputError
        For a step that is not positive, an input whose nominal value leaves no step, or pairs of correlated inputs.
    """
    found = [inputs.nominal]
    for i, one in enumerate(inputs.inputs):
        for x in _places(one, flag("both", both), positive("step", step)):
            found.append(inputs.nominal)
            found[-1][i] = x
    for i, j in pairs_of(inputs) if flag("pairs", pairs) else ():
        found.append(inputs.nominal)
        for k in (i, j):
            found[-1][k] = _places(inputs.inputs[k], both, step)[0]
    return np.array(found)


def pairs_of(inputs: Inputs) -> list[tuple[int, int]]:
    """Every two continuous inputs; raises InputError where inputs are correlated."""
    if not inputs.independent:
        problem = "what correlated inputs do together is in no second order of this kind"
        raise InputError(problem, field="pairs", found="correlated inputs", expected="pairs = False, or chaos")
    continuous = [i for i, one in enumerate(inputs.inputs) if one.law.points is None]
    return list(itertools.combinations(continuous, 2))


def first_order(
    inputs: Inputs,
    values: Any,
    quantity: str = "result",
    unit: str = "",
    *,
    both: bool = False,
    step: float = 1.0,
    pairs: bool = False,
    coverage: float = COVERAGE,
) -> Budget:
    """The budget of a result from its values at the samples of :func:`first_order_samples`.

    Parameters
    ----------
    inputs : Inputs
        The inputs; their correlation enters.
    values : array_like (n,)
        The result at each sample, in their order.
    quantity, unit : str
        Name and unit of the result.
    both, step, pairs
        As they were for the samples.
    coverage : float
        Probability that the expanded uncertainty is to cover.

    Raises
    ------
    InputError
        For a number of values that is not that of the samples, or values that are not finite.

    Equation: c = (f(x + h) - f(x)) / h, or with both steps (f(x + h) - f(x - h)) / 2 h and beside it f'' u^2 / sqrt 2,
    with f'' = (f(x + h) - 2 f(x) + f(x - h)) / h^2. Of a discrete input: the standard deviation over its values. Of two
    inputs: f_ij u_i u_j, f_ij = (f(x + h_i + h_j) - f(x + h_i) - f(x + h_j) + f(x)) / (h_i h_j). The terms of the note
    with third derivatives, f_i f_ijj u_i^2 u_j^2, are left out.

    Source: JCGM 100:2008 (GUM), 5.1.2 and its note, 5.1.3 note 2, 5.2.2.
    """
    samples = first_order_samples(inputs, both, step, pairs=pairs)
    f = array("values", values, (None,), problem=f"bad values of {quantity}")
    if f.size != len(samples):
        raise InputError(
            "not one value for each sample", field=quantity, found=f.size, expected=f"{len(samples)} values"
        )
    rows, at, alone = [], 1, []
    for one in inputs.inputs:
        n = len(_places(one, both, step))
        rows.append(_row(one, float(f[0]), f[at : at + n], _places(one, both, step)))
        alone.append(at)
        at += n
    for (i, j), value in zip(pairs_of(inputs) if pairs else (), f[at:], strict=True):
        moved = samples[alone[i], i] - samples[0, i], samples[alone[j], j] - samples[0, j]
        mixed = float((value - f[alone[i]] - f[alone[j]] + f[0]) / (moved[0] * moved[1]))
        a, b = inputs.inputs[i], inputs.inputs[j]
        rows.append(Contribution(together(a.name, b.name), 0.0, second_order=mixed * a.law.sd * b.law.sd))
    r = None
    if not inputs.independent:
        r = inputs.covariance() / np.outer(inputs.sd, inputs.sd)
        np.fill_diagonal(r, 1.0)
    told = ", pairs too" if pairs else ""
    runs = f"{len(samples)} runs, steps of {step:g} sd {'up and down' if both else 'up'}{told}"
    return Budget(quantity, unit, float(f[0]), tuple(rows), r, coverage, f"first order, {runs}")


def together(first: str, second: str) -> str:
    """What the part is called that two inputs have only together."""
    return f"{first} and {second} together"


def _places(one: Input, both: bool, step: float) -> list[float]:
    """Where an input is put."""
    law, x = one.law, float(one.nominal or 0.0)
    if law.points is not None:
        return [p for p in law.points if p != x]
    low, high = law.support
    up, down = min(x + step * law.sd, high), max(x - step * law.sd, low)
    found = [p for p in (up, down) if abs(p - x) > 1e-3 * step * law.sd]
    if not found or not low <= x <= high:
        raise InputError(
            "a nominal value outside of its law", field=one.name, found=x, expected=f"{low:.6g} to {high:.6g}"
        )
    return found if both else found[:1]


def _row(one: Input, middle: float, f: np.ndarray, places: list[float]) -> Contribution:
    law, x = one.law, float(one.nominal or 0.0)
    about: dict[str, Any] = {"estimate": x, "unit": one.unit, "law": law.kind}
    if law.points is not None:
        at = np.array([middle if p == x else f[places.index(p)] for p in law.points])
        p = law.pdf(np.array(law.points))
        spread = math.sqrt(float(p @ (at - p @ at) ** 2))
        slope = float(p @ ((at - p @ at) * (np.array(law.points) - law.mean)))
        return Contribution(one.name, math.copysign(spread, slope or 1.0), **about, width=law.sd)
    about |= {"width": law.width, "divisor": law.divisor}
    dof = float(getattr(law, "dof", math.inf))
    u = law.width if math.isfinite(dof) else law.sd  # the t factor brings what the law has beyond its scale
    steps = np.array(places) - x
    slopes = (f - middle) / steps
    if len(places) == 1:
        c, curvature = float(slopes[0]), 0.0
    else:
        h_up, h_down = steps[0], -steps[1]
        c = float((slopes[0] * h_down + slopes[1] * h_up) / (h_up + h_down))
        curvature = float(2 * (slopes[0] - slopes[1]) / (h_up + h_down))
    return Contribution(one.name, c * u, **about, sensitivity=c, dof=dof, second_order=curvature * u * u / math.sqrt(2))
