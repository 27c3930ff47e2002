"""Grafana's variables in queries and legends, filled in without Grafana."""

import re
from collections.abc import Mapping

__all__ = ["filled", "named"]

DEFAULTS = {
    "__rate_interval": "20s",
    "__interval": "5s",
    "__range": "15m",
    "bound": "0.8",
    "before": "1d",
    **dict.fromkeys(("job", "scenario", "model", "worker"), ".+"),
}

_VARIABLE = re.compile(r"\$(\w+)")
_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def filled(text: str, **values: str) -> str:
    """
    A query or a title with its variables filled in; all are chosen where nothing is.

    Raises:
        KeyError: If it has a variable that no dashboard has.

    """
    known = DEFAULTS | values
    return _VARIABLE.sub(lambda match: known[match[1]], text)


def named(legend: str, labels: Mapping[str, str]) -> str:
    """A result's name by its panel's legend."""
    return _LABEL.sub(lambda match: labels.get(match[1], ""), legend)
