"""The table of thresholds of trust: every number beyond which a result is questionable or not valid stands here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from emdose.values import read_only


@read_only
@dataclass(frozen=True)
class Threshold:
    """A row of the table.

    Parameters
    ----------
    name : str
        What ``accept`` calls it.
    measured : str
        What is measured, as the subject of a sentence.
    questionable, not_valid : float or None
        Beyond which value a result is so; None where there is no such step. A measure that equals it is not beyond.
    percent : bool
        Whether the measure is a fraction, which is shown as a percentage.
    rises : bool
        Whether larger is worse.
    advice : str
        What helps.
    why : str
        Why the thresholds stand where they stand.
    source : str
        Where that comes from.
    """

    name: str
    measured: str
    questionable: float | None
    not_valid: float
    percent: bool
    rises: bool
    advice: str
    why: str
    source: str

    @property
    def unit(self) -> str:
        """ "%" for fractions, "1" for plain numbers."""
        return "%" if self.percent else "1"

    def show(self, value: float) -> str:
        """A value in the unit of the row."""
        if not math.isfinite(value):
            return "unknown"
        return f"{100 * value:.3g} %" if self.percent else f"{value:.3g}"

    def beyond(self, value: float, threshold: float | None) -> bool:
        """Whether a value lies on the bad side of a threshold; one that is not finite always does."""
        if threshold is None:
            return False
        return not math.isfinite(value) or (value > threshold if self.rises else value < threshold)


TABLE = (
    Threshold(
        "residual",
        "the residual over the tolerance that was asked for",
        None,
        1.0,
        False,
        True,
        "raise max_iterations or max_periods, or ask for a larger tolerance",
        "A solver that stops before the tolerance it was given has not answered the question.",
        "definition of the tolerance",
    ),
    Threshold(
        "E_error",
        "the estimated relative error of E",
        0.02,
        0.10,
        True,
        True,
        "lower the tolerance of the solver",
        "SAR goes with the square of E: 2 % of E are 4 % of SAR, below what a voxel grid leaves; 10 % of E are 20 % of "
        "SAR, as much as the whole budget of a numerical exposure assessment.",
        "propagation of relative errors; the estimate is 1 to 1.6 times the true error on Mie spheres, 1 to 450 MHz",
    ),
    Threshold(
        "closure",
        "the power that is unaccounted for",
        0.02,
        0.10,
        True,
        True,
        "lower the tolerance, give the absorbing layers more margin_m, or use double precision",
        "Absorbed and radiated power are found independently of the power that the source gives. A gap is an error of "
        "power of at least one of them, and SAR is such a power: a tenth of it is beyond repair by a remark.",
        "conservation of energy; converged solutions of the bundled scenarios close to 0.1 % and better",
    ),
    Threshold(
        "b1plus_share",
        "the share of the rotating magnetic field that turns in the sense of B1+ where it is scaled",
        0.40,
        0.20,
        True,
        False,
        "look at drive and orientation (quadrature turns with B1+, anti-quadrature against it), or scale to a power",
        "A scale by B1+ multiplies everything else by what B1+ lacks. A linear field has half of its power in either "
        "sense, and 43 to 57 % of it in loaded coils; below 20 % four fifths of the power turn the wrong way, as those "
        "of a drive of the opposite sense do.",
        "Vie: cages, arrays and loops on a head and a sphere, 64 to 298 MHz, over isocentre, slice and body: linear 43 "
        "to 57 %, quadrature 80 to 100 %, anti-quadrature 0 to 20 %",
    ),
    Threshold(
        "b1plus_air",
        "the share of air in the region where B1+ is scaled",
        0.10,
        0.50,
        True,
        True,
        'scale over tissue: over="slice", over="body", a point in tissue or a mask of tissue',
        "B1+ is what a scanner measures in tissue. In air beside a conductor it can be many times that in the body, "
        "and the SAR goes down with the square of it.",
        "definition of B1+rms: measured from the signal of tissue",
    ),
    Threshold(
        "incident_field",
        "the share by which the incident field misses Maxwell's equations of air in the body",
        0.02,
        0.10,
        True,
        True,
        "look at units (m, V/m, A/m), at the sign of the time factor (exp(+jwt)), and whether the body was left out",
        "What is missing acts like currents in the body that no source makes, and E is wrong by about as much: the "
        "steps are those of E_error. A conjugate field, millimetres or B in place of H miss by half and more.",
        "Maxwell's equations; fields of loops, elements and waves meet them to 1e-3 and better",
    ),
    Threshold(
        "cells_per_wavelength",
        "the number of cells per wavelength in the densest tissue",
        20.0,
        10.0,
        False,
        False,
        "use smaller voxels",
        "The relative error of E in the core of a sphere was 18 to 25 % at 8 cells, 10 to 13 % at 10, 7 to 10 % at 12, "
        "and 4 to 6 % from 20 on, where the staircase takes over: the steps are those of E_error.",
        "Vie beside Mie series: sphere of 5 cm radius, permittivity 50, 0.6 S/m, plane wave, voxels of 3.3 and 5 mm",
    ),
    Threshold(
        "metal_volume",
        "the difference between the volume of the voxels of metal and that of the implant",
        0.10,
        0.30,
        True,
        True,
        "use smaller voxels around the implant",
        "A voxel is metal when more than half of it is: what is thinner than a voxel vanishes, and what is two voxels "
        "thick is off by up to a third. The current of a rod follows the logarithm of its radius, and a tenth of its "
        "section is a twentieth of its radius; a third of a plate is another plate.",
        "volumes of rods, balls, plates and a hip in voxels of 0.1 to 2 times their thickness",
    ),
    Threshold(
        "power_identity",
        "the difference between the power in the metal and the work of the source",
        0.02,
        0.10,
        True,
        True,
        "lower the tolerance, or use smaller voxels",
        "Both are the same power, found from currents and from fields: their difference is an error of the power.",
        "conservation of energy",
    ),
    Threshold(
        "induced_balance",
        "the difference between the power that is induced in the body and the work of the source",
        0.02,
        0.10,
        True,
        True,
        "lower the tolerance of the solver",
        "Both are the same power, found from currents and fields and from currents and the source: their difference is "
        "an error of the power, and half of it one of the field.",
        "conservation of energy; 1e-6 and better at the default tolerance",
    ),
    Threshold(
        "eddy_error",
        "the estimated relative error of the power of eddy currents",
        0.02,
        0.10,
        True,
        True,
        'use smaller voxels: the spacing that a warning names, or solver.spacing_m = "auto"',
        "Voxels must resolve the skin depth, and the metal across the field: a plate of N voxels has 1/N^2 too little. "
        "The estimate is that of the exposure's own direction and harmonics. A tenth of the power is a tenth of every "
        "temperature rise.",
        "the engines' own estimate: 0.08 (step / skin depth)^2 and the power of what varies inside voxels (0.5 to 2 "
        "times the true error of balls, plates and cubes, more where errors cancel); curvature and edges for the thin "
        "skin",
    ),
    Threshold(
        "spectrum_dropped",
        "the largest possible share of the power in harmonics above the highest solved frequency",
        None,
        0.02,
        True,
        True,
        "add a higher frequency to solver.frequencies_Hz",
        "Power is positive: what is left out is missing from every heating number, always in the same direction. 2 % "
        "is what a balance of power may miss without question. The bound takes the harmonics that were dropped at the "
        "power that the highest solved frequency would give them, which is more than they have.",
        "the power of eddy currents at a fixed dB/dt falls with frequency (sum of relaxations with positive weights)",
    ),
    Threshold(
        "field_variation",
        "the part of dB/dt over the metal, in the root mean square, that the terms of the coils' field leave out",
        0.05,
        0.20,
        True,
        True,
        "set solver.linear_terms = true; where they are on, the implant is too long for them at this place",
        "The terms are those that leave least out, so the power errs by less: for the hip of the demo by 0.2 to 0.4 % "
        "where this measure was 1 to 1.5 %. A fifth of the field is 4 % of its mean square.",
        "EddyCurrent in the vector potential of the coils themselves beside the tensor with linear terms",
    ),
    Threshold(
        "worst_search",
        "the difference between the rise found by the search over orientations and its own solution",
        0.02,
        0.10,
        True,
        True,
        "use smaller voxels for the heat (thermal.spacing_m)",
        "The worst orientation is found from the rises of a few, then solved by itself; what both differ by is how far "
        "the search may have missed a worse one.",
        "comparison of two computations of the same rise",
    ),
    Threshold(
        "extrapolation",
        "the largest possible error of the power from frequencies beyond the solved ones",
        None,
        0.02,
        True,
        True,
        "add the frequencies of the exposure to solver.frequencies_Hz",
        "Beyond the solved frequencies the power at a fixed dB/dt is bounded by the solved ones, but not known. 2 % is "
        "what a balance of power may miss without question.",
        "bounds of a sum of relaxations with positive weights (Stieltjes function)",
    ),
    Threshold(
        "heat_balance",
        "the heat that is unaccounted for",
        0.02,
        0.10,
        True,
        True,
        "lower the tolerance of the heat solution, or use smaller voxels",
        "Heat that is generated is stored, carried off by blood or leaves through the surface; a gap is an error of "
        "the temperature rise of about its size.",
        "conservation of energy",
    ),
    Threshold(
        "heat_steps",
        "the error of the temperature rise that the time steps leave",
        0.02,
        0.10,
        True,
        True,
        "lower the tolerance of the heat solution",
        "It adds to the error of the power, whose steps it shares.",
        "comparison of steps of two sizes, as the heat solver states it",
    ),
    Threshold(
        "heat_cells_across",
        "the number of cells across the thinnest part of the heated metal",
        3.9,
        2.5,
        False,
        False,
        "let more voxels near the metal be split (cells_across), or use smaller voxels for the heat",
        "The lasting peak in tissue was too high by 1 to 6 % with 4 cells across, by 6 to 22 % with 2.7 to 3, by 1 to "
        "43 % with 2, and between 82 % too low and 63 % too high with fewer; in the first seconds, before tissue takes "
        "part, by up to twice as much.",
        "Bioheat beside closed forms of a heated ball in tissue with and without perfusion, over time and steady, in "
        "voxels of 0.2 to 4 radii and several places; rods and plates beside cells four times finer",
    ),
    Threshold(
        "ept_coverage",
        "the share of the masked voxels that any method of reconstruction gives a value",
        0.10,
        0.001,
        True,
        False,
        "choose a smaller radius, or look at mask and data",
        "A method that gives next to no voxel a value has reconstructed nothing.",
        "definition of a reconstruction",
    ),
    Threshold(
        "ept_unphysical",
        "the share of voxels with a negative conductivity or a permittivity below 1, beyond noise and away from "
        "boundaries, for the best method",
        0.20,
        0.50,
        True,
        True,
        "look at sign and unit of the phase, the frequency, and boundaries of tissue",
        "Noise scatters around values that matter can have, and within twice its stated uncertainty it counts as such. "
        "When most of a map lies where no matter is, the data are not what the method takes them for: a conjugate "
        "phase, another unit, another frequency.",
        "passivity of matter; median of a symmetric error",
    ),
    Threshold(
        "ept_sign",
        "the conductivity in S/m by which the typical voxel of the data surely lies below zero",
        0.01,
        0.05,
        False,
        True,
        "look at the sign of the phase (phase_sign)",
        "Matter absorbs. The median over the map, less three standard uncertainties, is below zero where the phase has "
        "the other sign; 0.05 S/m is less than fat has.",
        "passivity of matter; Helmholtz equation of B1+ over wide windows",
    ),
    Threshold(
        "ept_phase_scale",
        "the factor by which the phase of the data surely differs from the one that the magnitude asks for",
        1.45,
        2.2,
        False,
        True,
        "look at unit and kind of the phase (phase_unit, phase_kind) and at the magnitude",
        "Where the slope of the phase varies within a tissue, the curvature of the magnitude follows its square: the "
        "magnitude knows the unit of the phase. The factor found was 0.73 to 1.33 on data that were read rightly, and "
        "1.45 lies half-way to a factor of two.",
        "cylinders and spheres of one to three layers, 0.5 to 7 T, SNR 20 and more, and the layered head at 3 T, with "
        "and without labels; bound of three standard uncertainties",
    ),
    Threshold(
        "ept_matter",
        "the typical conductivity or permittivity of the data over the largest of tissue and phantoms",
        1.0,
        2.0,
        False,
        True,
        "look at the unit of the phase (phase_unit) and at the frequency",
        "Cerebrospinal fluid has 2.1 S/m and saline of a phantom up to 4; 5 S/m are taken as the largest. Kidney and "
        "intestine have a relative permittivity of 118 at 64 MHz; 120 are taken there and above, and 120 times 64 MHz "
        "over the frequency below.",
        "dispersions of tissue (Gabriel 1996); bound of three standard uncertainties",
    ),
    Threshold(
        "ept_along_z",
        "what gradient EPT of single slices leaves out along z of Maxwell's equations, over the term it looks for,",
        0.01,
        0.05,
        True,
        True,
        "take volume = true",
        "Eight loops around a layered sphere: 8 to 19 % is left out, and the conductivity is wrong by 31 to 49 %, the "
        "permittivity by up to 8 %: about four times what is left out. Fields that do not vary along z have 0 at any "
        "noise.",
        "multipole series, 2 and 3 mm, SNR 100 and more; docs/theory/ept_gradient.md",
    ),
    Threshold(
        "ept_noise",
        "the scatter of the typical local value that the global step of gradient EPT starts from",
        0.03,
        0.10,
        True,
        True,
        "choose a larger radius, or average more",
        "The global step integrates slopes, and their noise with them. Where the scatter is above 10 %, the median "
        "error of a layered sphere and cylinder was 24 to 1000 %, below 3 % it was that of the interfaces alone.",
        "multipole and cylinder series at 3 mm, radius 1 to 3, SNR 30 to 1000; docs/theory/ept_gradient.md",
    ),
)
"""Every threshold of trust in emdose; docs/guide/validity.md shows it."""

THRESHOLDS: Mapping[str, Threshold] = {row.name: row for row in TABLE}
"""The rows by name."""
