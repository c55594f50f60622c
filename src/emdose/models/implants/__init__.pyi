"""The public names of implants, loaded when they are first used."""

from . import metals as metals
from . import signed_distance as signed_distance
from . import voxels as voxels
from .implant import Implant as Implant
from .implant import Part as Part
from .implant import assembly as assembly
from .implanted_body import ImplantedBody as ImplantedBody
from .implanted_body import implanted as implanted
from .implanted_body import metal_cells as metal_cells
from .metals import Metal as Metal
from .prostheses import hip as hip
from .prostheses import knee as knee
from .prostheses import shoulder as shoulder
from .shapes import box as box
from .shapes import cylinder as cylinder
from .shapes import ellipsoid as ellipsoid
from .shapes import hollow_sphere as hollow_sphere
from .shapes import ring as ring
from .shapes import sphere as sphere
from .shapes import tube as tube
from .signed_distance import Shape as Shape
from .surgery import BoneCut as BoneCut
from .surgery import ImplantShell as ImplantShell
from .surgery import ReamedCanal as ReamedCanal
from .surgery import ReplacedTissue as ReplacedTissue
from .surgery import Surgery as Surgery
