import pathlib
import sys

# Test folders share helpers by plain module name.
for folder in ("lint", "support"):
    sys.path.insert(0, str(pathlib.Path(__file__).parent / folder))
