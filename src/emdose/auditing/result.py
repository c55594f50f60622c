"""The value that an audit gives: findings, and from them fields, SAR, limits and matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.auditing import converting
from emdose.auditing.balance import accepted_power
from emdose.auditing.finding import CONTRADICTED, ConventionFinding
from emdose.checks import one_of
from emdose.dosimetry.averaging.average import averaging_plan
from emdose.dosimetry.averaging.cubic import AveragingPlan
from emdose.dosimetry.sar import SarMap, bilinear_form, point_sar, whole_body_sar
from emdose.dosimetry.transmission.qmatrix import QMatrices, averaged, q_matrices
from emdose.errors import InputError
from emdose.io.foreign.values import ForeignFields
from emdose.models.bodies.phantom import Phantom
from emdose.solvers.results.fields import Fields, PowerBalance
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.compliance.checks import Checks

SAME_GRID = 1e-6
POWER_OF = {"V": "V source"}
"""What one unit of drive of fields of emdose is called among those of other programs, where it has another name."""


@read_only
@dataclass(frozen=True, eq=False)
class Audit:
    """What fields of another program turned out to be.

    Parameters
    ----------
    fields : ForeignFields
        As they were read.
    findings : tuple of ConventionFinding
        One for every convention that the fields depend on.
    phantom : Phantom, optional
        The body, given or of the maps of the file.
    turned : bool, optional
        Whether the magnetic field has the opposite sign, or the axes are of a left hand; None where open.
    share : float, optional
        Power in the body over power that the ports accept, by the conventions used; None where open.
    notes : tuple of str
        What else must be known.
    """

    fields: ForeignFields
    findings: tuple[ConventionFinding, ...]
    phantom: Phantom | None = None
    turned: bool | None = None
    share: float | None = None
    notes: tuple[str, ...] = ()

    def __getitem__(self, question: str) -> ConventionFinding:
        """The finding about a convention."""
        one_of("question", question, [f.question for f in self.findings], problem="no such finding")
        return next(f for f in self.findings if f.question == question)

    @property
    def conventions(self) -> dict[str, str]:
        """What is used of every convention that is settled."""
        return {f.question: f.used for f in self.findings if f.used}

    @property
    def open(self) -> tuple[str, ...]:
        """Conventions that the data cannot tell and nobody has named."""
        return tuple(f.question for f in self.findings if not f.used)

    @property
    def contradicted(self) -> tuple[str, ...]:
        """Conventions that are not what somebody says."""
        return tuple(f.question for f in self.findings if f.state == CONTRADICTED)

    @property
    def rule(self) -> str:
        """SAR rule: "trapezium" where the lattice of the file is that of the voxels, else "mid-ordinate"."""
        return "trapezium" if self._on_lattice else "mid-ordinate"

    @cached_property
    def _on_lattice(self) -> bool:
        used = self.conventions
        if self.phantom is None or used.get("positions") != "yee" or "length" not in used:
            return False
        grid, factor = self.phantom.grid, converting.metres(used["length"])
        return all(
            len(axis) == grid.shape[a] + 1
            and np.allclose(factor * axis, grid.nodes(a), rtol=0, atol=SAME_GRID * grid.spacing_m[a])
            for a, axis in enumerate(self.fields.axes)
        )

    def require_told(self) -> None:
        """Raise InputError for a convention that is open, or of which the user says what the data contradict."""
        if self.fields.E is None:
            raise InputError("no electric field in these files", field="E", expected="an electric field, for SAR")
        for f in self.findings:
            if not f.used:
                raise InputError(
                    f"the data cannot tell this convention: {f.evidence[0].sentence if f.evidence else ''}",
                    field=f.question,
                    found="cannot be told" if f.stated is None else f"only said, by {f.stated_by}: {f.stated}",
                    expected=f"{f.question} = ..., named by you",
                )
            if f.state == CONTRADICTED and f.stated_by == "the user":
                raise InputError(
                    "the data contradict what you say",
                    field=f.question,
                    found=f.stated,
                    expected=f.value or "another one",
                )
        if self.turned:
            raise InputError(
                "the magnetic field has the opposite sign, or the axes are of a left hand",
                field="magnetic",
                expected="files in which E and the magnetic field carry power the way that the body absorbs it",
            )

    def body(self) -> Phantom:
        """The body; raises InputError where there is none."""
        if self.phantom is None:
            have = [n for n in ("conductivity", "density") if getattr(self.fields, n) is not None]
            raise InputError(
                "no body to compute SAR in",
                field="phantom",
                found=f"only {have[0]}" if have else "none",
                expected="phantom = ..., or conductivity and density in the file",
            )
        return self.phantom

    def to_fields(self) -> Fields:
        """The fields as those of a solver of emdose: exp(+jwt), peak phasors per unit of drive, on the body's voxels.

        Raises
        ------
        InputError
            As :meth:`require_told`, and when there is no body, or no field in a part of it.
        """
        return self._solver_fields

    @cached_property
    def _solver_fields(self) -> Fields:
        self.require_told()
        body, used = self.body(), self.conventions
        found = converting.converted(self.fields, used)
        if self._on_lattice:
            E, B = found.E.copy(), found.B.copy()
            for c in range(3):  # past the last edge and face there is none
                E[(slice(None), c, *(-1 if a == c else slice(None) for a in range(3)))] = 0
                for a in range(3):
                    if a != c:
                        B[(slice(None), c, *(-1 if b == a else slice(None) for b in range(3)))] = 0
        else:
            found = converting.sampled(converting.centred(found, used["positions"]), body.grid)
            lost = int(np.sum(~np.isfinite(found.E).all(axis=(0, 1)) & body.body))
            if lost:
                raise InputError(
                    f"no electric field in {lost} of {int(body.body.sum())} voxels of the body",
                    field="E",
                    expected="fields around all of the body",
                )
            E, B = converting.on_edges(
                converting.Converted(found.axes_m, np.nan_to_num(found.E), np.nan_to_num(found.B), found.drive_unit)
            )
        n = len(self.fields.ports)
        accepted = np.full((n, n), np.nan, complex)
        if self.fields.network is not None:
            accepted = accepted_power(self.fields.network)[POWER_OF.get(found.drive_unit, found.drive_unit)]
        zero = np.zeros((n, n), complex)
        return Fields(
            grid=body.grid,
            frequency_Hz=self.fields.frequency_Hz,
            E=converting.kept(E),
            B=converting.kept(B),
            body=body.body,
            body_mass_kg=body.mass_kg,
            power=PowerBalance(self._absorbed(E, body), accepted, zero),
            ports=self.fields.ports,
            drives={"all alike": np.ones(n, complex)},
            drive_unit=found.drive_unit,
            residual=np.zeros(n),
            provenance={
                "program": self.fields.program,
                "files_sha256": dict(self.fields.files),
                "conventions": self.conventions,
            },
        )

    def _absorbed(self, E: np.ndarray, body: Phantom) -> np.ndarray:
        weight = 0.5 * body.conductivity(self.fields.frequency_Hz).astype(float) * body.grid.voxel_volume_m3
        E, n = np.nan_to_num(E), len(E)
        out = np.zeros((n, n), complex)
        for k in range(n):
            for m in range(k, n):
                out[k, m] = np.sum(weight * bilinear_form(E[k], E[m], self.rule))  # type: ignore[arg-type]
                out[m, k] = out[k, m].conj()
        return out

    def sar(self, weights: Sequence[complex] | np.ndarray | str) -> SarMap:
        """Point SAR of a drive [W/kg].

        Parameters
        ----------
        weights : (port,) complex or str
            Amplitudes in units of drive, peak, or a name of ``to_fields().drives``.
        """
        return point_sar(self.to_fields().drive(weights), self.body(), self.rule)  # type: ignore[arg-type]

    def q_matrices(self, mass_kg: float | None = None) -> QMatrices:
        """Q-matrices per squared unit of drive, of points or averaged over a mass.

        Parameters
        ----------
        mass_kg : float, optional
            Such as 10e-3 [kg].
        """
        q = q_matrices(self.to_fields(), self.body(), self.rule)  # type: ignore[arg-type]
        return q if mass_kg is None else averaged(q, AveragingPlan(self.body().density, self.body().spacing_m, mass_kg))

    def check(self, weights: Sequence[complex] | np.ndarray | str, **options: Any) -> Checks:
        """SAR of a drive beside the limits of IEC 60601-2-33; ``options`` as of :func:`emdose.compliance.check`."""
        from emdose.compliance import check

        driven = self.to_fields().drive(weights)
        # The share of the power that the body has is no closure: losses of the coil are not in it.
        options["accept"] = sorted({*options.get("accept", ()), "closure"})
        return check(driven, self.body(), sar=self.sar(weights), **options)

    def quantities(self) -> dict[str, dict[str, Any]]:
        """SAR of every port alone at one unit of drive, of all alike, and the largest of all drives of one unit."""
        fields, body = self.to_fields(), self.body()
        plans = {}
        for name, mass in (("1g", 1e-3), ("10g", 10e-3)):
            if body.mass_kg > mass:
                plans[name] = averaging_plan(body.density, body.spacing_m, mass)
        unit, found = f"W/kg per ({fields.drive_unit})^2", {}
        n = len(fields.ports)
        drives = {name: np.eye(n)[k] for k, name in enumerate(fields.ports)}
        if n > 1:
            drives["all alike"] = np.ones(n) / np.sqrt(n)
        for name, weights in drives.items():
            sar = self.sar(weights)
            found[f"whole_body_sar, {name}"] = whole_body_sar(sar)
            found[f"peak_point_sar, {name}"] = float(sar.value.max())
            for grams, plan in plans.items():
                found[f"peak_{grams}_sar, {name}"] = float(plan.apply(sar.value).peak)
        if n > 1 and isinstance(plans.get("10g"), AveragingPlan):
            q = averaged(q_matrices(fields, body, self.rule), plans["10g"])  # type: ignore[arg-type]
            found["peak_10g_sar, worst drive"] = q.worst_case()[0]
            whole = np.linalg.eigvalsh(fields.power.absorbed_W / body.mass_kg)
            found["whole_body_sar, worst drive"] = float(whole[-1])
        return {k: {"value": v, "unit": unit, "uncertainty": None} for k, v in found.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "program": self.fields.program,
            "frequency_Hz": self.fields.frequency_Hz,
            "ports": list(self.fields.ports),
            "points": list(self.fields.shape),
            "files_sha256": dict(self.fields.files),
            "conventions": self.conventions,
            "open": list(self.open),
            "contradicted": list(self.contradicted),
            "findings": [f.to_dict() for f in self.findings],
            "magnetic_field_turned": self.turned,
            "share_of_accepted_power": self.share,
            "notes": list(self.notes),
        }

    def table(self) -> str:
        """The findings as plain text, each with its evidence."""
        lines = [f"{self.fields.program}: {len(self.fields.ports)} ports, {self.fields.frequency_Hz / 1e6:.6g} MHz", ""]
        for f in self.findings:
            used = f"used: {f.used}, by {f.used_by}" if f.used else f"must be named by you: {f.question} = ..."
            lines += [f.sentence, *(f"    {e.sentence}" for e in f.evidence), f"    {used}"]
        return "\n".join([*lines, *(f"* {note}" for note in self.notes)]) + "\n"

    def __str__(self) -> str:
        return self.table()

    def write(self, folder: Path | str, **options: Any) -> Path:
        """Write the page and its JSON into a folder; ``options`` as of :func:`emdose.auditing.page.write`."""
        from emdose.auditing.page import write

        return write(self, folder, **options)


def said_of(fields: ForeignFields, named: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """What is said about each convention and by whom: the user before the file and what is known of its program."""
    said = {k: (v, fields.sources.get(k, "the file")) for k, v in fields.stated.items()}
    return said | {k: (v, "the user") for k, v in named.items()}
