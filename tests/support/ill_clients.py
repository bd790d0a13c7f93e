"""What clients that mean ill do with a connected socket."""

import contextlib


def until_closed(connection):
    """What the server sends before it ends the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            received += piece
    return received


def send(connection, data):
    """All of it, or as much as the server takes before it ends the connection."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(data)
