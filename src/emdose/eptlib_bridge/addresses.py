"""Addresses of data as EPTlib writes them: file.h5:/group/dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from emdose.errors import InputError


def split_address(address: str, file: Path | str = "") -> tuple[str, str]:
    """File and dataset of "file.h5:/group/dataset", split at the last colon as EPTlib does; raises InputError."""
    name, colon, dataset = address.rpartition(":")
    parts = [part for part in dataset.split("/") if part not in ("", ".")]
    if not colon or not name or not parts:
        raise InputError("not an address", file=file, found=address, expected="file.h5:/group/dataset")
    return name, "/" + "/".join(parts)


def require_apart(outputs: Mapping[str, str], inputs: Iterable[str], file: Path) -> None:
    """Raise InputError when an output would take the place of an input, or of another output.

    Parameters
    ----------
    outputs : mapping
        Address of every output by its key in the configuration.
    inputs : iterable of str
        Addresses that are read.
    file : Path
        The configuration, which no output may replace either.
    """
    taken = {_place(address, file): f"the input {address}" for address in inputs}
    for key, address in outputs.items():
        path, dataset = _place(address, file)
        if path == file.resolve():
            raise InputError("would overwrite the configuration", file=file, field=key, found=address)
        for (other, name), what in taken.items():
            # One above the other cannot be: a dataset holds no others.
            low, high = sorted((dataset, name), key=len)
            if path == other and f"{high}/".startswith(f"{low}/"):
                raise InputError(
                    f"would overwrite {what}", file=file, field=key, found=address, expected="an address of its own"
                )
        taken[path, dataset] = f"the output {address}"


def _place(address: str, file: Path) -> tuple[Path, str]:
    name, dataset = split_address(address, file)
    return Path(name).resolve(), dataset
