"""Tissues: dielectric dispersion, density and thermal properties, each with its source."""

from __future__ import annotations

import cmath
import contextlib
import functools
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

from emdose import resources
from emdose.checks import is_number, not_negative, positive, text, unknown, within
from emdose.constants import EPS_0
from emdose.errors import EmdoseWarning, InputError
from emdose.values import read_only

GABRIEL_RANGE_HZ = (10.0, 100e9)
"""Range in which the 4-Cole-Cole model was fitted [Hz]."""
GABRIEL_POOR_BELOW_HZ = 1e6
"""Below this frequency the model is known to be poor (electrode polarisation in the underlying measurements)."""
BLOOD_TEMPERATURE_PERFUSION_ML_MIN_KG = 10_000.0
"""IT'IS gives blood this perfusion; it stands for "always at blood temperature", not for a flow."""

GABRIEL_SOURCE = (
    "S. Gabriel, R. W. Lau, C. Gabriel, Phys. Med. Biol. 41 (1996) 2271-2293: 4-Cole-Cole parameters "
    "as tabulated in AL/OE-TR-1996-0037 and by IFAC-CNR"
)
ITIS_SOURCE = "IT'IS Foundation tissue properties database V5.0 (DOI 10.13099/VIP21000-05-0)"


@read_only(short=False)
@dataclass(frozen=True)
class ColeCole:
    """Sum of four Cole-Cole dispersions and an ionic conductivity.

    eps = eps_inf + sum_n delta_n / (1 + (j w tau_n)^(1 - alpha_n)) + sigma / (j w eps0).

    Parameters
    ----------
    eps_inf : float
        Relative permittivity well above all dispersions.
    delta, tau_s, alpha : tuples of equal length
        Strength, relaxation time [s] and broadening of each dispersion.
    sigma_S_m : float
        Ionic conductivity [S/m].

    Source: S. Gabriel, R. W. Lau, C. Gabriel, Phys. Med. Biol. 41 (1996) 2271, equation (1).
    """

    eps_inf: float
    delta: tuple[float, ...]
    tau_s: tuple[float, ...]
    alpha: tuple[float, ...]
    sigma_S_m: float

    def __post_init__(self) -> None:
        # Plain floats, so that texts and hashes do not depend on where a number came from.
        object.__setattr__(self, "eps_inf", within("eps_inf", self.eps_inf, 1, math.inf))
        object.__setattr__(self, "sigma_S_m", not_negative("sigma_S_m", self.sigma_S_m))
        # A relaxation slower than a second is a unit slip: the slowest of Gabriel's is 16 ms.
        ranges = {"delta": (0, math.inf, "[]"), "tau_s": (0, 1, "(]"), "alpha": (0, 1, "[)")}
        for key, (low, high, ends) in ranges.items():
            values = tuple(within(key, v, low, high, ends=ends) for v in getattr(self, key))
            object.__setattr__(self, key, values)
        if not len(self.delta) == len(self.tau_s) == len(self.alpha):
            raise InputError("dispersions need as many delta as tau and alpha", field="dielectric")

    def complex_permittivity(self, frequency_Hz: float) -> complex:
        """eps_r - j sigma / (w eps0) at one frequency [Hz]."""
        low, high = GABRIEL_RANGE_HZ
        if not low <= frequency_Hz <= high:
            _warn(f"Cole-Cole data are valid from {low:g} Hz to {high:g} Hz, asked at {frequency_Hz:g} Hz")
        elif frequency_Hz < GABRIEL_POOR_BELOW_HZ:
            _warn(f"Gabriel's conductivities are poor below {GABRIEL_POOR_BELOW_HZ:g} Hz, asked at {frequency_Hz:g} Hz")
        w = 2 * math.pi * frequency_Hz
        eps = complex(self.eps_inf)
        for delta, tau, alpha in zip(self.delta, self.tau_s, self.alpha, strict=True):
            eps += delta / (1 + cmath.exp((1 - alpha) * cmath.log(1j * w * tau)))
        return eps + self.sigma_S_m / (1j * w * EPS_0)


@read_only(short=False)
@dataclass(frozen=True)
class Constant:
    """The same relative permittivity and conductivity [S/m] at every frequency."""

    relative_permittivity: float
    conductivity_S_m: float

    def __post_init__(self) -> None:
        for key in ("relative_permittivity", "conductivity_S_m"):
            object.__setattr__(self, key, check_property(key, getattr(self, key)))

    def complex_permittivity(self, frequency_Hz: float) -> complex:
        """eps_r - j sigma / (w eps0) at one frequency [Hz]."""
        return self.relative_permittivity - 1j * self.conductivity_S_m / (2 * math.pi * frequency_Hz * EPS_0)


