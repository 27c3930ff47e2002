"""``realtime-harness selftest``, reduced: real processes, and limits that a busy machine keeps."""

import json
import subprocess
import sys

import pytest

from harness.selftest.truth import FIGURES

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


def selftest(*options):
    return subprocess.run(
        [sys.executable, "-m", "harness", "selftest", *options],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.parametrize("tls", [(), ("--tls",)], ids=["plain", "tls"])
def test_what_is_measured_is_true(tls):
    done = selftest("--sessions", "14", "--seconds", "4", "--json", *tls)

    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert said["errors"].keys() == set(FIGURES)
    for figure, errors in said["errors"].items():
        assert abs(errors["median"]) < 0.005, figure
    assert said["turns"] >= 14
    # A busy machine may make it suspect; all else must be as the scenes say.
    assert set(said["missed"]) <= {
        *said["reasons"],
        *(missed for missed in said["missed"] if "median error" in missed),
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--sessions", "3"), "whole number from 7"),
        (("--seconds", "soon"), "no duration"),
        (("--seconds", "0.1"), "from 1 s"),
    ],
)
def test_what_makes_no_sense_is_one_clear_line(options, said):
    done = selftest(*options)

    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
