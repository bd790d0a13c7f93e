"""B3: windows. What an event costs with a row of answers out at its own time, on one core, against the length of the window (one
window, four aggregates) and against the number of features (five aggregates over 1, 4 and 20 windows). bench/src/b3.cc drives the state
alone. The peer is the cost that the bar allows: the dearest length at most 15 % above the cheapest, 100 features at most 2.5 times 20."""

import statistics

import harness
import servers

EVENTS, QUICK_EVENTS = 2_000_000, 500_000
USERS, QUICK_USERS = 50_000, 10_000
LENGTHS = ("10m", "1h", "6h", "24h", "7d", "30d", "90d")
FLAT, HUNDRED = 1.15, 2.5


def run(quick):
    lines = servers.rounds("b3", *((QUICK_EVENTS, QUICK_USERS, 3) if quick else (EVENTS, USERS, 3)))
    names = list(dict.fromkeys(line["case"] for line in lines))
    ns = {name: statistics.median(line["ns"] for line in lines if line["case"] == name) for name in names}
    for name in names:
        harness.note(f"  {name:<14}{ns[name]:10.1f} ns per event")
    equal = {name: all(line["equal"] for line in lines if line["case"] == name) for name in names}
    cheapest, dearest = (choose(LENGTHS, key=ns.get) for choose in (min, max))

    def row(what, name, allowed):
        return harness.row(what, ns[name], allowed, "own limit", "ns", equal[name], larger_is_better=False)

    rows = [row("10m to 90d, the dearest", dearest, FLAT * ns[cheapest]), row("100 features", "100 features", HUNDRED * ns["20 features"])]
    rows[0]["equal"] = all(equal[name] for name in LENGTHS)
    also = [row(f"4 features over {name}", name, FLAT * ns[cheapest]) for name in LENGTHS]
    also += [row(name, name, ns["20 features"]) for name in ("5 features", "20 features")]
    return {"id": "B3", "rows": rows, "also": also}
