"""What B6 asks and sends: every aggregate in every window over every type, as the golden files state them, and events of all these types."""

import json
import pathlib
import random

import harness

FILES = ("numbers", "pairs", "order", "arg", "keys")  # a view each
BLOCK = 1_000  # events come in blocks of so many, shuffled inside


def definitions():
    """One file: a view of topic `events` for each golden file, and a service `all` of all their features."""
    import yaml

    out = {"sources": {}, "entities": {}, "views": {}, "services": {"all": {"features": []}}}
    for name in FILES:
        text = (harness.ROOT / "tests" / "golden" / f"cells_{name}.ftest").read_text()
        block = text[text.index("definitions\n") + len("definitions\n") :]
        found = yaml.safe_load(block[: block.index("\nday ")])
        out["entities"] |= found["entities"]
        out["sources"] |= found["sources"]
        out["views"][name] = found["views"]["v"]
        out["services"]["all"]["features"].append(f"{name}.* as {name}_*")
    windows = ["session(30m, 12h, closed)", "last(5, 30m)", "sliding(1h, hop: 1m)"]  # the forms of windows that the files do not have
    out["views"]["forms"] = {"entity": "user", "from": "events", "features": {"i": {"sum": {"of": "i", "over": windows}, "last": {"of": "i", "over": windows, "default": 0}}}, "owner": "bench"}
    out["services"]["all"]["features"].append("forms.* as forms_*")
    (source,) = out["sources"].values()
    source["time"] = {"field": "at", "unit": "us"}  # a time of its own for each event: first and last must not depend on offsets, which differ between the servers
    return yaml.safe_dump(out, sort_keys=False, default_flow_style=None, width=10_000)


class Events:
    """`count` events of `entities` users, evenly over `span_us` from `start_us` on; the same ones for the same numbers."""

    def __init__(self, count, entities, start_us, span_us):
        self.count, self.entities, self.start_us, self.step = count, entities, start_us, span_us // count

    def event(self, i):
        rng = random.Random(i)
        maybe = lambda value: None if rng.random() < 0.1 else value
        word = lambda: rng.choice(("a", "tea", "a name that is longer than fifteen bytes", "", "\u00e9t\u00e9", "ORD")) + str(rng.randrange(4))
        real = lambda: rng.choice((repr(rng.gauss(0, 100)), "0.1", "-0.0", "1e308", "-1e308", "5e-324", "NaN", "Infinity", str(rng.randrange(100)))) if rng.random() < 0.3 else repr(rng.random() * 100)
        at = self.start_us + i * self.step
        user = f"u{min(rng.randrange(self.entities), rng.randrange(self.entities))}"  # some have more than others
        return user, at, {
            "user": user, "at": at,
            "i": maybe(rng.choice((rng.randrange(-5, 50), 2**63 - 1, -(2**63))) if rng.random() < 0.02 else rng.randrange(-5, 50)),
            "text": maybe(real()), "text2": maybe(real()), "s": maybe(word()), "s2": maybe(word()), "b": maybe(rng.random() < 0.5),
            "ts": maybe((at - rng.randrange(1_000_000_000)) // 1000 * 1000), "d": maybe(f"{rng.randrange(-10**5, 10**6) / 100:.2f}"), "d2": maybe(f"{rng.randrange(10**4) / 100:.2f}"),
            "l": maybe([maybe(word()) for _ in range(rng.randrange(4))]), "v": maybe([rng.random(), float(rng.randrange(5)), -1.5]), "m": maybe({word(): maybe(rng.randrange(9)) for _ in range(rng.randrange(3))}),
        }  # fmt: skip

    def send(self, server, first, until, shuffled=BLOCK, rate=0):
        """Sends them, keyed by user, and returns when all are acknowledged. `rate`: events per second, 0: as they go."""
        import time

        import confluent_kafka

        producer, failed = confluent_kafka.Producer({"bootstrap.servers": server.kafka, "acks": "all", "enable.idempotence": True, "linger.ms": 2}), []
        began, sent = time.monotonic(), 0
        for block in range(first, until, shuffled):
            places = list(range(block, min(block + shuffled, until)))
            random.Random(block).shuffle(places)
            for i in places:
                user, _, event = self.event(i)
                while True:
                    try:
                        producer.produce("events", json.dumps(event), key=user, on_delivery=lambda error, _: error and failed.append(error))
                        break
                    except BufferError:
                        producer.poll(0.1)
                producer.poll(0)
                sent += 1
                if rate and (ahead := began + sent / rate - time.monotonic()) > 0:
                    producer.poll(ahead)
        if producer.flush(120) or failed:
            raise RuntimeError(f"events were not acknowledged: {failed[:1]}")
