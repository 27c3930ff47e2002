"""The dashboards as files; the rules are those of Grafana's dashboard-linter that fit."""

import re
from itertools import combinations

import promql_parser
import pytest
from scraping import boards, panel_queries, panels

from dashboards.board import GAP
from dashboards.make import files
from dashboards.variables import filled
from harness.metrics import METRICS, SEGMENTS, Type

PARTS = {Type.HISTOGRAM: ("_bucket", "_sum", "_count"), Type.COUNTER: ("",), Type.GAUGE: ("",)}
SERIES = {m.prometheus + part: m for m in METRICS for part in PARTS[m.type]}
QUERIES = list(panel_queries())
PANELS = [panel for board in boards() for panel in panels(board)]


def selectors(node):
    """Every vector selector in an expression, with the name of the function around its range."""
    stack = [(node, None)]
    while stack:
        node, function = stack.pop()
        match type(node).__name__:
            case "VectorSelector":
                yield node, function
            case "MatrixSelector":
                yield node.vector_selector, function
            case "Call":
                stack += [(argument, node.func.name) for argument in node.args]
            case "AggregateExpr" | "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
                stack.append((node.expr, function))
            case "BinaryExpr":
                stack += [(node.lhs, function), (node.rhs, function)]


def found_selectors(expr):
    return list(selectors(promql_parser.parse(filled(expr))))


def test_regenerating_changes_nothing():
    for path, text in files():
        assert path.read_text() == text, f"{path.name}: run python -m dashboards.make"


def test_queries_parse_and_name_metrics_of_the_table():
    for whose, expr in QUERIES:
        names = {selector.name for selector, _ in found_selectors(expr)}
        assert names, whose
        assert names <= SERIES.keys(), whose


def test_matchers_are_labels_of_their_metrics():
    for whose, expr in QUERIES:
        for selector, _ in found_selectors(expr):
            labels = {matcher.name for matcher in selector.matchers.matchers}
            assert labels <= {"job", "le", *SERIES[selector.name].labels}, whose
            assert "job" in labels, whose


def test_rates_are_of_counters_only_and_over_the_rate_interval():
    for whose, expr in QUERIES:
        for selector, function in found_selectors(expr):
            if function in ("rate", "increase"):
                assert SERIES[selector.name].type is not Type.GAUGE, whose
        windows = {"$__rate_interval", "$__range:$__interval", GAP}
        assert set(re.findall(r"\[([^]]*)\]", expr)) <= windows, whose


def test_the_selectors_are_really_found():
    expr = 'sum by (a) (rate(x_total{a="b"}[5m])) / (label_replace(y, "a", "b", "", "") or -z)'

    found = {(s.name, f) for s, f in selectors(promql_parser.parse(expr))}

    assert found == {("x_total", "rate"), ("y", "label_replace"), ("z", None)}


def test_a_panel_has_title_unit_queries_and_a_description_that_names_its_metrics():
    for panel in PANELS:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            for selector, _ in found_selectors(target["expr"]):
                assert f"`{SERIES[selector.name].prometheus}`" in panel["description"]


def test_a_panel_asks_the_chosen_data_source():
    for panel in PANELS:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])


def test_queries_of_a_panel_and_their_results_are_told_apart():
    for panel in PANELS:
        refs = [target["refId"] for target in panel["targets"]]
        legends = [target["legendFormat"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs), panel["title"]
        assert len(set(legends)) == len(legends), panel["title"]


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_panels_have_ids_and_do_not_overlap(board):
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in board["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    ids = [panel["id"] for panel in board["panels"]]

    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_rows_leave_no_holes(board):
    places = [panel["gridPos"] for panel in panels(board)]
    for a, b in combinations(places, 2):
        same_line = a["y"] == b["y"]
        assert not same_line or a["h"] == b["h"]


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_variables_choose_data_source_and_job_and_follow_the_time_range(board):
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    asked = {name: v for name, v in variables.items() if v["type"] == "query"}

    assert variables["datasource"]["query"] == "prometheus"
    assert {"job", "scenario", "model"} <= asked.keys() or {"job", "worker"} <= asked.keys()
    assert all(v["refresh"] == 2 and v["allValue"] == ".+" for v in asked.values())
    for v in asked.values():
        name = re.match(r"label_values\((\w+)", v["query"])[1]
        assert name in SERIES


def test_the_overview_offers_the_bounds_of_ttfa_as_prometheus_writes_them():
    (overview,) = (board for board in boards() if board["uid"] == "realtime-overview")
    (bound,) = (v for v in overview["templating"]["list"] if v["name"] == "bound")
    buckets = next(metric.buckets for metric in METRICS if metric.name == "ttfa")

    assert [float(text) for text in bound["query"].split(",")] == list(buckets)
    assert "1.0" in bound["query"].split(",")


def test_every_metric_is_shown_somewhere():
    shown = {selector.name for _, expr in QUERIES for selector, _ in found_selectors(expr)}
    missing = {
        metric.prometheus
        for metric in METRICS
        if not {metric.prometheus + part for part in PARTS[metric.type]} & shown
    }

    assert missing == set()


def test_nothing_can_be_edited_that_the_code_would_write_over():
    assert [board["editable"] for board in boards()] == [False, False]


def test_runs_are_marked_where_they_begin_and_end():
    for board in boards():
        names = {annotation["name"] for annotation in board["annotations"]["list"]}
        assert names == {"Run started", "Run ended"}
        # Grafana says of a mark what these name, and nothing else.
        for annotation in board["annotations"]["list"]:
            assert annotation["titleFormat"] == f"{annotation['name']}: {{{{run}}}}"
            assert annotation["textFormat"] == "{{target}}"


def test_segments_stand_in_the_order_in_which_they_pass():
    (panel,) = (panel for panel in PANELS if panel["title"] == "Where the time goes")

    assert [target["legendFormat"] for target in panel["targets"]] == list(SEGMENTS)
