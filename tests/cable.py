"""A cable between a worker and its master that a test can cut."""

import socket
import socketserver
import threading

__all__ = ["Cable"]


class Cable:
    """
    Carries connections made to ``port`` on to another port of this host.

    Once cut it carries nothing any more, and neither end is told: as when a network parts.
    """

    def __init__(self, to):
        cable = self
        self._whole = threading.Event()
        self._whole.set()
        self._over = False

        class Carrier(socketserver.BaseRequestHandler):
            def handle(self):
                with socket.create_connection(("127.0.0.1", to)) as far:
                    back = threading.Thread(target=cable._carry, args=(far, self.request))
                    back.start()
                    cable._carry(self.request, far)
                    back.join()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Carrier)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def cut(self):
        """Carry nothing any more."""
        self._whole.clear()

    def _carry(self, near, far):
        try:
            while data := near.recv(65536):
                self._whole.wait()
                if self._over:
                    return
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over = True
        self._whole.set()
        self._server.shutdown()
        self._server.server_close()
