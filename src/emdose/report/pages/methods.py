"""The methods of a run as a paragraph ready for a paper: what was solved and how, with numbered references."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emdose.report.wording import is_finite, words
from emdose.values import read_only

GABRIEL = ("S. Gabriel, R. W. Lau, C. Gabriel, Phys. Med. Biol. 41 (1996) 2271-2293", "10.1088/0031-9155/41/11/003")
PENNES = ("H. H. Pennes, J. Appl. Physiol. 1 (1948) 93-122", "10.1152/jappl.1948.1.2.93")
REFERENCES: Mapping[str, tuple[str, str]] = {
    "vie": ("A. G. Polimeridis et al., J. Comput. Phys. 269 (2014) 280-296", "10.1016/j.jcp.2014.03.026"),
    "weak form": ("P. Zwamborn, P. M. van den Berg, IEEE Trans. MTT 40 (1992) 1757-1766", "10.1109/22.156602"),
    "gmres": ("Y. Saad, M. H. Schultz, SIAM J. Sci. Stat. Comput. 7 (1986) 856-869", "10.1137/0907058"),
    "rwg": (
        "S. M. Rao, D. R. Wilton, A. W. Glisson, IEEE Trans. Antennas Propag. 30 (1982) 409-418",
        "10.1109/TAP.1982.1142818",
    ),
    "yee": ("K. S. Yee, IEEE Trans. Antennas Propag. 14 (1966) 302-307", "10.1109/TAP.1966.1138693"),
    "cpml": (
        "J. A. Roden, S. D. Gedney, Microw. Opt. Technol. Lett. 27 (2000) 334-339",
        "10.1002/1098-2760(20001205)27:5<334::AID-MOP14>3.0.CO;2-A",
    ),
    "gabriel": GABRIEL,
    "itis": ("IT'IS Foundation, Tissue Properties Database V5.0 (2025)", "10.13099/VIP21000-05-0"),
    "averaging": ("IEC/IEEE 62704-1:2017, Determining the peak spatial-average SAR", ""),
    "pennes": PENNES,
    "cem43": (
        "S. A. Sapareto, W. C. Dewey, Int. J. Radiat. Oncol. Biol. Phys. 10 (1984) 787-800",
        "10.1016/0360-3016(84)90379-1",
    ),
    "peec": ("A. E. Ruehli, IEEE Trans. MTT 22 (1974) 216-221", "10.1109/TMTT.1974.1128204"),
    "peec voxels": ("R. Torchio, F. Lucchini et al., IEEE Trans. Power Electron. 37 (2022) 700", ""),
    "prostheses": ("A. Arduino et al., Magn. Reson. Med. 85 (2021) 3447", ""),
    "helmholtz": ("T. Voigt, U. Katscher, O. Doessel, Magn. Reson. Med. 66 (2011) 456-466", "10.1002/mrm.22832"),
    "helmholtz b1": ("U. Katscher et al., IEEE Trans. Med. Imaging 28 (2009) 1365-1374", "10.1109/TMI.2009.2015757"),
    "convection-reaction": (
        "F. S. Hafalir et al., IEEE Trans. Med. Imaging 33 (2014) 777-793",
        "10.1109/TMI.2013.2296715",
    ),
    "gradient": ("J. Liu et al., Magn. Reson. Med. 74 (2015) 634-646", "10.1002/mrm.25434"),
    "csi": ("E. Balidemaj et al., IEEE Trans. Med. Imaging 34 (2015) 1788", ""),
    "roache": ("P. J. Roache, J. Fluids Eng. 116 (1994) 405-413", "10.1115/1.2910291"),
    "gum": ("JCGM 100:2008, Guide to the expression of uncertainty in measurement", "10.59161/JCGM100-2008E"),
    "gum-s1": ("JCGM 101:2008, Propagation of distributions using a Monte Carlo method", "10.59161/JCGM101-2008"),
    "conformity": (
        "JCGM 106:2012, The role of measurement uncertainty in conformity assessment",
        "10.59161/JCGM106-2012",
    ),
    "chaos": ("D. Xiu, G. E. Karniadakis, SIAM J. Sci. Comput. 24 (2002) 619-644", "10.1137/S1064827501387826"),
    "sparse": ("G. Blatman, B. Sudret, J. Comput. Phys. 230 (2011) 2345-2367", "10.1016/j.jcp.2010.12.021"),
    "sobol": ("B. Sudret, Reliab. Eng. Syst. Saf. 93 (2008) 964-979", "10.1016/j.ress.2007.04.002"),
    "chaospy": ("J. Feinberg, H. P. Langtangen, J. Comput. Sci. 11 (2015) 46-57", "10.1016/j.jocs.2015.08.008"),
}
"""Text and DOI of what the paragraphs cite; a standard, and a paper whose DOI was not checked, has none here."""
OF_TABLES = {"layered-head", "stylised-adult"}
"""Phantoms whose tissues all come from the databases."""
LIBRARIES = {"numpy": "NumPy", "scipy": "SciPy"}
WIDTH = 100


@read_only
@dataclass(frozen=True)
class Methods:
    """A paragraph and what it cites.

    Parameters
    ----------
    paragraph : str
        With the numbers of references in brackets.
    references : tuple of str
        In the order of their numbers.
    """

    paragraph: str
    references: tuple[str, ...]

    def __str__(self) -> str:
        lines = [*textwrap.wrap(self.paragraph, WIDTH), ""]
        for n, text in enumerate(self.references, 1):
            lines += textwrap.wrap(f"[{n}] {text}", WIDTH, subsequent_indent="    ", break_long_words=False)
        return "\n".join(lines)


@dataclass
class Writer:
    """Sentences as they come, and the references in the order in which they are first cited."""

    sentences: list[str] = field(default_factory=list)
    cited: list[str] = field(default_factory=list)

    def cite(self, *names: str) -> str:
        """Numbers of references in brackets, after a space."""
        self.cited += [n for n in names if n not in self.cited]
        return f" [{', '.join(str(n) for n in sorted(self.cited.index(name) + 1 for name in names))}]"

    def say(self, text: str) -> None:
        """Another sentence; nothing for an empty one."""
        if text:
            self.sentences.append(text if text.endswith(".") else f"{text}.")

    def done(self) -> Methods:
        """What was written."""
        found = [REFERENCES[name] for name in self.cited]
        texts = tuple(f"{text}. https://doi.org/{doi}" if doi else f"{text}." for text, doi in found)
        return Methods(" ".join(self.sentences), texts)


def engine(writer: Writer, summary: Mapping[str, Any]) -> None:
    """How Maxwell's equations were solved, to which tolerance, and how well the powers balance."""
    about, found = summary.get("provenance", {}), summary.get("convergence", {})
    options = about.get("options") or {}
    tolerance = found.get("tolerance", options.get("tolerance"))
    to = plain(tolerance) if is_finite(tolerance) else ""
    if about.get("engine") == "Fdtd":
        grid, layers = writer.cite("yee"), writer.cite("cpml")
        until = f", until what was left of fields, ports and energy fell below {to}" if to else ""
        writer.say(
            f"Maxwell's equations were solved by finite differences in time{grid} with convolutional perfectly matched "
            f"layers{layers} (engine Fdtd){until}"
        )
    elif about.get("engine") == "Vie":
        equation, krylov = writer.cite("weak form", "vie"), writer.cite("gmres")
        method = str(found.get("method") or "gmres").upper()
        writer.say(
            "Maxwell's equations were solved in the frequency domain by a volume integral equation on Yee's grid with "
            f"fast Fourier transforms{equation} (engine Vie), by {method}{krylov if method == 'GMRES' else ''}"
            + (f" to a relative residual of {to}" if to else "")
        )
    elif about.get("engine") == "Vsie":
        elements, equation, krylov = writer.cite("rwg"), writer.cite("weak form", "vie"), writer.cite("gmres")
        conductivity: Any = options.get("conductivity_S_m")
        metal = f"metal of {plain(1e-6 * conductivity)} MS/m" if is_finite(conductivity) else "perfect metal"
        writer.say(
            f"The coil was solved as {metal} by boundary elements{elements} coupled to a volume integral equation of "
            f"the body on Yee's grid with fast Fourier transforms{equation} (engine Vsie), by GMRES{krylov}"
            + (f" to a relative residual of {to}" if to else "")
        )
        told = summary.get("second_mesh") or {}
        if is_finite(told.get("factor")):
            writer.say(
                f"A second mesh of the metal with cells {plain(told['factor'])} times as large showed what the mesh "
                "leaves uncertain"
            )
    errors = [p.get("E_error_estimate") for p in found.get("ports", []) if is_finite(p.get("E_error_estimate"))]
    closure: Any = (summary.get("power_balance") or {}).get("closure")
    told = []
    if errors:
        told.append(f"the iteration leaves an estimated relative error of E of {plain(max(errors))} at most")
    if is_finite(closure):
        told.append(f"{plain(100 * closure)} % of the power delivered is unaccounted for")
    text = "; ".join(told)
    writer.say(text[:1].upper() + text[1:])


