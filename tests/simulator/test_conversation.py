"""A whole conversation, push to talk."""

import base64
from operator import attrgetter

import pytest
from dialogue import Dialogue, error_of, of, settings, silence, speech, types

from harness.audio import PCM16, PCMA, PCMU
from harness.samples import first_audible
from harness.simulator.endpoint import Endpoint

ANSWER = [
    "response.created",
    "rate_limits.updated",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]


@pytest.fixture
def caller():
    return Dialogue(configure={}, answer="200ms")


def test_a_session_begins_by_itself_with_the_defaults_of_the_api():
    (created,) = Dialogue().heard

    assert created["type"] == "session.created"
    session = created["session"]
    assert session["model"] == "gpt-realtime-2.1-mini"
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert session["output_modalities"] == ["audio"]


def test_an_update_changes_what_it_names_and_keeps_the_rest():
    caller = Dialogue()
    caller.configure(instructions="Be brief.", output={"voice": "marin"})

    (event,) = caller.configure(input={"format": {"type": "audio/pcmu"}})

    assert event["type"] == "session.updated"
    session = event["session"]
    assert session["instructions"] == "Be brief."
    assert session["audio"]["output"]["voice"] == "marin"
    assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert session["audio"]["input"]["turn_detection"] is None


def test_a_commit_becomes_an_item_of_the_user(caller):
    caller.append(speech(0.5))
    committed, added, done = caller.send("input_audio_buffer.commit")

    assert types([committed, added, done]) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert committed["item_id"] == added["item"]["id"] == done["item"]["id"]
    assert added["item"]["role"] == "user"


def test_an_answer_comes_in_the_order_of_the_api(caller):
    caller.append(speech(0.5))
    caller.send("input_audio_buffer.commit")
    before = len(caller.heard)

    caller.send("response.create")
    caller.wait(1000)

    # Two deltas of 100 ms: the second carries no further word.
    assert types(caller.heard[before:]) == ANSWER


def test_the_first_audio_comes_when_it_is_due(caller):
    caller.say()
    asked = caller.now // 1_000_000

    heard = caller.wait(5000)

    assert of("response.output_audio.delta", heard)[0]["at"] - asked == 300


@pytest.mark.parametrize(("speed", "pace_ms"), [(1, 100), (4, 25), (0, 0)])
def test_deltas_follow_at_the_speed_of_generation(speed, pace_ms):
    caller = Dialogue(configure={}, answer="500ms", speed=speed)
    caller.say()

    deltas = of("response.output_audio.delta", caller.wait(5000))

    at = [delta["at"] - deltas[0]["at"] for delta in deltas]
    assert at == [pace_ms * n for n in range(5)]


@pytest.mark.parametrize("format", [PCM16, PCMU, PCMA], ids=attrgetter("name"))
def test_an_answer_has_its_length_in_each_format_and_is_heard_from_its_first_sample(format):
    caller = Dialogue(configure={"output": {"format": format.wire()}}, answer="1.2s")
    caller.say()

    deltas = of("response.output_audio.delta", caller.wait(5000))

    audio = b"".join(base64.b64decode(delta["delta"]) for delta in deltas)
    assert format.seconds(len(audio)) == pytest.approx(1.2)
    assert first_audible(audio, format) == 0


def test_a_rate_the_session_asks_for_is_the_rate_it_gets():
    caller = Dialogue(
        configure={"output": {"format": {"type": "audio/pcm", "rate": 16000}}}, answer="1s"
    )
    caller.say()

    deltas = of("response.output_audio.delta", caller.wait(5000))

    assert sum(len(base64.b64decode(delta["delta"])) for delta in deltas) == 32000


def test_an_answer_longer_than_the_sound_that_was_made_goes_on():
    caller = Dialogue(configure={}, answer="25s", silence_ms=150)
    caller.say()

    deltas = of("response.output_audio.delta", caller.wait(20_000))

    audio = b"".join(base64.b64decode(delta["delta"]) for delta in deltas)
    assert PCM16.seconds(len(audio)) == pytest.approx(25.2)  # the silence, in whole deltas
    assert first_audible(audio, PCM16) == 150 * 24
    deltas = [audio[start : start + 4800] for start in range(9600, len(audio), 4800)]
    assert None not in [first_audible(delta, PCM16) for delta in deltas]


def test_the_transcript_is_what_its_deltas_say(caller):
    caller = Dialogue(configure={}, answer="3s")
    caller.say()
    heard = caller.wait(5000)

    said = "".join(e["delta"] for e in of("response.output_audio_transcript.delta", heard))
    (done,) = of("response.output_audio_transcript.done", heard)
    assert done["transcript"] == said
    assert 6 <= len(said.split()) <= 8  # at speaking pace
    (item,) = of("response.output_item.done", heard)
    assert item["item"]["content"] == [{"type": "output_audio", "transcript": said}]


