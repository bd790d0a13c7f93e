"""Benchmarks keep running and say what they promise: one JSON document of the shape in bench/README.md. Their figures are not judged here."""

import json
import os
import subprocess

import pytest
from millstream import ROOT

ROW = {"what": str, "ours": (int, float), "peer": (int, float), "peer_name": str, "ratio": (int, float), "unit": str, "equal": bool}


@pytest.mark.skipif(os.environ.get("MS_LONG") != "1", reason="compiles the load tools; ./dev test --long runs it")
@pytest.mark.parametrize("benchmark", ["B1", "B2b", "B3", "B12", "B18"])
def test_a_benchmark_gives_its_json(benchmark, tmp_path):
    out = tmp_path / "out.json"
    done = subprocess.run([ROOT / "dev", "bench", benchmark, "--quick", "--json", out], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(out.read_text())
    assert result["id"] == benchmark and set(result) == {"id", "rows", "also"} and result["rows"]
    for row in result["rows"] + result["also"]:
        assert {key: isinstance(row.get(key), kind) for key, kind in ROW.items()} == dict.fromkeys(ROW, True), row
        assert row["peer_name"] and row["equal"], row
    assert result["rows"][0]["what"] in done.stdout
