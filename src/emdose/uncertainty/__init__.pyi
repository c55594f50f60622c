"""The public names of uncertainty, loaded when they are first used."""

from .chaos import Chaos as Chaos
from .chaos import ModalChaos as ModalChaos
from .chaos import MultiIndices as MultiIndices
from .chaos import SobolIndices as SobolIndices
from .chaos import multi_indices as multi_indices
from .chaos import polynomial_chaos as polynomial_chaos
from .designs import design as design
from .designs import optimal_subset as optimal_subset
from .designs import sparse_grid as sparse_grid
from .discretisation import Refinement as Refinement
from .discretisation import refinement as refinement
from .inputs import Input as Input
from .inputs import Inputs as Inputs
from .laws import Arcsine as Arcsine
from .laws import Beta as Beta
from .laws import ChaospyLaw as ChaospyLaw
from .laws import Discrete as Discrete
from .laws import Law as Law
from .laws import LogNormal as LogNormal
from .laws import Normal as Normal
from .laws import StudentT as StudentT
from .laws import Triangular as Triangular
from .laws import TruncatedNormal as TruncatedNormal
from .laws import Uniform as Uniform
from .laws import law_of_dict as law_of_dict
