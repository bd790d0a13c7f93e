"""Apache Flink's job of B2a, built once by Maven into the user's cache."""

import fcntl
import hashlib
import json
import pathlib
import shutil
import subprocess

import harness

HERE = pathlib.Path(__file__).resolve().parent
HEAP = "6g"  # with less the collector works more
OPENED = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in ("util", "lang", "time")]  # Flink asks for it on Java 17


def build():
    """The folder with the jars."""
    sources = [HERE / "pom.xml", *sorted(HERE.rglob("*.java"))]
    home = harness.CACHE / ("flink-" + hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12])
    harness.CACHE.mkdir(parents=True, exist_ok=True)
    with open(harness.CACHE / "flink.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            harness.note("building the Flink job")
            fresh = home.with_suffix(".part")
            shutil.rmtree(fresh, ignore_errors=True)
            subprocess.run(["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "package", f"-Dout={fresh}"], check=True, timeout=900)
            fresh.rename(home)
    return home


def run(events, checkpoints, runs):
    """One JVM, `runs` jobs over the file; a dict per job. The first one warms it up."""
    home = build()
    command = ["java", f"-Xms{HEAP}", f"-Xmx{HEAP}", "-XX:+UseParallelGC", *OPENED, "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
               "-cp", f"{home}/*:{home}/lib/*", "millstream.SpendingJob", events, checkpoints, runs]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or len(lines) != runs:
        raise RuntimeError(f"Flink: exit {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}")
    return lines
