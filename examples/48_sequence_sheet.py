"""
A scan protocol beside its SAR limits
=====================================

Echo-planar imaging and a turbo spin echo, written by pypulseq, in a 3 T birdcage around a layered head: the nominal
B1+ of every pulse becomes a drive of the coil, and drives become SAR of the body, the head and every 10 g. The worst
6 minutes and 10 seconds stand beside the limits of IEC 60601-2-33; the picture shows the averages as a console would.
`emdose sequence epi.seq tse.seq --scenario head.toml` makes a page of the same.
"""

# %%
# The whole script:

import emdose as em
from emdose.io import write_epi, write_tse

head, cage = em.phantoms.layered_head(spacing_m=9e-3), em.Birdcage(16, radius_m=0.15, length_m=0.20)
fields = em.Vie().solve(em.Exposure(head, cage, frequency_Hz=127.74e6)).drive("quadrature")
plan = em.AveragingPlan(head.density, head.spacing_m, mass_kg=10e-3)
cubes = em.dosimetry.averaged(em.q_matrices(fields, head), plan)
scans = [em.read_pulse_sequence(file) for file in (write_epi("epi.seq"), write_tse("tse.seq"))]
exam = em.protocol([*scans, *scans], pauses_s=10.0)
parts, reference = em.global_matrices(fields, head), em.drive_reference(fields, "slice")
exposure = em.sequence_exposure(exam, parts, reference, local={"10 g": cubes}, repeated=False)
print(exposure, em.check_sequence(exposure, patient_mass_kg=75.0), sep="\n")
for scan in scans:
    print(f"{scan.name}: {em.sequence_pns(scan).peak:.0%} of the threshold of nerves")
em.plot(exposure)

# sphinx_gallery_thumbnail_path = "images/gallery/48_sequence_sheet.png"
