"""The demo as a newcomer runs it, whole."""

import os
import re
import subprocess
import sys

import demo


def test_the_demo_runs_and_leaves_nothing_behind(tmp_path):
    done = subprocess.run(
        [sys.executable, demo.HERE / "demo.py"], env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    compared = re.search(r"([\d,]+) values compared by bits: 0 differ", done.stdout)
    assert compared and int(compared.group(1).replace(",", "")) == 40 * len(demo.ROUTES) * 24
    assert "in all" in done.stdout.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
