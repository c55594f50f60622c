"""Pages in frames of several widths in one headless browser: what is wider than its page, and what lies on what."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any

from browser import CATCH, CHROMIUM, FLAGS

HEIGHT = 900
DARK = """<script>
  const asked = window.matchMedia.bind(window);
  window.matchMedia = (query) =>
    query.includes("dark") ? { matches: true, addEventListener: () => {} } : asked(query);
</script>"""
PROBE = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def measured(pages: Mapping[str, str], widths: Sequence[int], folder: Path, *, dark: bool = False) -> dict[str, Any]:
    """What the probe found, by name of the page and width.

    Parameters
    ----------
    pages : mapping of str to str
        HTML by name.
    widths : sequence of int
        Widths of the frames [pixels].
    folder : Path
        Where to put what the browser needs.
    dark : bool
        Whether the pages believe that dark colours are preferred.
    """
    frames, keys = [], []
    for n, (name, page) in enumerate(pages.items()):
        file = folder / f"page{n}.html"
        if dark:  # what a browser that prefers dark colours would say and choose
            page = page.replace("@media (prefers-color-scheme: dark)", "@media all").replace(
                "<head>", "<head>" + DARK, 1
            )
        text = page.replace("<head>", "<head>" + CATCH, 1).replace("</body>", f"<script>{PROBE}</script></body>")
        file.write_text(text, encoding="utf-8")
        for width in widths:
            keys.append((name, width))
            frames.append(f'<iframe src="{file.as_uri()}" style="width:{width}px;height:{HEIGHT}px;border:0"></iframe>')
    outer = folder / "outer.html"
    outer.write_text(
        f"""<body><pre id="probe"></pre><script>
        const seen = {{}};
        window.found = (from, told) => {{
          seen[[...document.querySelectorAll("iframe")].findIndex((f) => f.contentWindow === from)] = told;
          document.getElementById("probe").textContent = JSON.stringify(seen);
        }};</script>{"".join(frames)}</body>""",
        encoding="utf-8",
    )
    flags = [f for f in FLAGS if not f.startswith("--virtual-time")] + ["--allow-file-access-from-files"]
    command = [str(CHROMIUM), *flags, f"--user-data-dir={folder / 'profile'}", "--window-size=1500,1000"]
    done = subprocess.run([*command, outer.as_uri()], capture_output=True, text=True, timeout=300, check=False)
    told = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.S)
    assert told, done.stdout[-500:] + done.stderr[-2000:]
    seen = json.loads(unescape(told[1]))
    return {f"{name}, {width}": seen[str(n)] for n, (name, width) in enumerate(keys)}
