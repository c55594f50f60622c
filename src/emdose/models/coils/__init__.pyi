"""The public names of coils, loaded when they are first used."""

from . import conductors as conductors
from .circuit import CircuitCoil as CircuitCoil
from .circuit_birdcage import CircuitBirdcage as CircuitBirdcage
from .circuit_loops import CapacitorLoop as CapacitorLoop
from .circuit_loops import CapacitorLoopArray as CapacitorLoopArray
from .conductors import FeedPort as FeedPort
from .conductors import LumpedElement as LumpedElement
from .conductors import Plate as Plate
from .conductors import Sheet as Sheet
from .conductors import SolidConductor as SolidConductor
from .conductors import Strip as Strip
from .conductors import Wire as Wire
from .conductors import solid_box as solid_box
from .conductors import solid_cylinder as solid_cylinder
from .conductors import solid_sphere as solid_sphere
from .current_element import CurrentElement as CurrentElement
from .cylinder import Shield as Shield
from .dipole import Dipole as Dipole
from .ideal import Birdcage as Birdcage
from .ideal import Coil as Coil
from .ideal import Loop as Loop
from .ideal import LoopArray as LoopArray
from .incident_field import IncidentField as IncidentField
from .paths.arrays import array_of as array_of
from .plane_wave import PlaneWave as PlaneWave
