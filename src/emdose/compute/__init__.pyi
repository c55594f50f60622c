"""The public names of compute, loaded when they are first used."""

from .reduced.basis import ReducedBasis as ReducedBasis
from .shared import Shared as Shared
