"""What a study says of bounds: the factor that holds in all of its samples, and for how much of the population."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emdose.checks import within
from emdose.errors import InputError
from emdose.values import owned, read_only


@read_only
@dataclass(frozen=True, eq=False)
class SampleMargin:
    r"""The factor on bounds by which they hold in every sample of a study, with its coverage and confidence.

    Parameters
    ----------
    factors : (sample,) float64 ndarray
        By what the nominal bounds must be multiplied to hold for all drives and averages in each sample.
    coverage : float
        Part of the population (bodies, positions, whatever was varied) that the largest of them holds for,
    confidence : float
        with at least this probability.

    Notes
    -----
    The factor of a sample is a number that depends on the sample alone, since the nominal bounds are made before. The
    largest of N independent samples is above the quantile p of any continuous population with the probability

    .. math:: \gamma = 1 - p^N ,

    whatever its distribution: 59 samples for p = 0.95 and :math:`\gamma` = 0.95, 22 for 0.9 and 0.9. With Latin
    hypercubes or other samples that are not independent the confidence is not proved.

    Source: S. S. Wilks, Ann. Math. Stat. 12 (1941) 91-96.
    """

    factors: np.ndarray
    coverage: float
    confidence: float

    @classmethod
    def of(cls, factors: np.ndarray, coverage: float) -> SampleMargin:
        """The margin of some factors (sample,) for a coverage above 0 and below 1.

        Raises
        ------
        InputError
            For another coverage, and for no factors or such that are not finite and positive.
        """
        _require_share("coverage", coverage)
        found = np.array(factors, float).reshape(-1)
        if not found.size or not np.all(np.isfinite(found)) or found.min() <= 0:
            raise InputError("bad factors of samples", field="factors", found=found.shape, expected="numbers above 0")
        return cls(owned(found), float(coverage), float(-math.expm1(len(found) * math.log(coverage))))

    @property
    def factor(self) -> float:
        """What bounds are multiplied with: the largest of the samples, at least 1."""
        return max(1.0, float(self.factors.max()))

    @property
    def statement(self) -> str:
        """The margin in words."""
        return (
            f"bounds times {self.factor:.4g}, the largest of {len(self.factors)} samples: they hold for "
            f"{100 * self.coverage:.4g} % of the population with a confidence of {100 * self.confidence:.3g} %"
        )


def samples_needed(coverage: float, confidence: float) -> int:
    """How many independent samples a margin of that coverage and confidence takes; raises InputError outside (0, 1)."""
    for name, value in (("coverage", coverage), ("confidence", confidence)):
        _require_share(name, value)
    return max(1, math.ceil(math.log1p(-confidence) / math.log(coverage) - 1e-12))


def _require_share(name: str, value: float) -> None:
    within(name, value, 0.0, 1.0, ends="()", problem=f"bad {name}", expected="above 0 and below 1, as 0.95")
