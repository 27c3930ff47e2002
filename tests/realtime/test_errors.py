import pytest

from harness.realtime import errors
from harness.realtime.errors import ServerError
from harness.realtime.objects import ErrorDetails


def details(type=None, code=None):
    return ErrorDetails(type=type, code=code)


@pytest.mark.parametrize(
    ("details", "kind", "fatal", "rate_limited"),
    [
        (details("invalid_request_error", "invalid_value"), "invalid_value", False, False),
        (details("invalid_request_error", "invalid_api_key"), "invalid_api_key", True, False),
        (details("insufficient_quota"), "insufficient_quota", True, False),
        (details("insufficient_quota", "429"), "429", True, False),
        (details(code="rate_limit_exceeded"), "rate_limit_exceeded", False, True),
        (details("rate_limit_error"), "rate_limit_error", False, True),
        (details(), "unknown", False, False),
        (None, "unknown", False, False),
    ],
)
def test_errors_are_classified_by_code_else_type(details, kind, fatal, rate_limited):
    error = ServerError(details)

    assert (error.kind, error.fatal, error.rate_limited) == (kind, fatal, rate_limited)


def test_an_error_keeps_all_the_server_said():
    error = ServerError(ErrorDetails(type="t", code="c", message="No.", param="p", event_id="e"))

    assert (error.type, error.code, error.message) == ("t", "c", "No.")
    assert (error.param, error.event_id) == ("p", "e")
    assert str(error) == "c: No."


def test_an_error_without_a_message_says_its_code():
    assert str(ServerError(ErrorDetails(code="c"))) == "c"


def test_a_session_at_its_cap_is_over_and_not_refused():
    error = ServerError(ErrorDetails(code="session_expired"))

    assert error.session_over
    assert not error.fatal


def test_the_tree_of_errors_is_the_one_documented():
    for child in (errors.LocalProtocolError, ServerError):
        assert child.__base__ is errors.RealtimeError
        assert child.__name__ in errors.__doc__
