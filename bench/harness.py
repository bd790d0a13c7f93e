"""What all benchmarks share: the data, alternating runs, medians, CPU seconds of a process tree, rows of the result."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tarfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BINARY = ROOT / "build" / "release" / "bin" / "millstream"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "millstream"
DATA_PACKAGE = "vega-datasets@3.2.1"
THREADS = 2


def flights():
    """3,000,000 real US flights as Parquet, fetched once: US government data, by way of an npm package."""
    path = CACHE / "flights-3m.parquet"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        note(f"fetching {DATA_PACKAGE}")
        subprocess.run(["npm", "pack", "--silent", DATA_PACKAGE], cwd=CACHE, check=True, stdout=subprocess.DEVNULL)
        package = CACHE / (DATA_PACKAGE.replace("@", "-") + ".tgz")
        with tarfile.open(package) as archive:
            data = archive.extractfile("package/data/flights-3m.parquet").read()
        partial = path.with_suffix(".part")
        partial.write_bytes(data)
        partial.rename(path)
        package.unlink()
    return path


def note(text):
    print(text, file=sys.stderr, flush=True)


class Run:
    """One measured run: seconds of wall clock, CPU seconds of the whole process tree."""

    def __init__(self, wall, cpu):
        self.wall, self.cpu = wall, cpu


def measure(command, environment=None):
    """Runs a command to its end; its CPU seconds include those of every child it waited for."""
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], env={**os.environ, **(environment or {})},
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {process.returncode}\n{error.decode(errors='replace')[-4000:]}")
    return Run(wall, usage.ru_utime + usage.ru_stime)


def time_inside(work):
    """In a peer's own process, after its imports: prints the seconds of `work` for measure_inside()."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))


def measure_inside(command, environment=None):
    """A peer that times itself, so that starting an interpreter does not count against it."""
    done = subprocess.run([str(part) for part in command], env={**os.environ, **(environment or {})}, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr[-4000:]}")
    return Run(**json.loads(done.stdout))


def alternate(candidates, runs):
    """{name: function() -> Run} run in turn, A B A B; gives {name: [Run, ...]}."""
    out = {name: [] for name in candidates}
    for i in range(runs):
        for name, run in candidates.items():
            result = run()
            out[name].append(result)
            note(f"  run {i + 1}/{runs}  {name:<20} {result.wall:8.2f} s  {result.cpu:8.2f} CPU s")
    return out


def median(runs, what):
    return statistics.median(getattr(run, what) for run in runs)


def row(what, ours, peer, peer_name, unit, equal, larger_is_better):
    """A row of the result: the ratio is larger when we are better."""
    ratio = ours / peer if larger_is_better else peer / ours
    return {"what": what, "ours": round(ours, 4), "peer": round(peer, 4), "peer_name": peer_name, "ratio": round(ratio, 3), "unit": unit,
            "equal": bool(equal)}


def figure(value):
    """A number for a table: four digits that mean something, thousands apart."""
    magnitude = abs(value)
    digits = 0 if magnitude >= 1000 else 1 if magnitude >= 100 else 2 if magnitude >= 10 else 3
    return f"{value:,.{digits}f}"


def table(result):
    """The result as text for people; a row without a peer has no ratio."""
    head = ["what", "ours", "peer", "unit", "ratio", "equal", "against"]
    cells = [[r["what"], figure(r["ours"]), figure(r["peer"]) if r["ratio"] else "-", r["unit"], f"{r['ratio']:.2f}" if r["ratio"] else "-", "yes" if r["equal"] else "NO",
              (r["peer_name"] if r["ratio"] else "-") + ("" if kind == "rows" else "  (also)")] for kind in ("rows", "also") for r in result[kind]]
    widths = [max(len(line[i]) for line in (head, *cells)) for i in range(len(head))]
    numbers = {1, 2, 4}
    lines = ["  ".join(text.rjust(width) if i in numbers else text.ljust(width) for i, (text, width) in enumerate(zip(line, widths))).rstrip() for line in (head, *cells)]
    return "\n".join([result["id"], *("  " + line for line in lines)])
