"""Panels and dashboards in Grafana's own words, from a title, a unit and queries."""

import re
from string import ascii_uppercase

import msgspec
from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    timeseries,
)
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heatmap_model
from grafana_foundation_sdk.models import prometheus as prometheus_model

from harness.metrics import METRICS, Metric, Type

__all__ = ["DATASOURCE", "GAP", "Target", "bars", "graph", "heat", "number", "stacked", "steps"]

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

GAP = 30
"""Seconds without a value over which a line goes on: longer, and there was none."""

_NAME = re.compile(r"\brealtime_\w+")
_PARTS = re.compile(r"_(bucket|count|sum)$")

Panel = timeseries.Panel | stat.Panel | heatmap.Panel | bargauge.Panel


class Target(msgspec.Struct, frozen=True):
    """A query of a panel, and what its results are called."""

    expr: str
    legend: str = ""
    exemplars: bool = False  # whether single turns are shown beside


def metrics_of(expr: str) -> list[Metric]:
    """The rows of the table that a query reads, in its order."""
    names = dict.fromkeys(_NAME.findall(expr))
    by_name = {metric.prometheus: metric for metric in METRICS}
    found = [by_name.get(name) or by_name[_PARTS.sub("", name)] for name in names]
    return list(dict.fromkeys(found))


def graph(title: str, unit: str, *targets: Target, note: str = "", span: int = 8) -> Panel:
    """Lines over time."""
    panel = (
        timeseries.Panel()
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.MULTI))
        .line_width(1)
        .fill_opacity(8)
        .show_points(common_model.VisibilityMode.NEVER)
        .span_nulls(GAP * 1000)
        .axis_soft_min(0)
    )
    return _finish(panel, title, unit, targets, note=note, span=span)


def stacked(title: str, unit: str, *targets: Target, note: str = "", span: int = 8) -> Panel:
    """Lines over time that add up."""
    panel = graph(title, unit, *targets, note=note, span=span)
    stacking = common.StackingConfig().mode(common_model.StackingMode.NORMAL).group("A")
    return (
        panel.stacking(stacking)
        .fill_opacity(40)
        .legend(_legend().sort_by("Last *").sort_desc(True))
    )


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(common_model.LegendDisplayMode.TABLE)
        .placement(common_model.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
        .show_legend(True)
    )


def heat(title: str, unit: str, target: Target, *, note: str = "", span: int = 8) -> Panel:
    """How values spread over a histogram's bounds, over time."""
    color = (
        heatmap.HeatmapColorOptions()
        .mode(heatmap_model.HeatmapColorMode.SCHEME)
        .scheme("Oranges")
        .steps(64)
        .exponent(0.5)
        .fill("dark-orange")
    )
    panel = (
        heatmap.Panel()
        .calculate(False)
        .color(color)
        .cell_gap(1)
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .show_legend()
    )
    return _finish(panel, title, unit, (target,), note=note, span=span, fmt="heatmap")


def number(
    title: str,
    unit: str,
    *targets: Target,
    note: str = "",
    span: int = 4,
    height: int = 4,
    limits: dashboard.ThresholdsConfig | None = None,
    words: dict[str, tuple[str, str]] | None = None,
    show_name: bool = False,
) -> Panel:
    """
    The latest value, large.

    Args:
        title: Of the panel.
        unit: Grafana's name of it.
        targets: Queries; each result is a number of its own.
        note: Said in the description, beside the metrics.
        span: Columns of 24.
        height: Rows; a graph has 8.
        limits: Where its colour changes.
        words: Text and colour in place of a value.
        show_name: Show what results are called in place of their values.

    """
    mode = common_model.BigValueTextMode
    panel = (
        stat.Panel()
        .text_mode(mode.NAME if show_name else mode.AUTO)
        .graph_mode(common_model.BigValueGraphMode.NONE)
        .color_mode(common_model.BigValueColorMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .no_value("–")
    )
    if words:
        results = {
            value: model.ValueMappingResult(text=text, color=color)
            for value, (text, color) in words.items()
        }
        panel = panel.mappings([model.ValueMap(options=results)])
    panel = panel.thresholds(limits or steps("text"))
    return _finish(panel, title, unit, targets, note=note, span=span, height=height)


def bars(title: str, unit: str, *targets: Target, note: str = "", span: int = 8) -> Panel:
    """The latest value of each result, as bars."""
    panel = (
        bargauge.Panel()
        .display_mode(common_model.BarGaugeDisplayMode.BASIC)
        .orientation(common_model.VizOrientation.HORIZONTAL)
        .show_unfilled(False)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .min(0)
        .thresholds(steps("blue"))
    )
    return _finish(panel, title, unit, targets, note=note, span=span)


def steps(base: str, *above: tuple[float, str]) -> dashboard.ThresholdsConfig:
    """Colours by value: ``base`` at first, then each colour from its value on."""
    found = [
        model.Threshold(value=None, color=base),
        *(model.Threshold(value=value, color=color) for value, color in above),
    ]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(found)


def _finish(
    panel: Panel,
    title: str,
    unit: str,
    targets: tuple[Target, ...],
    *,
    note: str,
    span: int,
    fmt: str = "time_series",
    height: int = 8,
) -> Panel:
    for ref, target in zip(ascii_uppercase, targets, strict=False):
        query = (
            prometheus.Dataquery()
            .ref_id(ref)
            .datasource(DATASOURCE)
            .expr(target.expr)
            .legend_format(target.legend)
            .format(prometheus_model.PromQueryFormat(fmt))
            .editor_mode(prometheus_model.QueryEditorMode.CODE)
            .range()
        )
        panel = panel.with_target(query.exemplar(True) if target.exemplars else query)
    return (
        panel.title(title)
        .description(_description(targets, note))
        .unit(unit)
        .datasource(DATASOURCE)
        .span(span)
        .height(height)
    )


def _description(targets: tuple[Target, ...], note: str) -> str:
    metrics = metrics_of(" ".join(target.expr for target in targets))
    return "\n\n".join(filter(None, (note, *map(_explained, metrics))))


def _explained(metric: Metric) -> str:
    origin = f" ({metric.origin})" if metric.origin and metric.type is Type.HISTOGRAM else ""
    return f"`{metric.prometheus}`: {metric.help}{origin}"
