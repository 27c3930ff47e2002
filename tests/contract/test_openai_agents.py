"""Voice agents of the ``openai-agents`` package hold whole conversations with the simulator."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from endpoint import running_simulator
from judge import CLIENT, SERVER, judged

LIBRARIES = Path(sys.prefix) / "agents"
TALK = Path(__file__).with_name("agents") / "talk.py"
ANSWER_S = 3.0  # long enough for a busy client to talk over it
WITHIN = 240.0  # seconds, on a busy machine

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (LIBRARIES / "ready").exists(), reason="openai-agents: make .venv/agents/ready"
    ),
]


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """What came of each scene, in clear and under TLS."""
    folder = tmp_path_factory.mktemp("agents")
    authority, said = folder / "authority.pem", folder / "said.json"
    options = ("--ttfa", "20ms", "--answer", f"{ANSWER_S}s", "--speed", "1", "--tool-rate", "1")
    with (
        running_simulator(*options) as clear,
        running_simulator(*options, "--tls", str(authority)) as secret,
    ):
        subprocess.run(
            [sys.executable, TALK, said, clear.url, secret.url],
            env={
                **os.environ,
                "PYTHONPATH": str(LIBRARIES),
                "SSL_CERT_FILE": str(authority),
                "OPENAI_AGENTS_DISABLE_TRACING": "1",  # else it calls its vendor
            },
            timeout=WITHIN,
            check=True,
        )
    return dict(zip(("ws", "wss"), json.loads(said.read_text()), strict=True))


@pytest.fixture(params=["ws", "wss"])
def scene(request, played):
    """What came of a scene, by its name."""

    def of(name):
        said = played[request.param][name]
        if "failed" in said:
            pytest.fail(f"{name} over {request.param}:\n{said['failed']}")
        return said

    return of


SCENES = ("push_to_talk", "server_vad", "semantic_vad", "text", "tool", "barge_in", "interrupt")


def sent(scene):
    return [event["type"] for event in scene["sent"]]


def heard(scene, name):
    return [event for event in scene["heard"] if event["type"] == name]


def statuses(scene):
    return [event["response"]["status"] for event in heard(scene, "response.done")]


def reason(scene):
    return heard(scene, "response.done")[0]["response"]["status_details"]["reason"]


def history(scene, role):
    """What one side said, as the package put it together."""
    messages = [item for item in scene["history"] if item.get("role") == role]
    return [part.get("transcript") or part.get("text") for m in messages for part in m["content"]]


@pytest.mark.parametrize("name", SCENES)
def test_both_sides_say_only_what_the_types_of_the_api_have(scene, name):
    said = scene(name)

    assert said["errors"] == []
    for event in said["heard"]:
        judged(event, SERVER)
    for event in said["sent"]:
        judged(event, CLIENT)


@pytest.mark.parametrize("name", ["push_to_talk", "server_vad", "semantic_vad", "text", "tool"])
def test_an_answer_is_heard_whole_with_its_words(scene, name):
    said = scene(name)
    done = heard(said, "response.output_audio_transcript.done")

    assert said["audio_s"] == pytest.approx(ANSWER_S)
    assert history(said, "assistant") == [event["transcript"] for event in done] != [""]
    assert set(statuses(said)) == {"completed"}


@pytest.mark.parametrize("name", ["push_to_talk", "server_vad", "semantic_vad"])
def test_the_callers_words_are_understood(scene, name):
    said = scene(name)
    (understood,) = heard(said, "conversation.item.input_audio_transcription.completed")

    assert history(said, "user") == [understood["transcript"]] != [""]


def test_push_to_talk_asks_and_an_open_microphone_does_not(scene):
    commit_and_ask = ["input_audio_buffer.commit", "response.create"]

    assert [name for name in sent(scene("push_to_talk")) if name in commit_and_ask] == (
        commit_and_ask
    )
    for name in ("server_vad", "semantic_vad"):
        assert not set(commit_and_ask) & set(sent(scene(name)))
        assert len(heard(scene(name), "input_audio_buffer.speech_stopped")) == 1


def test_a_tool_is_called_and_the_answer_goes_on_with_its_output(scene):
    said = scene("tool")
    (call,) = heard(said, "response.function_call_arguments.done")
    (output,) = [
        event["item"]
        for event in said["sent"]
        if event["type"] == "conversation.item.create" and "call_id" in event["item"]
    ]

    assert (call["name"], call["arguments"]) == ("get_weather", '{"city":"tonight"}')
    assert said["tools"] == ["sunny in tonight"]
    assert (output["call_id"], output["output"]) == (call["call_id"], "sunny in tonight")
    assert len(statuses(said)) == 2


def test_who_talks_over_an_answer_has_it_cancelled_and_cut_to_what_was_heard(scene):
    said = scene("barge_in")
    (truncate,) = [e for e in said["sent"] if e["type"] == "conversation.item.truncate"]
    (truncated,) = heard(said, "conversation.item.truncated")

    assert statuses(said) == ["cancelled", "completed"]
    assert reason(said) == "turn_detected"
    assert "response.cancel" not in sent(said)
    assert truncated["audio_end_ms"] == truncate["audio_end_ms"] < 1000 * ANSWER_S
    assert ANSWER_S <= said["audio_s"] < 2 * ANSWER_S


def test_an_interrupt_of_the_clients_cancels_and_cuts_too(scene):
    said = scene("interrupt")

    assert statuses(said) == ["cancelled"]
    assert reason(said) == "client_cancelled"
    assert {"response.cancel", "conversation.item.truncate"} <= set(sent(said))
    assert said["audio_s"] < ANSWER_S
