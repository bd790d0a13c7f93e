"""A program on a terminal of its own, as a person runs it: what it shows, and the keys that are typed."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

CTRL_C = b"\x03"


def _as_from_a_shell():
    """In the child: the terminal is its own, and it heeds the keys even if the tests run where those are ignored (nohup, `&`)."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """`with Terminal([BINARY, ...]) as terminal:`; stdin, stdout and stderr of the program are the terminal."""

    def __init__(self, command, environment=None, columns=80, stdout=None):
        self.text = ""  # everything it ever wrote
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        # A session of its own, whose terminal this is: Ctrl-C then reaches the whole foreground process group.
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=slave, stdout=stdout or slave, stderr=slave, env=os.environ | (environment or {}),
            start_new_session=True, preexec_fn=_as_from_a_shell,
        )  # fmt: skip
        os.close(slave)

    def _read(self, seconds):
        """False at the end of the output."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: nobody holds the other side any more
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def read_until(self, pattern, seconds=60):
        """The first match of `pattern` in what it wrote."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text, re.M)):
            assert time.monotonic() < deadline, f"no {pattern!r} in {seconds} s:\n{self.text}"
            assert self._read(1), f"ended with {self.process.wait()} before {pattern!r}:\n{self.text}"
        return found

    def type(self, keys):
        os.write(self.master, keys)

    def wait(self, seconds=60):
        """Reads to the end; returns (exit status, seconds it took)."""
        began = time.monotonic()
        while self._read(0.2) and self.process.poll() is None:
            assert time.monotonic() - began < seconds, f"still running after {seconds} s:\n{self.text}"
        status = self.process.wait(seconds)
        took = time.monotonic() - began
        while select.select([self.master], [], [], 0)[0] and self._read(0):
            pass
        return status, took

    def screen(self):
        """The lines that are left to read: '\\r' goes back, ESC [ K erases to the end of the line."""
        lines = []
        for raw in self.text.split("\n"):
            shown, at = [], 0
            for piece in re.findall(r"\r|\x1b\[K|[^\r\x1b]", raw):
                if piece == "\r":
                    at = 0
                elif piece == "\x1b[K":
                    del shown[at:]
                else:
                    shown[at : at + 1] = [piece]
                    at += 1
            lines.append("".join(shown).rstrip())
        return [line for line in lines if line]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        os.close(self.master)
