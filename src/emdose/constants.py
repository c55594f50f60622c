"""Physical constants and the conventions of emdose, said once.

Conventions
-----------
Units
    SI everywhere. A name that carries a unit ends with it: ``frequency_Hz``, ``spacing_m``. Temperatures are in
    degrees Celsius and end with ``_degC``, their differences with ``_K``.
Time
    Phasors vary as exp(+j w t) and hold **peak** values, so a time average carries a factor 1/2 and the
    complex relative permittivity is eps_r - j sigma / (w eps0).
Axes
    x to the patient's right, y anterior, z superior and along the bore: the RAS+ axes of NIfTI, in metres.
    The coil's centre (isocentre) is the origin.
Arrays
    C order, (x, y, z). Vector fields are (3, ...) and several ports (port, 3, ...). On a grid of
    (nx, ny, nz) voxels a Yee array has the shape (port, 3, nx + 1, ny + 1, nz + 1): entry [0, i, j, k] of
    E is the edge at (i + 1/2, j, k), of B the face at (i, j + 1/2, k + 1/2), in units of the spacing from
    the grid's low corner. Entries past the last edge or face are zero.
Materials
    Per voxel. The permittivity of an edge is the mean over the four voxels that share it.
B1+
    B1+ = (Bx + j By) / 2 and B1- = conj(Bx - j By) / 2. With exp(+j w t), B1+ is the part of B that turns
    counter-clockwise about +z (from +x to +y), which is the sense of precession when B0 points along -z;
    for B0 along +z exchange B1+ and B1-. "Quadrature" drives of coils here turn in the sense of B1+.
B1+rms
    The root mean square over time of abs(B1+) in the rotating frame. A continuous wave of amplitude
    abs(B1+) has B1+rms = abs(B1+), without a factor 1/sqrt(2).
    Source: IEC 60601-2-33 AMD2:2015 as described in public summaries; D. Hoult, Concepts Magn. Reson. 12
    (2000) 173-187 for the rotating components.

Source of the numbers: CODATA 2018 (E. Tiesinga et al., Rev. Mod. Phys. 93 (2021) 025010).
"""

from __future__ import annotations

C_0 = 299_792_458.0
"""Speed of light in vacuum [m/s]."""

MU_0 = 1.25663706212e-6
"""Magnetic constant [H/m]."""

EPS_0 = 8.8541878128e-12
"""Electric constant [F/m]."""

GAMMA_BAR_PROTON = 42.577_478_518e6
"""Gyromagnetic ratio of the proton over 2 pi [Hz/T]."""
