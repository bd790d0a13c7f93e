"""The windows of features: which rows each holds at an instant. Rows are dicts with their event time under None, in canonical order."""

import dataclasses
import math
import re

SECOND = 1_000_000
UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}


def duration(text):
    return sum(int(n) * UNITS[unit] for n, unit in re.findall(r"(\d+)([smhd])", text))


def ladder(length):
    for below, hop in (("10m", "10s"), ("1h", "1m"), ("12h", "5m"), ("12d", "1h")):
        if length < duration(below):
            return duration(hop)
    return duration("1d")


def tile_width(half_life):
    """The largest hop of the ladder that is not longer than a half-life."""
    return max(width for width in map(duration, ("10s", "1m", "5m", "1h", "1d")) if width <= half_life)


@dataclasses.dataclass(frozen=True)
class Window:
    kind: str
    length: int = 0  # of a session the longest, of last the age, of decay the half-life, of a series the step, of a label how far ahead it ends
    hop: int = 0  # of a session the gap, of a label how far ahead it begins
    count: int = 0  # last, series
    closed: bool = False

    def tail(self, t):
        """The first event time that a view looks at for it; what lies in the window may begin later."""
        match self.kind:
            case "sliding":
                return (t - self.length) // self.hop * self.hop
            case "exact":
                return t - self.length
            case "next":
                return t + self.hop
            case "tumbling" | "hopping":
                return self.head(t, False) - self.length
            case "series":
                return self.head(t, False) - self.count * self.length
            case "decay":
                width = tile_width(self.length)
                return (t - 64 * self.length) // width * width
            case "session" if not self.closed:
                reach = self.length + 2 * self.hop
                return (t - reach) // ladder(reach) * ladder(reach)
            case "last" if self.length:
                return (t - self.length) // ladder(self.length) * ladder(self.length)
        return -math.inf

    def head(self, t, after):
        match self.kind:
            case "tumbling" | "series":
                return t // self.length * self.length
            case "hopping":
                return t // self.hop * self.hop
            case "next":
                return t + self.length
        return t + after

    def now(self, t):
        """From when ages count back."""
        return t + self.length if self.kind == "next" else t

    def rows(self, rows, t, after):
        """(Those of `rows` that lie in it, whether it holds more than it may.)"""
        if self.kind == "session":
            return self.session([row for row in rows if row[None] < t + after], t)
        if self.kind == "last":
            oldest = t - self.length if self.length else -math.inf
            return [row for row in rows if oldest <= row[None] < t + after][-self.count :], False
        return [row for row in rows if self.tail(t) <= row[None] < self.head(t, after)], False

    def session(self, rows, t):
        runs = []
        for row in rows:
            if runs and row[None] - runs[-1][-1][None] <= self.hop:
                runs[-1].append(row)
            else:
                runs.append([row])
        if self.closed:
            runs = [run for run in runs if t - run[-1][None] > self.hop]
        elif runs and t - runs[-1][-1][None] > self.hop:
            runs = []
        run = runs[-1] if runs else []
        return run, bool(run) and run[-1][None] - run[0][None] > self.length

    def parts(self, t):
        """The windows of a series, the newest first, as (tail, head)."""
        head = self.head(t, False)
        return [(head - (i + 1) * self.length, head - i * self.length) for i in range(self.count)]


def window_of(text):
    """The window and how its name ends a feature's."""
    if text == "lifetime":
        return Window("lifetime"), "lifetime"
    match = re.fullmatch(r"(\w+)\((.*)\)", text)
    kind, arguments = (match[1], match[2].split(", ")) if match else ("sliding", [text])
    first, *more = arguments
    length = duration(first)
    match kind, more:
        case "tumbling", []:
            return Window("tumbling", length), f"{first}_tumbling"
        case "hopping", [hop]:
            return Window("hopping", length, duration(hop)), f"{first}_hopping_{hop}"
        case "session", [longest, *closed]:
            return Window("session", duration(longest), length, closed=bool(closed)), "_".join([first, "session", longest, *closed])
        case "last", [*age]:
            return Window("last", duration(age[0]) if age else 0, count=int(first)), "_".join(["last", first, *age])
        case "next", []:
            return Window("next", length), f"next_{first}"
        case "next", [end]:
            return Window("next", duration(end), length), f"next_{first}_to_{end}"
        case "decay", []:
            return Window("decay", length), f"{first}_decay"
        case "series", [count]:
            return Window("series", length, count=int(count)), f"{first}_series_{count}"
        case "sliding", ["exact"]:
            return Window("exact", length), f"{first}_exact"
        case "sliding", []:
            return Window("sliding", length, ladder(length)), first
        case "sliding", [option]:
            hop = option.removeprefix("hop: ")
            return Window("sliding", length, duration(hop)), f"{first}_hop_{hop}"
    raise ValueError(text)
