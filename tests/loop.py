"""The event loop of the tests, kept busy or let go round."""

import time

import gevent

__all__ = ["join", "keep_busy", "poll"]


def join(greenlets, seconds):
    """
    Wait until all have ended, and raise what one of them raised.

    The time-out of ``gevent.joinall`` runs from when the loop last went round, which may be long
    ago; that of ``gevent.Timeout`` from now.
    """
    with gevent.Timeout(seconds):
        gevent.joinall(greenlets, raise_error=True)


def keep_busy(ns):
    """Keep the processor, as a blocking call would: no other greenlet runs; from when to when."""
    end = time.monotonic_ns() + ns
    while time.monotonic_ns() < end:
        pass
    return end - ns, end


def poll():
    """Let the loop go round until it has polled again."""
    gevent.sleep(0.001)