@read_only(short=False)
@dataclass(frozen=True)
class Override:
    """A dispersion with its permittivity or its conductivity [S/m] replaced by a fixed number."""

    base: ColeCole | Constant
    relative_permittivity: float | None = None
    conductivity_S_m: float | None = None

    def __post_init__(self) -> None:
        for key in ("relative_permittivity", "conductivity_S_m"):
            if getattr(self, key) is not None:
                object.__setattr__(self, key, check_property(key, getattr(self, key)))

    def complex_permittivity(self, frequency_Hz: float) -> complex:
        """eps_r - j sigma / (w eps0) at one frequency [Hz]."""
        eps = self.base.complex_permittivity(frequency_Hz)
        if self.relative_permittivity is not None:
            eps = complex(self.relative_permittivity, eps.imag)
        if self.conductivity_S_m is not None:
            eps = complex(eps.real, -self.conductivity_S_m / (2 * math.pi * frequency_Hz * EPS_0))
        return eps


Dielectric = ColeCole | Constant | Override

LIGHTEST_KG_M3, HEAVIEST_KG_M3 = 100.0, 25_000.0
"""Densities of what a body is made of [kg/m^3]: an inflated lung has 394, osmium 22 600.

1.0 is water in g/cm^3, 1.2 is air: as tissue the one makes SAR a thousand times too large, the other fills averaging
cubes with what is no tissue.
"""

PROPERTIES: Mapping[str, tuple[float, bool]] = MappingProxyType(
    {
        # name: (lowest value, whether that value itself is allowed)
        "relative_permittivity": (1.0, True),
        "conductivity_S_m": (0.0, True),
        "density_kg_m3": (0.0, False),
        "heat_capacity_J_kg_K": (0.0, False),
        "thermal_conductivity_W_m_K": (0.0, False),
        "perfusion_mL_min_kg": (0.0, True),
        "metabolic_heat_W_kg": (0.0, True),
    }
)
"""Every number a user may give for a tissue, with the smallest value that makes sense."""


