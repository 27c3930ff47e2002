"""The ``openai`` package's own client talks to the simulator."""

import asyncio
import base64

import pytest
from dialogue import speech
from endpoint import running_simulator
from openai import AsyncOpenAI

pytestmark = pytest.mark.e2e

WITHIN = 20.0  # seconds, on a busy machine
TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture(scope="module")
def simulator():
    with running_simulator("--ttfa", "20ms", "--answer", "300ms", "--tool-rate", "0") as running:
        yield running


def conversation(simulator, script):
    """Run ``script`` over a connection of the client."""

    async def run():
        base = simulator.url.removesuffix("/realtime")
        async with (
            AsyncOpenAI(api_key="none", websocket_base_url=base) as client,
            client.realtime.connect(model="gpt-realtime-2.1-mini") as connection,
        ):
            await asyncio.wait_for(script(connection), WITHIN)

    asyncio.run(run())


async def until(connection, type):
    """Events up to the first of ``type``."""
    heard = []
    async for event in connection:
        heard.append(event)
        if event.type == type:
            break
    return heard


async def configure(connection, **session):
    audio = {"input": {"turn_detection": session.pop("turn_detection", None)}}
    await connection.session.update(session={"type": "realtime", "audio": audio, **session})
    await until(connection, "session.updated")


async def append(connection, audio):
    await connection.input_audio_buffer.append(audio=base64.b64encode(audio).decode())


def test_push_to_talk(simulator):
    async def talk(connection):
        await configure(connection)
        await append(connection, speech(1.0))
        await connection.input_audio_buffer.commit()
        await connection.response.create()
        heard = await until(connection, "response.done")

        audio = [e.delta for e in heard if e.type == "response.output_audio.delta"]
        assert sum(len(base64.b64decode(delta)) for delta in audio) == 14_400
        assert heard[-1].response.status == "completed"
        assert heard[-1].response.usage.input_token_details.audio_tokens == 10
        item = heard[-1].response.output[0]
        await connection.conversation.item.truncate(
            item_id=item.id, content_index=0, audio_end_ms=100
        )
        (truncated,) = await until(connection, "conversation.item.truncated")
        assert truncated.audio_end_ms == 100

    conversation(simulator, talk)


def test_open_microphone(simulator):
    async def talk(connection):
        await configure(connection, turn_detection={"type": "server_vad"})
        await append(connection, speech(1.0) + bytes(48_000))
        heard = await until(connection, "response.done")

        (stopped,) = [e for e in heard if e.type == "input_audio_buffer.speech_stopped"]
        assert stopped.audio_end_ms == 1500

    conversation(simulator, talk)


def test_a_tool_call_and_its_output(simulator):
    async def talk(connection):
        await configure(connection, tools=[TOOL], tool_choice="required")
        await connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "How is it outside?"}],
            }
        )
        await connection.response.create()
        call = (await until(connection, "response.done"))[-1].response.output[0]
        assert (call.type, call.name, call.arguments) == (
            "function_call",
            "get_weather",
            '{"city":"tonight"}',
        )
        await connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        )
        await connection.response.create()
        heard = await until(connection, "response.done")
        assert heard[-1].response.output[0].type == "message"

    conversation(simulator, talk)


def test_a_cancel_with_nothing_to_cancel(simulator):
    async def talk(connection):
        await configure(connection)
        await connection.response.cancel()
        (error,) = await until(connection, "error")
        assert error.error.code == "response_cancel_not_active"

    conversation(simulator, talk)
