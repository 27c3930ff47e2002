"""What all dashboards have in common: variables, annotations, filters, rows of panels."""

from collections.abc import Sequence

import msgspec
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from dashboards.panels import DATASOURCE, Panel
from dashboards.promql import Queries, le, metric_named

__all__ = ["BEFORE", "GENERATOR", "SO_FAR", "TALK", "Board"]

TALK = Queries(
    window="$__rate_interval",
    filters={"job": "~$job", "scenario": "~$scenario", "model": "~$model"},
)
"""Of what callers met, filtered by the dashboard's variables."""

GENERATOR = Queries(window="$__rate_interval", filters={"job": "~$job", "worker": "~$worker"})
"""Of the generator's own processes."""

BEFORE = msgspec.structs.replace(TALK, ago="$before")
"""Of an earlier time, to compare with."""

SO_FAR = Queries(window="$__rate_interval", filters={"job": "~$job"})
"""Of a whole run, whatever is filtered."""

GAP = "5m"
"""Scrapes missed for so long are not the end of a run."""


class Board:
    """
    A dashboard while it is put together.

    Args:
        title: What people call it.
        uid: What links call it; stays as it is.
        description: What it shows.

    """

    def __init__(self, title: str, uid: str, description: str) -> None:
        self._last_id = 0
        self._dashboard = (
            dashboard.Dashboard(title)
            .uid(uid)
            .description(description)
            .tags(["realtime-harness", "load-test"])
            .time("now-15m", "now")
            .refresh("5s")
            .timezone("browser")
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .readonly()
            .link(_link_to_the_others())
            .with_variable(_datasource())
            .with_variable(_labels_of("job", "users", "job", job_filter=False))
            .annotation(_annotation("Run started", "green", started=True))
            .annotation(_annotation("Run ended", "red", started=False))
        )

    def filter_scenarios(self, bounds: Sequence[float]) -> None:
        """Let people choose scenarios, models, and the bound that answers should keep."""
        chosen = le(bounds[len(bounds) // 2 - 1])
        self._dashboard = (
            self._dashboard.with_variable(_labels_of("scenario", "turns", "scenario"))
            .with_variable(_labels_of("model", "turns", "model"))
            .with_variable(
                dashboard.CustomVariable("bound")
                .label("Answered within, s")
                .values(",".join(le(b) for b in metric_named("ttfa").buckets))
                .current(model.VariableOption(selected=True, text=chosen, value=chosen))
            )
            .with_variable(
                dashboard.TextBoxVariable("before").label("Compare with, ago").default_value("1d")
            )
        )

    def filter_workers(self) -> None:
        """Let people choose workers."""
        self._dashboard = self._dashboard.with_variable(_labels_of("worker", "cpu", "worker"))

    def row(self, title: str, *panels: Panel) -> None:
        """Add a row and its panels, left to right."""
        row = dashboard.Row(title).id(self._next_id())
        self._dashboard = self._dashboard.with_row(row)
        for panel in panels:
            self._dashboard = self._dashboard.with_panel(panel.id(self._next_id()))

    def build(self) -> model.Dashboard:
        """The dashboard, as Grafana's model."""
        return self._dashboard.build()

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id


def _datasource() -> dashboard.DatasourceVariable:
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")


def _labels_of(
    variable: str, metric: str, label: str, *, job_filter: bool = True
) -> dashboard.QueryVariable:
    filters = {"job": "~$job"} if job_filter else {}
    series = Queries(window="", filters=filters).series(metric_named(metric))
    return (
        dashboard.QueryVariable(variable)
        .label(variable.capitalize() if variable != "job" else "job")
        .query(f"label_values({series}, {label})")
        .datasource(DATASOURCE)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


class _Mark(model.AnnotationQuery, Builder[model.AnnotationQuery]):
    """Marks of Prometheus: without formats of its own, one would say neither what nor whom."""

    def build(self) -> model.AnnotationQuery:
        return self

    def to_json(self) -> dict[str, object]:
        return {
            **super().to_json(),
            "titleFormat": f"{self.name}: {{{{run}}}}",
            "textFormat": "{{target}}",
            "tagKeys": "run",
        }


def _annotation(name: str, color: str, *, started: bool) -> _Mark:
    """A mark where a run's info series begins, or where it is gone; a scrape missed is neither."""
    info = SO_FAR.series(metric_named("run_info"))
    expr = f"{info} unless present_over_time({info}[{GAP}] offset $__interval)"
    if not started:
        after = f"present_over_time({info}[{GAP}] offset -{GAP})"
        expr = f"{info} offset $__interval unless {info} unless {after}"
    return _Mark(
        name=name,
        datasource=DATASOURCE,
        icon_color=color,
        expr=f"max by (run, target) ({expr})",
    )


def _link_to_the_others() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Realtime harness")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags(["realtime-harness"])
        .keep_time(True)
        .include_vars(True)
    )
