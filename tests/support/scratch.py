"""One folder for what has no better place; it is removed when this process ends."""

import atexit
import functools
import shutil
import tempfile


@functools.cache
def scratch():
    folder = tempfile.mkdtemp(prefix="millstream-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def java():
    """The command. What a JVM unpacks goes to the scratch folder: native libraries, Flink's folders; one that is killed leaves them."""
    return ["java", f"-Djava.io.tmpdir={scratch()}"]
