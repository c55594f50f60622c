"""The public names of solvers, loaded when they are first used."""

from .cosimulation import CoSimulation as CoSimulation
from .eddy.solver import EddyCurrent as EddyCurrent
from .fdtd.solver import Fdtd as Fdtd
from .heat.directions import HeatResult as HeatResult
from .heat.solver import Bioheat as Bioheat
from .heat.solver import HeatCourse as HeatCourse
from .heat.sources import PowerDensity as PowerDensity
from .heat.stepping import Envelope as Envelope
from .heat.stepping import Perfusion as Perfusion
from .results.discretisation import Discretisation as Discretisation
from .results.fields import Fields as Fields
from .results.fields import PowerBalance as PowerBalance
from .results.power_tensor import PowerTensor as PowerTensor
from .running import Begin as Begin
from .running import Checkpoint as Checkpoint
from .running import Done as Done
from .running import Event as Event
from .running import Iteration as Iteration
from .running import March as March
from .running import Plan as Plan
from .running import ProgressCallback as ProgressCallback
from .running import Setup as Setup
from .running import TimeStep as TimeStep
from .vie.solver import Vie as Vie
from .vsie.library.response import BodyResponse as BodyResponse
from .vsie.solver import Vsie as Vsie
