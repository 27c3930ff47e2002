"""The report of each kind of run, in a real browser without network: on a desk, on a phone."""

import pytest
from chromium import assert_whole, browser_page, needs_chromium
from rundirs import answered, crowd, second, session, silent, write_run
from searched import crowd as queue
from searched import searched, shares

from harness.capacity import Plan, Search
from harness.cli import main
from harness.records import Flag, Outcome, ToolCall

pytestmark = [pytest.mark.e2e, needs_chromium]

FALLS_SHORT = "ttfa:p95<0.8s; turns:failed<1%"


def usual(path):
    return crowd(path, callers=12, seconds=60)


def of_tools(path):
    call = ToolCall(name="book", call_id="c", called_at=2, answered_at=300_000_002, outcome="ok")
    turns = [answered(6.0 * n, 0.4, call=n // 2, turn=n % 2, tools=[call]) for n in range(60)]
    return write_run(path, turns, session(0, 400), [second()])


def talked_over(path):
    flags = {"outcome": Outcome.CANCELLED, "flags": [Flag.INTERRUPTED], "overtalk_s": 0.3}
    turns = [answered(6.0 * n, 0.4, call=n, gaps=[0.2, 1.7], **flags) for n in range(30)]
    return write_run(path, turns, session(0, 400), [second()])


def unanswered(path):
    turns = [silent(13.0 * n, call=n) for n in range(25)]
    turns += [silent(n, outcome=Outcome.RATE_LIMITED, code="rate_limit_exceeded") for n in range(9)]
    return write_run(path, turns, session(0, 400, close_code=1011), [second()])


def invalid(path):
    turns = [answered(n, 0.4, call=n) for n in range(30)]
    return write_run(path, turns, session(0, 40), [second(late=0.5)])


def few(path):
    return write_run(path, [answered(n, 0.4, call=n) for n in range(3)], session(0, 40), [second()])


def damaged(path):
    usual(path)
    with (path / "turns.jsonl").open("ab") as file:
        file.write(b'{"schema": 1, "worker"')
    return path


def search(path):
    looked = Search(shares(FALLS_SHORT), Plan(start=10))
    return searched(path, looked, queue(8), [each.objective.text for each in shares(FALLS_SHORT)])


KINDS = {
    usual: "What a caller felt",
    of_tools: "book",
    talked_over: "talked over",
    unanswered: "rate_limit_exceeded",
    invalid: "don't trust these figures",
    few: "No turn is suspect",
    damaged: "Damaged lines passed over: 1 in turns.jsonl",
    search: "first to break: ttfa",
    write_run: "there is nothing to measure",
}


@pytest.fixture(scope="module")
def browser():
    with browser_page() as page:
        yield page


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_report_of_each_kind_of_run_is_whole_on_a_desk_and_on_a_phone(browser, tmp_path, kind):
    path = kind(tmp_path / "run")
    main(["report", "--quiet", str(path)])
    plots = assert_whole(browser, path / "report.html", KINDS[kind])

    assert plots or kind is write_run
