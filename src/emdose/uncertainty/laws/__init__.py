"""Laws of inputs: absolute, relative to a nominal value or shifted to it; each wraps a distribution of chaospy."""

from emdose.uncertainty.laws.base import Law
from emdose.uncertainty.laws.bounded import Arcsine, Beta, Triangular, Uniform
from emdose.uncertainty.laws.others import ChaospyLaw, Discrete
from emdose.uncertainty.laws.reading import LAWS, law_of_dict
from emdose.uncertainty.laws.tailed import LogNormal, Normal, StudentT, TruncatedNormal

__all__ = [
    "LAWS",
    "Arcsine",
    "Beta",
    "ChaospyLaw",
    "Discrete",
    "Law",
    "LogNormal",
    "Normal",
    "StudentT",
    "Triangular",
    "TruncatedNormal",
    "Uniform",
    "law_of_dict",
]
