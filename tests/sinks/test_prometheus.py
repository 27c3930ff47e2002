import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from harness.metrics import METRICS, Type
from harness.sinks.prometheus import Page
from harness.sinks.tally import Exemplar, Tally

TALK = ("Caller.talk", "small")
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
BOUNDS = next(metric.buckets for metric in METRICS if metric.name == "ttfa")


def a_tally():
    tally = Tally()
    histogram = tally.histogram("ttfa", TALK, BOUNDS)
    histogram.add(0.3, BOUNDS)
    histogram.add(0.32, BOUNDS)
    histogram.add_beyond(10.0)
    tally.count("turns", (*TALK, "completed"), 2)
    tally.count("sessions", (*TALK, "ended"), 1)
    tally.change("sessions", (), 4)
    return tally


def a_page(tally=None, clock=lambda: 0.0):
    return Page(lambda: tally or a_tally(), clock)


def samples(text, parse=parse_text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


LABELS = (("model", "small"), ("scenario", "Caller.talk"))


def bucket(le):
    return ("realtime_ttfa_seconds_bucket", ("le", le), *LABELS)


@pytest.mark.parametrize(("accept", "parse"), [("", parse_text), (OPENMETRICS, parse_openmetrics)])
def test_a_page_tells_exactly_what_was_counted(accept, parse):
    page, _ = a_page().render(accept)

    found = samples(page.decode(), parse)
    assert found[bucket("0.25")] == 0
    assert found[bucket("0.3")] == 1
    assert found[bucket("0.35")] == 2
    assert found[bucket("60.0")] == 2
    assert found[bucket("+Inf")] == 3
    assert found["realtime_ttfa_seconds_count", *LABELS] == 3
    assert found["realtime_ttfa_seconds_sum", *LABELS] == pytest.approx(10.62)
    assert found["realtime_turns_total", *LABELS[:1], ("outcome", "completed"), *LABELS[1:]] == 2
    assert found["realtime_sessions_total", *LABELS[:1], ("outcome", "ended"), *LABELS[1:]] == 1
    assert found["realtime_sessions",] == 4


def test_every_metric_of_the_table_is_announced_with_its_help_and_origin():
    page, _ = a_page(Tally()).render("")

    for metric in METRICS:
        assert f"# HELP {metric.prometheus} {metric.help}" in page.decode()
        assert f"# TYPE {metric.prometheus} {metric.type}" in page.decode()
    ttfa = next(metric for metric in METRICS if metric.name == "ttfa")
    assert f"[{ttfa.origin}]" in page.decode()


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_a_family_made_in_pieces_is_announced_once_and_others_run_in_between(accept):
    tally, pauses = a_tally(), []
    for scenario in ("Caller.shout", "Caller.whisper"):
        tally.histogram("ttfa", (scenario, "small"), BOUNDS).add(0.3, BOUNDS)
    page = Page(lambda: tally, lambda: 0.0, pause=lambda: pauses.append(None))

    text = page.render(accept)[0].decode()

    assert text.count("# TYPE realtime_ttfa_seconds histogram\n") == 1
    assert text.count("# HELP realtime_ttfa_seconds ") == 1
    assert text.count("realtime_ttfa_seconds_count{") == 3
    assert text.count("# EOF\n") == (1 if accept else 0)
    assert len(pauses) > len(METRICS)


def test_the_scraper_chooses_the_format():
    page = a_page()

    assert page.render("text/plain")[1].startswith("text/plain")
    assert page.render(OPENMETRICS)[1].startswith("application/openmetrics-text")


def test_a_page_is_made_once_a_second():
    now, tally = [0.0], a_tally()
    page = Page(lambda: tally, lambda: now[0])
    first, _ = page.render("")

    tally.count("turns", (*TALK, "completed"))
    now[0] = 0.9
    assert page.render("")[0] == first
    now[0] = 1.0
    assert page.render("")[0] != first


def test_the_names_promised_are_there():
    histograms = {m.prometheus for m in METRICS if m.type is Type.HISTOGRAM}

    assert {"realtime_ttfa_seconds", "realtime_hub_lag_seconds"} <= histograms


def exemplars(page, parse):
    return {
        sample.labels["le"]: (sample.exemplar.labels, sample.exemplar.value)
        for family in parse(page.decode())
        for sample in family.samples
        if sample.exemplar
    }


def test_exemplars_lead_from_a_bucket_to_a_turn_where_the_format_has_them():
    tally = a_tally()
    histogram = tally.histograms["ttfa"][TALK]
    histogram.exemplars[BOUNDS.index(0.35)] = Exemplar(1_790_000_000.5, 0.32, "3.0.1", "resp_1")

    page, _ = a_page(tally).render(OPENMETRICS)
    plain, _ = a_page(tally).render("")

    assert exemplars(page, parse_openmetrics) == {
        "0.35": ({"turn": "3.0.1", "response_id": "resp_1"}, 0.32)
    }
    assert b"resp_" not in plain
