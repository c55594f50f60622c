"""Polynomial chaos of maps on the GPU, or on its imitation. Oracle: the same on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.compute import backend
from emdose.uncertainty import design

INPUTS = em.Inputs((em.Input("a", em.Normal(0.0, 1.0)), em.Input("b", em.Uniform(-1.0, 1.0))))
TIED = em.Inputs((em.Input("a", em.Normal(0.0, 1.0)), em.Input("b", em.Uniform(-1.0, 1.0))), [[1, 0.4], [0.4, 1]])


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "modes"])
@pytest.mark.parametrize("inputs", [INPUTS, TIED], ids=["independent", "correlated"])
def test_a_map_there_is_as_here(cuda: backend.Backend, inputs: em.Inputs, sparse: bool) -> None:
    X = inputs.of_uniform(design("sobol", 64, inputs))
    s = np.linspace(0, 2, 90).reshape(9, 10)
    Y = 3 + np.exp(0.3 * X[:, :1, None]) * np.sin(s) + X[:, 1:, None] ** 3 * s**2 + X[:, :1, None] * X[:, 1:, None]
    here = em.polynomial_chaos(inputs, X, Y, 4, sparse=sparse, block=17)
    there = em.polynomial_chaos(inputs, X, cuda.asarray(Y), 4, sparse=sparse, block=17)
    new = inputs.sample(5, seed=3)
    pairs = {
        "mean": (there.mean, here.mean),
        "sd": (there.sd, here.sd),
        "loo": (there.loo, here.loo),
        "first": (there.first, here.first),
        "total": (there.total, here.total),
        "prediction": (there.predict(new), here.predict(new)),
        "shares": (there.shares()[1], here.shares()[1]),
        "group": (there.group(["a", "b"]).total, here.group(["a", "b"]).total),
        "quantile": (there.quantile([0.1, 0.9], 256), here.quantile([0.1, 0.9], 256)),
    }
    for name, (a, b) in pairs.items():
        assert backend.of(a) is cuda, name
        np.testing.assert_allclose(cuda.to_numpy(a), b, rtol=1e-9, atol=1e-9, err_msg=name)
    far, near = em.peak_samples(there, 100), em.peak_samples(here, 100)
    np.testing.assert_allclose(far.values, near.values, rtol=1e-9)
    assert far.candidates == near.candidates


def test_degree_is_chosen_there_too(cuda: backend.Backend) -> None:
    X = INPUTS.of_uniform(design("sobol", 60, INPUTS))
    y = X[:, 0] ** 2 * X[:, 1] + 1
    there = em.polynomial_chaos(INPUTS, X, cuda.asarray(y))
    assert there.indices.degree == 3
    assert float(there.variance) == pytest.approx(1.0, rel=1e-9)
    few = em.polynomial_chaos(INPUTS, X, cuda.asarray(y), sparse=True)
    assert float(few.variance) == pytest.approx(1.0, rel=1e-9)
    here = em.polynomial_chaos(INPUTS, X, y)
    np.testing.assert_allclose(there.pdf(50, 1024), here.pdf(50, 1024), rtol=1e-6, atol=1e-9)


def test_strata_there(cuda: backend.Backend) -> None:
    inputs = em.Inputs((*INPUTS.inputs, em.Input("size", em.Discrete((1.0, 2.0)))))
    X = inputs.sample(100)
    Y = X[:, :1] * X[:, 2:] * np.ones(7)
    c = em.stratified_chaos(inputs, X, cuda.asarray(Y), degree=2)
    np.testing.assert_allclose(cuda.to_numpy(c.variance), 2.5, rtol=1e-9)
    np.testing.assert_allclose(cuda.to_numpy(c.first[0]), 2.25 / 2.5, rtol=1e-9)
    np.testing.assert_allclose(cuda.to_numpy(c.total_of_strata), 0.25 / 2.5, rtol=1e-9)