@read_only
@dataclass(frozen=True)
class Tissue:
    """One material of a body.

    Parameters
    ----------
    name : str
        Unique name, snake_case for the built-in ones.
    density_kg_m3 : float
        Mass density [kg/m^3].
    dielectric : ColeCole, Constant or Override
        Permittivity and conductivity against frequency.
    heat_capacity_J_kg_K, thermal_conductivity_W_m_K : float or None
        Specific heat capacity [J/kg/K] and thermal conductivity [W/m/K]; None where unknown.
    perfusion_mL_min_kg : float or None
        Blood perfusion [mL/min/kg]; 10 000 means "at blood temperature", see ``at_blood_temperature``.
    metabolic_heat_W_kg : float or None
        Metabolic heat generation [W/kg].
    sources : mapping
        Where the values come from: keys "dielectric", "density", "thermal", "note".

    Raises
    ------
    InputError
        When a value is missing, not finite or negative, or the density is none of a tissue (air is exempt).
    """

    name: str
    density_kg_m3: float
    dielectric: Dielectric
    heat_capacity_J_kg_K: float | None = None
    thermal_conductivity_W_m_K: float | None = None
    perfusion_mL_min_kg: float | None = None
    metabolic_heat_W_kg: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)

    def __post_init__(self) -> None:
        text("name", self.name, problem="tissue without a name")
        if self.density_kg_m3 is None:
            raise InputError("tissue without density", field=f"{self.name}.density_kg_m3", expected="kg/m^3 > 0")
        if not isinstance(self.dielectric, ColeCole | Constant | Override):
            raise InputError(
                "tissue without dielectric properties",
                field=f"{self.name}.dielectric",
                found=self.dielectric,
                expected="ColeCole or Constant",
            )
        for key in PROPERTIES:
            value = getattr(self, key, None)
            if value is not None:
                object.__setattr__(self, key, check_property(key, value, where=self.name))
        if not self.is_background:
            plausible_density(f"{self.name}.density_kg_m3", self.density_kg_m3, self.density_kg_m3)

    def complex_permittivity(self, frequency_Hz: float) -> complex:
        """eps_r - j sigma / (w eps0) at one frequency [Hz]."""
        positive("frequency_Hz", frequency_Hz, problem="bad frequency", expected="Hz > 0")
        return self.dielectric.complex_permittivity(frequency_Hz)

    def permittivity(self, frequency_Hz: float) -> float:
        """Relative permittivity at one frequency [Hz]."""
        return self.complex_permittivity(frequency_Hz).real

    def conductivity(self, frequency_Hz: float) -> float:
        """Total conductivity, ionic and dielectric loss together, at one frequency [Hz], in S/m."""
        sigma = -self.complex_permittivity(frequency_Hz).imag * 2 * math.pi * frequency_Hz * EPS_0
        return sigma if sigma > 0 else 0.0  # also turns -0.0 into 0.0

    @property
    def is_background(self) -> bool:
        """Whether this is air or vacuum: no body, no mass, no average."""
        d = self.dielectric
        return isinstance(d, Constant) and d.relative_permittivity == 1 and d.conductivity_S_m == 0

    @property
    def at_blood_temperature(self) -> bool:
        """Whether the perfusion stands for "T = blood temperature" rather than for a flow."""
        return (self.perfusion_mL_min_kg or 0.0) >= BLOOD_TEMPERATURE_PERFUSION_ML_MIN_KG

    def replace(self, **changes: Any) -> Tissue:
        """The same tissue with some values changed.

        Parameters
        ----------
        **changes
            Any of name, density_kg_m3, dielectric, the thermal properties, sources; and ``relative_permittivity`` or
            ``conductivity_S_m``, which fix that number at every frequency.

        Raises
        ------
        InputError
            For an unknown name or a bad value.
        """
        known = sorted({f.name for f in fields(self)} | set(PROPERTIES))
        for key in changes:
            if key not in known:
                raise unknown("unknown tissue property", key, known, field=f"{self.name}.{key}", shown=False)
        for key in PROPERTIES:
            if changes.get(key) is not None:
                changes[key] = check_property(key, changes[key], where=self.name)
        eps, sigma = changes.pop("relative_permittivity", None), changes.pop("conductivity_S_m", None)
        stated = "sources" in changes
        sources = dict(changes.pop("sources", self.sources))
        if eps is not None or sigma is not None:
            base = changes.get("dielectric", self.dielectric)
            if isinstance(base, Override):
                eps = base.relative_permittivity if eps is None else eps
                sigma = base.conductivity_S_m if sigma is None else sigma
                base = base.base
            if isinstance(base, Constant):
                eps = base.relative_permittivity if eps is None else eps
                sigma = base.conductivity_S_m if sigma is None else sigma
            both = eps is not None and sigma is not None
            changes["dielectric"] = Constant(eps, sigma) if both else Override(base, eps, sigma)
            if not stated:
                sources["dielectric"] = f"changed by the user; before: {sources.get('dielectric', 'unknown')}"
        return replace(self, sources=sources, **changes)


class TissueTable(Mapping[str, Tissue]):
    """Tissues by name, with synonyms; unknown names raise InputError with a suggestion.

    Parameters
    ----------
    tissues : iterable of Tissue
        In the order in which they are listed; a later one replaces an earlier one of the same name.
    synonyms : mapping of str to str, optional
        Other spellings and the name they stand for.
    """

    def __init__(self, tissues: Iterable[Tissue], synonyms: Mapping[str, str] | None = None) -> None:
        self._tissues = {t.name: t for t in tissues}
        self._synonyms = {normalised(k): v for k, v in (synonyms or {}).items()}

    @staticmethod
    def default() -> TissueTable:
        """The built-in table: Gabriel dispersions joined with IT'IS V5.0, phantom materials, air."""
        return _default_table()

    def extend(self, tissues: Iterable[Tissue]) -> TissueTable:
        """A new table in which ``tissues`` are added or replace those of the same name."""
        return TissueTable([*self._tissues.values(), *tissues], self._synonyms)

    def resolve(self, name: str) -> str | None:
        """The name in the table that a spelling stands for, or None."""
        if name in self._tissues:
            return name
        key = normalised(name)
        if key in self._tissues:
            return key
        target = self._synonyms.get(key)
        return target if target in self._tissues else None

    def __getitem__(self, name: str) -> Tissue:
        found = self.resolve(str(name))
        if found is None:
            raise unknown("unknown tissue", name, self._tissues, field="tissue")
        return self._tissues[found]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.resolve(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """The tissue of that name or synonym, or ``default``."""
        found = self.resolve(name)
        return default if found is None else self._tissues[found]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tissues)

    def __len__(self) -> int:
        return len(self._tissues)


def get(name: str) -> Tissue:
    """The built-in tissue of that name or synonym, such as "grey_matter" or "csf"."""
    return TissueTable.default()[name]


def names() -> tuple[str, ...]:
    """Names of the built-in tissues."""
    return tuple(TissueTable.default())


def normalised(name: str) -> str:
    """A name in snake_case: "Brain (Grey Matter)" becomes "brain_grey_matter"."""
    return re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_")


