"""What the program is linked to, and in which order."""

import subprocess

from millstream import BINARY


def test_our_simdjson_comes_before_the_one_inside_libparquet():
    """Both define the same symbols for different versions; the first library of the list is the one our code calls."""
    shown = subprocess.run(["llvm-readelf-19", "-d", BINARY], capture_output=True, text=True, check=True).stdout
    needed = [line.split("[")[1].rstrip("]") for line in shown.splitlines() if "(NEEDED)" in line]
    places = {name: [i for i, library in enumerate(needed) if library.startswith(name)] for name in ("libsimdjson", "libparquet", "libarrow")}
    assert places["libsimdjson"] and places["libsimdjson"][0] < min(places["libparquet"] + places["libarrow"]), needed
