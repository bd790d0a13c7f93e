"""What is fetched or built once and kept in the user's cache."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "millstream"


def once(name, sources, make):
    """A folder for what `make(folder)` makes from the files `sources`; made again when one of them changes."""
    digest = hashlib.sha256()
    for path in sorted(sources):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    home = CACHE / f"{name}-{digest.hexdigest()[:12]}"
    with locked(name):
        if not home.exists():
            fresh = home.with_suffix(".part")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            make(fresh)
            fresh.rename(home)
    return home


@contextlib.contextmanager
def locked(name):
    """Two test runs at a time make a thing once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
