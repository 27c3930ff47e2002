"""``realtime-harness selftest``, reduced: real processes, and limits that a busy machine keeps."""

import json
import subprocess
import sys

import pytest

from harness.selftest.truth import FIGURES

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


def start(*options):
    command = [sys.executable, "-m", "harness", "selftest", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def both():
    """What the two said: nearly all of the time they wait, and so they run side by side."""
    options = ("--sessions", "14", "--seconds", "4", "--json")
    with start(*options) as plain, start(*options, "--tls") as tls:
        return {
            name: (process.communicate(timeout=110), process.returncode)
            for name, process in {"plain": plain, "tls": tls}.items()
        }


@pytest.mark.parametrize("wire", ["plain", "tls"])
def test_what_is_measured_is_true(both, wire):
    (output, told), code = both[wire]

    assert code in (0, 1), told
    said = json.loads(output)
    assert said["errors"].keys() == set(FIGURES)
    # Who had no processor may be far off, and says so.
    limit = 0.5 if said["reasons"] else 0.005
    for figure, errors in said["errors"].items():
        assert abs(errors["median"]) < limit, figure
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
    with start(*options) as process:
        _, told = process.communicate(timeout=60)

    assert process.returncode == 2
    assert said in told.splitlines()[-1]
