"""Laws beside chaospy's and SciPy's, beside their own inverses, and what they refuse."""

from __future__ import annotations

import itertools
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import emdose as em
from emdose.errors import InputError
from emdose.uncertainty import ChaospyLaw, Law, law_of_dict

CUT = 0.7 + 0.3 * np.array([-1.0, 2.0])
LAWS: list[tuple[Law, Any]] = [
    (em.Normal(0.7, 0.05), stats.norm(0.7, 0.05)),
    (em.Uniform(0.6, 0.9), stats.uniform(0.6, 0.3)),
    (em.Triangular(0.6, 0.9), stats.triang(0.5, 0.6, 0.3)),
    (em.Triangular(0.6, 0.9, mode=0.66), stats.triang(0.2, 0.6, 0.3)),
    (em.LogNormal(math.exp(0.125), math.exp(0.125) * math.sqrt(math.expm1(0.25))), stats.lognorm(0.5)),
    (em.Beta(0.6, 0.9, a=2.0, b=5.0), stats.beta(2, 5, 0.6, 0.3)),
    (em.Arcsine(0.6, 0.9), stats.arcsine(0.6, 0.3)),
    (em.StudentT(0.7, 0.05, dof=5), stats.t(5, 0.7, 0.05)),
    (
        em.TruncatedNormal(
            float(stats.truncnorm(-1, 2, 0.7, 0.3).mean()),
            float(stats.truncnorm(-1, 2, 0.7, 0.3).std()),
            low=float(CUT[0]),
            high=float(CUT[1]),
        ),
        stats.truncnorm(-1, 2, 0.7, 0.3),
    ),
]
U = np.linspace(0.005, 0.995, 67)
IDS = [f"{law.kind}{n}" for n, (law, _) in enumerate(LAWS)]


@pytest.mark.parametrize(("law", "other"), LAWS, ids=IDS)
def test_laws_are_those_of_scipy_and_of_chaospy(law: Law, other: Any) -> None:
    """Oracle: SciPy's distributions (closed forms of their own) and chaospy's."""
    x = other.ppf(U)
    assert law.mean == pytest.approx(other.mean(), rel=1e-8)
    assert law.sd == pytest.approx(other.std(), rel=1e-8)
    np.testing.assert_allclose(law.ppf(U), x, rtol=1e-7)
    np.testing.assert_allclose(law.cdf(x), U, atol=1e-7)
    np.testing.assert_allclose(law.pdf(x), other.pdf(x), rtol=1e-5)
    made = law.chaospy()
    np.testing.assert_allclose(made.inv(U), x, rtol=1e-4)
    np.testing.assert_allclose(made.fwd(x), U, atol=1e-5)


@pytest.mark.parametrize("law", [law for law, _ in LAWS], ids=IDS)
def test_files_pickles_and_scores_give_the_same_law(law: Law) -> None:
    """Oracle: the law itself; scores by the normal law of SciPy."""
    assert law_of_dict(law.to_dict()) == law
    assert eval(repr(law), {**vars(em), "em": em, type(law).__name__: type(law)}) == law
    assert pickle.loads(pickle.dumps(law)) == law
    z = np.linspace(-2.5, 2.5, 11)
    np.testing.assert_allclose(law.of_normal(z), law.ppf(stats.norm.cdf(z)), rtol=1e-9)
    np.testing.assert_allclose(law.to_normal(law.of_normal(z)), z, atol=1e-6)


positives = st.floats(0.05, 50)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["normal", "log-normal", "truncated normal", "uniform", "triangular", "beta", "arcsine"]),
       positives, st.floats(0.01, 0.6), st.floats(1e-6, 1 - 1e-6))  # fmt: skip
def test_relative_laws_keep_their_share_at_any_nominal(kind: str, nominal: float, share: float, u: float) -> None:
    """Oracle: the definition of a relative law; quantiles invert probabilities."""
    law = law_of_dict({"law": kind, "relative": share}).at(nominal)
    assert law.mean == pytest.approx(nominal, rel=1e-9)
    assert law.width == pytest.approx(share * nominal, rel=1e-9)
    assert float(law.cdf(law.ppf(u))) == pytest.approx(u, abs=1e-7)
    words = law.divisor.replace("sqrt 2", "1.41421356").replace("sqrt 3", "1.73205081").replace("sqrt 6", "2.44948974")
    assert law.width / float(words) == pytest.approx(law.sd, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.02, 0.9), st.floats(0.0, 0.3), st.floats(1.2, 6.0))
def test_truncated_normals_keep_their_moments(share: float, low: float, high: float) -> None:
    """Oracle: moments by quadrature of the density; a law that cannot be is refused in one line."""
    try:
        law = em.TruncatedNormal(1.0, share, low=low, high=high)
    except InputError as error:
        if "a smaller sd" not in str(error) or share < 0.3 * min(1 - low, high - 1):
            raise
        return
    near = [low, *np.clip(1 + share * np.arange(-4, 5), low, high), high]
    nodes, weights = np.polynomial.legendre.leggauss(40)
    moments = np.zeros(3)
    for a, b in itertools.pairwise(near):
        x = 0.5 * (a + b) + 0.5 * (b - a) * nodes
        moments += [0.5 * (b - a) * weights @ (x**k * law.pdf(x)) for k in range(3)]
    assert moments == pytest.approx([1, 1, 1 + share**2], rel=1e-6)


