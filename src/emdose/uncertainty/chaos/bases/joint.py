"""What a chaos asks of the joint law of its inputs, so that laws and polynomials need not know each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class MarginalLaw(Protocol):
    """Law of one input with finite mean and variance."""

    @property
    def kind(self) -> str:
        """Its name, such as "normal"."""

    @property
    def mean(self) -> float:
        """Mean."""

    @property
    def sd(self) -> float:
        """Standard deviation."""

    @property
    def support(self) -> tuple[float, float]:
        """Least and greatest value; infinite where there is none."""

    @property
    def points(self) -> tuple[float, ...] | None:
        """All values of a law that has few."""

    def pdf(self, x: Any) -> Any:
        """Density, or probability of single values."""

    def to_normal(self, x: Any) -> Any:
        """Where values of the law lie in the standard normal law."""

    def chaospy(self) -> Any:
        """The law as a distribution of chaospy."""


class JointLaw(Protocol):
    """Joint law of d inputs, and the map to independent ones (the germ)."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the inputs."""

    @property
    def dimension(self) -> int:
        """Their number d."""

    @property
    def independent(self) -> bool:
        """Whether they are."""

    @property
    def laws(self) -> Sequence[Any]:
        """Law of each input."""

    @property
    def germ_laws(self) -> Sequence[Any]:
        """Laws of the germ: those of the inputs where they are independent, else standard normal ones."""

    def of_uniform(self, U: np.ndarray) -> np.ndarray:
        """Inputs (n, d) of points (n, d) of the unit cube."""

    def to_germ(self, X: np.ndarray) -> np.ndarray:
        """Germ (n, d) of inputs (n, d)."""

    def of_germ(self, Z: np.ndarray) -> np.ndarray:
        """Inputs (n, d) of a germ (n, d)."""
