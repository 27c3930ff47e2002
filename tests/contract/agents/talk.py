"""
Voice agents of the ``openai-agents`` package call an endpoint; what they heard, to a file.

    python talk.py FILE URL [URL ...]

Every scene is played to every URL. It runs in an environment of its own: see ``requirements.in``.
"""

import asyncio
import json
import math
import sys
import traceback
from array import array
from pathlib import Path

from agents import function_tool
from agents.realtime import OpenAIRealtimeWebSocketModel, RealtimeAgent, RealtimeRunner
from agents.realtime.model_inputs import RealtimeModelSendRawMessage

RATE = 24_000
WITHIN = 150.0  # seconds that a scene may take on a busy machine
PATIENT = {"handshake_timeout": WITHIN, "ping_interval": None}
SILENCE = bytes(2 * RATE)  # one second


def speech(seconds):
    """A loud tone."""
    samples = (8000 * math.sin(2 * math.pi * 200 * n / RATE) for n in range(int(RATE * seconds)))
    return array("h", map(int, samples)).tobytes()


class Overheard(OpenAIRealtimeWebSocketModel):
    """The package's own model; keeps what it sends."""

    def __init__(self):
        super().__init__(transport_config=PATIENT)
        self.sent = []

    async def _create_websocket_connection(self, **how):
        connection = await super()._create_websocket_connection(**how)
        send = connection.send

        async def overheard(message):
            self.sent.append(json.loads(message))
            await send(message)

        connection.send = overheard
        return connection


class Conversation:
    """A session, and what came of it so far."""

    def __init__(self, session):
        self.session = session
        self.heard, self.events, self.history, self.audio_bytes = [], [], [], 0
        self._stream = aiter(session)

    async def until(self, name):
        """Hear on until an event of that name, the package's or the wire's."""
        async for event in self._stream:
            if self.hear(event) == name:
                return
        raise AssertionError(f"the session ended before {name}")

    def hear(self, event):
        """Keep what an event says; its name."""
        match event.type:
            case "raw_model_event" if event.data.type == "raw_server_event":
                self.heard.append(event.data.data)
                return event.data.data["type"]
            case "raw_model_event":
                return event.data.type
            case "audio":
                self.audio_bytes += len(event.audio.data)
            case "history_updated":
                self.history = event.history
        self.events.append(event)
        return event.type

    async def ask(self):
        """Ask for an answer, as push to talk does."""
        question = {"type": "response.create"}
        await self.session.model.send_event(RealtimeModelSendRawMessage(message=question))


@function_tool
def get_weather(city: str) -> str:
    """
    Look up what it is like outside.

    Args:
        city: Where.

    """
    return f"sunny in {city}"


AGENT = RealtimeAgent(name="host", instructions="Be brief.")
FORECASTER = RealtimeAgent(name="forecaster", instructions="Be brief.", tools=[get_weather])


async def push_to_talk(call):
    await call.session.send_audio(speech(1.0), commit=True)
    await call.ask()
    await call.until("agent_end")


async def speak(call):
    await call.session.send_audio(speech(1.0))
    await call.session.send_audio(SILENCE)


async def open_microphone(call):
    await speak(call)
    await call.until("agent_end")


async def text(call):
    await call.session.send_message("Hello.")
    await call.until("agent_end")


async def tool(call):
    await call.session.send_message("How is it outside?")
    await call.until("tool_end")
    await call.until("agent_end")


async def barge_in(call):
    """The endpoint hears the caller again while the answer plays, and cancels it."""
    await speak(call)
    await call.until("audio")
    await speak(call)
    await call.until("audio_interrupted")
    await call.until("response.done")
    await call.until("response.done")


async def interrupt(call):
    """The client cancels, as a button would."""
    await call.session.send_message("Hello.")
    await call.until("audio")
    await call.session.interrupt()
    await call.until("conversation.item.truncated")
    await call.until("response.done")


OPEN = {"type": "server_vad", "silence_duration_ms": 300, "interrupt_response": True}
MEANING = {"type": "semantic_vad", "eagerness": "high", "interrupt_response": True}
SCENES = {
    "push_to_talk": (push_to_talk, AGENT, None),
    "server_vad": (open_microphone, AGENT, OPEN),
    "semantic_vad": (open_microphone, AGENT, MEANING),
    "text": (text, AGENT, OPEN),
    "tool": (tool, FORECASTER, OPEN),
    "barge_in": (barge_in, AGENT, OPEN),
    "interrupt": (interrupt, AGENT, None),
}


async def play(url, name):
    """One scene; what came of it, or why it came to nothing: the others go on."""
    try:
        return await played(url, name)
    except Exception:
        return {"failed": traceback.format_exc()}


async def played(url, name):
    scene, agent, turn_detection = SCENES[name]
    model = Overheard()
    settings = {
        "model_name": "gpt-realtime-2.1-mini",
        "audio": {
            "input": {
                "format": "pcm16",
                "transcription": {"model": "gpt-4o-transcribe"},
                "turn_detection": turn_detection,
            },
            "output": {"format": "pcm16", "voice": "marin"},
        },
    }
    config = {"url": url, "api_key": "none", "initial_model_settings": settings}
    runner = RealtimeRunner(agent, model=model)
    async with asyncio.timeout(WITHIN), await runner.run(model_config=config) as session:
        call = Conversation(session)
        await call.until("session.updated")
        await scene(call)
    return {
        "sent": model.sent,
        "heard": call.heard,
        "events": [event.type for event in call.events],
        "errors": [repr(event.error) for event in call.events if event.type == "error"],
        "tools": [event.output for event in call.events if event.type == "tool_end"],
        "audio_s": call.audio_bytes / 2 / RATE,
        "history": [item.model_dump(mode="json") for item in call.history],
    }


async def play_all(url):
    """Every scene, at once; what came of each, by name."""
    return dict(
        zip(SCENES, await asyncio.gather(*(play(url, name) for name in SCENES)), strict=True)
    )


async def main(file, *urls):
    said = await asyncio.gather(*(play_all(url) for url in urls))
    Path(file).write_text(json.dumps(said))


asyncio.run(main(*sys.argv[1:]))
