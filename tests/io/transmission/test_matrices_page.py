"""The page on files of matrices: its scripts run without emdose on files that emdose wrote.

Oracle: bounds and certificates of emdose itself; the tables name what the files hold.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ring_matrices import point_and_averaged
from scipy.io import loadmat

import emdose as em

PAGE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "matrices-files.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("page")
    q = point_and_averaged()[1]
    mean = np.asarray(q.matrices).mean(axis=0)
    whole = np.stack([mean, 1.5 * mean])
    parts = em.GlobalMatrices(
        ("whole body", "head"), whole, np.array([4.0, 1.0]), ("all", "up"), {"absorbed": 4 * mean}, q.ports, "V", q.rule
    )
    vops = em.merge_vops(
        {"one": q}, 0.3, global_matrices={"one": parts}, global_ratios={"whole body": 5.0, "head": 3.0}
    )
    vops = em.with_sample_margin(em.compress(q, 0.3), [q])
    for ending in (".npz", ".mat"):
        em.write_vops(vops, made / f"vops{ending}", global_matrices=parts)
        em.write_q_matrices(q, made / f"q{ending}")
    return made


def scripts() -> list[str]:
    found = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    return [text for text in found if "em." not in text]


def test_the_scripts_without_emdose_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    first, second = scripts()
    assert "emdose" not in first + second
    exec(first, names)
    vops, parts = em.read_vops("vops.npz"), em.io.read_global_matrices("vops.npz")
    assert names["bound"] == pytest.approx(vops.peak(names["v"]), rel=1e-12)
    assert names["whole_body"] == pytest.approx(parts.sar(names["v"])["whole body"], rel=1e-12)
    # Of the nominal set and one sample, whose matrices are the same: the first half of the certificate.
    count = vops.counts[0]
    names["held"]["combination"] = names["held"]["combination"][:count]
    exec(second, names)
    assert min(names["least"]) > 0


def test_the_tables_name_what_files_hold(folder: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    with np.load(folder / "vops.npz") as archive:
        arrays, told = [n for n in archive.files if n != "metadata"], json.loads(str(archive["metadata"]))
    named = set(re.findall(r"`([A-Za-z_]+)`", text))
    assert set(arrays) <= named
    assert set(told) - {"kind", "channels", "compression_margin"} <= named
    held = loadmat(folder / "vops.mat")
    assert {"VOP", "Sglobal", "Sglobals", "coefficients", "combination"} <= set(held)
    row = np.asarray(held["coefficients"])[held["combination"].reshape(-1)[5]]
    np.testing.assert_allclose(np.tensordot(held["VOP"], row, 1), _bound(folder, 5), rtol=1e-12)


def _bound(folder: Path, n: int) -> np.ndarray:
    vops = em.read_vops(folder / "vops.npz")
    return np.tensordot(np.asarray(vops.coefficients)[vops.combination[n]], np.asarray(vops.matrices), 1)
