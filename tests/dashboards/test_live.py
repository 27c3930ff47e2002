"""A real Prometheus scrapes a real run of two workers: what dashboards and rules ask is there."""

import math
import re
import shutil
import sys
import time
from bisect import bisect_left
from pathlib import Path
from types import SimpleNamespace

import promql_parser
import pytest
from locusts import Locust, Running, wait_until
from ports import free_port
from scraping import Prometheus, panel_queries

from dashboards.variables import filled
from harness.metrics import LATENCY_BUCKETS

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        shutil.which("prometheus") is None,
        reason="prometheus is missing: apt-get install prometheus",
    ),
]

HERE = Path(__file__).parent
# Answers are made slower than they are played, so that there are gaps; the spread of the delays
# covers many buckets.
ENDPOINT = ("--ttfa", "uniform(80ms, 700ms)", "--answer", "700ms", "--speed", "0.8")
CALLERS = ("--corpus", "say", "--pause", "50ms", "-u", 8, "-r", 8, "--max-cost", 1000)


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A run from start to end, as Prometheus saw it, and as its own records have it."""
    folder = tmp_path_factory.mktemp("live")
    corpus = folder / "say"
    corpus.mkdir()
    shutil.copy(HERE.parents[1] / "harness" / "data" / "utterances" / "menu.flac", corpus)
    simulate = [sys.executable, "-m", "harness", "simulate", "--port", "0", *ENDPOINT]
    metrics, bind = free_port(), free_port()
    swarm = ("--processes", 2, "--master-bind-port", bind, "--master-port", bind)
    with (
        Running(simulate, folder) as endpoint,
        Prometheus(f"127.0.0.1:{metrics}").running() as prometheus,
    ):
        host = endpoint.wait_for(r"listening on (\S+)")[1]
        start = time.time()
        served = ("--metrics-port", metrics, "--host", host)
        with Locust(
            folder, "--headless", *swarm, *served, *CALLERS, locustfile=HERE / "callers.py"
        ) as locust:
            locust.wait_for_turns(80, 150)
            locust.process.terminate()
            locust.wait()  # its code says how busy this machine was, too
            assert (locust.run / "summary.json").exists(), locust.text
            # The mark of the run's end comes one interval later.
            ended = filled(dict(panel_queries())["Realtime voice load / Run ended"])
            wait_until(lambda: prometheus.ask(ended, start, time.time()), 40)
            yield SimpleNamespace(
                prometheus=prometheus,
                start=start,
                end=time.time(),
                turns=locust.lines("turns"),
                summary=locust.read("summary.json"),
                text=locust.text,
            )


def numbers(live, expr):
    found = live.prometheus.ask(expr, live.start, live.end)
    return [value for series in found for _, value in series if math.isfinite(value)]


def last(live, expr):
    """The newest value of a query with one result."""
    (series,) = live.prometheus.ask(expr, live.start, live.end)
    return series[-1][1]


def test_every_query_of_every_panel_gives_numbers(live):
    queries = [(whose, filled(expr, before="5s")) for whose, expr in panel_queries()]
    silent = [whose for whose, expr in queries if not numbers(live, expr)]

    assert silent == []


def test_every_rule_is_healthy_and_reads_what_is_there(live):
    rules = live.prometheus.rules()
    silent = [
        expr
        for rule in rules
        for expr in (operands(rule["query"]) if rule["type"] == "alerting" else [rule["name"]])
        if not numbers(live, expr)
    ]

    assert len(rules) > 20
    assert {rule["health"] for rule in rules} == {"ok"}
    assert silent == []


def operands(alert):
    """What an alert compares with its limits: these must be there while nothing is wrong."""
    found, stack = [], [promql_parser.parse(alert)]
    while stack:
        node = stack.pop()
        if type(node).__name__ == "BinaryExpr" and str(node.op) in ("and", "or", "unless"):
            stack += [node.lhs, node.rhs]
        elif type(node).__name__ == "BinaryExpr":
            found.append(node.lhs.prettify())
        else:
            found.append(node.prettify())
    return found


def test_counts_are_those_of_the_records(live):
    assert last(live, "sum(realtime_turns_total)") == live.summary["turns"] == len(live.turns)
    assert last(live, "sum(realtime_sessions_total)") == live.summary["sessions"]
    for outcome, n in live.summary["outcomes"].items():
        assert last(live, f'sum(realtime_turns_total{{outcome="{outcome}"}})') == n


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_quantiles_of_histograms_agree_with_the_exact_ones_within_a_bucket(live, q):
    told = last(live, f"histogram_quantile({q}, sum by (le) (realtime_ttfa_seconds_bucket))")
    values = [t["metrics"]["ttfa"] for t in live.turns if t["metrics"]["ttfa"] is not None]
    exact = live.summary["metrics"]["ttfa"]["p50"] if q == 0.5 else quantile(values, q)

    assert len(values) >= 20
    assert abs(bucket(told) - bucket(exact)) <= 1


def quantile(values, q):
    return sorted(values)[math.ceil(q * len(values)) - 1]


def bucket(seconds):
    return bisect_left(LATENCY_BUCKETS, seconds)


def test_exemplars_lead_from_the_heat_map_to_turns_of_the_records(live):
    said = {f"{t['caller']}.{t['call']}.{t['turn']}": t["response_ids"] for t in live.turns}

    told = live.prometheus.exemplars("realtime_ttfa_seconds_bucket", live.start, live.end)

    assert len({exemplar["turn"] for exemplar in told}) > 3
    assert all(exemplar["response_id"] in said[exemplar["turn"]] for exemplar in told)


def test_the_share_within_a_bound_is_exact(live):
    within = [t for t in live.turns if (t["metrics"]["ttfa"] or math.inf) <= 0.45]
    query = dict(panel_queries())["Realtime voice load / Within $bound s, run / A"]

    share = last(live, filled(query, bound="0.45"))
    assert share == pytest.approx(len(within) / live.summary["metrics"]["ttfa"]["count"])


def test_segments_stack_up_to_the_first_audible_sample(live):
    stacked = "sum(realtime_turn_segment_seconds_sum)"
    told = last(live, f'{stacked} / sum(realtime_turn_segment_seconds_count{{segment="audible"}})')
    spoken = [t for t in live.turns if t["segments"]]

    assert told == pytest.approx(sum(sum(t["segments"].values()) for t in spoken) / len(spoken))


def test_run_start_and_end_are_marked_once_each(live):
    queries = dict(panel_queries())
    for name in ("Run started", "Run ended"):
        expr = filled(queries[f"Realtime voice load / {name}"])
        (marked,) = live.prometheus.ask(expr, live.start, live.end)
        assert 1 <= len(marked) <= 6  # for one interval of five seconds, asked every second


def test_only_the_generator_is_told_by_worker(live):
    names = live.prometheus.names('{worker=~".+", __name__!~"ALERTS.*"}')

    assert {re.match(r"(?:job_worker:)?realtime_([a-z]+)", name)[1] for name in names} == {
        *("cpu", "frame", "hub", "read")
    }
