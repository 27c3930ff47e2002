"""What a hostile server sends: messages of a conversation, damaged in every way, from a seed."""

import json
import random
import re

import ga

from harness.realtime import events as ev

__all__ = ["conversation", "mutated", "rename"]

WRONG = [None, True, -1, 2**70, 1e300, "", "x", "\x00", [], {}, [[]], {"id": None}, ["id"]]


def conversation():
    """Events of every name that a server may send, those of whole answers among them."""
    return [
        ga.created(),
        ga.updated(),
        ga.committed(),
        *ga.answer(),
        ga.error(),
        ga.message("rate_limits.updated", rate_limits=[{"name": "tokens", "limit": 5}]),
        ga.message("input_audio_buffer.speech_started", item_id="i", audio_start_ms=5),
        ga.message("response.cancelled"),
        *(ga.message(name, response_id="resp_1", item_id="item_1") for name in ev.SERVER_EVENTS),
    ]


def mutated(seed, count, messages=None):
    """``count`` messages, most of them damaged, in any order."""
    rng, messages = random.Random(seed), messages or conversation()
    for _ in range(count):
        yield rng.choice(MUTATIONS)(rng, rng.choice(messages))


def places(value, path=()):
    """Where something stands in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in inner:
        yield (*path, key)
        if isinstance(below, dict | list):
            yield from places(below, (*path, key))


def retype(rng, message):
    """One value replaced by another of a wrong type, or left out."""
    raw = json.loads(message)
    *path, last = rng.choice(list(places(raw)))
    holder = raw
    for key in path:
        holder = holder[key]
    if rng.random() < 0.2:
        del holder[last]
    else:
        holder[last] = rng.choice(WRONG)
    return json.dumps(raw).encode()


def flip(rng, message):
    damaged = bytearray(message)
    for _ in range(rng.randint(1, 4)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged)


def cut(rng, message):
    return message[: rng.randrange(len(message))]


def join(rng, message):
    return message + rng.choice((b" ", b",", b"{}", message))


def keep(rng, message):
    return message


MUTATIONS = (retype, retype, retype, flip, cut, join, keep)


def rename(message, name):
    """Every id another that was never heard of."""
    return re.sub(rb'(id"): "\w+"', lambda found: b'%s: "%s"' % (found[1], name.encode()), message)
