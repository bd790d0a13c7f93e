"""No server outlives the test process that started it, however that one dies."""

import os
import pathlib
import select
import signal
import subprocess
import sys

SUPPORT = pathlib.Path(__file__).resolve().parents[1] / "support"
STARTS_A_SERVER = f"""
import sys
sys.path.insert(0, {str(SUPPORT)!r})
from millstream import Server
server = Server({{!r}}).start()
print(server.process.pid, flush=True)
sys.stdin.read()
"""
PATIENCE_SECONDS = 60


def test_a_server_dies_with_the_test_process(tmp_path):
    command = [sys.executable, "-c", STARTS_A_SERVER.format(str(tmp_path / "data"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tests:
        pid = int(tests.stdout.readline())
        server = os.pidfd_open(pid)  # readable when the process has ended
        try:
            assert "millstream" in os.readlink(f"/proc/{pid}/exe")
            tests.kill()
            tests.wait()
            ended = select.select([server], [], [], PATIENCE_SECONDS)[0]
            if not ended:
                signal.pidfd_send_signal(server, signal.SIGKILL)
            assert ended, f"server {pid} goes on after its test process was killed"
        finally:
            os.close(server)
