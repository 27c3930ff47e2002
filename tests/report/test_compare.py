import json
import re

import pytest
from rundirs import answered, second, session, write_run

from harness.cli import main
from harness.report.comparison import Tolerance, compare_runs
from harness.report.load import load_run
from harness.verdict import Level

NONE = Tolerance.parse("0%")


def talked(path, *, ttfa=0.4, calls=40, turns=5, at_once=None, **more):
    """Calls whose answers take ``ttfa`` seconds, a little more or less by call and by turn."""
    said, sessions = [], []
    for call in range(calls):
        start = 2.0 * call if at_once is None else 0.0
        for turn in range(turns):
            vary = 0.002 * (call % 7) + 0.003 * ((call + turn) % 5)
            said.append(answered(start + turn, ttfa + vary, caller=call, turn=turn))
        sessions += session(start, start + 6.0, caller=call, turns=turns)
    health = more.pop("health", [second(t) for t in range(1, 90)])
    return write_run(path, said, sessions, health, **more)


def told(base, candidate, tolerance="5%"):
    comparison = compare_runs(load_run(base), load_run(candidate), Tolerance.parse(tolerance))
    return comparison, {statement.metric: statement for statement in comparison.statements}


@pytest.mark.parametrize(
    ("text", "share", "seconds"),
    [("5%", 0.05, 0), (" 2.5 % ", 0.025, 0), ("30ms", 0, 0.03), ("0", 0, 0), ("1s", 0, 1)],
)
def test_a_tolerance_reads(text, share, seconds):
    tolerance = Tolerance.parse(text)

    assert (tolerance.share, tolerance.seconds) == (pytest.approx(share), pytest.approx(seconds))


@pytest.mark.parametrize("text", ["", "%", "five", "-5%", "5 apples", "5ms%"])
def test_a_wrong_tolerance_is_one_clear_line(text):
    with pytest.raises(ValueError, match="is no tolerance: write it like 5% or 30ms"):
        Tolerance.parse(text)


@pytest.mark.parametrize(
    ("ttfa", "finding", "says"),
    [
        (0.45, "slower", "slower: p50 +50 ms ("),
        (0.35, "faster", "faster: p50 −50 ms ("),
        (0.4, "no difference", "no difference; 200 turns each would have shown 5% of p50"),
    ],
)
def test_each_metric_is_stated_plainly(tmp_path, ttfa, finding, says):
    base, candidate = talked(tmp_path / "a"), talked(tmp_path / "b", ttfa=ttfa)

    _, statements = told(base, candidate)

    assert statements["ttfa"].finding == finding
    assert statements["ttfa"].text.startswith(says)


def test_what_so_few_turns_cant_show_says_how_many_would(tmp_path):
    base, candidate = talked(tmp_path / "a", calls=12), talked(tmp_path / "b", calls=12)

    _, statements = told(base, candidate, "1%")

    text = statements["ttfa"].text
    assert re.fullmatch(
        r"no difference that 60 turns each could show; about [\d\s]+ would show 1% of p50", text
    )


@pytest.mark.parametrize(
    ("tolerance", "regressed"),
    [("0", True), ("5%", True), ("20%", False), ("40ms", True), ("60ms", False)],
)
def test_a_regression_is_proven_and_beyond_the_tolerance(tmp_path, tolerance, regressed):
    base, candidate = talked(tmp_path / "a"), talked(tmp_path / "b", ttfa=0.45)

    comparison, statements = told(base, candidate, tolerance)

    assert statements["ttfa"].finding == "slower"
    assert statements["ttfa"].regressed is regressed
    assert comparison.exit_code == regressed


def test_faster_is_no_regression(tmp_path):
    comparison, _ = told(talked(tmp_path / "a"), talked(tmp_path / "b", ttfa=0.2), "0")

    assert comparison.exit_code == 0


def test_what_makes_the_comparison_doubtful_is_named(tmp_path):
    base = talked(tmp_path / "a", meta={"options": {"corpus": None, "voice": "alloy",
                                                    "run_dir": "x"}})  # fmt: skip
    candidate = talked(
        tmp_path / "b",
        at_once=True,
        health=[second(late=0.01)],
        meta={
            "options": {"corpus": "calls", "voice": "marin", "run_dir": "y"},
            "versions": {"realtime-harness": "9", "python": "3.99"},
        },
    )

    comparison, _ = told(base, candidate)

    said = "\n".join(comparison.warnings)
    assert "concurrency differs: at most 3 and 40 sessions at once" in said
    assert "candidate is SUSPECT: p99 frame lateness" in said
    assert "verdicts differ: VALID and SUSPECT" in said
    assert "corpus differs: none and calls" in said
    assert "voice differs: alloy and marin" in said
    assert "realtime-harness differs: 0.1.0 and 9" in said
    assert "run_dir" not in said
    assert "python" not in said


