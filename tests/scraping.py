"""A real Prometheus that scrapes a process under test, and the queries of dashboards and rules."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import yaml
from ports import free_port

__all__ = ["RULES", "Prometheus", "boards", "panel_queries", "panels"]

ROOT = Path(__file__).parents[1]
RULES = ROOT / "dashboards" / "prometheus" / "rules.yml"

_STARTS_WITHIN = 60.0  # seconds, on a busy machine


def boards():
    """Every dashboard in the repository."""
    return [
        json.loads(path.read_text())
        for path in sorted((ROOT / "dashboards").rglob("boards/*.json"))
    ]


def panels(board):
    """The panels of a dashboard, rows left out."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def panel_queries():
    """Every query that Grafana would ask, as (whose, expression)."""
    for board in boards():
        for panel in panels(board):
            for target in panel["targets"]:
                yield f"{board['title']} / {panel['title']} / {target['refId']}", target["expr"]
        for annotation in board["annotations"]["list"]:
            yield f"{board['title']} / {annotation['name']}", annotation["expr"]


class Prometheus:
    """Debian's Prometheus on a free port; scrapes ``target`` every second as ``job``."""

    def __init__(self, target, job="realtime-harness"):
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder = Path(tempfile.mkdtemp(prefix="prometheus-"))
        config = {
            "global": {
                "scrape_interval": "1s",
                "scrape_timeout": "1s",
                "evaluation_interval": "1s",
            },
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": job, "static_configs": [{"targets": [target]}]}],
        }
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._process = None

    @contextmanager
    def running(self):
        """From start to stop; its data are gone afterwards."""
        command = [
            "prometheus",
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--log.level=error",
            "--enable-feature=exemplar-storage",
        ]
        self._process = subprocess.Popen(command, env={**os.environ, "GOMAXPROCS": "1"})
        try:
            self._await_ready()
            yield self
        finally:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, expr, start, end, step=1):
        """All values of a range query, as (at, value), series after series."""
        found = self._get("query_range", query=expr, start=start, end=end, step=step)
        return [[(at, float(value)) for at, value in r["values"]] for r in found["result"]]

    def names(self, selector):
        """Names of all series that a selector finds, of any time."""
        return set(self._get("label/__name__/values", **{"match[]": selector}))

    def exemplars(self, expr, start, end):
        """The labels of all exemplars of a query's series."""
        found = self._get("query_exemplars", query=expr, start=start, end=end)
        return [exemplar["labels"] for series in found for exemplar in series["exemplars"]]

    def rules(self):
        """All rules, with the health of each."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, what, **parameters):
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as response:
            answer = json.load(response)
        assert answer["status"] == "success", answer
        return answer["data"]

    def _await_ready(self):
        deadline = time.monotonic() + _STARTS_WITHIN
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):
                    return
            except OSError:
                assert self._process.poll() is None, "Prometheus ended"
                assert time.monotonic() < deadline, "Prometheus did not start"
                time.sleep(0.1)
