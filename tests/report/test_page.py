import html
import re

import pytest
from rundirs import ANCHOR, answered, crowd, second, session, silent, write_run

from harness.cli import main
from harness.metrics import RUN_FIGURES, TURN_FIGURES, TURN_METRICS
from harness.report.files import write_page, write_summary
from harness.report.load import load_run
from harness.report.plots import plots
from harness.report.summary import summarise


def page_of(path):
    run = load_run(path)
    summary = summarise(run)
    return write_page(run, summary, plots(run, worst=summary["worst"])).read_text()


def text_of(page):
    """What the page says outside of its scripts and styles."""
    bare = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    meta = {"options": {"slo": "ttfa:p50<0.8s;ttfa:p99.9<1s", "voice": "alloy"}}
    return page_of(crowd(tmp_path_factory.mktemp("crowd"), meta=meta))


def test_the_page_fetches_nothing(page):
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)

    assert re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']*)", markup) == ["data:,"]
    assert "http:" not in markup
    assert "https:" not in markup
    assert "@import" not in markup
    assert "url(" not in markup
    assert "default-src 'none'" in page
    assert "$schema" not in page.split('id="plots"')[1]


def test_money_is_told_with_what_a_good_minute_is_and_why_a_run_ended_early(tmp_path):
    meta = {
        "ended_early": "the budget of 1 USD is spent",
        "budget": {"limit_usd": 1.0, "spent_usd": 0.98, "reached": True},
        "ramp_delay_s": 12.0,
    }
    turns = [answered(n, cost_usd=0.01) for n in range(30)]

    said = html.unescape(text_of(page_of(write_run(tmp_path, turns, session(), meta=meta))))

    assert "It ended early: the budget of 1 USD is spent. It is judged by what it has" in said
    assert "$0.30: $0.010 a turn" in said
    assert "$0.30 a good minute, of a budget of $1.00; $0.98 with what lost workers" in said
    assert RUN_FIGURES[0].origin in said
    assert "Callers waited 12 s together before they began" in said


def test_the_plot_library_stands_in_the_page_once(page):
    assert page.count("window.vegaEmbed") == 1


def test_every_plot_has_its_place(page):
    for name in ("ttfa", "concurrency", "outcomes", "distribution", "waterfall"):
        assert page.count(f'id="plot-{name}"') == 1


def test_verdict_objectives_and_headline_come_first(page):
    said = text_of(page)

    words = ("VALID", "Objectives", "ttfa:p50&lt;0.8s", "TTFA p50", "What a caller felt")
    order = [said.index(word) for word in words]
    assert order == sorted(order)
    assert "✓ met" in said
    assert "? undecidable" in said


def test_every_figure_says_from_what_to_what(page):
    said = html.unescape(text_of(page))

    shown = [m for m in (*TURN_METRICS, *TURN_FIGURES) if f" {m.name} " in said]
    assert {"ttfa", "ttfa_audible", "rtf", "audio_gaps", "dead_air"} <= {m.name for m in shown}
    assert [m.name for m in shown if m.origin not in said] == []
    assert re.search(r"seconds of audio received 0\.5 0\.5 [\d.–]+ [\d.–]+ 0\.5 0\.5 \d+ ", said)


def test_a_percentile_too_thin_is_a_dash_that_says_why(page):
    assert '<td title="too few turns carry it: fewer than ten lie beyond it">–</td>' in page


def test_a_percentile_that_reaches_the_unanswered_is_above_their_limit(tmp_path):
    turns = [answered(n) for n in range(20)] + [silent(n, limit=22.0) for n in range(20)]

    page = page_of(write_run(tmp_path, turns, health=[second()]))

    assert re.search(r'<td title="it reaches the unanswered[^"]*">&gt; 22 s</td>', page)


def test_a_run_without_turns_says_so(tmp_path):
    said = text_of(page_of(write_run(tmp_path, sessions=session(outcome="refused", steps={}))))

    assert "No turn was recorded" in said
    assert "refused 1" in said


def test_damaged_lines_and_lost_workers_are_named(tmp_path):
    path = write_run(tmp_path, [answered()], meta={"lost_workers": ["worker-3"]})
    with (path / "turns.jsonl").open("ab") as file:
        file.write(b"{")

    said = text_of(page_of(path))

    assert "Damaged lines passed over: 1 in turns.jsonl" in said
    assert "Workers lost: worker-3" in said


def test_clocks_that_were_set_right_are_named(tmp_path):
    turns = [answered(caller=n, worker=worker) for n, worker in enumerate("abc")]
    offsets = {"a": -2_100_000_000, "b": 400_000_000, "c": 300_000}
    anchors = {
        worker: ANCHOR | {"offset_ns": offset, "bound_ns": 400_000}
        for worker, offset in offsets.items()
    }

    said = text_of(page_of(write_run(tmp_path, turns, meta={"anchors": anchors})))

    assert "The clock of a was 2.10 s behind the master's, to within 0.40 ms" in said
    assert "The clock of b was 400 ms ahead of the master's" in said
    assert "The clock of c" not in said


def test_what_a_server_says_is_text_and_no_markup(tmp_path):
    evil = "</script><script>alert(1)</script>"
    turns = [silent(0, outcome="failed", code=evil), answered(1, scenario=evil)]

    page = page_of(write_run(tmp_path, turns, meta={"target": evil, "options": {"voice": evil}}))

    assert "<script>alert" not in page


def test_long_options_are_cut(tmp_path):
    page = page_of(write_run(tmp_path, meta={"options": {"instructions": "word " * 1000}}))

    assert page.count("word ") < 50


def test_files_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    run = load_run(write_run(tmp_path, [answered()]))
    summary = summarise(run)
    write_summary(run, summary)
    before = (tmp_path / "summary.json").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fchmod", full)
    with pytest.raises(OSError, match="No space left"):
        write_summary(run, summary | {"turns": 99})

    assert (tmp_path / "summary.json").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_sessions_whose_end_is_not_recorded_are_told(tmp_path, capsys):
    path = write_run(tmp_path, [answered()], [*session(0, 9), *session(1, caller=1)[:1]])

    said = " ".join(text_of(page_of(path)).split())
    main(["report", str(path), "--markdown", str(tmp_path / "said.md")])

    assert "0 of 2 sessions failed. Of 1 sessions the end is not recorded." in said
    told = " ".join(capsys.readouterr().out.split())
    assert "sessions 2, 0 failed 1 whose end is not recorded" in told
    assert "of 1 sessions the end is not recorded" in (tmp_path / "said.md").read_text()
