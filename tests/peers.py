"""Scripted servers on loopback, in threads of their own, and what a transport heard of them."""

import socket
import ssl
import stat
import struct
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import gevent
from gevent import monkey
from websockets.frames import CLOSE, TEXT, Close, Frame
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.utils import accept_key

from harness.transport import connect

__all__ = [
    "Heard",
    "Peer",
    "block_until",
    "descriptors",
    "frame",
    "goodbye",
    "listening",
    "response",
    "until",
]

PATIENCE = 20.0
Thread = monkey.get_original("threading", "Thread")


def frame(opcode, data=b"", fin=True):
    """A frame as servers send it."""
    return Frame(opcode, data, fin).serialize(mask=False)


def goodbye(code, reason=""):
    """A close frame."""
    return frame(CLOSE, Close(code, reason).serialize())


class Peer:
    """One accepted connection, scripted by blocking calls."""

    def __init__(self, sock):
        self.sock = sock
        self.request = b""
        self.protocol = ServerProtocol(state=OPEN, max_size=None)
        self._frames = []

    def read_request(self):
        while b"\r\n\r\n" not in self.request:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self.request += data
        return self.request

    def header(self, name):
        for line in self.request.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None

    def upgrade(self, *, then=b"", **more):
        """Answer the handshake with 101, and with ``then`` in the same write."""
        self.read_request()
        fields = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": accept_key(self.header("Sec-WebSocket-Key")),
            **more,
        }
        self.send(response("101 Switching Protocols", fields) + then)
        return self

    def send(self, data):
        self.sock.sendall(data)

    def text(self, data):
        self.send(frame(TEXT, data))
        return time.monotonic_ns()

    def frame(self):
        """The next frame of the client, unmasked, as (opcode, data); ``None`` at the end."""
        while not self._frames:
            try:
                data = self.sock.recv(1 << 20)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.protocol.receive_data(data)
            self._frames += [(f.opcode, bytes(f.data)) for f in self.protocol.events_received()]
        return self._frames.pop(0)

    def close_code(self):
        """The code of the client's close frame, or ``None`` if it never sent one."""
        while (got := self.frame()) is not None:
            if got[0] is CLOSE:
                return Close.parse(got[1]).code
        return None

    def echo(self, heard=lambda: None):
        """
        Send every message back until the client says goodbye; say goodbye too.

        It may be gone before it is answered, and its goodbye still there to be read.

        Args:
            heard: Told of each message.

        Returns:
            The code of the client's close frame, or ``None`` if it never sent one.

        """
        while (got := self.frame()) is not None:
            opcode, data = got
            with suppress(OSError):
                self.send(frame(opcode, data))
            if opcode is CLOSE:
                return Close.parse(data).code
            heard()
        return None

    def reset(self):
        """End the connection by a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def response(status, fields, body=b""):
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def listening(script, *, tls=None, backlog=512, receive_buffer=None):
    """
    The address of a server that runs ``script(peer)`` in a thread for each connection.

    What a script raises is raised at the end of the block.
    """
    errors, peers = [], []
    server = socket.socket()
    if receive_buffer:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    server.bind(("127.0.0.1", 0))
    server.listen(backlog)

    def run(sock):
        try:
            with tls.wrap_socket(sock, server_side=True) if tls else sock as stream:
                script(Peer(stream))
        except (ssl.SSLError, EOFError):
            pass  # the client went away, or did not trust us: its side is what is tested
        except Exception as error:
            errors.append(error)

    def accept():
        while True:
            try:
                sock, _ = server.accept()
            except OSError:
                return
            sock.settimeout(PATIENCE)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peers.append(Thread(target=run, args=(sock,), daemon=True))
            peers[-1].start()

    acceptor = Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        acceptor.join()
        until(lambda: not any(peer.is_alive() for peer in peers))
    for error in errors:
        raise error


class Heard:
    """A transport, and what it called back."""

    def __init__(self, address, *, scheme="ws", on_message=None, **options):
        self.messages, self.stamps, self.ends, self.slacks = [], [], [], []
        self.also = on_message
        self.transport = connect(
            f"{scheme}://{address}/v1/realtime",
            on_message=self._on_message,
            on_close=self.ends.append,
            **options,
        )

    def _on_message(self, data, at, uncertainty):
        self.messages.append(data)
        self.stamps.append(at)
        self.slacks.append(uncertainty)
        if self.also:
            self.also(data)

    def wait(self, n):
        """Until ``n`` messages have come; returns them all."""
        until(lambda: len(self.messages) >= n)
        return self.messages

    def wait_end(self):
        """Until it is closed; returns how."""
        until(lambda: self.ends)
        return self.ends[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.transport.abort()
        assert len(self.ends) == 1
        assert self.ends[0] == self.transport.closed


def until(condition, seconds=PATIENCE):
    """Let the hub run until a condition holds."""
    with gevent.Timeout(seconds):
        while not condition():
            gevent.sleep(0.002)


def block_until(condition):
    """Keep the hub from running until a condition holds, and a tenth of a second longer."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
    time.sleep(0.1)


def descriptors():
    """Sockets that this process holds open."""
    return sum(stat.S_ISSOCK(mode) for mode in map(_mode, Path("/proc/self/fd").iterdir()))


def _mode(path):
    try:
        return path.stat().st_mode
    except OSError:  # the descriptor by which the folder is listed
        return 0
