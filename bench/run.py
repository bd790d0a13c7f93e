"""./dev bench ID ... [--quick] [--json FILE]: runs bench/<id>.py for every ID; exit 1 when results of a run are not equal."""

import argparse
import importlib
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def main():
    known = sorted(path.stem for path in HERE.glob("b[0-9]*.py"))
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("ids", nargs="+", metavar="ID", help="one or more of " + ", ".join(name.upper() for name in known) + ", or all")
    parser.add_argument("--quick", action="store_true", help="a small form that shows that it works; its figures mean little")
    parser.add_argument("--json", metavar="FILE", help="writes the results as JSON: one document, or a list for several IDs")
    arguments = parser.parse_args()
    ids = known if arguments.ids == ["all"] else [name.lower() for name in arguments.ids]
    for name in ids:
        if name not in known:
            parser.error(f"unknown benchmark '{name}'; there are {', '.join(known)}")
    results = []
    for name in ids:
        result = importlib.import_module(name).run(arguments.quick)
        results.append(result)
        print(importlib.import_module("harness").table(result), flush=True)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(results[0] if len(results) == 1 else results, indent=2) + "\n")
    return 0 if all(r["equal"] for result in results for r in result["rows"]) else 1


sys.exit(main())
