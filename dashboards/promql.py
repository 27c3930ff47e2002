"""Queries made from the table of metrics: a name that is not in it can't be written."""

from collections.abc import Mapping

import msgspec

from harness.metrics import METRICS, Metric, Type

__all__ = ["Queries", "le", "metric_named"]

BY_NAME = {(metric.name, metric.type): metric for metric in METRICS}


def metric_named(name: str, *types: Type) -> Metric:
    """
    The row of the table; where a gauge and a counter share a name, the one of the first type.

    Raises:
        KeyError: If there is none.

    """
    for kind in types or Type:
        if (name, kind) in BY_NAME:
            return BY_NAME[name, kind]
    raise KeyError(name)


def le(bound: float) -> str:
    """A bucket's bound as its label says it: 1 is ``1.0``."""
    return repr(float(bound))


class Queries(msgspec.Struct, frozen=True, kw_only=True):
    """
    Queries that share a window, filters and the labels they keep.

    Every method takes a metric by its name in the table, the labels to tell results apart by, and
    further matchers; a matcher that begins with ``~`` is a regular expression.
    """

    window: str  # of rates
    filters: Mapping[str, str] = {}  # by label; put on those metrics that have it
    keep: tuple[str, ...] = ()  # labels told apart in every result
    ago: str = ""  # so long ago is asked about; of rates

    def now(self, name: str, *by: str, **matchers: str) -> str:
        """A gauge now, or what a counter has counted since its run began."""
        metric = metric_named(name, Type.GAUGE, Type.COUNTER)
        return self._sum(metric, by, self.series(metric, **matchers))

    def so_far(self, name: str, *by: str, **matchers: str) -> str:
        """What a counter has counted since its run began; a gauge may have its name."""
        metric = metric_named(name, Type.COUNTER)
        return self._sum(metric, by, self.series(metric, **matchers))

    def rate(self, name: str, *by: str, **matchers: str) -> str:
        """What a counter counts in a second."""
        return self._growth("rate", metric_named(name, Type.COUNTER), "", by, matchers)

    def increase(self, name: str, *by: str, **matchers: str) -> str:
        """What a counter counted in the window."""
        return self._growth("increase", metric_named(name, Type.COUNTER), "", by, matchers)

    def observed(self, name: str, *by: str, **matchers: str) -> str:
        """How many values a histogram took in the window, the unanswered among them."""
        return self._growth("increase", _histogram(name), "_count", by, matchers)

    def buckets(self, name: str, *by: str, **matchers: str) -> str:
        """How many values fell up to each bound in the window."""
        return self._growth("increase", _histogram(name), "_bucket", (*by, "le"), matchers)

    def quantile(self, q: float, name: str, *by: str, **matchers: str) -> str:
        """A quantile over the window; those who got no answer rank last."""
        buckets = self._growth("rate", _histogram(name), "_bucket", (*by, "le"), matchers)
        return f"histogram_quantile({q}, {buckets})"

    def quantile_so_far(self, q: float, name: str, *by: str, **matchers: str) -> str:
        """A quantile over the whole run: counts start with it, so no rate is needed."""
        metric = _histogram(name)
        buckets = self._sum(metric, (*by, "le"), self.series(metric, "_bucket", **matchers))
        return f"histogram_quantile({q}, {buckets})"

    def mean_part(self, name: str, label: str, part: str, once: str) -> str:
        """
        The mean of a part of a whole over the window: those of all parts add up to the whole's.

        Args:
            name: A histogram.
            label: Tells the parts apart.
            part: The one asked for.
            once: The part that every whole has once: parts are divided by how many there are.

        """
        metric = _histogram(name)
        total = self._growth("rate", metric, "_sum", (), {label: part})
        return f"{total} / {self._growth('rate', metric, '_count', (), {label: once})}"

    def share_within(self, bound: str, name: str, *by: str, **matchers: str) -> str:
        """The share of values up to a bound over the window: exact, for it is a bucket's."""
        metric = _histogram(name)
        part = self._growth("rate", metric, "_bucket", by, {**matchers, "le": bound})
        return f"{part} / {self._growth('rate', metric, '_count', by, matchers)}"

    def share_within_so_far(self, bound: str, name: str, *by: str) -> str:
        """The same over the whole run."""
        metric = _histogram(name)
        part = self._sum(metric, by, self.series(metric, "_bucket", le=bound))
        return f"{part} / {self._sum(metric, by, self.series(metric, '_count'))}"

    def most_while(self, name: str, condition: str) -> str:
        """The largest value of a gauge while a condition held, over the time shown; 0: never."""
        value = self.now(name)
        return f"max_over_time(({value} and {condition} or 0 * {value})[$__range:$__interval])"

    def series(self, metric: Metric, part: str = "", /, **matchers: str) -> str:
        """
        The series themselves.

        Args:
            metric: A row of the table.
            part: Of a histogram: ``_bucket``, ``_count`` or ``_sum``.
            matchers: By label.

        """
        known = _labels(metric)
        assert matchers.keys() <= known, f"{metric.name} has no label {matchers.keys() - known}"
        wanted = {label: v for label, v in self.filters.items() if label in known} | matchers
        inside = ", ".join(_matcher(label, value) for label, value in wanted.items())
        return metric.prometheus + part + (f"{{{inside}}}" if inside else "")

    def _growth(
        self, how: str, metric: Metric, part: str, by: tuple[str, ...], matchers: Mapping[str, str]
    ) -> str:
        series = self.series(metric, part, **matchers)
        ago = f" offset {self.ago}" if self.ago else ""
        return self._sum(metric, by, f"{how}({series}[{self.window}]{ago})")

    def _sum(self, metric: Metric, by: tuple[str, ...], inner: str) -> str:
        known = _labels(metric)
        told = tuple(label for label in self.keep if label in known) + by
        assert set(told) <= known, f"{metric.name} has no label {set(told) - known}"
        return f"sum by ({', '.join(told)}) ({inner})" if told else f"sum({inner})"


def _histogram(name: str) -> Metric:
    return metric_named(name, Type.HISTOGRAM)


def _labels(metric: Metric) -> set[str]:
    return {"job", "le", *metric.labels}


def _matcher(label: str, value: str) -> str:
    operator = "=~" if value.startswith("~") else "="
    return f'{label}{operator}"{value.removeprefix("~")}"'
