"""The only code that opens files: readers and writers of bodies, tables, results."""

from __future__ import annotations

from emdose.io.bodies.nifti import read_volume, write_volume
from emdose.io.bodies.phantoms import read_phantom, write_phantom
from emdose.io.bodies.tables import read_labels, read_tissues

__all__ = ["read_labels", "read_phantom", "read_tissues", "read_volume", "write_phantom", "write_volume"]
