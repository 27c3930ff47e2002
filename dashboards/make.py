"""
Write the dashboards, the rules and what carries them into a cluster.

    python -m dashboards.make
    python -m dashboards.make --objective 'ttfa:p99<1s'
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.generator import generator
from dashboards.overview import overview
from dashboards.rules import OBJECTIVE, groups

__all__ = ["files", "main"]

HERE = Path(__file__).parent

_MADE = "# Made by python -m dashboards.make from harness/metrics.py; change the code, not this.\n"


def files(objective: str = OBJECTIVE) -> Iterator[tuple[Path, str]]:
    """
    Every generated file and its text.

    Args:
        objective: What the burn alerts watch, as ``--slo`` writes it.

    Raises:
        ValueError: If buckets can't tell it exactly.

    """
    for board in (overview(), generator()):
        yield HERE / "grafana" / "boards" / f"{board.uid}.json", _json(board)
    rules = groups(objective)
    yield HERE / "prometheus" / "rules.yml", _yaml({"groups": rules})
    yield HERE / "prometheus-rule.yaml", _yaml(_resource(rules))


def main() -> None:
    """Write them all."""
    parser = argparse.ArgumentParser(description="Write dashboards and rules.")
    parser.add_argument(
        "--objective",
        default=OBJECTIVE,
        help="what the burn alerts watch: a percentile under a bound of its buckets; "
        "default: %(default)s",
    )
    try:
        made = list(files(parser.parse_args().objective))
    except ValueError as error:
        parser.error(str(error))
    for path, text in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _resource(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """The same rules for clusters with the Prometheus operator."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "realtime-harness"},
        "spec": {"groups": rules},
    }


def _json(board: object) -> str:
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(board) + "\n"


def _yaml(content: dict[str, Any]) -> str:
    return _MADE + yaml.safe_dump(content, sort_keys=False, width=4096, allow_unicode=True)


if __name__ == "__main__":
    main()
