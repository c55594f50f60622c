"""A stand-in for EPTlib_app: it checks the files as EPTlib reads them, and fails in the ways in which EPTlib fails.

Its outputs are easy to foresee: the conductivity is the x index + 10 y index, the permittivity the z index + 1.
The environment variable FAKE_EPTLIB chooses a failure.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import tomllib

if len(sys.argv) > 1:  # asked for its version it answers at once
    import h5py
    import numpy as np

MODE = os.environ.get("FAKE_EPTLIB", "")


def fatal(text: str) -> None:
    print(f"FATAL ERROR in config file: {text}")
    sys.exit(1)


def real(table: dict, *keys: str, default: float | None = None) -> float:
    """A real number as tinytoml takes it: an integer is the wrong type, silently for optional values."""
    node: object = table
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    if isinstance(node, float):
        return node
    if default is None:
        fatal(f"Wrong data format '{'.'.join(keys)}'")
    print(f"WARNING in config file: {'Missing data' if node is None else 'Wrong data format'} '{'.'.join(keys)}'")
    return float(default or 0)


def read(address: str, size: list[int]) -> np.ndarray:
    name, _, dataset = address.rpartition(":")
    if not os.path.exists(name):
        print("terminate called after throwing an instance of 'H5::FileIException'", file=sys.stderr)
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGABRT)
    with h5py.File(name, "r") as file:
        if dataset not in file:
            print(f"FATAL ERROR: IO Error: HDF5, dataset exception '{address}'")
            sys.exit(1)
        data = file[dataset][()]
    if data.shape != tuple(reversed(size)) or data.dtype != np.float64:
        print("execution failed\n")
        sys.exit(1)
    return data


def write(address: str, data: np.ndarray) -> None:
    name, _, dataset = address.rpartition(":")
    with h5py.File(name, "a") as file:
        if dataset in file:
            file[dataset][...] = data  # in place: another shape is an error, as with EPTlib
        else:
            file.create_dataset(dataset, data=data)


def main() -> None:
    version = os.environ.get("FAKE_VERSION", "0.4.4")
    print(f"{'Something else 1.0' if MODE == 'other' else 'EPTlib ' + version}-master (x)\n")
    if len(sys.argv) < 2:
        sys.exit(255)
    if MODE == "hang":
        time.sleep(60)
    if MODE == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    with open(sys.argv[1], "rb") as stream:
        config = tomllib.load(stream)
    for key in ("title", "description", "method"):
        if key not in config:
            fatal(f"Missing data '{key}'")
    size, given = config["mesh"]["size"], config["input"]
    for step in config["mesh"]["step"]:
        if not isinstance(step, float):
            fatal("Wrong data format 'mesh.step'")
    real(config, "input", "frequency")
    for key in ("tx-sensitivity", "trx-phase", "reference-image"):
        for channel in range(given.get("tx-channels", 1) if ">" in given.get(key, "") else int(key in given)):
            data = read(given[key].replace(">", str(channel)), size)
            if key != "reference-image" and "reference-image" not in given and not np.isnan(data).any():
                print("the air is not NaN")
                sys.exit(1)
    parameter, method = config.get("parameter", {}), config["method"]
    if method == 1:
        if size[0] != size[1]:
            print("not square")
            sys.exit(1)
        real(config, "parameter", "dirichlet", "electric-conductivity", default=0.0)
        if MODE == "ignored":
            print("WARNING in config file: Wrong data format 'parameter.dirichlet.electric-conductivity'")
        print(
            f"    Iterations: {parameter['max-iterations'] if MODE == 'unfinished' else 12}\n    Estimated error: 1e-07"
        )
    flat = method in (1, 2) and not parameter["volume-tomography"]
    z, y, x = np.meshgrid(*map(np.arange, (1 if flat else size[2], size[1], size[0])), indexing="ij")
    if MODE == "silent":
        return
    out = config["output"]
    if "electric-conductivity" in out:
        write(out["electric-conductivity"], x + 10.0 * y)
    if "relative-permittivity" in out:
        write(out["relative-permittivity"], z + 1.0)
    if "output-variance" in parameter:
        write(parameter["output-variance"] + "/electric-conductivity", np.where(x == 3, -1.0, 4.0 + 0 * x))
        write(parameter["output-variance"] + "/relative-permittivity", 9.0 + 0 * x)
    post = config.get("postprocessing", {})
    if "output-electric-conductivity" in post:
        write(post["output-electric-conductivity"], x + 10.0 * y + 0.5)
    if "output-relative-permittivity" in post:
        write(post["output-relative-permittivity"], z + 1.5)


if __name__ == "__main__":
    main()
