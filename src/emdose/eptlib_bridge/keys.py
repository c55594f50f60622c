"""The keys of EPTlib's configurations; it ignores all others, emdose refuses them, since slips are among them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emdose.checks import unknown

_MAPS = ("electric-conductivity", "relative-permittivity")
TABLES: dict[str, tuple[str, ...]] = {
    "": ("title", "description", "method", "mesh", "input", "output", "parameter", "postprocessing"),
    "mesh": ("size", "step"),
    "input": (
        *("frequency", "tx-channels", "rx-channels", "tx-sensitivity", "trx-phase", "tx-phase", "wrapped-phase"),
        *("reference-image", "wildcard"),
    ),
    "input.wildcard": ("tx-character", "rx-character", "start-from", "step"),
    "output": _MAPS,
    "parameter": (
        *("savitzky-golay", "dirichlet", "seed-point", "regularization", "volume-tomography", "imaging-slice"),
        *("artificial-diffusion", "artificial-diffusion-coefficient", "max-iterations", "tolerance", "full-run"),
        *("unphysical-values", "output-variance", "output-gradient"),
    ),
    "parameter.savitzky-golay": ("size", "shape", "degree", "weight-param", "sizes", "shapes", "output-index"),
    "parameter.dirichlet": _MAPS,
    "parameter.seed-point": ("use-seed-point", "coordinates", *_MAPS),
    "parameter.regularization": ("regularization-coefficient", "gradient-tolerance", "output-mask"),
    "postprocessing": (
        *("perform-only-postprocessing", "input-reference-image", "kernel-size", "kernel-shape", "weight-param"),
        *(f"{way}-{name}" for way in ("input", "output") for name in _MAPS),
        *(f"input-{name}-variance-map" for name in _MAPS),
    ),
}
"""Keys of every table by its dotted name, those of EPTlib 0.4 and ``input.tx-phase``.

Source: EPTlib 0.4.4, what its program asks of a configuration.
"""


def require_known(values: Mapping[str, Any], file: Path, table: str = "") -> None:
    """Raise InputError for a key that EPTlib does not know, in a table and those below it."""
    for key, value in values.items():
        name = f"{table}.{key}" if table else key
        if key not in TABLES[table]:
            raise unknown("unknown key", key, TABLES[table], file=file, field=name, shown=False)
        if name in TABLES and isinstance(value, dict):
            require_known(value, file, name)