def test_shifted_laws_take_the_nominal_for_their_mean() -> None:
    """Oracle: the definition."""
    assert em.Normal(sd=0.002).at(0.1) == em.Normal(0.1, 0.002)
    assert em.Uniform(half_width=2.0).at(-1.0) == em.Uniform(-3.0, 1.0)
    assert em.Normal(0.7, relative=0.1) == em.Normal(0.7, 0.7 * 0.1)
    assert em.Normal(0.7, 0.1).at(5.0) == em.Normal(0.7, 0.1)
    assert em.StudentT(relative=0.1, dof=4).at(-2.0).sd == pytest.approx(0.2 * math.sqrt(2))


def test_discrete_laws() -> None:
    """Oracle: sums by hand."""
    law = em.Discrete((3.0, 1.0, 2.0), (2, 1, 1))
    assert law.points == (1.0, 2.0, 3.0)
    assert law.mean == pytest.approx(2.25)
    assert law.sd == pytest.approx(math.sqrt(0.6875))
    assert law.ppf([0.1, 0.25, 0.26, 0.5, 0.51, 1.0]).tolist() == [1, 1, 2, 2, 3, 3]
    assert law.cdf([0, 1, 2.5, 3]).tolist() == [0, 0.25, 0.5, 1]
    texts = em.Discrete(("head", "heart"))
    assert texts.option(float(texts.ppf(0.7))) == "heart"
    assert law_of_dict(texts.to_dict()) == texts
    made = law.chaospy()  # orthogonal polynomials in its points: variance = norm of the first
    assert float(made.ttr([0, 1])[1, 1]) == pytest.approx(0.6875)


def test_any_law_of_chaospy() -> None:
    """Oracle: SciPy's Weibull law."""
    law = ChaospyLaw("Weibull", {"shape": 2.0, "scale": 3.0})
    other = stats.weibull_min(2, scale=3)
    np.testing.assert_allclose(law.ppf(U), other.ppf(U), rtol=1e-8)
    assert law.sd == pytest.approx(other.std(), rel=1e-6)
    assert pickle.loads(pickle.dumps(law)) == law


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: em.Normal(0.7, 0.0), "normal sd: must be positive"),
        (lambda: em.Normal(0.7), "needs one width"),
        (lambda: em.Normal(sd=1.0, relative=0.1), "sd and relative"),
        (lambda: em.Normal("0.7", 0.1), "normal mean"),
        (lambda: em.Normal(relative=0.1).ppf(0.5), "without a nominal value"),
        (lambda: em.Uniform(relative=0.1).mean, "without a nominal value"),
        (lambda: em.Normal(relative=0.1).at(0.0), "at a nominal value of 0"),
        (lambda: em.Normal(0.0, relative=0.1), "a relative law of mean 0"),
        (lambda: em.Uniform(0.9, 0.6), "wrong order"),
        (lambda: em.Uniform(low=0.9), "low and high, or half_width, or relative"),
        (lambda: em.Triangular(0.0, 1.0, mode=2.0), "mode outside"),
        (lambda: em.Beta(0.0, 1.0, a=0.0), "beta a: must be positive"),
        (lambda: em.StudentT(0.0, 1.0, dof=2), "dof > 2"),
        (lambda: em.LogNormal(-1.0, 0.1), "mean that is not positive"),
        (lambda: em.TruncatedNormal(1.0, 1.5), "a smaller sd, or LogNormal"),
        (lambda: em.TruncatedNormal(-1.0, 0.5), "low < mean < high"),
        (lambda: em.Discrete((1.0,)), "two or more"),
        (lambda: em.Discrete((1.0, 2.0), (1.0, -1.0)), "bad weights"),
        (lambda: em.Discrete((1.0, "a")), "numbers, or texts"),
        (lambda: ChaospyLaw("Weibul", {}), "did you mean 'Weibull'"),
        (lambda: law_of_dict({"law": "norml", "sd": 1}), "did you mean 'normal'"),
        (lambda: law_of_dict({"law": "normal", "std": 1}, "coil.radius_m"), "coil.radius_m: unknown parameter"),
        (lambda: law_of_dict({"relative": 1}), "no law"),
        (lambda: em.Normal(0.3, 0.2).require_positive("fat.conductivity"), "TruncatedNormal(relative=0.667)"),
        (lambda: em.Normal(relative=0.5).require_positive("fat.conductivity", 0.3), "LogNormal(relative=0.5)"),
        (lambda: em.Uniform(-0.1, 0.5).require_positive("x"), "P = 0.17"),
        (lambda: em.Discrete((0.0, 1.0)).require_positive("x"), "values <= 0"),
    ],
)
def test_nonsense_is_refused_in_one_line(make: Any, words: str) -> None:
    """Oracle: the words of the error."""
    with pytest.raises(InputError) as error:
        make()
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_laws_that_cannot_be_negative_pass() -> None:
    """Oracle: P(X <= 0) of a normal law with 10 % is 8e-24."""
    for law in (em.Normal(relative=0.1), em.LogNormal(relative=0.9), em.TruncatedNormal(relative=0.5)):
        assert law.require_positive("x", 2.0).mean == pytest.approx(2.0)
