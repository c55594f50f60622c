"""Fields that slowly changing fields and motion induce in bodies, by surfaces and by voxels, and their weights."""

from __future__ import annotations

from emdose.validation.cases.induced import motion, surfaces, voxels, weights

CASES = {**surfaces.CASES, **voxels.CASES, **motion.CASES, **weights.CASES}
