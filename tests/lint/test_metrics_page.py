"""docs/metrics.md names every metric that the sources make, and no other."""

import re

from repo import ROOT, cpp_files, is_test, name_of

MADE = re.compile(r'"(millstream_[a-z_]+)"')
SHOWN = re.compile(r"^\| `(millstream_[a-z_]+)` \|", re.M)


def made_in(text):
    return set(MADE.findall(text))


def test_the_page_names_every_metric():
    made = {name: name_of(path) for path in cpp_files() if not is_test(path) and "fixture" not in path.name for name in made_in(path.read_text())}
    shown = SHOWN.findall((ROOT / "docs/metrics.md").read_text())
    assert len(shown) == len(set(shown)), "a metric is there twice"
    missing = {name: place for name, place in made.items() if name not in shown}
    assert not missing and not set(shown) - set(made), f"not on the page: {missing}; not in the sources: {set(shown) - set(made)}"


def test_a_planted_metric_is_seen():
    assert made_in('counter("millstream_new_total", labels).add();') == {"millstream_new_total"}
