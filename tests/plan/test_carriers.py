import json

import msgspec
import pytest

from harness.plan.carriers import carriers
from harness.selftest.capacity import DUTIES, Capacity

HELD, OPENED = DUTIES
MEASURED = msgspec.to_builtins(
    [
        Capacity(duty=HELD, sessions=400, at_least=False, trials=()),
        Capacity(duty=OPENED, sessions=150, at_least=True, trials=()),
    ]
)


@pytest.fixture
def measured(tmp_path):
    path = tmp_path / "capacity.json"
    path.write_text(json.dumps({"passed": True, "capacity": MEASURED}))
    return str(path)


@pytest.mark.parametrize(("users", "workers"), [(1, 1), (120, 1), (121, 2), (1000, 9)])
def test_workers_are_enough_for_all_callers_and_leave_room_on_their_cores(users, workers):
    found = carriers(users, "none", "200")

    assert found.workers == workers
    assert found.source == "the figure given by --sessions-per-core"


@pytest.mark.parametrize(
    ("detection", "workers", "said"),
    [
        ("none", 5, "measured: 400 sessions per core, push to talk"),
        ("server_vad", 12, "measured: at least 150 sessions per core, open microphone"),
        ("semantic_vad", 12, "open microphone"),
    ],
)
def test_a_measurement_counts_for_the_duty_it_was_made_in(measured, detection, workers, said):
    found = carriers(1000, detection, measured)

    assert found.workers == workers
    assert said in found.source
    assert measured in found.source


def test_what_was_not_measured_is_not_guessed():
    found = carriers(1000, "none", None)

    assert found.workers is None
    assert "selftest --capacity --json" in found.source


@pytest.mark.parametrize(
    "content",
    ["{}", "no json", '{"capacity": []}', '{"capacity": [{"duty": "push to talk"}]}', "[]"],
)
def test_another_file_is_one_line(tmp_path, content):
    path = tmp_path / "else.json"
    path.write_text(content)

    with pytest.raises(ValueError, match=r"else\.json does not say what a core carries"):
        carriers(10, "none", str(path))
    with pytest.raises(ValueError, match="nowhere does not say"):
        carriers(10, "none", "nowhere")


def test_a_core_that_carries_nothing_is_said_so(tmp_path):
    path = tmp_path / "none.json"
    path.write_text(json.dumps({"capacity": [{**MEASURED[0], "sessions": 0}]}))

    with pytest.raises(ValueError, match="carries no session at all"):
        carriers(10, "none", str(path))
