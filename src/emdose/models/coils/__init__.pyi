"""The public names of coils, loaded when they are first used."""

from . import conductors as conductors
from .builders import BirdcageCoil as BirdcageCoil
from .builders import CapacitorLoop as CapacitorLoop
from .builders import CapacitorLoopArray as CapacitorLoopArray
from .builders import Dipole as Dipole
from .circuit import CircuitCoil as CircuitCoil
from .ideal import Birdcage as Birdcage
from .ideal import Coil as Coil
from .ideal import Loop as Loop
from .ideal import LoopArray as LoopArray
from .ideal import PlaneWave as PlaneWave