def test_like_runs_raise_no_doubt(tmp_path):
    comparison, _ = told(talked(tmp_path / "a"), talked(tmp_path / "b"))

    assert comparison.warnings == comparison.obstacles == ()
    assert comparison.units == "call"


def test_where_load_varies_blocks_of_time_are_drawn(tmp_path):
    def grown(path):
        turns, sessions = [], []
        for call in range(120):
            start = 100 * (call / 120) ** 0.5
            turns += [answered(start + t, 0.4 + 0.01 * (call % 5), caller=call) for t in (0, 1)]
            sessions += session(start, 100.0, caller=call)
        return write_run(path, turns, sessions, [second()])

    comparison, _ = told(grown(tmp_path / "a"), grown(tmp_path / "b"))

    assert comparison.units == "block of time"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda p: talked(p, health=[second(late=0.5)]), "candidate: INVALID: not speaking pace"),
        (write_run, "candidate: no turn was begun"),
        (lambda p: talked(p, calls=5), "no metric has enough turns and calls in both runs"),
        (lambda p: talked(p, meta={"state": "running"}), "candidate: it never ended"),
    ],
)
def test_what_proves_nothing_cant_be_compared(tmp_path, capsys, spoil, says):
    base, candidate = talked(tmp_path / "a"), spoil(tmp_path / "b")

    comparison, _ = told(base, candidate)
    code = main(["compare", str(base), str(candidate)])

    assert any(says in text for text in comparison.obstacles)
    assert code == comparison.exit_code == 2
    assert "can't be compared" in capsys.readouterr().out


@pytest.mark.parametrize(("ttfa", "code"), [(0.4, 0), (0.45, 1), (0.35, 0)])
def test_the_exit_code_says_whether_it_got_worse(tmp_path, ttfa, code):
    base, candidate = talked(tmp_path / "a"), talked(tmp_path / "b", ttfa=ttfa)

    assert main(["compare", "--quiet", str(base), str(candidate)]) == code


def test_terminal_page_markdown_and_json_say_the_same(tmp_path, capsys):
    base, candidate = talked(tmp_path / "a"), talked(tmp_path / "b", ttfa=0.45)
    markdown, figures = tmp_path / "c.md", tmp_path / "c.json"

    main(["compare", str(base), str(candidate), "--markdown", str(markdown), "--json",
          str(figures)])  # fmt: skip

    said = capsys.readouterr().out
    page = (candidate / "compare.html").read_text()
    raw = json.loads(figures.read_text())
    for text in (said, page, markdown.read_text()):
        assert "slower: p50 +50 ms" in text
        assert "Worse beyond 5%: ttfa" in text
    assert markdown.read_text().startswith("### Worse beyond 5%: ttfa")
    assert raw["regressions"][0] == "ttfa"
    assert raw["statements"][0]["differences"][0]["difference"] == pytest.approx(0.05)
    assert raw["base"]["verdict"] == Level.VALID


def test_the_page_fetches_nothing_and_takes_what_a_server_says_as_text(tmp_path):
    evil = "</script><script>alert(1)</script>"
    base = talked(tmp_path / "a", meta={"options": {"voice": evil}})

    main(["compare", "--quiet", str(base), str(talked(tmp_path / "b")), "--html",
          str(tmp_path / "page.html")])  # fmt: skip

    page = (tmp_path / "page.html").read_text()
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "<script>alert" not in page
    assert re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']*)", markup) == ["data:,"]
    assert not (tmp_path / "b" / "compare.html").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{base}", "nowhere"], "there is no run directory nowhere"),
        (["nowhere", "{base}"], "there is no run directory nowhere"),
        (["{base}", "{base}", "--tolerance", "much"], "--tolerance: 'much' is no tolerance"),
        (["{base}", "{base}", "--html", "/no/such/folder/page.html"], "can't write"),
    ],
)
def test_what_is_wrong_is_one_clear_line(tmp_path, capsys, arguments, says):
    base = talked(tmp_path / "a")

    assert main(["compare", *(word.format(base=base) for word in arguments)]) == 2

    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
