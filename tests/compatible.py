"""A compatible server on a real socket: the GA conversation, and what such servers do otherwise."""

import base64
import json

import ga
from ga import SESSION, message
from peers import goodbye
from websockets.frames import CLOSE, TEXT

__all__ = ["ANSWER_S", "Compatible"]

ANSWER_S = 0.3


class Compatible:
    """
    One server, called with each connection's ``Peer``.

    Each quirk of a real server is a subclass that overrides what it does otherwise.
    """

    session = SESSION
    rate = 24_000
    tool = False  # call a function first

    def __init__(self):
        self.seen = []
        self.responses = 0
        self.transcribed = False

    def __call__(self, peer):
        self.peer = peer
        peer.upgrade()
        self.say(ga.created(**self.session))
        while (got := peer.frame()) is not None:
            opcode, data = got
            if opcode is CLOSE:
                peer.send(goodbye(1000))
                return
            if opcode is TEXT:
                event = json.loads(data)
                self.seen.append(event["type"])
                handle = getattr(self, event["type"].replace(".", "_"), None)
                if handle:
                    handle(event)

    def say(self, *messages):
        for each in messages:
            changed = self.changed(json.loads(each))
            if changed is not None:
                self.peer.text(json.dumps(changed).encode())

    def changed(self, event):
        """An event as this server sends it; ``None``: it doesn't."""
        return event

    # What it does when it is told something.

    def session_update(self, event):
        self.say(ga.updated(**self.session))

    def input_audio_buffer_commit(self, event):
        self.say(ga.committed())
        self.add_item({"id": "item_0", "type": "message", "role": "user", "content": []})

    def conversation_item_create(self, event):
        self.add_item({"id": "item_x", **event["item"]})
        self.tool = False

    def response_create(self, event):
        self.answer()

    # What it does then.

    def add_item(self, item):
        self.say(
            message("conversation.item.added", item=item),
            message("conversation.item.done", item=item),
        )

    def answer(self):
        self.responses += 1
        name = f"resp_{self.responses}"
        self.say(ga.response_created(name))
        if self.tool:
            self.call(name)
        else:
            self.speak(name)
        self.say(ga.response_done(name))
        self.say(message("rate_limits.updated", rate_limits=[]))

    def speak(self, name):
        item = f"item_{self.responses}"
        pcm = b"\x10\x27" * round(self.rate * ANSWER_S / 3)
        self.say(ga.item_added(name, item))
        for word in ("At ", "nine", "."):
            self.say(ga.transcript_delta(word, name, item), ga.audio_delta(pcm, name, item))
        self.say(ga.audio_done(name, item), ga.item_done(name, item))

    def call(self, name):
        fields = {"type": "function_call", "call_id": "c1", "name": "look_up"}
        place = {"response_id": name, "item_id": "item_c", "output_index": 0, "call_id": "c1"}
        kind = "response.function_call_arguments"
        self.say(
            ga.item_added(name, "item_c", **fields),
            message(f"{kind}.delta", **place, delta='{"query":'),
            message(f"{kind}.delta", **place, delta=' "x"}'),
            message(f"{kind}.done", **place, name="look_up", arguments='{"query": "x"}'),
            ga.item_done(name, "item_c", **fields, arguments='{"query": "x"}'),
        )


def silent(append):
    """Whether an ``input_audio_buffer.append`` holds silence only."""
    return not any(base64.b64decode(append["audio"]))
