"""What a ``motion`` run has been given, and what its solver has found, for those who evaluate it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emdose.mechanics.moments import MomentTensor
    from emdose.models.bodies import Phantom
    from emdose.models.implants.implant import Implant
    from emdose.models.implants.implanted_body import ImplantedBody
    from emdose.scenarios.kinds.motion.build import Movement
    from emdose.solvers.moving.field import MotionField
    from emdose.solvers.results.induced import InducedField


@dataclass(frozen=True, eq=False)
class MovedMetal:
    """The implant, and the parts of the body that it is in.

    Parameters
    ----------
    implant : Implant
        Surface and metals in their pose.
    bodies : mapping of str to ImplantedBody
        Parts of the body with the metal in them, by name; none of a part that it is not in.
    coarse : mapping of str to ImplantedBody
        The same on larger voxels, where there are some.
    """

    implant: Implant
    bodies: Mapping[str, ImplantedBody]
    coarse: Mapping[str, ImplantedBody]


@dataclass(frozen=True, eq=False)
class MotionSetting:
    """The tables of a scenario made into objects.

    Parameters
    ----------
    tables : Table
        The tables.
    file : Path or None
        Where they stand, for errors.
    body : Phantom
        The body.
    magnet : StaticField
        The magnet.
    movements : sequence of Movement
        What moves, and where.
    frequency_Hz : float
        That tissue properties are taken at [Hz].
    coarse_spacing_m : float or None
        Voxels of the second grid [m].
    device : str
        Where it is computed.
    metal : MovedMetal or None
        The implant.
    brief : bool
        Whether nobody will look at curves: in the samples of a study.
    """

    tables: Any
    file: Any
    body: Phantom
    magnet: Any
    movements: Sequence[Movement]
    frequency_Hz: float
    coarse_spacing_m: float | None
    device: str
    metal: MovedMetal | None = None
    brief: bool = False


@dataclass(frozen=True, eq=False)
class SolvedPart:
    """The motions of one part of the body.

    Parameters
    ----------
    field : MotionField
        In the body.
    coarse : InducedField or None
        The same motions on larger voxels, for the uncertainty by voxels.
    implanted : InducedField or None
        The same motions with the implant; None where it is not in this part.
    coarse_implanted : InducedField or None
        The same on larger voxels.
    moment : MomentTensor or None
        Moment of the implant's eddy currents, in its pose in the body.
    """

    field: MotionField
    coarse: InducedField | None
    implanted: InducedField | None = None
    coarse_implanted: InducedField | None = None
    moment: MomentTensor | None = None
