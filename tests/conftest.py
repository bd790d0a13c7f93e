import pathlib
import sys

# Test folders share helpers by plain module name; the example is under test too.
HERE = pathlib.Path(__file__).resolve().parent
for folder in (HERE / "lint", HERE / "support", HERE.parent / "examples" / "flights"):
    sys.path.insert(0, str(folder))
