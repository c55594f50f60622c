"""Values of movements beside limits: rows, what decides, and what staff must know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emdose.compliance.circumstances import STANDARD as IEC
from emdose.compliance.frequency_weights import DIRECTIVE
from emdose.compliance.limits import NOTES
from emdose.compliance.workers import check_motion
from emdose.scenarios.shared.induced.solver_table import SECOND_GRID
from emdose.scenarios.shared.tables import blamed_on
from emdose.uncertainty.discretisation import KIND, refinement

if TYPE_CHECKING:
    import numpy as np

    from emdose.scenarios.kinds.motion.exposure import FollowedVoxels, SeenField
    from emdose.scenarios.kinds.motion.setting import MotionSetting

TYPICAL, LARGEST = "99th percentile of every tissue", "largest voxels"
SENSORY = ("static B sensory ELV", "E sensory ELV, weighted peak", "E uncontrolled, weighted peak")
"""Limits that keep off sensory effects: under controlled conditions others take their place."""
CONTROLLED = "Conditions are controlled: shown beside the limits that hold then."
LARGE = "Single voxels, in which a staircase shows: for comparison with the percentile."


def checked(
    setting: MotionSetting, times_s: np.ndarray, seen: SeenField, voxels: FollowedVoxels
) -> list[dict[str, Any]]:
    """Rows of all documents of the group, those of E for voxels at the percentile and, beside them, the largest."""
    table = setting.tables.checks
    found: list[dict[str, Any]] = []
    for name in table.documents:
        more: dict[str, Any] = {"verified_by": table.verified_by or (), "use_values": table.use_values or ()}
        edition = table.edition if name == IEC else None
        with blamed_on(setting.file, "checks"):
            for E, head, words, points in (
                (voxels.typical, voxels.head, TYPICAL, slice(None)),
                (voxels.largest, voxels.largest_head, LARGEST, slice(1)),
            ):
                B, limbs = seen.B_T[:, points], seen.limbs[points]
                told = check_motion(times_s, B, E, name, edition, limbs=limbs, head=head, **more)
                for row in told.to_dict()["rows"]:
                    of_E = str(row["quantity"]).startswith("E ")
                    if not _for(str(row["mode"]), table.group) or (words == LARGEST and not of_E):
                        continue
                    if table.group != "patient":
                        # Conditions stand in the names of quantities: one column of the page holds all documents.
                        row["mode"] = table.group
                    if of_E:
                        row["region"] = f"{row['region']}, {words}"
                    if words == LARGEST:
                        row |= {"counted": False, "note": f"{LARGE} {row['note']}".strip()}
                    elif table.controlled and row["quantity"] in SENSORY:
                        row |= {"counted": False, "note": f"{CONTROLLED} {row['note']}".strip()}
                    found.append(row)
    return found


def joined(
    name: str,
    fine: Sequence[Mapping[str, Any]],
    coarse: Sequence[Mapping[str, Any]] | None,
    relative: Mapping[str, float] | None,
    numbers: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Rows of a trajectory, each with what two grids leave uncertain of it.

    Parameters
    ----------
    name : str
        The trajectory.
    fine, coarse : sequence of mappings
        Rows on either grid.
    relative : mapping of str to float, optional
        Least relative expanded uncertainties of B ("T"), dB/dt ("T/s") and E ("V/m").
    numbers : mapping of str to mapping
        Quantities of the trajectory: rows of the same value have all of their U, that of a study as well.
    """
    others = {_key(r): r for r in coarse or ()}
    found = []
    for row in fine:
        one, other, value = dict(row), others.get(_key(row)), row["value"]
        if relative is not None and value is not None:
            quantity = str(one["quantity"])
            share = relative["V/m" if quantity.startswith("E ") else "T/s" if quantity.startswith("dB/dt") else "T"]
            if other is not None and other["value"] is not None and value > 0:
                share = max(share, refinement([1.0, SECOND_GRID], [float(value), float(other["value"])]).relative)
            one |= {"uncertainty": share * float(value), "uncertainty_k": 2, "uncertainty_kind": KIND}
        one["region"] = f"{name}: {one['region']}"
        if one["counted"] and value is not None and "weighted peak" in str(one["quantity"]):
            one["uncertainty_of"] = f"{name}: {_quantity(one)}"
        for key in ("largest |B|", "largest change of B within 3 s"):
            if one["unit"] == "T" and value == numbers[key]["value"]:
                one["uncertainty_of"] = f"{name}: {key}"
        found.append(one)
    return found


def indices(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The weighted peaks that count as quantities, by their name."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if "weighted peak" in str(row["quantity"]) and "uncertainty_of" in row:
            entry: dict[str, Any] = {"value": row["value"], "unit": "1", "note": "1 is the limit"}
            if row.get("uncertainty") is not None:
                entry["uncertainty"] = {k: row[f"uncertainty_{k}"] for k in ("k", "kind")} | {
                    "expanded": row["uncertainty"],
                    "basis": "change of the index between two grids, times 3; at least that of the field",
                }
            found[_quantity(row)] = entry
    return found


def decisive(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of every document and quantity the row nearest to its limit, over all trajectories."""
    found: list[dict[str, Any]] = []
    counted = [r for r in rows if r["counted"] and r["ratio"] is not None]
    for key in dict.fromkeys((r["standard"], r["quantity"], r["mode"]) for r in counted):
        own = [r for r in counted if (r["standard"], r["quantity"], r["mode"]) == key]
        top = max(own, key=lambda r: r["ratio"])
        keys = ("value", "unit", "uncertainty", "uncertainty_k", "uncertainty_kind", "limit", "standing", "region")
        found.append({**{k: top.get(k) for k in keys}, "title": f"{key[1]}, {key[0]}", "mode": key[2]})
    return sorted(found, key=lambda one: -one["value"] / one["limit"])


def notes(documents: Sequence[str]) -> list[str]:
    """What holds for all rows of the documents, and which voxels E is read in."""
    told = [note for name in documents for note in NOTES.get(name, ())]
    return [
        *told,
        "E beside limits: largest index of voxels at the 99th percentile of their tissue's largest values over time, "
        "in head and rest of the body apart (ICNIRP 2010); tissues of fewer than 100 voxels share one percentile.",
    ]


def warnings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What staff must know of rows above their limits."""
    over = [r for r in rows if r["standard"] == DIRECTIVE and r["counted"] and (r["ratio"] or 0) > 1]
    if not over:
        return []
    names = ", ".join(dict.fromkeys(str(r["quantity"]) for r in over))
    return [
        f"Limit values of Directive 2013/35/EU are exceeded ({names}). Its Article 10 lets MRI for patients exceed "
        "them under conditions that the employer has to show; nothing here says that these are met."
    ]


def _for(mode: str, group: str) -> bool:
    """Whether a row's mode is of the group."""
    if group == "patient":
        return True
    return mode.startswith("public") == (group == "public")


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[k]) for k in ("standard", "quantity", "mode", "region"))


def _quantity(row: Mapping[str, Any]) -> str:
    region = str(row["region"]).partition(": ")[2].partition(",")[0]
    return f"{row['quantity']}, {region} ({row['standard']})"
