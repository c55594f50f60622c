"""Inputs with their laws, and what ties them together: correlation by a Gaussian copula, or a copula of chaospy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emdose.checks import array, number, one_of, positive, text, unknown, within
from emdose.errors import InputError
from emdose.uncertainty.laws import Law, Normal
from emdose.uncertainty.laws import correlation as nataf
from emdose.uncertainty.laws.base import INSIDE
from emdose.values import read_only

COPULAS = ("gaussian", "clayton")
KINDS = ("pearson", "spearman")
STANDARD = Normal(mean=0.0, sd=1.0)


@read_only
@dataclass(frozen=True)
class Input:
    """One number that is not known exactly.

    Parameters
    ----------
    name : str
        Name, or path in a scenario.
    law : Law
        Its law; one that waits for a nominal value is put at ``nominal``.
    nominal : float, optional
        Value that a run without uncertainty takes; the mean of the law unless given.
    unit : str
        Unit.
    group : str
        Inputs of one group may be judged together.
    source : str
        Where the law comes from.

    Raises
    ------
    InputError
        Without a name or a law, or for a law that waits and no nominal value.
    """

    name: str
    law: Law
    nominal: float | None = None
    unit: str = ""
    group: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        text("name", self.name)
        if not isinstance(self.law, Law):
            raise InputError(
                "not a law", field=self.name, found=str(self.law), expected="a law such as em.Normal(relative=0.1)"
            )
        if self.nominal is None and not self.law.absolute:
            raise InputError("a law without a nominal value", field=self.name, found=str(self.law), expected="nominal")
        try:
            if self.nominal is not None:
                object.__setattr__(self, "law", self.law.at(number("nominal", self.nominal)))
        except InputError as error:
            raise error.at(field=self.name) from None
        object.__setattr__(self, "nominal", float(self.law.mean if self.nominal is None else self.nominal))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        found = {"name": self.name, "law": self.law.to_dict(), "nominal": self.nominal, "unit": self.unit}
        return found | {"group": self.group, "source": self.source}


@read_only
@dataclass(frozen=True, eq=False)
class Inputs:
    """Several inputs and their joint law.

    Parameters
    ----------
    inputs : sequence of Input
        The inputs.
    correlation : array_like (d, d) or mapping of (name, name) to float, optional
        Correlation; what a mapping does not name is 0. Independent unless given.
    kind : {"pearson", "spearman"}
        Of the values themselves (product moment), or of their ranks.
    copula : {"gaussian", "clayton"}
        How the inputs hang together: as normal scores do that have such a correlation (Nataf's law), or all of them
        by Clayton's copula of chaospy with the parameter ``theta``, transformed as Rosenblatt did.
    theta : float, optional
        Parameter of Clayton's copula, > 0; two inputs have Kendall's tau theta / (theta + 2).

    Raises
    ------
    InputError
        For names that are not unique, correlations outside of [-1, 1], unknown names, a matrix that is not symmetric
        or not positive definite, and correlations that the laws cannot have.

    Equation: X_i = F_i^-1(Phi((L Z)_i)), L L^T = R; R is such that the values, not the normal scores, have the stated
    correlation.

    Source: A. Nataf, C. R. Acad. Sci. 225 (1962) 42-43; P.-L. Liu, A. Der Kiureghian, Prob. Eng. Mech. 1 (1986)
    105-112; R. Lebrun, A. Dutfoy, Prob. Eng. Mech. 24 (2009) 172-178 and 577-584; M. Rosenblatt, Ann. Math. Stat. 23
    (1952) 470-472.
    """

    inputs: tuple[Input, ...]
    correlation: Any = None
    kind: str = "pearson"
    copula: str = "gaussian"
    theta: float | None = None

    def __post_init__(self) -> None:
        given = tuple(self.inputs)
        if not given or not all(isinstance(i, Input) for i in given):
            raise InputError("no inputs", field="inputs", found=str(self.inputs), expected="one or more em.Input")
        object.__setattr__(self, "inputs", given)
        twice = sorted({n for n in self.names if self.names.count(n) > 1})
        if twice:
            raise InputError("an input that is there twice", field="inputs", found=twice[0], expected="unique names")
        one_of("kind", self.kind, KINDS)
        one_of("copula", self.copula, COPULAS)
        if self.copula == "clayton":
            self._require_theta()
        elif self.theta is not None:
            raise InputError("a Gaussian copula has no theta", field="theta", found=self.theta, expected="correlation")
        object.__setattr__(self, "correlation", self._matrix())
        _ = self.normal_correlation

    @classmethod
    def of_covariance(
        cls, names: Sequence[str], mean: Any, covariance: Any, units: Sequence[str] | None = None
    ) -> Inputs:
        """Normal inputs of a stated covariance.

        Parameters
        ----------
        names : sequence of str
            Names, d of them.
        mean : array_like (d,)
            Expectations.
        covariance : array_like (d, d)
            Covariance.
        units : sequence of str, optional
            Units.

        Raises
        ------
        InputError
            For a covariance that is not symmetric or not positive definite.
        """
        d = len(names)
        m, c = array("mean", mean, (d,)), array("covariance", covariance, (d, d))
        nataf.cholesky("covariance", c)
        sd = np.sqrt(np.diag(c))
        laws = [Normal(mean=float(a), sd=float(b)) for a, b in zip(m, sd, strict=True)]
        inputs = tuple(Input(n, law, unit=u) for n, law, u in zip(names, laws, units or [""] * d, strict=True))
        r = c / np.outer(sd, sd)
        np.fill_diagonal(r, 1.0)
        return cls(inputs, 0.5 * (r + r.T))

    @property
    def names(self) -> tuple[str, ...]:
        """Names."""
        return tuple(i.name for i in self.inputs)

    @property
    def laws(self) -> tuple[Law, ...]:
        """Laws, all absolute."""
        return tuple(i.law for i in self.inputs)

    @property
    def nominal(self) -> np.ndarray:
        """Nominal values, (d,)."""
        return np.array([i.nominal for i in self.inputs], float)

    @property
    def mean(self) -> np.ndarray:
        """Expectations, (d,)."""
        return np.array([i.law.mean for i in self.inputs])

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations, (d,)."""
        return np.array([i.law.sd for i in self.inputs])

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Names of the inputs of each group."""
        found: dict[str, tuple[str, ...]] = {}
        for i in self.inputs:
            if i.group:
                found[i.group] = (*found.get(i.group, ()), i.name)
        return found

    @property
    def dimension(self) -> int:
        """Number of inputs."""
        return len(self.inputs)

    @property
    def independent(self) -> bool:
        """Whether no input says anything about another one."""
        return self.copula == "gaussian" and (self.correlation is None or not np.any(np.triu(self.correlation, 1)))

    @property
    def germ_laws(self) -> tuple[Law, ...]:
        """Laws of the independent germs: the laws themselves, or standard normal ones where inputs are correlated."""
        return self.laws if self.independent else (STANDARD,) * self.dimension

    def __len__(self) -> int:
        return self.dimension

    def index(self, name: str) -> int:
        """Place of an input; raises InputError for a name that is not there."""
        if name not in self.names:
            raise unknown("unknown input", name, self.names, field="name")
        return self.names.index(name)

    def of_uniform(self, U: Any) -> np.ndarray:
        """Samples (n, d) from points (n, d) of the unit cube."""
        return self.of_germ(self.germ_of_uniform(U))

    def germ_of_uniform(self, U: Any) -> np.ndarray:
        """Germs (n, d) from points (n, d) of the unit cube."""
        from scipy.special import ndtri

        u = np.clip(self._table("U", U), INSIDE, 1 - INSIDE)
        if not self.independent:
            scores: np.ndarray = ndtri(u)
            return scores
        return np.column_stack([law.ppf(column) for law, column in zip(self.laws, u.T, strict=True)])

    def of_germ(self, Z: Any) -> np.ndarray:
        """Samples (n, d) from germs (n, d)."""
        z = self._table("Z", Z)
        if self.independent:
            return z
        if self.copula == "gaussian":
            z = z @ self.cholesky.T
            return np.column_stack([law.of_normal(column) for law, column in zip(self.laws, z.T, strict=True)])
        from scipy.special import ndtr

        u = np.clip(self._clayton.inv(np.clip(ndtr(z), 1e-12, 1 - 1e-12).T).T, INSIDE, 1 - INSIDE)
        return np.column_stack([law.ppf(column) for law, column in zip(self.laws, u.T, strict=True)])

    def to_germ(self, X: Any) -> np.ndarray:
        """Germs (n, d) from samples (n, d): the inverse of :meth:`of_germ`."""
        x = self._table("X", X)
        if self.independent:
            return x
        if self.copula == "gaussian":
            from scipy.linalg import solve_triangular

            z = np.stack([law.to_normal(column) for law, column in zip(self.laws, x.T, strict=True)])
            found: np.ndarray = solve_triangular(self.cholesky, z, lower=True).T
            return found
        from scipy.special import ndtri

        u = np.stack([law.cdf(column) for law, column in zip(self.laws, x.T, strict=True)])
        scores: np.ndarray = ndtri(np.clip(self._clayton.fwd(u), INSIDE, 1 - INSIDE)).T
        return scores

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """``n`` independent samples, (n, d)."""
        return self.of_uniform(np.random.default_rng(seed).random((n, self.dimension)))

    @cached_property
    def normal_correlation(self) -> np.ndarray:
        """Correlation of the normal scores, (d, d): what the Gaussian copula has."""
        if self.independent or self.copula != "gaussian":
            return np.eye(self.dimension)
        found = nataf.of_scores(self.laws, self.names, self.correlation, self.kind)
        nataf.cholesky("correlation", found, "together the laws cannot have these correlations")
        return found

    @cached_property
    def cholesky(self) -> np.ndarray:
        """Lower triangle L of the correlation of the normal scores, (d, d)."""
        return nataf.cholesky("correlation", self.normal_correlation)

    def covariance(self) -> np.ndarray:
        """Covariance of the values, (d, d); of Clayton's copula from 2^16 quasi-random samples."""
        if self.independent:
            return np.diag(self.sd**2)
        if self.copula != "gaussian":
            from scipy.stats import qmc

            points = qmc.Sobol(self.dimension, seed=0).random_base2(16)
            r = np.corrcoef(self.of_uniform(points).T)
        elif self.kind == "pearson":
            r = np.array(self.correlation)
        else:
            r = nataf.of_values(self.laws, self.normal_correlation)
        return np.asarray(r * np.outer(self.sd, self.sd))

    def reordered(self, names: Sequence[str]) -> Inputs:
        """The same joint law with the inputs, all of them, in another order.

        Raises
        ------
        InputError
            Unless the names are those of the inputs.
        """
        at = [self.index(n) for n in names]
        if sorted(at) != list(range(self.dimension)):
            raise InputError("not all inputs", field="names", found=list(names), expected="each input once")
        r = None if self.correlation is None else np.array(self.correlation)[np.ix_(at, at)]
        return Inputs(tuple(self.inputs[i] for i in at), r, self.kind, self.copula, self.theta)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        found: dict[str, Any] = {"inputs": [i.to_dict() for i in self.inputs], "independent": self.independent}
        if not self.independent:
            found |= {"copula": self.copula, "kind": self.kind, "theta": self.theta}
            found["correlation"] = None if self.correlation is None else np.array(self.correlation).tolist()
        return found

    @cached_property
    def _clayton(self) -> Any:
        import chaospy

        return chaospy.Clayton(chaospy.Iid(chaospy.Uniform(0, 1), self.dimension), theta=self.theta)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_clayton"}  # chaospy's objects do not travel

    def _require_theta(self) -> None:
        positive("theta", self.theta, problem="bad theta of Clayton's copula")
        if self.correlation is not None or self.dimension < 2:
            raise InputError("Clayton's copula needs two inputs and no correlation", field="copula", found=self.copula)

    def _matrix(self) -> np.ndarray | None:
        r = self.correlation
        d = self.dimension
        if r is None:
            return None
        if isinstance(r, Mapping):
            full = np.eye(d)
            for pair, value in r.items():
                if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1]:
                    raise InputError("bad pair", field="correlation", found=str(pair), expected="two names")
                i, j = (self.index(n) for n in pair)
                full[i, j] = full[j, i] = within(f"correlation of {pair[0]} and {pair[1]}", value, -1, 1, ends="()")
            r = full
        r = array("correlation", r, (d, d))
        if np.any(np.abs(np.diag(r) - 1) > 1e-12):
            raise InputError("correlation of an input with itself", field="correlation", expected="1 on the diagonal")
        if np.any(np.abs(r) > 1 + 1e-12):
            worst = float(r.flat[int(np.argmax(np.abs(r)))])
            raise InputError("correlation out of range", field="correlation", found=worst, expected="-1 to 1")
        nataf.cholesky("correlation", r)
        return r

    def _table(self, name: str, values: Any) -> np.ndarray:
        found = np.asarray(values, float)
        if found.ndim != 2 or found.shape[1] != self.dimension:
            raise InputError(
                "not one column for each input", field=name, found=found.shape, expected=f"shape (n, {self.dimension})"
            )
        return found
