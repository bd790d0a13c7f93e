"""A TCP proxy between clients and a broker that delays, holds back and cuts."""

import socket
import threading
import time

CHUNK = 1 << 16


class Proxy:
    """`with Proxy() as proxy:`; clients use proxy.address, connections go to `proxy.target` (HOST:PORT), which may change."""

    def __init__(self):
        self.target = None
        self.delay = 0.0  # seconds before each piece goes on
        self.through = threading.Event()  # cleared: pieces are held back; what is held when a connection is cut is dropped
        self.through.set()
        self.cuts = 0
        self._open = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                host, port = self.target.rsplit(":", 1)
                server = socket.create_connection((host, int(port)), timeout=5)
                server.settimeout(None)
            except OSError:
                client.close()  # the broker is away: so are we
                continue
            with self._lock:
                self._open.add((client, server))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink, (client, server)), daemon=True).start()

    def _pump(self, source, sink, pair):
        try:
            while piece := source.recv(CHUNK):
                self.through.wait()
                if self.delay:
                    time.sleep(self.delay)
                sink.sendall(piece)
        except OSError:
            pass  # cut, or an end went away
        self._end(pair)

    def _end(self, pair):
        with self._lock:
            self._open.discard(pair)
        for end in pair:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other side was first
            end.close()

    def cut(self):
        """Ends every connection, with what is under way in it."""
        with self._lock:
            pairs = list(self._open)
        self.cuts += len(pairs)
        for pair in pairs:
            self._end(pair)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.through.set()
        self.cut()
