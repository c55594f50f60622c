"""What a stranger waits for: `import emdose` and `emdose demo`, in seconds and GiB.

Peers: the import times of comparable packages are one `python -c "import X"` away; there is no peer for the demo.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from emdose.compute import backend


def seconds(command: list[str], repeats: int) -> list[float]:
    """Wall-clock times of a command [s], the first one (cold caches) included."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - begin)
    return times


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    out = parser.parse_args().out
    python = sys.executable
    bare, imported = (min(seconds([python, "-c", code], 5)) for code in ("pass", "import emdose"))
    with tempfile.TemporaryDirectory() as folder:
        demo = seconds([python, "-m", "emdose", "demo", "--out", str(Path(folder) / "demo")], 1)[0]
    peak_GiB = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20  # kilobytes on Linux
    result = {
        "benchmark": "front door",
        "date": time.strftime("%Y-%m-%d"),
        "processor": backend.get("cpu").describe()["name"],
        "threads": os.cpu_count(),
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in ("emdose", "numpy", "scipy")},
        "import_s": round(imported - bare, 3),
        "import_with_interpreter_s": round(imported, 3),
        "demo_s": round(demo, 1),
        "peak_memory_GiB": round(peak_GiB, 2),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
