"""Ports of the loopback for servers that must know theirs before they start, or keep it over a restart."""

import pathlib
import random
import socket

LOWEST = 10_000


def free_ports(count):
    """Distinct ports that nobody has now. They lie below those that the kernel gives to connections and to port 0, so no client takes
    one while its server is down, not even by connecting to it: such a connection could be given that very port, and meet itself."""
    below = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    free = []
    candidates = range(LOWEST, below)
    for port in random.sample(candidates, len(candidates)):
        if len(free) == count:
            break
        if is_free(port):
            free.append(port)
    assert len(free) == count, f"fewer than {count} ports from {LOWEST} to {below} are free"
    return free


def is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False
