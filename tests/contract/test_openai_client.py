"""The ``openai`` package's own client talks to the simulator, in clear and under TLS."""

import asyncio
import base64
import json
import ssl
from contextlib import asynccontextmanager

import pytest
from dialogue import speech
from endpoint import running_simulator
from judge import CLIENT, SERVER, judged
from openai import AsyncOpenAI, omit

pytestmark = pytest.mark.e2e

WITHIN = 20.0  # seconds, on a busy machine
SILENCE = bytes(48_000)  # one second
DELTA = "response.output_audio.delta"
TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
UNEVEN = ("--ttfa", "20ms", "--answer", "uniform(500ms, 30s)", "--speed", "2", "--seed", "176")
ANSWERS = ("--ttfa", "20ms", "--answer", "600ms", "--speed", "2", "--tool-rate", "0")


class Line:
    """How the client reaches a simulator."""

    def __init__(self, simulator, **options):
        self.base = simulator.url.removesuffix("/realtime")
        self.options = options

    @asynccontextmanager
    async def connection(self, api_key="none", model="gpt-realtime-2.1-mini"):
        async with (
            AsyncOpenAI(api_key=api_key, websocket_base_url=self.base) as client,
            client.realtime.connect(
                model=model, websocket_connection_options=self.options
            ) as connection,
            asyncio.timeout(WITHIN),
        ):
            send = connection.send

            async def judged_send(event):
                judged({key: each for key, each in event.items() if each is not omit}, CLIENT)
                await send(event)

            connection.send = judged_send
            yield connection

    def hold(self, talk):
        """Hold a conversation; what ``talk`` returns."""

        async def run():
            async with self.connection() as connection:
                return await talk(connection)

        return asyncio.run(run())


@pytest.fixture(scope="module")
def clear():
    with running_simulator(*ANSWERS) as simulator:
        yield Line(simulator)


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    authority = str(tmp_path_factory.mktemp("tls") / "authority.pem")
    with running_simulator(*ANSWERS, "--tls", authority) as simulator:
        yield Line(simulator, ssl=ssl.create_default_context(cafile=authority))


@pytest.fixture(params=["clear", "secret"])
def line(request):
    return request.getfixturevalue(request.param)


async def until(connection, name):
    """Events up to the first of that name, each as the API's types have it."""
    heard = []
    while not heard or heard[-1].type != name:
        message = await connection.recv_bytes()
        judged(json.loads(message), SERVER)
        heard.append(connection.parse_event(message))
    return heard


def of(name, heard):
    return [event for event in heard if event.type == name]


async def configure(connection, turn_detection=None, **session):
    heard = {"turn_detection": turn_detection, "transcription": {"model": "gpt-4o-transcribe"}}
    await connection.session.update(
        session={"type": "realtime", "audio": {"input": heard}, **session}
    )
    await until(connection, "session.updated")


async def append(connection, audio):
    await connection.input_audio_buffer.append(audio=base64.b64encode(audio).decode())


async def say_in_writing(connection, text):
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    await connection.conversation.item.create(item=item)
    await connection.response.create()


def assert_answered(heard, seconds=0.6):
    """Audio of that length, and its words."""
    audio = [base64.b64decode(event.delta) for event in of(DELTA, heard)]
    assert sum(map(len, audio)) == round(seconds * 48_000)
    (whole,) = of("response.output_audio_transcript.done", heard)
    words = [event.delta for event in of("response.output_audio_transcript.delta", heard)]
    assert "".join(words) == whole.transcript != ""
    response = heard[-1].response
    assert response.status == "completed"
    assert response.output[0].content[0].transcript == whole.transcript


def test_push_to_talk(line):
    async def talk(connection):
        await configure(connection)
        await append(connection, speech(1.0))
        await connection.input_audio_buffer.commit()
        await connection.response.create()
        heard = await until(connection, "response.done")

        assert_answered(heard)
        assert heard[-1].response.usage.input_token_details.audio_tokens == 10
        item = heard[-1].response.output[0]
        await connection.conversation.item.truncate(
            item_id=item.id, content_index=0, audio_end_ms=100
        )
        assert (await until(connection, "conversation.item.truncated"))[-1].audio_end_ms == 100
        await connection.conversation.item.retrieve(item_id=item.id)
        assert (await until(connection, "conversation.item.retrieved"))[-1].item.id == item.id
        await connection.conversation.item.delete(item_id=item.id)
        assert (await until(connection, "conversation.item.deleted"))[-1].item_id == item.id

    line.hold(talk)


