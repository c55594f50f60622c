"""EPTlib's files and command line: run EPTlib on emdose's data, and emdose on EPTlib's configurations."""

from __future__ import annotations

from emdose.eptlib_bridge.case import Case, read_case, write_case
from emdose.eptlib_bridge.config import EptlibConfig, read_config, run_config
from emdose.eptlib_bridge.program import Report, find_program, program_version, reconstruct, run_case
from emdose.eptlib_bridge.settings import Filter, Settings
from emdose.eptlib_bridge.versions import EptlibError

__all__ = [
    "Case",
    "EptlibConfig",
    "EptlibError",
    "Filter",
    "Report",
    "Settings",
    "find_program",
    "program_version",
    "read_case",
    "read_config",
    "reconstruct",
    "run_case",
    "run_config",
    "write_case",
]
