import io

import gevent
import msgspec
import pytest
from rich.console import Console

from harness.swarm.live import LiveView, Progress, as_line, as_table, percentile

BUSY = Progress(
    elapsed=3671,
    left=128,
    users=1180,
    users_target=1200,
    turns=123_456,
    failed=98_765,
    p50="1.25 s",
    p95="no answer",
)


@pytest.mark.parametrize(
    ("times", "unanswered", "p", "text"),
    [
        ({300: 19}, 0, 0.5, "–"),
        ({300: 20}, 0, 0.5, "300 ms"),
        ({300: 100, 1250: 100}, 0, 0.5, "300 ms"),
        ({300: 99, 1250: 101}, 0, 0.5, "1.25 s"),
        ({300: 190, 10_000: 10}, 10, 0.95, "300 ms"),
        ({300: 189, 10_000: 11}, 11, 0.95, "no answer"),
        ({}, 0, 0.95, "–"),
    ],
)
def test_a_percentile_is_shown_once_enough_turns_carry_it(times, unanswered, p, text):
    assert percentile(times, unanswered, p) == text


def test_a_line_says_it_all():
    assert as_line(BUSY) == (
        "61:11  callers 1180/1200  turns 123456  ttfa p50 1.25 s  p95 no answer"
        "  failed 98765  2:08 left"
    )


def test_calls_that_found_nobody_idle_are_shown_and_none_is_not():
    blocked = msgspec.structs.replace(BUSY, blocked=17)
    screen = io.StringIO()
    Console(file=screen, width=80, force_terminal=True, color_system=None).print(
        as_table(blocked, 80)
    )

    assert "failed 98765  BLOCKED 17  2:08 left" in as_line(blocked)
    assert "17" in screen.getvalue().split()
    assert "blocked" in screen.getvalue().split()
    assert "BLOCKED" not in as_line(BUSY)


def test_what_is_spent_of_a_budget_is_shown():
    spending = msgspec.structs.replace(BUSY, spent="0.43 of 1 USD")
    screen = io.StringIO()
    Console(file=screen, width=80, force_terminal=True, color_system=None).print(
        as_table(spending, 80)
    )

    assert "failed 98765  spent 0.43 of 1 USD  2:08 left" in as_line(spending)
    for figure in ("0.43 of 1 USD", "1180/1200", "no answer", "2:08"):
        assert figure in screen.getvalue()


def test_while_calls_are_heard_out_it_says_so():
    assert as_line(Progress(elapsed=7, left=0, ending=True)).endswith("ending")


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_view_shows_every_figure_whole_at_any_width(columns):
    screen = io.StringIO()
    Console(file=screen, width=columns, force_terminal=True, color_system=None).print(
        as_table(BUSY, columns)
    )

    text = screen.getvalue()
    for figure in ("1180/1200", "123456", "98765", "1.25 s", "no answer", "2:08", "ttfa p95"):
        assert figure in text
    assert all(len(line) <= columns for line in text.splitlines())


def test_a_terminal_that_cannot_redraw_is_told_in_lines(monkeypatch):
    monkeypatch.setattr("harness.swarm.live.LINE", 0.01)
    screen = io.StringIO()
    terminal = {"TERM": "dumb"}
    console = Console(file=screen, width=80, force_terminal=True, _environ=terminal)
    view = LiveView(lambda: BUSY, console)

    view.start()
    while "ttfa p50" not in screen.getvalue():
        gevent.sleep(0.01)
    view.stop()

    assert as_line(BUSY) in screen.getvalue()


def test_a_view_on_a_terminal_leaves_its_last_figures_there():
    screen = io.StringIO()
    console = Console(file=screen, width=80, force_terminal=True, color_system=None)
    view = LiveView(lambda: BUSY, console)

    view.start()
    while "123456" not in screen.getvalue():
        gevent.sleep(0.01)
    view.stop()

    assert screen.getvalue().count("123456") >= 2
