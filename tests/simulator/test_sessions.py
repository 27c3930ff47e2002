"""How sessions end by themselves, what silence does, and sessions that only write down."""

import json

import pytest
from dialogue import Dialogue, error_of, of, silence, speech, types

from harness.simulator.access import Access, Admitted, Denied

IDLE = {"type": "server_vad", "idle_timeout_ms": 5000}


def test_a_session_expires_at_its_cap():
    caller = Dialogue(configure={}, session_cap=120.0)
    assert caller.heard[0]["session"]["expires_at"] == 120
    caller.wait(119_999)
    assert caller.session.closing is None

    heard = caller.wait(1)

    assert error_of(heard)["code"] == "session_expired"
    assert error_of(heard)["message"] == "Your session hit the maximum duration of 2 minutes."
    assert caller.session.closing == (1001, "")


def test_it_does_so_in_mid_answer():
    caller = Dialogue(configure={}, session_cap=2.0, answer="60s", speed=1)
    caller.say()

    assert types(caller.wait(10_000))[-1] == "error"
    caller.hang_up()
    assert caller.truths[0].status == "in_progress"


def idle_after_an_answer(**options):
    caller = Dialogue(configure={"turn_detection": IDLE}, answer="2s", speed=0, **options)
    caller.append(speech(0.6) + silence(1.0))
    assert of("response.done", caller.heard)
    return caller


def test_a_long_silence_after_an_answer_is_committed_and_answered():
    caller = idle_after_an_answer()
    done = caller.last("response.done")["at"]
    heard = caller.append(silence(9.0))

    (triggered,) = of("input_audio_buffer.timeout_triggered", heard)
    assert triggered["at"] == done + 2000 + 5000  # the answer plays for 2 s
    assert triggered["audio_end_ms"] - triggered["audio_start_ms"] == 5000
    names = types(heard)
    place = names.index("input_audio_buffer.timeout_triggered")
    assert names[place + 1 : place + 5] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    committed = caller.last("input_audio_buffer.committed")
    assert committed["item_id"] == triggered["item_id"]
    assert [truth.kind for truth in caller.truths] == ["speech", "idle"]


def test_who_speaks_in_time_is_not_idle():
    caller = idle_after_an_answer()
    caller.append(silence(4.0) + speech(0.6) + silence(1.5))

    assert not of("input_audio_buffer.timeout_triggered", caller.heard)
    assert len(of("response.done", caller.heard)) == 2


def test_nobody_is_idle_without_the_option():
    caller = Dialogue(configure={"turn_detection": {"type": "server_vad"}}, speed=0)
    caller.append(speech(0.6) + silence(40.0))

    assert not of("input_audio_buffer.timeout_triggered", caller.heard)


def test_a_transcription_session_writes_down_and_does_not_answer():
    caller = Dialogue(type="transcription")
    session = caller.heard[0]["session"]
    assert (session["type"], session["object"]) == (
        "transcription",
        "realtime.transcription_session",
    )
    assert session.keys() == {"type", "object", "id", "expires_at", "audio", "include"}
    audio = {"input": {"transcription": {"model": "whisper-1"}}}
    caller.send("session.update", session={"type": "transcription", "audio": audio})

    caller.append(speech(1.0) + silence(2.0))

    assert len(of("conversation.item.input_audio_transcription.completed", caller.heard)) == 1
    assert not of("response.created", caller.heard)
    assert error_of(caller.send("response.create"))["code"] == "invalid_value"


# Client secrets.

TARGET = "/v1/realtime/client_secrets"
KEY = {"Authorization": "Bearer secret"}


def issued(body, access, now=1000):
    answer = access.issue(TARGET, KEY, json.dumps(body).encode(), now)
    assert isinstance(answer, dict), answer
    return answer


def shown(secret):
    return {"Authorization": f"Bearer {secret['value']}"}


def test_a_client_secret_lets_in_with_its_configuration():
    access = Access("secret")
    session = {"type": "realtime", "model": "gpt-x", "instructions": "Be brief."}
    secret = issued({"session": session}, access)

    admitted = access.admit("/v1/realtime", shown(secret), 1001)

    assert secret["value"].startswith("ek_")
    assert secret["expires_at"] == 1600
    assert secret["session"]["instructions"] == "Be brief."
    assert isinstance(admitted, Admitted)
    assert (admitted.config.model, admitted.config.instructions) == ("gpt-x", "Be brief.")


def test_it_does_so_until_it_expires():
    access = Access("secret")
    secret = issued({"expires_after": {"anchor": "created_at", "seconds": 10}}, access)

    assert isinstance(access.admit("/v1/realtime", shown(secret), 1009), Admitted)
    assert access.admit("/v1/realtime", shown(secret), 1010).status == 401


@pytest.mark.parametrize("key", ["secret", None])
def test_one_that_was_never_issued_lets_nobody_in(key):
    assert Access(key).admit("/v1/realtime", {"api-key": "ek_made_up"}).status == 401


@pytest.mark.parametrize(
    ("target", "headers", "body", "status", "code"),
    [
        ("/v1/realtime/client_secrets", {}, b"{}", 401, "invalid_api_key"),
        ("/v1/chat/completions", KEY, b"{}", 404, "not_found"),
        (TARGET, KEY, b"{", 400, "invalid_json"),
        (TARGET, KEY, b'{"expires_after": {"seconds": 1}}', 400, "invalid_value"),
        (TARGET, KEY, b'{"session": {"voices": 3}}', 400, "unknown_parameter"),
    ],
)
def test_who_gets_no_secret_is_told_why(target, headers, body, status, code):
    answer = Access("secret").issue(target, headers, body, 0)

    assert isinstance(answer, Denied)
    assert (answer.status, answer.code) == (status, code)


def test_a_client_may_ask_for_a_transcription_session():
    admitted = Access(None).admit("/v1/realtime?intent=transcription", {})

    assert not admitted.config.speaks
