import pathlib
import sys
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "peers" / "kafka"))
from millstream import Server  # noqa: E402


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """HOST:PORT of a server that all compatibility tests share."""
    with Server(tmp_path_factory.mktemp("compat") / "data") as server:
        yield server.kafka


@pytest.fixture
def topic():
    """A name nobody else uses."""
    return f"t-{uuid.uuid4().hex[:12]}"
