"""A sound Pulseq file in every dialect that is read: plain, with shims and rotations of 1.5.1, with shims in [RF]."""

from __future__ import annotations

PLAIN = """# Pulseq sequence file
[VERSION]
major {major}
minor {minor}
revision {revision}

[DEFINITIONS]
AdcRasterTime 1e-07
BlockDurationRaster 1e-05
GradientRasterTime 1e-05
Name small
RadiofrequencyRasterTime 1e-06
TotalDuration 0.0406

[BLOCKS]
1 130 1 0 0 4 0 0
2 400 0 1 3 0 1 {one}
3 1500 0 2 0 5 0 0
4 130 2 0 0 4 0 {two}
5 400 0 1 3 0 1 0
6 1500 0 0 0 5 0 0

[RF]
{rf}
[GRADIENTS]
5 -200000 {ends}1 0 0

[TRAP]
1 425774 200 3000 200 100
2 -300000 200 400 200 0
3 150000 110 700 110 0
4 250000 150 900 150 0

[ADC]
1 64 10000 300 {adc}0 0{more}

{extensions}[SHAPES]

shape_id 1
num_samples 7
0
0
0.5
1
0.5
0
0

shape_id 2
num_samples 1000
1
0
0
997

shape_id 3
num_samples 1000
0
0
998

{shapes}
"""
RF = ("1 250 2 3 0 100 0 0", "2 400 2 3 0 100 5 0.5")
RF_15 = ("1 250 2 3 0 500 100 0 0 0 0 e", "2 400 2 3 0 500 100 0 0 5 0.5 r")


def plain() -> str:
    """Version 1.4."""
    return PLAIN.format(
        major=1,
        minor=4,
        revision=0,
        one=0,
        two=0,
        rf="\n".join(RF) + "\n",
        ends="",
        adc="",
        more="",
        extensions="",
        shapes="",
    )


def with_extensions() -> str:
    """Version 1.5.1 with RF_SHIMS and ROTATIONS."""
    extensions = (
        "[EXTENSIONS]\n1 2 1 0\n2 1 1 0\n\nextension RF_SHIMS 1\n1 2 1 0 0.5 1.5707963267948966\n\n"
        "extension ROTATIONS 2\n1 0.9238795325112867 0 0 0.3826834323650898\n\n"
    )
    return PLAIN.format(
        major=1, minor=5, revision=1, one=1, two=2, rf="\n".join(RF_15) + "\n", ends="0 0 ", adc="0 0 ", more=" 0",
        extensions=extensions, shapes="",
    )  # fmt: skip


def with_columns() -> str:
    """Version 1.4 with the two columns of PyPulseq_rfshim."""
    shapes = "shape_id 7\nnum_samples 2\n1\n0.5\n\nshape_id 8\nnum_samples 2\n0\n2.5\n"
    rf = "\n".join(f"{row} 7 8" for row in RF) + "\n"
    return PLAIN.format(
        major=1, minor=4, revision=0, one=0, two=0, rf=rf, ends="", adc="", more="", extensions="", shapes=shapes
    )


ALL = {"plain": plain(), "extensions": with_extensions(), "columns": with_columns()}

HARDWARE = "".join(
    [f"asGPAParameters[0].sGCParameters.flGScaleFactor{axis} = 0.3\n" for axis in "XYZ"]
    + [f"flGSWDTau{axis}[{n}] = {tau}\n" for axis in "XYZ" for n, tau in enumerate((0.2, 0.03, 3.0))]
    + [f"flGSWDA{axis}[{n}] = {part}\n" for axis in "XYZ" for n, part in enumerate((0.4, 0.1, 0.5))]
    + [f"flGSWDStimulation{word}{axis} = {v}\n" for axis in "XYZ" for word, v in (("Limit", 30.0), ("Threshold", 24.0))]
)
"""Numbers that no scanner has."""