def tissues(writer: Writer, summary: Mapping[str, Any], what: str = "dielectric") -> None:
    """Where the properties of tissues come from."""
    table = (summary.get("scenario") or {}).get("phantom") or {}
    changed = [words(name) for name in table.get("tissues") or {}]
    if table.get("type") in OF_TABLES or (table.get("type") == "file" and not table.get("tissue_table")):
        parts = []
        if what != "thermal":
            parts.append(f"dielectric properties from the 4-Cole-Cole model of Gabriel et al.{writer.cite('gabriel')}")
        thermal = (
            "densities" if what == "dielectric" else "densities, heat capacities, thermal conductivities and perfusions"
        )
        parts.append(f"{thermal} from the IT'IS database{writer.cite('itis')}")
        writer.say(f"Tissues have {' and '.join(parts)}")
    elif table.get("type") == "file":
        writer.say("The properties of tissues come from a table of the authors")
    elif table.get("type"):
        made = table.get("tissue") or ", ".join(table.get("layers") or [])
        writer.say(f"The material of the phantom is {words(str(made))}")
    if changed:
        writer.say(f"Values of {', '.join(changed)} were replaced as the scenario states")


def uncertainty(writer: Writer, summary: Mapping[str, Any]) -> None:
    """How the uncertainties that are stated were found; that none is stated where none is."""
    study, entries = summary.get("uncertainty") or {}, (summary.get("quantities") or {}).values()
    told = [e["uncertainty"] for e in entries if isinstance(e.get("uncertainty"), Mapping)]
    kinds = {str(u.get("kind") or u.get("basis") or "") for u in told}
    if study:
        inputs = study.get("inputs") or []
        count = "one input was" if len(inputs) == 1 else f"{len(inputs)} inputs were"
        how = _propagation(writer, str(study.get("method") or ""))
        writer.say(f"The laws of {count} propagated by {how}")
        if "combined" in kinds:
            writer.say(
                f"Expanded uncertainties combine them with that of the discretisation{writer.cite('gum')} (k = 2)"
            )
    if "discretisation" in kinds:
        bases = [str(u.get("basis") or "") for u in told if u.get("kind") == "discretisation"]
        grids = any("grid convergence" in b or "spread" in b for b in bases)
        how = f"by grid convergence{writer.cite('roache')}" if grids else "from errors measured on as coarse voxels"
        only = "" if study else "; tissue, anatomy, position and source are not in them"
        writer.say(f"Expanded uncertainties (k = 2) of the discretisation were estimated {how}{only}")
    if any("noise" in (u.get("components") or {}) for u in told):
        causes = dict.fromkeys(c for u in told for c in u.get("components") or {} if c != "noise")
        also = f" and the estimated bias of {', '.join(causes)}" if causes else ""
        writer.say(f"Expanded uncertainties (k = 2) of means hold the noise of the data{also}{writer.cite('gum')}")
    if "noise" in kinds:
        writer.say("Expanded uncertainties (k = 2) of means hold the noise of the data")
    if "given in the scenario" in kinds:
        writer.say("The expanded uncertainty (k = 2) of SAR is an assumption of the scenario")
    if not study and not told:
        writer.say("No uncertainty is stated")