def check_property(key: str, value: Any, where: str = "", file: object = None) -> float:
    """A property as a float, or InputError when it is no number, not finite or too small; a text only from a file."""
    low, inclusive = PROPERTIES[key]
    name = f"{where}.{key}" if where else key
    if file is not None:
        with contextlib.suppress(TypeError, ValueError):
            value = float(value)
    problem = "value out of range" if isinstance(value, float) or is_number(value) else "not a number"
    try:
        return within(name, value, low, math.inf, ends="[]" if inclusive else "(]", problem=problem)
    except InputError as error:
        raise error.at(file=file) from None


def plausible_density(name: str, lowest: float, highest: float) -> None:
    """Raise InputError unless densities of tissue lie between :data:`LIGHTEST_KG_M3` and :data:`HEAVIEST_KG_M3`.

    Parameters
    ----------
    name : str
        What they are called in the error.
    lowest, highest : float
        The smallest and the largest of them [kg/m^3].
    """
    if lowest < LIGHTEST_KG_M3 or highest > HEAVIEST_KG_M3:
        raise InputError(
            "no density of tissue",
            field=name,
            found=f"{lowest if lowest < LIGHTEST_KG_M3 else highest:g} kg/m^3",
            expected=f"{LIGHTEST_KG_M3:g} to {HEAVIEST_KG_M3:g} kg/m^3 (1 g/cm^3 is 1000); air and foam are background",
        )


@functools.cache
def _default_table() -> TissueTable:
    gabriel = {row["tissue"]: row for row in resources.csv_rows("gabriel_cole_cole.csv")}
    itis = {row["tissue"]: row for row in resources.csv_rows("itis_v5_thermal.csv")}
    built: list[Tissue] = [AIR]
    synonyms: dict[str, str] = {}
    for row in resources.csv_rows("tissue_aliases.csv"):
        name, note = row["tissue"], row["note"]
        built.append(_join(name, row["gabriel"], gabriel[row["gabriel"]], row["itis"], itis[row["itis"]], note))
        synonyms |= {s: name for s in row["synonyms"].split(";") if s}
    for row in resources.csv_rows("phantom_materials.csv"):
        values = {k: float(row[k]) for k in PROPERTIES if row[k]}
        dielectric = Constant(values.pop("relative_permittivity"), values.pop("conductivity_S_m"))
        source = dict.fromkeys(("dielectric", "density", "thermal"), row["source"])
        built.append(Tissue(row["tissue"], dielectric=dielectric, sources=source, **values))
        synonyms |= {s: row["tissue"] for s in row["synonyms"].split(";") if s}
    synonyms |= dict.fromkeys(("background", "vacuum", "air_internal", "air_external", "outside", "void"), "air")
    return TissueTable(built, synonyms)


def _join(name: str, gabriel_name: str, g: dict[str, str], itis_name: str, i: dict[str, str], note: str) -> Tissue:
    tau = ((1, "ps", 1e-12), (2, "ns", 1e-9), (3, "us", 1e-6), (4, "ms", 1e-3))
    dielectric = ColeCole(
        float(g["ef"]),
        tuple(float(g[f"del{n}"]) for n in range(1, 5)),
        tuple(float(g[f"tau{n}_{unit}"]) * factor for n, unit, factor in tau),
        tuple(float(g[f"alf{n}"]) for n in range(1, 5)),
        float(g["sig_S_m"]),
    )

    def given(key: str) -> float | None:
        return float(i[key]) if i[key] else None

    sources = {
        "dielectric": f"{GABRIEL_SOURCE}; '{gabriel_name}'",
        "density": f"{ITIS_SOURCE}; '{itis_name}'",
        "thermal": f"{ITIS_SOURCE}; '{itis_name}'",
    }
    if note:
        sources["note"] = note
    return Tissue(
        name,
        float(i["density_kg_m3"]),
        dielectric,
        given("heat_capacity_J_kg_K") or None,  # 0 stands for "not given" in the database
        given("thermal_conductivity_W_m_K") or None,
        given("perfusion_mL_min_kg"),
        given("metabolic_heat_W_kg"),
        sources,
    )


def _warn(text: str) -> None:
    warnings.warn(text, EmdoseWarning, stacklevel=4)


AIR = Tissue(
    "air",
    1.164091553,
    Constant(1.0, 0.0),
    1003.666667,
    0.02738177874,
    0.0,
    0.0,
    {"dielectric": "vacuum", "density": ITIS_SOURCE, "thermal": ITIS_SOURCE},
)
"""The background: label 0 of every phantom."""
