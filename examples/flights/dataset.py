"""The flights: where they come from, the slice kept in this repository, and how it was cut."""

import argparse
import os
import pathlib
import subprocess
import tarfile

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).resolve().parent
SLICE = HERE / "flights.parquet"
PACKAGE = "vega-datasets@3.2.1"
MEMBER = "package/data/flights-3m.parquet"

# Fourteen days of early summer, from one busy evening to another. Every flight of the stretch is kept.
FIRST_MINUTE, CUT_MINUTE = "2001-06-14 20:00", "2001-06-28 20:00"


def fetch_whole():
    """The whole set (3,000,000 flights, January to June 2001), fetched once with `npm pack` into the user's cache."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "millstream"
    whole = cache / "flights-3m.parquet"
    if not whole.exists():
        cache.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=cache, check=True, capture_output=True, text=True)
        archive = cache / packed.stdout.split()[-1]
        with tarfile.open(archive) as tar, tar.extractfile(MEMBER) as source:
            partial = whole.with_suffix(".partial")
            partial.write_bytes(source.read())
        partial.rename(whole)
        archive.unlink()
    return whole


def cut(whole, target=SLICE):
    """Writes the slice. A record that says it landed before it departed (1 in 67,000) is a recording error and left out."""
    flights = duckdb.connect().sql(
        f"""select date::timestamp_ms as date, delay::int2 as delay, distance::int2 as distance, origin, destination
            from (select *, row_number() over () as row from read_parquet('{whole}'))
            where date >= '{FIRST_MINUTE}' and date < '{CUT_MINUTE}' and delay > -(30 + distance * 2 // 15)
            order by date, row"""
    )
    pq.write_table(
        flights.to_arrow_table().replace_schema_metadata(None).cast(SCHEMA),
        target,
        compression="brotli",
        compression_level=11,
        row_group_size=1 << 20,
        use_dictionary=["origin", "destination", "delay", "distance"],
        column_encoding={"date": "DELTA_BINARY_PACKED"},
    )


SCHEMA = pa.schema(
    [("date", pa.timestamp("ms")), ("delay", pa.int16()), ("distance", pa.int16()), ("origin", pa.string()), ("destination", pa.string())]
)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Cuts flights.parquet out of the whole set again.")
    parser.add_argument("--whole", type=pathlib.Path, help="flights-3m.parquet; fetched with npm when not given")
    arguments = parser.parse_args()
    cut(arguments.whole or fetch_whole())
    print(f"wrote {SLICE.name}: {pq.read_metadata(SLICE).num_rows:,} flights, {SLICE.stat().st_size:,} bytes")
