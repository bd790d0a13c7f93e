"""Clients in processes of their own, which can be killed and stopped. What they see comes through a pipe, up to the last moment."""

import faulthandler
import multiprocessing
import os
import signal
import threading
import time

from clients import PATIENCE

SPAWN = multiprocessing.get_context("spawn")  # librdkafka's threads do not survive a fork


class Sent:
    """The history in the other process."""

    def __init__(self, pipe):
        self._pipe, self._lock = pipe, threading.Lock()

    def add(self, what, by, **more):
        with self._lock:
            self._pipe.send({"ns": time.monotonic_ns(), "what": what, "by": by, **more})


def work(pipe, kind, name, arguments, more):
    faulthandler.register(signal.SIGUSR1)
    client = kind(name, Sent(pipe), *arguments, **more)
    try:
        while not pipe.poll(0.1):
            if client.raised:
                raise client.raised
        pipe.recv()  # enough
        client.finish()
    except EOFError:
        os._exit(1)  # the test is gone


class Elsewhere:
    """A Client of the class `kind` in a process of its own."""

    def __init__(self, kind, name, history, *arguments, **more):
        self.name = name
        self._pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=work, args=(theirs, kind, name, arguments, more), daemon=True)
        self.process.start()
        theirs.close()
        self._listener = threading.Thread(target=self._listen, args=(history,), daemon=True)
        self._listener.start()

    def _listen(self, history):
        try:
            while True:
                history.take(self._pipe.recv())
        except (EOFError, OSError):
            return

    @property
    def raised(self):
        """What it ended with before its time; its words are on stderr."""
        return None if self.process.exitcode in (None, 0) else f"{self.name} ended with {self.process.exitcode}"

    def stop(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        """kill -9; all that it has seen is in the history afterwards."""
        self.process.kill()
        self.process.join(PATIENCE)
        self._listener.join(PATIENCE)

    def finish(self):
        try:
            self._pipe.send("enough")
        except OSError:
            pass  # it is gone already, and its exit code says why
        self.process.join(PATIENCE)
        if self.process.exitcode is None:
            os.kill(self.process.pid, signal.SIGUSR1)  # it says on stderr where its threads are
            self.process.terminate()
            self.process.join(PATIENCE)
        self._listener.join(PATIENCE)
        assert self.process.exitcode == 0, f"{self.name} ended with {self.process.exitcode} (-15: not by itself)"
