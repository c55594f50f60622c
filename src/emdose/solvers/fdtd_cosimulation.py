r"""Circuit coils by co-simulation: one run per gap, and circuit algebra for everything that fills the gaps.

Every gap of the metal is a port. A run with a source of 1 V behind R in one gap and R in all others gives one column
of the voltages V and currents I of the gaps, and the fields for it. The metal with the body is then

.. math:: Z = V I^{-1}

With elements of admittance Y_e and feeds of Thevenin voltage v and admittance Y_f in the gaps, the currents are

.. math:: I = Y_f v - (Y_e + Y_f) V, \qquad V = Z I,

and the fields are those of the runs times V + R I, since a run answers to that sum alone.

Source: M. Kozlov and R. Turner, J. Magn. Reson. 200 (2009) 147 (fast MRI coil analysis by co-simulation).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import ConvergenceError, InputError
from emdose.models.circuit_coils import CircuitCoil
from emdose.solvers.fdtd_circuit import GAP_OHM
from emdose.solvers.fdtd_fields import Phasors, assemble
from emdose.solvers.fdtd_problem import Problem
from emdose.solvers.fdtd_run import Checkpoint, Reporter, Run, run_all

if TYPE_CHECKING:
    from emdose.backend import Backend
    from emdose.models.exposure import Exposure
    from emdose.solvers.fdtd import Fdtd
    from emdose.solvers.fields import Fields

SPAN, COUNT = 0.2, 41
"""Frequencies of the network by default: this share below and above the exposure's, and how many."""
