"""The same studies by OpenTURNS, where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.uncertainty import designs
from emdose.uncertainty.chaos import fit
from emdose.uncertainty.inputs import Input, Inputs
from emdose.uncertainty.laws import Normal, Uniform

CUBE = Inputs(tuple(Input(f"x{i}", Uniform(low=-np.pi, high=np.pi)) for i in range(3)))
TIED = Inputs((Input("a", Normal(mean=1, sd=2)), Input("b", Normal(mean=0, sd=1))), [[1, 0.5], [0.5, 1]])


def ishigami(X: np.ndarray) -> np.ndarray:
    return np.sin(X[:, 0]) + 7 * np.sin(X[:, 1]) ** 2 + 0.1 * X[:, 2] ** 4 * np.sin(X[:, 0])


@pytest.mark.openturns
def test_least_squares_is_that_of_openturns() -> None:
    """Total degree 8, 165 terms: the same coefficients, hence indices, to rounding."""
    ot = pytest.importorskip("openturns")
    X = CUBE.of_uniform(designs.design("sobol", 400, CUBE, seed=1))
    y = ishigami(X)
    c = fit(CUBE, X, y, 8)
    law = ot.JointDistribution([ot.Uniform(-np.pi, np.pi)] * 3)
    basis = ot.OrthogonalProductPolynomialFactory([ot.LegendreFactory()] * 3, ot.LinearEnumerateFunction(3))
    algorithm = ot.FunctionalChaosAlgorithm(
        ot.Sample(X), ot.Sample(y[:, None]), law, ot.FixedStrategy(basis, 165), ot.LeastSquaresStrategy()
    )
    algorithm.run()
    result = algorithm.getResult()
    theirs = ot.FunctionalChaosSobolIndices(result)
    np.testing.assert_allclose(c.first, [theirs.getSobolIndex(i) for i in range(3)], atol=1e-9)
    np.testing.assert_allclose(c.total, [theirs.getSobolTotalIndex(i) for i in range(3)], atol=1e-9)
    assert float(c.mean) == pytest.approx(np.array(result.getCoefficients())[0, 0], rel=1e-9)
    new = CUBE.sample(20)
    np.testing.assert_allclose(c.predict(new), np.array(result.getMetaModel()(ot.Sample(new)))[:, 0], rtol=1e-8)


@pytest.mark.openturns
def test_sparse_is_as_good_as_openturns() -> None:
    """Both by least-angle regression with corrected leave-one-out, of degree 8: as near to the closed form."""
    ot = pytest.importorskip("openturns")
    X = CUBE.of_uniform(designs.design("sobol", 400, CUBE, seed=1))
    y = ishigami(X)
    truth = np.array([0.55758886, 0.44241114, 0.24368366])
    law = ot.JointDistribution([ot.Uniform(-np.pi, np.pi)] * 3)
    basis = ot.OrthogonalProductPolynomialFactory([ot.LegendreFactory()] * 3, ot.LinearEnumerateFunction(3))
    select = ot.LeastSquaresMetaModelSelectionFactory(ot.LARS(), ot.CorrectedLeaveOneOut())
    algorithm = ot.FunctionalChaosAlgorithm(
        ot.Sample(X), ot.Sample(y[:, None]), law, ot.FixedStrategy(basis, 165), ot.LeastSquaresStrategy(select)
    )
    algorithm.run()
    theirs = ot.FunctionalChaosSobolIndices(algorithm.getResult())
    there = np.abs(np.array([theirs.getSobolTotalIndex(i) for i in range(3)]) - truth).max()
    here = np.abs(fit(CUBE, X, y, 8, sparse=True).total - truth).max()
    assert there < 3e-3
    assert here < max(1.2 * there, 2e-3)


@pytest.mark.openturns
def test_joint_law_of_correlated_inputs_is_that_of_openturns() -> None:
    """Mean and variance of a product by the Gaussian copula of OpenTURNS, sampled."""
    ot = pytest.importorskip("openturns")
    law = ot.JointDistribution(
        [ot.Normal(1, 2), ot.Normal(0, 1)], ot.NormalCopula(ot.CorrelationMatrix([[1, 0.5], [0.5, 1]]))
    )
    ot.RandomGenerator.SetSeed(1)
    Z = np.array(law.getSample(200_000))
    X = TIED.sample(60)
    c = fit(TIED, X, X[:, 0] * X[:, 1], 2)
    truth = Z[:, 0] * Z[:, 1]
    assert float(c.mean) == pytest.approx(truth.mean(), abs=4 * truth.std() / np.sqrt(200_000))
    assert float(c.variance) == pytest.approx(truth.var(), rel=0.03)
    np.testing.assert_allclose(c.predict(Z[:50]), truth[:50], atol=1e-10)
