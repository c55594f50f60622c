"""Versions of EPTlib and in what they differ or err."""

from __future__ import annotations

import re

from emdose.ept.maps.b1map import B1Map
from emdose.eptlib_bridge.settings import Settings
from emdose.errors import EmdoseError

OLDEST = (0, 4, 0)
Version = tuple[int, int, int]


class EptlibError(EmdoseError):
    """EPTlib is missing, of the wrong version, crashed, hung, or did not do what it was asked for."""


def parse(banner: str) -> Version:
    """Version from the first line that EPTlib_app prints, such as ``EPTlib 0.4.4-master (Release, ...)``.

    Raises
    ------
    EptlibError
        When there is none, or it is too old.
    """
    found = re.search(r"\bEPTlib\s+(\d+)\.(\d+)\.(\d+)", banner)
    if found is None:
        first = next((line for line in banner.splitlines() if line.strip()), "nothing")
        raise EptlibError(f"this is not EPTlib: it says '{first[:60]}', expected 'EPTlib X.Y.Z'")
    version = int(found[1]), int(found[2]), int(found[3])
    if version < OLDEST:
        raise EptlibError(f"EPTlib {text(version)} is too old, expected {text(OLDEST)} or newer")
    return version


def text(version: Version) -> str:
    """Version as EPTlib writes it."""
    return ".".join(map(str, version))


def known_defects(version: Version, settings: Settings, b1: B1Map) -> list[str]:
    """What is known to be wrong with the result of this version for these settings, in sentences.

    Source: EPTlib 0.4.4 read and measured against closed forms, 2026.
    """
    found = []
    both = b1.magnitude is not None and b1.phase is not None
    if settings.method == "helmholtz" and settings.variance and both and version <= (0, 4, 4):
        found.append(
            "the variance of complex Helmholtz is wrong: residual norms of both parts are squared as one "
            "complex number (up to 1.8 times too large, or negative)"
        )
    if settings.degree > 2 and min(b1.grid.spacing_m) * min(settings.size) < 1e-3 and version <= (0, 4, 4):
        found.append("high degrees of a small window are dropped: its monomials are in metres")
    if settings.method == "gradient" and settings.full_run and not settings.seeds and settings.gradient_tolerance == 0:
        found.append(
            "gradient EPT without seeds regularises no voxel when the gradient tolerance is 0 (its default): "
            "the result is not determined"
        )
    if settings.method == "automatic" and both and version <= (0, 4, 4):
        found.append("the automatic kernel uses the phase alone")
    if settings.method in ("helmholtz", "automatic") and b1.wrapped and settings.variance:
        found.append("variances take the phase as not wrapped")
    return found


def refuse(version: Version, settings: Settings, b1: B1Map) -> None:
    """Raise EptlibError for what this version is known to crash on."""
    if settings.method == "gradient" and b1.reference is not None and version <= (0, 4, 4):
        raise EptlibError(f"EPTlib {text(version)} crashes in gradient EPT with a reference image: leave it out")
    if settings.method == "gradient" and b1.channels < 5:
        raise EptlibError(f"gradient EPT needs at least 5 transmit channels; found {b1.channels}")