@pytest.mark.parametrize(
    ("turn_detection", "stopped_at"),
    [
        ({"type": "server_vad"}, 1500),
        ({"type": "server_vad", "silence_duration_ms": 300}, 1300),
        ({"type": "semantic_vad", "eagerness": "high"}, None),
    ],
    ids=str,
)
def test_open_microphone(line, turn_detection, stopped_at):
    async def talk(connection):
        await configure(connection, turn_detection)
        await append(connection, speech(1.0) + SILENCE * 2)
        heard = await until(connection, "response.done")
        transcribed = "conversation.item.input_audio_transcription.completed"
        if not of(transcribed, heard):
            heard[:0] = await until(connection, transcribed)

        assert_answered(heard)
        assert of(transcribed, heard)[0].transcript
        (stopped,) = of("input_audio_buffer.speech_stopped", heard)
        assert stopped_at in (None, stopped.audio_end_ms)

    line.hold(talk)


@pytest.fixture(params=["clear", "secret"])
def uneven_line(request, tmp_path):
    """By its seed the first answer lasts 16 s, and the second one 600 ms."""
    authority = str(tmp_path / "authority.pem")
    secret = request.param == "secret"
    with running_simulator(*UNEVEN, *(("--tls", authority) if secret else ())) as simulator:
        trust = {"ssl": ssl.create_default_context(cafile=authority)} if secret else {}
        yield Line(simulator, **trust)


def test_who_talks_over_an_answer_has_it_cancelled(uneven_line):
    async def talk(connection):
        await configure(connection, {"type": "server_vad", "silence_duration_ms": 300})
        await append(connection, speech(1.0) + SILENCE)
        await until(connection, DELTA)
        await append(connection, speech(1.0) + SILENCE)
        cut = (await until(connection, "response.done"))[-1].response
        answer = await until(connection, "response.done")

        assert (cut.status, cut.status_details.reason) == ("cancelled", "turn_detected")
        assert_answered(answer)

    uneven_line.hold(talk)


def test_a_tool_call_and_its_output(line):
    async def talk(connection):
        await configure(connection, tools=[TOOL], tool_choice="required")
        await say_in_writing(connection, "How is it outside?")
        heard = await until(connection, "response.done")
        (done,) = of("response.function_call_arguments.done", heard)
        call = heard[-1].response.output[0]

        assert (call.type, call.call_id) == ("function_call", done.call_id)
        for told in (call, done):
            assert (told.name, told.arguments) == ("get_weather", '{"city":"tonight"}')
        await connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        )
        await connection.response.create()
        assert_answered(await until(connection, "response.done"))

    line.hold(talk)


def test_an_answer_in_text(line):
    async def talk(connection):
        await configure(connection, output_modalities=["text"])
        await say_in_writing(connection, "Hello.")
        heard = await until(connection, "response.done")

        assert of(DELTA, heard) == []
        (whole,) = of("response.output_text.done", heard)
        assert "".join(e.delta for e in of("response.output_text.delta", heard)) == whole.text

    line.hold(talk)


def test_a_cancel_with_nothing_to_cancel(line):
    async def talk(connection):
        await configure(connection)
        await connection.response.cancel()
        return await until(connection, "error")

    assert line.hold(talk)[-1].error.code == "response_cancel_not_active"


def test_a_client_secret_opens_a_session_as_it_was_told(clear):
    http = clear.base.replace("ws:", "http:")

    async def talk():
        async with AsyncOpenAI(api_key="none", base_url=http) as client:
            secret = await client.realtime.client_secrets.create(
                session={"type": "realtime", "instructions": "Be brief."}
            )
        async with clear.connection(api_key=secret.value) as connection:
            (created,) = await until(connection, "session.created")
        return secret.session.instructions, created.session.instructions

    assert asyncio.run(talk()) == ("Be brief.", "Be brief.")
