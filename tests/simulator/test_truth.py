"""The truth log: what stands in it, instant by instant."""

import json
from pathlib import Path

import pytest
from dialogue import MS, Dialogue, silence, speech

from harness.simulator.truth import Totals, TruthLog


def test_a_line_holds_each_instant_of_a_response():
    caller = Dialogue(configure={}, answer="300ms", speed=1, silence_ms=100)
    caller.append(speech(0.5) + silence(0.1))
    caller.wait(30)
    caller.send("input_audio_buffer.commit")
    caller.wait(20)
    caller.send("response.create")
    caller.wait(5000)

    (truth,) = caller.truths

    assert truth.line() == {
        "session_id": "sess_t00000",
        "response_id": "resp_t00000_0",
        "turn_detection": "none",
        "kind": "speech",
        "status": "completed",
        "faults": [],
        "tool_calls": 0,
        "audio_s": pytest.approx(0.4),
        "input_tokens": 20,
        "output_tokens": 10,
        "queued_ns": 0,
        "voiced_in": 500 * MS,
        "commit_in": 630 * MS,
        "speech_stopped_out": None,
        "created_out": 650 * MS,
        "first_due": 950 * MS,
        "first_out": 950 * MS,
        "first_audible_out": 1050 * MS,
        "last_out": 1250 * MS,
        "call_out": None,
        "done_out": 1250 * MS,
        "cancel_in": None,
        "tool_output_in": None,
    }


def test_under_vad_a_line_holds_when_speech_stopped():
    caller = Dialogue(configure={"turn_detection": {"type": "server_vad"}}, answer="300ms")
    caller.append(speech(0.5) + silence(2.0))

    (truth,) = caller.truths

    assert truth.turn_detection == "server_vad"
    assert truth.said.voiced_in == 500 * MS
    assert truth.said.commit_in is None
    assert truth.said.speech_stopped_out == truth.created_out == 1000 * MS
    assert truth.first_out == 1300 * MS


def test_a_cancelled_response_says_when_the_cancel_was_read():
    caller = Dialogue(configure={}, answer="2s", speed=1)
    caller.say()
    caller.wait(700)
    caller.send("response.cancel")

    (truth,) = caller.truths

    assert truth.status == "cancelled"
    assert truth.cancel_in == truth.done_out == caller.now
    assert truth.audio_s == pytest.approx(0.5)


def test_a_response_counts_from_its_created_on():
    caller = Dialogue(configure={}, answer="2s", speed=1)
    caller.say()
    caller.wait(400)
    caller.hang_up()

    (truth,) = caller.truths
    assert truth.status == "in_progress"
    assert truth.done_out is None
    assert caller.endpoint.totals.responses == 1


def test_kinds_tell_what_is_answered():
    caller = Dialogue(configure={})

    def answered():
        caller.send("response.create")
        caller.wait(5000)

    answered()
    caller.append(speech(0.5))
    caller.send("input_audio_buffer.commit")
    answered()
    content = [{"type": "input_text", "text": "Hi"}]
    item = {"type": "message", "role": "user", "content": content}
    caller.send("conversation.item.create", item=item)
    answered()
    answered()

    assert [truth.kind for truth in caller.truths] == ["greeting", "speech", "text", "greeting"]
    assert [truth.said.commit_in is None for truth in caller.truths] == [True, False, True, True]


def test_totals_add_up():
    caller = Dialogue(configure={}, answer="1s")
    for _ in range(3):
        caller.say()
        caller.wait(5000)
    caller.say()
    caller.send("response.cancel")
    caller.hang_up()

    report = caller.endpoint.totals.report()

    late = report.pop("first_delta_lateness_s")
    assert (late["count"], late["max"]) == (3, 0.0)
    assert report == {
        "sessions": 1,
        "open_sessions": 0,
        "turns": 4,
        "responses": 4,
        "statuses": {"completed": 3, "cancelled": 1},
        "tool_calls": 0,
        "errors": 0,
        "faults": {},
        "refused": 0,
        "audio_in_s": 2.0,
        "audio_out_s": pytest.approx(3.0),
        "input_tokens": 226,
        "output_tokens": 72,
    }


def test_the_log_is_json_lines_that_end_with_the_totals(tmp_path):
    log = TruthLog(tmp_path / "truth.jsonl", pytest.fail)
    caller = Dialogue(configure={})
    caller.say()
    caller.wait(5000)
    log.write(caller.truths[0])
    after_one = (tmp_path / "truth.jsonl").read_text()
    log.close(Totals(sessions=1))

    assert json.loads(after_one)["response_id"] == "resp_t00000_0"
    last = (tmp_path / "truth.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["totals"]["sessions"] == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_log_that_can_be_written_no_further_says_so_once():
    said = []
    log = TruthLog(Path("/dev/full"), said.append)

    log.write_fault("refuse", None, 5)
    log.close(Totals())

    assert log.cut
    assert said == ["the log /dev/full is cut short: No space left on device"]
