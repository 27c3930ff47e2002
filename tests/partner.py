"""An endpoint at the other end of a session, without a socket: it says what a test lets it say."""

import json
from time import monotonic_ns

import ga
import gevent

from harness.transport import Closed, TransportClosed

__all__ = ["Partner"]


class Partner:
    """
    Stands in for a transport, and for whoever is behind it.

    ``sent`` are the events it was sent, ``dials`` how it was dialled. It configures sessions as
    endpoints do; ``answers`` adds to that, by wire name, what it says to an event of that name.
    """

    def __init__(self, monkeypatch):
        self.sent, self.dials, self.closed = [], [], None
        self.answers = {"session.update": lambda event: [ga.updated(**self.session)]}
        self.greeting = [ga.created()]
        self.session = {}
        self.holds_on = False  # never says goodbye
        self.steps, self.upgraded_at = {"dns": 0.0, "tcp": 0.0, "upgrade": 0.0}, 0
        self.messages_sent = self.messages_received = self.bytes_sent = self.bytes_received = 0
        monkeypatch.setattr("harness.connection.connect", self._connect)

    def _connect(self, url, *, on_message, on_close, **dial):
        self.dials.append({"url": url, **dial})
        self._on_message, self._on_close = on_message, on_close
        self.closed, self.upgraded_at = None, monotonic_ns()
        gevent.get_hub().loop.run_callback(self.say, *self.greeting)
        return self

    # As a transport.

    def write(self, *messages):
        if self.closed is not None:
            raise TransportClosed("gone")
        for message in messages:
            event = json.loads(message)
            self.sent.append(event)
            replies = self.answers.get(event["type"], lambda event: ())(event)
            if replies:
                gevent.get_hub().loop.run_callback(self.say, *replies)
        return monotonic_ns()

    def close(self, code=1000, timeout=5.0):
        if self.holds_on:
            gevent.sleep(timeout)
            code = 1006
        self.hang_up(code, by_us=True)
        return self.closed

    def abort(self):
        self.hang_up(1006, by_us=True)

    def fail(self, error):
        self.hang_up(1011, by_us=True, error=f"internal: {error}")

    # As an endpoint.

    def say(self, *messages):
        for message in messages:
            self._on_message(message, monotonic_ns(), 0)

    def hang_up(self, code=1000, reason="", *, by_us=False, error=""):
        if self.closed is None:
            clean = code != 1006 and not error
            self.closed = Closed(code=code, reason=reason, by_us=by_us, clean=clean, error=error)
            self._on_close(self.closed)

    # As a witness.

    @property
    def names(self):
        """What it was sent, after the session was configured."""
        return [event["type"] for event in self.sent if event["type"] != "session.update"]

    def last(self, name):
        return next(event for event in reversed(self.sent) if event["type"] == name)
