"""The public names of leads, loaded when they are first used."""

from .lead import Lead as Lead
from .paths import paths_around as paths_around
from .transfer_function import TransferFunction as TransferFunction
from .two_waves import TwoWaves as TwoWaves
from .two_waves import fit_two_waves as fit_two_waves
