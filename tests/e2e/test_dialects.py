"""The same call in each dialect, and the client of the beta, to one simulator."""

import asyncio
import base64

import pytest
from caller import Caller
from dialogue import speech
from endpoint import running_simulator
from openai import AsyncOpenAI

from harness.realtime.dialects import DIALECTS
from harness.records import Outcome
from harness.tools import tool

pytestmark = pytest.mark.e2e

WITHIN = 20.0  # seconds, on a busy machine
OPTIONS = ("--answer", "300ms", "--ttfa", "20ms", "--filler-rate", "1", "--tool-calls", "2")


@pytest.fixture(scope="module")
def simulator():
    with running_simulator(*OPTIONS, "--tool-rate", "1") as running:
        yield running


@tool
def free_tables(evening: str) -> str:
    """Tables that are free on an evening."""
    return f"two on {evening}"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_call_with_tools_goes_the_same_way_in_each_dialect(simulator, dialect):
    host = simulator.url.removesuffix("/v1/realtime")
    caller = Caller(host, dialect=dialect, tools=[free_tables], transcription="whisper-1")

    with caller.call as call:
        turn = call.say("Yes, please.")

    assert turn.outcome is Outcome.COMPLETED
    assert "filler" in turn.flags
    called, answered = (
        line for line in simulator.truth() if line["response_id"] in turn.response_ids
    )
    assert [call.outcome for call in turn.tools] == ["ok"] * called["tool_calls"]
    assert called["session_id"] == answered["session_id"]
    assert turn.audio_received_s == pytest.approx(called["audio_s"] + answered["audio_s"])
    assert turn.usage["input_tokens"] == called["input_tokens"] + answered["input_tokens"]


def test_the_client_of_the_beta_holds_a_conversation():
    async def talk(connection):
        await connection.session.update(session={"turn_detection": None, "voice": "sage"})
        audio = base64.b64encode(speech(0.5)).decode()
        await connection.input_audio_buffer.append(audio=audio)
        await connection.input_audio_buffer.commit()
        await connection.response.create()
        heard = [await connection.recv()]
        while heard[-1].type != "response.done":
            heard.append(await connection.recv())
        return heard

    async def hold(base):
        async with (
            AsyncOpenAI(api_key="none", websocket_base_url=base) as client,
            client.beta.realtime.connect(model="gpt-realtime") as connection,
            asyncio.timeout(WITHIN),
        ):
            return await talk(connection)

    with running_simulator("--answer", "300ms", "--ttfa", "20ms") as simulator:
        heard = asyncio.run(hold(simulator.url.removesuffix("/realtime")))

    assert heard[0].type == "session.created"
    audio = [event.delta for event in heard if event.type == "response.audio.delta"]
    assert sum(len(base64.b64decode(delta)) for delta in audio) == 14_400
    assert (heard[-1].response.status, heard[-1].response.voice) == ("completed", "sage")
