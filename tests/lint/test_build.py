"""What the build refuses."""

import shutil
import subprocess

import pytest
from repo import ROOT


def test_gcc_is_refused_with_the_reason(tmp_path):
    gcc = shutil.which("g++")
    if not gcc:
        pytest.skip("this machine has no g++")
    done = subprocess.run(
        ["cmake", "-S", ROOT, "-B", tmp_path / "build", f"-DCMAKE_CXX_COMPILER={gcc}"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode != 0
    said = " ".join(done.stderr.split())
    assert "needs clang 19 or newer, found GNU" in said and "GCC 12 miscompiles coroutines" in said and "./dev build" in said, done.stderr