def test_a_text_session_is_answered_in_text():
    caller = Dialogue(configure={"output_modalities": ["text"]})
    caller.send(
        "conversation.item.create",
        item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
    )
    caller.send("response.create")

    heard = caller.wait(5000)

    assert not of("response.output_audio.delta", heard)
    deltas = of("response.output_text.delta", heard)
    (done,) = of("response.output_text.done", heard)
    assert done["text"] == "".join(delta["delta"] for delta in deltas)
    response = caller.last("response.done")["response"]
    assert response["output"][0]["content"] == [{"type": "output_text", "text": done["text"]}]
    assert response["usage"]["output_token_details"]["audio_tokens"] == 0


def test_a_response_is_cancelled_where_it_stands():
    caller = Dialogue(configure={}, answer="2s", speed=1)
    caller.say()
    caller.wait(300 + 450)

    heard = caller.send("response.cancel")

    assert types(heard) == ANSWER[7:]
    response = heard[-1]["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert response["output"][0]["status"] == "incomplete"
    assert not caller.wait(5000)


def test_a_response_cancelled_before_it_said_anything_has_no_output(caller):
    caller.say()

    (done,) = caller.send("response.cancel")

    assert done["response"]["output"] == []
    assert done["response"]["status"] == "cancelled"


def test_there_is_one_answer_at_a_time(caller):
    caller.say()
    assert error_of(caller.send("response.create", event_id="mine")) == {
        "type": "invalid_request_error",
        "code": "conversation_already_has_active_response",
        "message": "Conversation already has an active response in progress. "
        "Wait until the response is finished before creating a new one.",
        "param": None,
        "event_id": "mine",
    }
    assert caller.wait(5000)[-1]["response"]["status"] == "completed"


def test_a_response_beside_the_conversation_leaves_no_item(caller):
    caller.say()
    caller.send("response.create", response={"conversation": "none", "metadata": {"topic": "x"}})
    heard = caller.wait(5000)

    first, second = (event["response"] for event in of("response.done", heard))
    assert first["conversation_id"] == "conv_t00000"
    assert second["conversation_id"] is None
    assert second["metadata"] == {"topic": "x"}
    beside = second["output"][0]["id"]
    assert error_of(caller.send("conversation.item.retrieve", item_id=beside))


def test_a_cap_on_tokens_cuts_an_answer_short():
    caller = Dialogue(configure={}, answer="5s")
    caller.append(speech(0.5))
    caller.send("input_audio_buffer.commit")
    caller.send("response.create", response={"max_output_tokens": 20})

    heard = caller.wait(5000)

    response = caller.last("response.done")["response"]
    assert response["status"] == "incomplete"
    assert response["status_details"]["reason"] == "max_output_tokens"
    assert len(of("response.output_audio.delta", heard)) == 10  # 20 tokens a second


def test_a_response_may_have_a_format_and_a_voice_of_its_own():
    caller = Dialogue(configure={"output": {"format": {"type": "audio/pcmu"}}}, answer="1s")

    output = {"format": {"type": "audio/pcm", "rate": 24000}}
    caller.send("response.create", response={"audio": {"output": output}})
    pcm = caller.wait(5000)
    caller.send("response.create", response={"audio": {"output": {"voice": "sage"}}})
    pcmu = caller.wait(5000)

    def said(heard):
        deltas = [event["delta"] for event in of("response.output_audio.delta", heard)]
        return sum(len(base64.b64decode(delta)) for delta in deltas)

    assert (said(pcm), said(pcmu)) == (48_000, 8_000)
    told = [heard[-1]["response"]["audio"]["output"] for heard in (pcm, pcmu)]
    assert told == [
        {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"},
        {"format": {"type": "audio/pcmu"}, "voice": "sage"},
    ]


def test_the_voice_stays_once_it_was_heard(caller):
    output = {"output": {"voice": "sage"}}
    session = {"type": "realtime", "audio": output}
    assert not of("error", caller.send("session.update", session=session))
    caller.say()
    caller.wait(5000)

    assert not of("error", caller.send("session.update", session=session))
    session["audio"] = {"output": {"voice": "ash"}}
    error = error_of(caller.send("session.update", session=session))
    assert (error["code"], error["param"]) == (
        "cannot_update_voice",
        "session.audio.output.voice",
    )


def test_a_response_to_given_items_reads_those_alone(caller):
    caller.say()
    caller.wait(5000)
    item_id = caller.last("input_audio_buffer.committed")["item_id"]
    referred = {"type": "item_reference", "id": item_id}
    options = {"conversation": "none", "instructions": "Hm."}

    caller.send("response.create", response={**options, "input": [referred]})
    caller.wait(5000)
    read = caller.last("response.done")["response"]["usage"]["input_token_details"]
    error = error_of(
        caller.send("response.create", response={**options, "input": [{**referred, "id": "x"}]})
    )

    assert read["audio_tokens"] == 5  # of half a second
    assert error["code"] == "item_retrieve_invalid_item_id"


def test_usage_grows_with_the_conversation_and_what_was_read_before_is_cached():
    caller = Dialogue(configure={"instructions": "x" * 40}, answer="1s")
    usages = []
    for _ in range(2):
        caller.say(speech(2.0))
        caller.wait(5000)
        usages.append(caller.last("response.done")["response"]["usage"])

    first, second = usages
    assert first["input_token_details"]["audio_tokens"] == 20  # 10 a second
    assert first["input_token_details"]["cached_tokens"] == 0
    assert first["output_token_details"]["audio_tokens"] == 20  # 20 a second
    assert second["input_token_details"]["audio_tokens"] == 20 + 20 + 20
    assert second["input_token_details"]["cached_tokens"] == first["input_tokens"]
    for usage in usages:
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_what_the_caller_said_is_told_back_when_asked_for(caller):
    caller.configure(input={"transcription": {"model": "whisper-1"}})
    caller.append(speech(1.0))
    caller.send("input_audio_buffer.commit")

    delta, completed = caller.wait(1000)

    assert completed["type"] == "conversation.item.input_audio_transcription.completed"
    assert completed["transcript"] == delta["delta"]
    assert completed["usage"] == {"type": "duration", "seconds": 1.0}
    caller.send("conversation.item.retrieve", item_id=completed["item_id"])
    item = caller.last("conversation.item.retrieved")["item"]
    assert item["content"][0]["transcript"] == completed["transcript"]


def test_transcription_by_later_models_costs_tokens(caller):
    caller.configure(input={"transcription": {"model": "gpt-4o-transcribe"}})
    caller.append(speech(1.0))
    caller.send("input_audio_buffer.commit")

    usage = caller.wait(1000)[-1]["usage"]

    assert (usage["type"], usage["input_tokens"]) == ("tokens", 10)


def test_items_can_be_put_anywhere_looked_at_and_removed(caller):
    def create(name, **place):
        content = [{"type": "input_text", "text": name}]
        item = {"id": name, "type": "message", "role": "user", "content": content}
        return caller.send("conversation.item.create", item=item, **place)

    create("b")
    assert create("c", previous_item_id="b")[0]["previous_item_id"] == "b"
    assert create("a", previous_item_id="root")[0]["previous_item_id"] is None
    (event,) = caller.send("conversation.item.retrieve", item_id="a")
    assert event["item"]["content"] == [{"type": "input_text", "text": "a"}]
    (event,) = caller.send("conversation.item.delete", item_id="a")
    assert (event["type"], event["item_id"]) == ("conversation.item.deleted", "a")
    assert error_of(caller.send("conversation.item.retrieve", item_id="a"))["code"] == (
        "item_retrieve_invalid_item_id"
    )
    assert error_of(create("b"))["code"] == "item_create_duplicate_item_id"


def test_an_answer_is_truncated_to_what_was_heard(caller):
    caller = Dialogue(configure={}, answer="2s")
    caller.say()
    caller.wait(5000)
    item_id = caller.last("response.output_item.done")["item"]["id"]

    (event,) = caller.send(
        "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=800
    )

    assert event["type"] == "conversation.item.truncated"
    assert event["audio_end_ms"] == 800
    again = error_of(
        caller.send(
            "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=900
        )
    )
    assert again["message"] == "Audio content of 800ms is already shorter than 900ms"
    assert again["param"] == "audio_end_ms"
    (event,) = caller.send("conversation.item.retrieve", item_id=item_id)
    assert event["item"]["content"] == [{"type": "output_audio"}]


def test_a_cleared_buffer_holds_nothing_to_commit(caller):
    caller.append(speech(0.5))
    assert types(caller.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]

    assert error_of(caller.send("input_audio_buffer.commit"))["code"] == (
        "input_audio_buffer_commit_empty"
    )


@pytest.mark.parametrize(("seconds", "refused"), [(0.0, True), (0.08, True), (0.1, False)])
def test_a_commit_needs_a_tenth_of_a_second(caller, seconds, refused):
    caller.append(silence(seconds))

    heard = caller.send("input_audio_buffer.commit")

    assert bool(of("error", heard)) is refused


def test_the_same_seed_answers_the_same():
    def answers(seed):
        caller = Dialogue(configure={}, ttfa="lognormal(300ms, 0.5)", seed=seed)
        for _ in range(3):
            caller.say()
            caller.wait(10_000)
        done = of("response.output_audio_transcript.done", caller.heard)
        ttfa = [truth.first_due - truth.created_out for truth in caller.truths]
        return ttfa, [event["transcript"] for event in done]

    assert answers(1) == answers(1)
    assert answers(1) != answers(2)


def test_what_one_session_does_changes_no_answer_of_another():
    def second_session(first_talks):
        endpoint = Endpoint(settings(ttfa="uniform(100ms, 1s)"), name="t")
        first = Dialogue(endpoint=endpoint, configure={})
        second = Dialogue(endpoint=endpoint, configure={})
        if first_talks:
            first.say()
        second.say()
        heard = second.wait(5000)
        return of("response.output_audio.delta", heard)[0]["at"]

    assert second_session(first_talks=True) == second_session(first_talks=False)


def test_event_ids_are_unique(caller):
    for _ in range(2):
        caller.say()
        caller.wait(5000)

    ids = [event["event_id"] for event in caller.heard]
    assert len(set(ids)) == len(ids)
