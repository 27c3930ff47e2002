"""Ports for processes under test: nobody else takes one between its choice and its use."""

import socket
from functools import cache
from itertools import cycle, islice

__all__ = ["free_port"]

# Below those that the system gives to connections, and to servers that ask for any.
FIRST, LAST = 10_000, 32_000
BLOCK = 500  # of a test process
EACH = 10  # of a test, which uses neighbours of its port, too


@cache
def _claimed():
    """A block of this process alone: who holds its first port has it all."""
    for first in range(FIRST, LAST, BLOCK):
        claim = socket.socket()
        try:
            claim.bind(("", first))
        except OSError:
            claim.close()
            continue
        return claim, cycle(range(first + EACH, first + BLOCK, EACH))
    raise OSError("no ports are left to test with")


def free_port():
    """A port on which nobody listens, nor on the five before it and the four after it."""
    _, ports = _claimed()
    for port in islice(ports, BLOCK // EACH):
        if all(map(_is_free, range(port - EACH // 2, port + EACH // 2))):
            return port
    raise OSError("no port is free")


def _is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True
