import pytest

from dashboards.variables import filled, named


def test_all_is_chosen_where_nothing_is():
    assert filled('x{job=~"$job", le="$bound"}[$__rate_interval]') == (
        'x{job=~".+", le="0.8"}[20s]'
    )


def test_what_is_chosen_is_filled_in():
    assert filled('x{le="$bound"} offset $__interval', bound="1.0") == 'x{le="1.0"} offset 5s'


def test_a_variable_that_no_dashboard_has_is_an_error():
    with pytest.raises(KeyError):
        filled("x[$window]")


def test_results_are_called_as_their_legend_says():
    assert named("{{tool}} {{outcome}}", {"tool": "book", "outcome": "ok"}) == "book ok"
    assert named("p95", {}) == "p95"
    assert named("{{gone}}", {}) == ""