def _propagation(writer: Writer, method: str) -> str:
    if "chaos" in method:
        chaos, sobol, code = writer.cite("chaos", "sparse"), writer.cite("sobol"), writer.cite("chaospy")
        return f"a polynomial chaos expansion{chaos} with Sobol indices{sobol} (chaospy{code})"
    if "monte" in method:
        return f"a Monte Carlo method{writer.cite('gum-s1')}"
    return f"the law of propagation of uncertainty{writer.cite('gum')}"


def software(writer: Writer, summary: Mapping[str, Any]) -> None:
    """Versions and device."""
    about = summary.get("provenance", {})
    versions = about.get("versions") or {}
    python = [f"Python {versions['python']}"] if versions.get("python") else []
    rest = python + [f"{name} {versions[key]}" for key, name in LIBRARIES.items() if versions.get(key)]
    device = about.get("device")
    device = device.get("name") if isinstance(device, Mapping) else device
    told = [*rest, *([f"code {about['code_sha256'][:12]}"] if about.get("code_sha256") else [])]
    told += [f"scenario {about['scenario_sha256'][:12]}"] if about.get("scenario_sha256") else []
    version = about.get("emdose") or "of an unknown version"
    text = f"All computations were made with emdose {version}" + (f" ({', '.join(told)})" if told else "")
    writer.say(text + (f" on {device}" if device else ""))


def general(summary: Mapping[str, Any]) -> Methods:
    """What can be said of a run of any kind."""
    writer = Writer()
    header = (summary.get("scenario") or {}).get("scenario") or {}
    writer.say(f"The scenario “{header.get('name') or 'unnamed'}” of kind {header.get('kind')} was computed")
    uncertainty(writer, summary)
    software(writer, summary)
    return writer.done()


def grid_text(spacing_m: Sequence[float]) -> str:
    """Size of voxels: "5 mm" or "2 × 2 × 3 mm"."""
    sides = list(dict.fromkeys(f"{1e3 * h:.3g}" for h in spacing_m))
    return f"{sides[0] if len(sides) == 1 else ' × '.join(f'{1e3 * h:.3g}' for h in spacing_m)} mm"


def plain(value: Any) -> str:
    """A number for running text."""
    return f"{float(f'{value:.2g}'):g}" if is_finite(value) else "an unknown number"
