"""What one run leaves of its SAR, another takes as a source of heat."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError, NotValidError
from emdose.io.disk.run_files import SUMS
from emdose.scenarios.shared.sar_files import read_sar_run


def test_the_sar_of_a_run_is_read_as_its_own_kind_reads_it(finished):
    # Oracle: the whole result.
    whole, part = em.read_result(finished), read_sar_run(finished / "result.h5")
    assert np.array_equal(part.sar.value, whole.sar.value)
    assert np.array_equal(part.sar.density, whole.sar.density)
    assert part.sar.rule == whole.sar.rule
    assert part.phantom.hash() == whole.phantom.hash()
    assert (part.source, part.frequency_Hz) == (whole.coil.name, whole.frequency_Hz)


def test_a_result_without_sar_is_one_line(finished, tmp_path):
    # Oracle: the group that is taken out, of a result whose summary knows no sums, as earlier versions wrote it.
    shutil.copytree(finished, tmp_path / "run")
    with h5py.File(tmp_path / "run" / "result.h5", "a") as file:
        del file["sar"]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    del summary[SUMS]
    (tmp_path / "run" / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    with pytest.raises(InputError, match=r"result\.h5: there is no SAR in this result; found 'emdose result'"):
        read_sar_run(tmp_path / "run" / "result.h5")


def test_a_run_that_is_not_finished_is_refused(finished, tmp_path):
    # Oracle: the summary is the last file to appear.
    shutil.copy(finished / "result.h5", tmp_path)
    with pytest.raises(InputError, match="no result of a finished run"):
        read_sar_run(tmp_path / "result.h5")


def test_a_run_that_is_not_valid_is_no_source_of_heat(finished, tmp_path):
    # Oracle: a closure of 26.7 %, in a summary as earlier versions have written it.
    shutil.copytree(finished, tmp_path / "run")
    summary = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    del summary["validity"], summary[SUMS]
    summary["power_balance"]["closure"] = 0.267
    (tmp_path / "run" / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    with pytest.raises(NotValidError, match=r"unaccounted for is 26\.7 %"):
        read_sar_run(tmp_path / "run" / "result.h5")
