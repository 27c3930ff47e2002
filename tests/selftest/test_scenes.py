import pytest

from harness.options import parse_workload
from harness.selftest.scenes import ENDPOINTS, SCENES, cast


@pytest.mark.parametrize("sessions", [7, 8, 13, 100, 1000])
def test_every_scene_has_its_callers_and_none_is_left_over(sessions):
    parts = cast(sessions)

    assert sum(parts.values()) == sessions
    assert all(n >= 1 for n in parts.values())


def test_shares_are_kept():
    assert cast(100) == {
        "talk": 35,
        "open microphone": 25,
        "tools": 15,
        "barge-in": 10,
        "gaps": 10,
        "no answer": 3,
        "refused": 2,
    }


def test_scenes_name_endpoints_that_exist_and_options_that_parse():
    for scene in SCENES:
        assert scene.endpoint in ENDPOINTS
        parse_workload(scene.options)
