"""Replies as columns, and their comparison with a training set: whole columns at a time, by their bits."""

import decimal

import harness
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROWS_AT_ONCE = 500  # of replies that wait as Python objects
SHOWN = 5


def one_question():
    return pa.table({"user": ["u0"], "event_time": pa.array([0], pa.timestamp("us", tz="UTC"))})


class Replies:
    """What live reads said: keys, instants, and a column of values and one of statuses per feature, of the types of a training set's schema."""

    def __init__(self, schema):
        self.schema, self.users, self.times, self.cuts, self.features, self.rows = schema, [], [], set(), None, 0
        self.waiting, self.parts = [], []

    def add(self, asked, reply):
        self.features = reply["features"]
        self.cuts.add(tuple((c["shard"], c["publish"]) for c in reply["cut"]))
        self.users += asked
        self.times += [reply["as_of"]] * len(asked)
        self.rows += len(asked)
        self.waiting += [(row["values"], row["statuses"]) for row in reply["rows"]]
        if len(self.waiting) >= ROWS_AT_ONCE:
            self.pack()

    def pack(self):
        values, statuses = zip(*self.waiting)
        self.parts.append((
            [typed(list(column), self.schema.field(name).type) for name, column in zip(self.features, zip(*values))],
            [pa.array(column).dictionary_encode() for column in zip(*statuses)],
        ))  # fmt: skip
        self.waiting = []

    def column(self, i):
        """(values, statuses) of feature i."""
        if self.waiting:
            self.pack()
        return pa.concat_arrays([values[i] for values, _ in self.parts]), pa.concat_arrays([statuses[i].cast(pa.string()) for _, statuses in self.parts])

    def spine(self):
        return pa.table({"user": self.users, "event_time": pa.array(self.times).cast(pa.timestamp("us", tz="UTC"))})


def typed(values, kind):
    """JSON values as an Arrow array; a value of another JSON type than `kind` is a mistake, not converted."""
    if pa.types.is_decimal(kind):
        return pa.array([None if v is None else decimal.Decimal(v) for v in values], kind)
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.string()).cast(kind)
    if pa.types.is_floating(kind):
        if any(type(v) not in (float, type(None), str) for v in values):
            raise RuntimeError(f"not all float64: {values[:5]}")
        return pa.array([float(v) if type(v) is str else v for v in values], kind)
    if pa.types.is_integer(kind):
        return pa.array([int(v) if type(v) is str else v for v in values], kind)
    if pa.types.is_map(kind):
        lists = [None if v is None else list(v.items()) for v in values]
        flat = [pair for v in lists if v for pair in v]
        return pa.MapArray.from_arrays(offsets(lists), typed([name for name, _ in flat], kind.key_type), typed([v for _, v in flat], kind.item_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.array(values, kind)
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(offsets(values), typed([e for v in values if v is not None for e in v], kind.value_type))
    return pa.array(values, kind)


def offsets(values):
    """Where each list begins; null where it is null."""
    ends = np.concatenate([[0], np.cumsum([0 if v is None else len(v) for v in values])])
    return pa.array(ends, pa.int32(), mask=np.array([v is None for v in values] + [False]))


def differing(a, b):
    """For each row whether the bits of two arrays of one length differ."""
    one, other = np.asarray(a.is_null()), np.asarray(b.is_null())
    out = one != other
    both = np.flatnonzero(~one & ~other)
    if not len(both):
        return out
    a, b = a.take(pa.array(both)), b.take(pa.array(both))
    kind = b.type
    if pa.types.is_map(kind) or pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        (sizes, left), (sizes_b, right) = elements(a), elements(b)
        out[both] = sizes != sizes_b
        if not (sizes != sizes_b).any():
            for x, y in zip(left, right, strict=True):
                out[np.repeat(both, sizes)[differing(x, y)]] = True
    elif pa.types.is_floating(kind):
        out[both] = a.to_numpy().view(np.uint64) != b.to_numpy().view(np.uint64)
    else:
        out[both] = np.asarray(pc.not_equal(a, b))
    return out


def elements(array):
    """(how many each row has, their arrays: one, or names and values)."""
    if pa.types.is_map(array.type):
        ends = array.offsets.to_numpy()
        part = slice(ends[0], ends[-1])
        return np.diff(ends), (array.keys[part], array.items[part])
    return pc.list_value_length(array).to_numpy(), (array.flatten(),)


def compare(replies, derived):
    """(values compared, values that differ in value or status, rows in a gap) against a training set of the replies' spine."""
    gaps, wrong = None, 0
    for i, name in enumerate(replies.features):
        table = derived.read(columns=[name, name + "__status"])
        values, statuses = (table[column].combine_chunks() for column in (name, name + "__status"))
        live, said = replies.column(i)
        if len(values) != len(live):
            raise RuntimeError(f"{len(values)} rows, asked for {len(live)}")
        if gaps is None:
            gaps = np.asarray(pc.equal(statuses.cast(pa.string()), "GAP"))
        bad = (differing(live, values) | differing(said, statuses.cast(pa.string()))) & ~gaps
        for row in np.flatnonzero(bad)[: max(0, SHOWN - wrong)]:
            harness.note(f"  DIFFERS {name} of {replies.users[row]} at {replies.times[row]}: live {live[row]} {said[row]}, derived {values[row]} {statuses[row]}")
        wrong += int(bad.sum())
    return int((~gaps).sum()) * len(replies.features), wrong, int(gaps.sum())
