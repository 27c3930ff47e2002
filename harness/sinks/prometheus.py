"""A tally as Prometheus scrapes it: names, help and buckets by the table of metrics."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import samples
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    UnknownMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString

from harness.metrics import METRICS, Metric, Type
from harness.sinks.tally import Exemplar, Histogram, Labels, Tally

__all__ = ["Page", "families"]

_END = b"# EOF\n"
_HEADER = re.compile(rb"^# .*\n", re.MULTILINE)
_OPENMETRICS = "application/openmetrics-text"
_GAUGES = frozenset(metric.prometheus for metric in METRICS if metric.type is Type.GAUGE)


class Page:
    """
    ``/metrics``: the text of what ``source`` counted, made at most once in ``max_age`` seconds.

    Args:
        source: Gives the tally of now.
        clock: Seconds, monotonic.
        pause: Called between pieces of a page, each a millisecond of work or so: whoever sends
            speech on the same event loop gets on with it.
        max_age: A page younger than this is given again: several scrapers cost no more than one.

    """

    def __init__(
        self,
        source: Callable[[], Tally],
        clock: Callable[[], float],
        pause: Callable[[], None] = lambda: None,
        max_age: float = 1.0,
    ) -> None:
        self._source = source
        self._clock = clock
        self._pause = pause
        self._max_age = max_age
        self._cached: dict[str, tuple[float, bytes]] = {}

    def render(self, accept: str) -> tuple[bytes, str]:
        """
        The page in the format asked for, and its content type.

        Args:
            accept: The ``Accept`` header of the request.

        """
        encoder, content_type = choose_encoder(accept)
        made, page = self._cached.get(content_type, (0.0, b""))
        now = self._clock()
        if not page or now - made >= self._max_age:
            page = self._make(encoder, openmetrics=content_type.startswith(_OPENMETRICS))
            self._cached[content_type] = (now, page)
        return page, content_type

    def _make(self, encoder: Callable[[Any], bytes], *, openmetrics: bool) -> bytes:
        text = []
        for pieces in families(self._source(), openmetrics=openmetrics):
            for number, family in enumerate(pieces):
                piece = encoder(_Collected(family)).removesuffix(_END)
                # Only the first piece announces the family.
                text.append(_HEADER.sub(b"", piece) if number else piece)
                self._pause()
        return b"".join(text) + (_END if openmetrics else b"")


class _Collected:
    """What prometheus_client's encoders take: something with ``collect``."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterable[Family]:
        return (self._family,)


def families(tally: Tally, *, openmetrics: bool = False) -> Iterator[Iterator[Family]]:
    """
    The metric families of ``tally``, in the order of the table; those without series too.

    Each comes in pieces of the same name: a histogram's for each of its label values.
    """
    for metric in METRICS:
        match metric.type:
            case Type.HISTOGRAM:
                series = tally.histograms.get(metric.name, {})
                yield _histograms(metric, series, exemplars=openmetrics)
            case Type.COUNTER:
                family = _counter(metric, openmetrics)
                yield iter([_numbers(metric, family, tally.counters.get(metric.name, {}))])
            case Type.GAUGE:
                family = GaugeMetricFamily(metric.prometheus, _help(metric))
                yield iter([_numbers(metric, family, tally.gauges.get(metric.name, {}))])


def _help(metric: Metric) -> str:
    return f"{metric.help} [{metric.origin}]" if metric.origin else metric.help


def _counter(metric: Metric, openmetrics: bool) -> Family:
    # OpenMetrics calls a counter by its name without _total, which may not be a gauge's as well.
    if openmetrics and metric.prometheus.removesuffix("_total") in _GAUGES:
        return UnknownMetricFamily(metric.prometheus, _help(metric))
    return CounterMetricFamily(metric.prometheus, _help(metric))


def _numbers(metric: Metric, family: Family, series: Mapping[Labels, float]) -> Family:
    for labels, value in sorted(series.items()):
        name = metric.prometheus
        family.add_sample(name, dict(zip(metric.labels, labels, strict=True)), value)
    return family


def _histograms(
    metric: Metric, series: Mapping[Labels, Histogram], *, exemplars: bool
) -> Iterator[Family]:
    bounds = [*map(floatToGoString, metric.buckets), "+Inf"]
    for labels, histogram in sorted(series.items()):
        family = HistogramMetricFamily(metric.prometheus, _help(metric), labels=metric.labels)
        told = histogram.exemplars if exemplars else {}
        buckets = [
            (bound, total, _exemplar(told[number])) if number in told else (bound, total)
            for number, (bound, total) in enumerate(_cumulative(bounds, histogram.counts))
        ]
        family.add_metric(labels, buckets, histogram.sum)
        yield family
    if not series:
        yield HistogramMetricFamily(metric.prometheus, _help(metric), labels=metric.labels)


def _exemplar(exemplar: Exemplar) -> samples.Exemplar:
    labels = {"turn": exemplar.turn, "response_id": exemplar.response_id}
    return samples.Exemplar(labels, exemplar.value, exemplar.at)


def _cumulative(bounds: Sequence[str], counts: Sequence[int]) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for bound, n in zip(bounds, counts, strict=True):
        total += n
        buckets.append((bound, float(total)))
    return buckets
