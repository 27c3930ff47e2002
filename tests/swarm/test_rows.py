import pytest

from harness.metrics import measure
from harness.records import Flag, Kind, Outcome, Phase, Session, SessionOutcome, ToolCall, Turn
from harness.swarm.rows import LocustRows, to_the_millisecond

S = 1_000_000_000


class Events(list):
    """In place of Locust's ``request`` event."""

    def fire(self, **event):
        self.append(event)

    @property
    def rows(self):
        return [
            (event["request_type"], event["name"], event["response_time"], failure(event))
            for event in self
        ]


def failure(event):
    return None if event["exception"] is None else repr(event["exception"])


@pytest.fixture
def events():
    return Events()


@pytest.fixture
def rows(events):
    return LocustRows(events)


def a_turn(marks=None, **fields):
    known = {"speech_end": 12 * S, **(marks or {})}
    turn = Turn(marks=known, written_at=10 * S, **{"outcome": Outcome.COMPLETED, **fields})
    measure(turn)
    return turn


def test_an_answered_turn_has_its_two_rows(rows, events):
    rows.on_turn(a_turn({"first_audio": 12 * S + S // 4, "playback_end": 15 * S}))

    assert events.rows == [("VOICE", "turn", 5000.0, None), ("VOICE", "ttfa", 250.0, None)]


def test_an_unanswered_turn_fails_both_and_ranks_above_what_could_have_been_answered(rows, events):
    rows.on_turn(a_turn(outcome=Outcome.TIMEOUT, phase=Phase.FIRST_AUDIO, limits_s=10.0))

    assert events.rows == [
        ("VOICE", "turn", 2000.0, "timeout: first_audio"),
        ("VOICE", "ttfa", 10_000.0, "timeout: first_audio"),
    ]


def test_a_cut_turn_is_no_failure_and_says_nothing_of_ttfa(rows, events):
    rows.on_turn(a_turn(outcome=Outcome.CUT, flags=[Flag.CENSORED]))

    assert events.rows == [("VOICE", "turn", 2000.0, None)]


def test_a_greeting_has_no_row_of_the_headline(rows, events):
    rows.on_turn(a_turn({"request": 10 * S, "first_audio": 11 * S}, kind=Kind.GREETING))

    assert [name for _, name, _, _ in events.rows] == ["turn"]


@pytest.mark.parametrize(
    ("code", "text"),
    [("rate_limit_exceeded", "failed: rate_limit_exceeded"), ("code-4711", "failed: other")],
)
def test_failures_are_few_texts_whatever_a_server_says(rows, events, code, text):
    rows.on_turn(a_turn(outcome=Outcome.FAILED, code=code))

    assert events.rows[0] == ("VOICE", "turn", 2000.0, text)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (ToolCall(name="book", call_id="1", called_at=13 * S, outcome="ok"), None),
        (
            ToolCall(name="book", call_id="1", called_at=13 * S, outcome="timeout"),
            "tool call: timeout",
        ),
        (
            ToolCall(name="book", call_id="1", called_at=13 * S, valid=False),
            "tool call: invalid arguments",
        ),
    ],
)
def test_a_tool_call_has_a_row(rows, events, call, text):
    rows.on_turn(a_turn({"first_audio": 12 * S}, tools=[call]))

    assert events.rows[-1] == ("VOICE", "tool call", 1000.0, text)


def ended(outcome=SessionOutcome.ENDED, steps=None, **fields):
    return Session(event="end", outcome=outcome, steps=steps or {}, **fields)


def test_a_session_that_ended_has_the_time_of_its_upgrade_and_of_its_configuration(rows, events):
    rows.on_session(ended(steps={"dns": 0.001, "tcp": 0.002, "upgrade": 0.004, "updated": 0.01}))

    assert events.rows == [
        ("WS", "connect", pytest.approx(7.0), None),
        ("WS", "session", 10.0, None),
    ]


def test_who_never_got_a_line_fails_to_connect_only(rows, events):
    rows.on_session(ended(SessionOutcome.REFUSED, {"dns": 0.001}, code="http_401"))

    assert events.rows == [("WS", "connect", None, "refused: http_401")]


def test_who_is_refused_after_the_upgrade_fails_the_session(rows, events):
    rows.on_session(ended(SessionOutcome.TIMEOUT, {"upgrade": 0.004}, phase=Phase.SESSION))

    assert events.rows == [
        ("WS", "connect", 4.0, None),
        ("WS", "session", None, "timeout: session"),
    ]


def test_who_is_stopped_while_dialling_has_no_row(rows, events):
    rows.on_session(ended(steps={"dns": 0.001}))

    assert events.rows == []


def test_locusts_times_are_right_to_the_millisecond():
    assert [to_the_millisecond(t) for t in (0.4, 147.6, 1049.2, 58_761.0)] == [0, 148, 1049, 58761]
