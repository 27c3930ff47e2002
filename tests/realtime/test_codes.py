import pytest

from harness.realtime.codes import close_code, http_code, listed_code


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("insufficient_quota", "insufficient_quota"),
        ("turn_detected", "turn_detected"),
        (http_code(401), "http_401"),
        (close_code(1006), "close_1006"),
        (http_code(299), "other"),
        (close_code(4321), "other"),
        ("Sorry, Dave", "other"),
        ("", "other"),
        (None, "other"),
    ],
)
def test_only_listed_codes_become_labels(code, label):
    assert listed_code(code) == label
