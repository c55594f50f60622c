"""A page in a headless browser: what a script of the test has found in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--virtual-time-budget=8000",
    "--dump-dom",
)
# A browser that only dumps the DOM paints no frames, so their callbacks would never come.
CATCH = """<script>
  window.troubles = [];
  window.requestAnimationFrame = (f) => setTimeout(f, 0);
  window.addEventListener("error", (e) => troubles.push(String(e.message)));
  window.addEventListener("securitypolicyviolation", (e) => troubles.push(e.violatedDirective));
</script>"""


def probed(page: str, probe: str, folder: Path) -> dict[str, Any]:
    """What a script has put into ``out`` after the page has loaded, and the "troubles" that the browser tells.

    Parameters
    ----------
    page : str
        HTML.
    probe : str
        Statements of an asynchronous function; ``settle()`` waits until the page has drawn.
    folder : Path
        Where to put what the browser needs.
    """
    script = f"""<script>(async () => {{
      const $ = (id) => document.getElementById(id), out = {{}};
      const settle = () => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
      const fire = (e, type) => e.dispatchEvent(new Event(type, {{ bubbles: true }}));
      try {{ {probe} }} catch (e) {{ troubles.push(String(e.stack)); }}
      out.troubles = troubles;
      const pre = document.createElement("pre");
      pre.id = "probe"; pre.textContent = JSON.stringify(out);
      document.body.append(pre);
    }})();</script>"""
    file = folder / "probed.html"
    text = page.replace("<head>", "<head>" + CATCH, 1).replace("</body>", script + "</body>")
    file.write_text(text, encoding="utf-8")
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=1300,1000", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.S)
    assert found, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(unescape(found[1]))
    return told
