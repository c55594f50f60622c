"""How finely the metal of a coil is meshed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from emdose.checks import positive, whole, within
from emdose.values import read_only


@read_only
@dataclass(frozen=True)
class MeshOptions:
    """How finely metal is cut into triangles and pieces of wire.

    Parameters
    ----------
    across : int
        Cells across a strip.
    edge_grading : float
        Exponent of the lines' distances from the nearer edge of a strip, s_k = (w / 2) (2 k / across)^exponent: 1 for
        equal cells, 3 for those that suit a current which grows as the inverse root of that distance, with outer cells
        of a sixteenth of the width at four. The inductance of a strip loop is then 0.5 % high with four cells and
        0.15 % with six; 0.8 and 0.35 % with an exponent of 2, 1.7 and 1.1 % with equal cells. Outer cells should stay
        wider than the metal is thick: below that its loss is too low, by 17 % for a strip of 2 mm with six cells.
    along_widths : float
        Longest cell along a strip, in its widths.
    end_widths, growth : float
        First cell along a strip at its ends, corners and junctions, in its widths, and ratio of neighbouring cells from
        there.
    arc_deg : float
        Largest angle of a straight piece of an arc [degrees].
    per_wavelength : float
        Cells per wavelength, at least.
    wire_share : float
        Longest piece of wire, as the size of the coil over this number. Cells along a strip may be as long, however
        narrow it is.
    shield_around, shield_along : int
        Cells of a shield around its axis and along it, at least.
    shield_nearness : float
        Cells of a shield opposite to metal, in distances from it: where a coil is near its shield, the shield is finer.
    line_radius_m : float
        Radius of wires that have none [m].

    Raises
    ------
    InputError
        For numbers that make no mesh.

    Source: T. von Petersdorff, E. Stephan, Math. Methods Appl. Sci. 12 (1990) 229 (meshes graded towards edges).
    """

    across: int = 4
    edge_grading: float = 3.0
    along_widths: float = 4.0
    end_widths: float = 1.0
    growth: float = 2.0
    arc_deg: float = 7.5
    per_wavelength: float = 20.0
    wire_share: float = 24.0
    shield_around: int = 48
    shield_along: int = 12
    shield_nearness: float = 1.5
    line_radius_m: float = 1e-3

    def __post_init__(self) -> None:
        whole("across", self.across, 2, 64)
        within("edge_grading", self.edge_grading, 1, 5)
        within("growth", self.growth, 1, 4)
        within("arc_deg", self.arc_deg, 0, 45, ends="(]")
        within("per_wavelength", self.per_wavelength, 10, 1e4)
        whole("shield_around", self.shield_around, 8)
        whole("shield_along", self.shield_along, 2)
        for name in ("along_widths", "end_widths", "wire_share", "line_radius_m", "shield_nearness"):
            positive(name, getattr(self, name))

    def refined(self, factor: float) -> MeshOptions:
        """Options of a mesh whose cells are smaller by a factor; one below 1 makes them larger."""
        positive("factor", factor)
        return replace(
            self,
            across=max(2, round(self.across * factor)),
            along_widths=self.along_widths / factor,
            end_widths=self.end_widths / factor,
            arc_deg=min(45.0, self.arc_deg / factor),
            per_wavelength=max(10.0, self.per_wavelength * factor),
            wire_share=self.wire_share * factor,
            shield_around=max(8, round(self.shield_around * factor)),
            shield_along=max(2, round(self.shield_along * factor)),
            shield_nearness=self.shield_nearness / factor,
        )
