"""A client of one simulated session, on a clock of its own: no socket, no waiting."""

import base64
import json
from functools import cache

import numpy as np

from harness.audio import PCM16
from harness.durations import parse_distribution
from harness.samples import encode_audio
from harness.simulator.config import SessionConfig
from harness.simulator.endpoint import Endpoint
from harness.simulator.faults import parse_fault
from harness.simulator.session import SimulatedSession
from harness.simulator.settings import Settings

MS = 1_000_000


@cache
def speech(seconds, format=PCM16):
    """A loud tone."""
    at = np.arange(round(seconds * PCM16.rate)) / PCM16.rate
    return encode_audio((8000 * np.sin(2 * np.pi * 200 * at)).astype(np.int16), format)


def silence(seconds, format=PCM16):
    return format.silence(round(seconds * format.rate) * format.sample_bytes)


def settings(**given):
    for name in ("ttfa", "answer", "jitter", "stall"):
        if isinstance(given.get(name), str):
            given[name] = parse_distribution(given[name])
    given["faults"] = tuple(map(parse_fault, given.get("faults", ())))
    defaults = {"ttfa": parse_distribution("300ms"), "answer_audio": "tone", "tool_rate": 0.0}
    return Settings(**{**defaults, **given})


class Dialogue:
    """
    Says things to an endpoint and hears what comes back, each event with ``at`` in milliseconds.

    ``heard`` is everything so far; ``truths`` what the endpoint recorded.
    """

    def __init__(
        self,
        *,
        endpoint=None,
        configure=None,
        type="realtime",
        model="gpt-realtime-2.1-mini",
        asks_for_beta=False,
        **options,
    ):
        self.truths = []
        self.endpoint = endpoint or Endpoint(settings(**options), self.truths.append, "t")
        self.now = 0
        self.heard = []
        config = SessionConfig(model=model, type=type)
        self.session = SimulatedSession(self.endpoint, config, 0, beta=asks_for_beta)
        self._flush()
        if configure is not None:
            self.configure(**configure)

    def send(self, type, **fields):
        """Send an event now; what is heard at once."""
        return self.write(json.dumps({"type": type, **fields}).encode())

    def write(self, message):
        """Send any message now; what is heard at once."""
        before = len(self.heard)
        self.session.receive(message, self.now)
        self._flush()
        return self.heard[before:]

    def configure(self, *, turn_detection=None, input=None, output=None, **fields):
        """Configure the session; push to talk unless told otherwise."""
        audio = {"input": {"turn_detection": turn_detection, **(input or {})}}
        if output:
            audio["output"] = output
        return self.send("session.update", session={"type": "realtime", "audio": audio, **fields})

    def append(self, audio, frame_ms=20, format=PCM16):
        """Say ``audio`` at speaking pace: each frame is sent when its last sample was spoken."""
        before, size = len(self.heard), format.frame_bytes(frame_ms)
        for start in range(0, len(audio), size):
            frame = audio[start : start + size]
            self.wait(round(format.seconds(len(frame)) * 1000))
            self.send("input_audio_buffer.append", audio=base64.b64encode(frame).decode())
        return self.heard[before:]

    def say(self, audio=None):
        """Push to talk."""
        self.append(speech(0.5) if audio is None else audio)
        return self.send("input_audio_buffer.commit") + self.send("response.create")

    def wait(self, ms):
        """Let time pass; what is heard in it."""
        before, end = len(self.heard), self.now + ms * MS
        while (due := self.session.due) is not None and due <= end:
            self.now = max(self.now, due)
            self._flush()
        self.now = end
        return self.heard[before:]

    def hang_up(self):
        self.session.end()

    def last(self, type):
        return next(event for event in reversed(self.heard) if event["type"] == type)

    def _flush(self):
        while (out := self.session.take(self.now)) is not None:
            self.session.sent(out, self.now)
            self.heard.append({**json.loads(out.message), "at": self.now // MS})


def types(events):
    """Wire names in their order, neighbours of one name once."""
    names = [event["type"] for event in events]
    return [name for name, before in zip(names, [None, *names], strict=False) if name != before]


def of(type, events):
    return [event for event in events if event["type"] == type]


def error_of(events):
    """The one error among ``events``."""
    (event,) = of("error", events)
    return event["error"]
