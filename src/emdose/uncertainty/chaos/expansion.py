"""A fitted polynomial chaos: moments, quantiles, densities, indices and predictions from its coefficients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import real_array, whole
from emdose.compute import backend
from emdose.errors import InputError
from emdose.uncertainty.chaos.bases.basis import Basis, MultiIndices
from emdose.uncertainty.chaos.indices import (
    SobolIndices,
    VarianceParts,
    kind_of,
    positions,
    ratio,
    subsets,
)
from emdose.values import owned, read_only

WORK_BYTES = 128 * 2**20
"""Memory of a block of samples of the surrogate."""


class Expansion(ABC):
    """What polynomial chaoses of all kinds give: moments, quantiles, densities, indices and predictions."""

    basis: Basis
    loo: Any
    variance: Any
    first: Any
    total: Any
    samples: int

    @property
    def inputs(self) -> Any:
        """Joint law of the inputs."""
        return self.basis.inputs

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(self.inputs.names)

    @property
    def indices(self) -> MultiIndices:
        """Which products."""
        return self.basis.indices

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the outputs; () for one."""
        return tuple(self.loo.shape)

    @property
    def size(self) -> int:
        """Number of outputs."""
        return int(np.prod(self.shape))

    @property
    @abstractmethod
    def mean(self) -> Any:
        """Mean of each output."""

    @abstractmethod
    def block(self, a: int, b: int) -> Any:
        """Coefficients (P, b - a) of the outputs from a to b, counted along their flattened array."""

    def values(self, Psi: Any, a: int, b: int) -> Any:
        """Values (n, b - a) of the outputs from a to b where the basis has the values Psi (n, P)."""
        return Psi @ self.block(a, b)

    @property
    def sd(self) -> Any:
        """Standard deviation of each output."""
        return self.variance**0.5

    @property
    def sobol(self) -> SobolIndices:
        """First-order and total indices of each input."""
        return SobolIndices(self.names, self.first, self.total, self._kind)

    @property
    def _kind(self) -> str:
        return kind_of(self.inputs)

    def predict(self, X: Any) -> Any:
        """Outputs (n, ...) of inputs (n, d); (...) of one point (d,)."""
        one = np.ndim(X) == 1 and self.inputs.dimension == np.size(X) and (self.inputs.dimension > 1)
        Psi = self.psi(X)
        found = self.values(Psi, 0, self.size).reshape(len(Psi), *self.shape)
        return found[0] if one else found

    def sample(self, n: int, seed: int = 0) -> Any:
        """Outputs (n, ...) of n random inputs."""
        return self.predict(self.sample_inputs(n, seed))

    def sample_inputs(self, n: int, seed: int = 0) -> np.ndarray:
        """Random inputs (n, d)."""
        n = whole("n", n, 1)
        U = np.random.default_rng(seed).random((n, self.inputs.dimension))
        return np.asarray(self.inputs.of_uniform(np.maximum(U, 1e-300)))

    def quantile(self, q: Any, samples: int | None = None, seed: int = 0) -> Any:
        """Quantiles of each output, by scrambled Sobol points on the polynomial.

        Parameters
        ----------
        q : float or array (k,)
            Probabilities.
        samples : int, optional
            Points; 65536 for up to a thousand outputs, 4096 for more.
        seed : int
            Of the scrambling.

        Returns
        -------
        array (...) or (k, ...)
        """
        found = real_array(q)
        if found is None or found.ndim > 1 or not np.all((found >= 0) & (found <= 1)):
            raise InputError("bad probability", field="q", found=q, expected="numbers from 0 to 1")
        wanted = np.atleast_1d(found)
        xp, m = backend.of(self.loo).xp, self.size
        Psi = self.psi(self.spread_inputs(samples or (65536 if m <= 1000 else 4096), seed))
        out = xp.empty((wanted.size, m), Psi.dtype)
        for a, b in self.steps(len(Psi)):
            out[:, a:b] = xp.quantile(self.values(Psi, a, b), xp.asarray(wanted), axis=0, overwrite_input=True)
        out = out.reshape(wanted.size, *self.shape)
        return out if found.ndim else out[0]

    def pdf(self, points: int = 200, samples: int = 65536, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Values (points,) and density (points,) of a single output, by a Gaussian kernel on samples of the polynomial.

        Raises
        ------
        InputError
            For more than one output.

        Source: B. W. Silverman, Density Estimation, 1986, equation 3.31 (width of the kernel).
        """
        if self.size != 1:
            raise InputError("a density is of one output", field="Y", found=f"shape {self.shape}")
        values = self.values(self.psi(self.spread_inputs(samples, seed)), 0, 1)
        y = np.sort(backend.of(self.loo).to_numpy(values[:, 0]).astype(float))
        spread = min(y.std(), (y[3 * y.size // 4] - y[y.size // 4]) / 1.349) or y.std()
        width = max(0.9 * spread * y.size**-0.2, 1e-12 * abs(y[-1]), 1e-300)
        x = np.linspace(y[0] - 3 * width, y[-1] + 3 * width, whole("points", points, 2))
        fine = np.linspace(x[0], x[-1], 4097)
        counts, _ = np.histogram(y, fine)
        middle = (fine[1:] + fine[:-1]) / 2
        kernel = np.exp(-0.5 * ((x[:, None] - middle) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        return x, kernel @ counts / y.size

    def group(self, names: Sequence[str] | str) -> SobolIndices:
        """Closed first-order and total index of a group of inputs.

        Parameters
        ----------
        names : sequence of str
            Inputs of the group.

        Raises
        ------
        InputError
            For a name that is no input.
        """
        at = positions(self.names, names)
        label = ", ".join(self.names[j] for j in at)
        first, total = self._parts(VarianceParts(self.basis, [at]), 1)
        return SobolIndices((label,), first, total, self._kind)

    def shares(self) -> tuple[tuple[tuple[str, ...], ...], np.ndarray]:
        """The whole decomposition of the variance: every set of inputs with its share; they add up to 1.

        Of correlated inputs the sets are those of the germs in the order of the inputs: a name stands for what its
        input adds to those before it.

        Returns
        -------
        sets : tuple of tuples of str
        shares : array (sets, ...)
        """
        sets, forms = subsets(self.basis)
        named = tuple(tuple(self.names[j] for j in s) for s in sets)
        xp = backend.of(self.loo).xp
        out = xp.empty((len(sets), self.size))
        for a, b in self.steps(self.basis.terms):
            parts = xp.asarray(forms) @ xp.square(self.block(a, b).astype(float))
            out[:, a:b] = ratio(parts, parts.sum(axis=0), xp)
        return named, out.reshape(len(sets), *self.shape)

    def _parts(self, shares: VarianceParts, k: int) -> tuple[Any, Any]:
        xp, m = backend.of(self.loo).xp, self.size
        first, total = xp.empty((k, m)), xp.empty((k, m))
        for a, b in self.steps(self.basis.terms):
            v, f, t = shares.of(xp.asarray(self.block(a, b)), xp)
            first[:, a:b], total[:, a:b] = ratio(f, v, xp), ratio(t, v, xp)
        return owned(first.reshape(k, *self.shape)), owned(total.reshape(k, *self.shape))

    def steps(self, rows: int) -> list[tuple[int, int]]:
        """Begin and end of blocks of outputs, of which each has so many rows of numbers."""
        step = max(1, WORK_BYTES // (8 * rows))
        return [(a, min(a + step, self.size)) for a in range(0, self.size, step)]

    def psi(self, X: Any) -> Any:
        """Values (n, P) of the basis at inputs (n, d), where and in the precision in which the outputs are."""
        return backend.of(self.loo).asarray(self.basis.evaluate(X), dtype=self.first.dtype)

    def spread_inputs(self, n: int, seed: int) -> np.ndarray:
        """Inputs (n, d) at scrambled Sobol points."""
        import warnings

        from scipy.stats import qmc

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a number that is no power of two
            U = qmc.Sobol(self.inputs.dimension, scramble=True, rng=seed).random(whole("samples", n, 2))
        return np.asarray(self.inputs.of_uniform(np.clip(U, 1e-12, 1 - 1e-12)))


@read_only
@dataclass(frozen=True, eq=False)
class Chaos(Expansion):
    """Polynomial chaos of one output, or of an array of outputs.

    Parameters
    ----------
    basis : Basis
        The products of polynomials.
    coefficients : array (P, ...)
        Of each product, for each output.
    loo : array (...)
        Relative leave-one-out error of each output: mean squared error of prediction over variance.
    variance : array (...)
        Sum of the squared coefficients without the constant.
    first, total : array (d, ...)
        Sobol indices of each input, see :class:`SobolIndices`.
    samples : int
        Number of samples that it was fitted to.
    """

    basis: Basis
    coefficients: Any
    loo: Any
    variance: Any
    first: Any
    total: Any
    samples: int

    @property
    def mean(self) -> Any:
        """Mean of each output."""
        return self.coefficients[0]

    def block(self, a: int, b: int) -> Any:
        """Coefficients (P, b - a) of the outputs from a to b, counted along their flattened array."""
        return self.coefficients.reshape(self.basis.terms, -1)[:, a:b]
