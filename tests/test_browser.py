"""Does the page of a report open from disk in a real browser, without network and without complaint?"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from roofline.report.report import make_report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]


@pytest.mark.slow
def test_the_page_opens_in_a_browser(tmp_path: Path) -> None:
    if BROWSER is None:
        pytest.skip("no chromium here")
    report = make_report(tmp_path / "report", measure=False)
    done = subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", report.page.resolve().as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    assert done.stdout.count("<section") == 3
    assert done.stdout.count("<svg") == 2
    assert "rtx-2070" in done.stdout
