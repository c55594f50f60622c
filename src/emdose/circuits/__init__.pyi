"""The public names of circuits, loaded when they are first used."""

from .circuit import Circuit as Circuit
from .circuit import Connected as Connected
from .elements import RLC as RLC
from .elements import Coupling as Coupling
from .elements import Feed as Feed
from .elements import OnePort as OnePort
from .elements import TwoPort as TwoPort
from .matching import Matching as Matching
from .matching import decoupling as decoupling
from .matching import l_sections as l_sections
from .matching import match as match
from .matching import two_capacitors as two_capacitors
from .modes import Mode as Mode
from .modes import natural_modes as natural_modes
from .network import Network as Network
from .unloaded import CoilMode as CoilMode
from .unloaded import CoilTuning as CoilTuning
from .unloaded import birdcage_order as birdcage_order
from .unloaded import coil_modes as coil_modes
from .unloaded import tune as tune
