"""What the report states of an endpoint, held against what the simulator was told to be."""

import pytest
from locusts import Locust

from bench.knee import Crowd, knee
from harness.corpus import load_corpus

pytestmark = [pytest.mark.e2e, pytest.mark.calm]

QUICK = ("--corpus", "say", "--listen", "done", "--pause", "50ms")


def summary_of(folder, *arguments):
    with Locust(folder, "--headless", *arguments, *QUICK) as locust:
        assert locust.wait(100) in (0, 2), locust.text
        return locust.read("summary.json")


def finding(summary, what):
    return next(each for each in summary["findings"] if each["what"] == what)


def test_drift_with_age_gaps_and_the_time_of_tools_are_told_as_they_were_set(folder, simulator):
    target = simulator(
        *("--ttfa", "200ms", "--drift", "4s/min", "--answer", "1s", "--speed", "1"),
        *("--stall-rate", "0.4", "--stall", "700ms", "--tool-rate", "0"),
    )
    tools = ("--tool-rate", "0.2", "--tool-latency", "300ms")
    arguments = ("-u", 32, "-r", 32, "-t", "16s", "--turns", 6, "--host", target.url)

    summary = summary_of(folder, *arguments, *tools)

    assert [each["what"] for each in summary["findings"]] == ["age"]
    age = finding(summary, "age")
    assert age["per_minute"] == pytest.approx(4.0, rel=0.1)
    heard = summary["listening"]
    assert heard["with_gaps"] / heard["answers"] == pytest.approx(0.4, abs=0.15)
    # Of a stall all is heard but the 100 ms that the jitter buffer held.
    gaps = summary["audio_gaps"]
    assert gaps["seconds"] / heard["with_gaps"] == pytest.approx(0.6, abs=0.12)
    (tool,) = summary["tools"]
    assert tool["own_delay_mean"] == pytest.approx(0.3, abs=0.03)
    assert tool["calls"] / summary["turns"] == pytest.approx(0.2, abs=0.1)


def test_the_knee_is_told_where_it_is(folder, simulator):
    """Forty callers, three more each second, of an endpoint that makes eight answers at a time."""
    target = simulator("--ttfa", "200ms", "--answer", "900ms", "--capacity", "8")
    says = next(u for u in load_corpus(None).utterances if u.name == "menu")
    true = knee(
        lambda: Crowd(
            8, first=lambda: 0.2, making=lambda: 0.2, between=lambda: 0.25 + says.voice_end
        ),
        limit=0.25,
        share=0.5,
        most=200,
    )

    summary = summary_of(
        folder, "-u", round(1.6 * true), "-r", 3, "-t", "22s", "--turns", 8, "--host", target.url
    )

    load = finding(summary, "load")
    assert load["knee"] == pytest.approx(true, rel=0.2)
    # Beyond it each further caller waits for one more place to be free: 400 ms of eight.
    assert load["rise"] == pytest.approx(0.4 / 8, rel=0.4)
