import re
import shutil
import subprocess
from pathlib import Path

import promql_parser
import pytest
import yaml
from scraping import ROOT, RULES, panel_queries

from dashboards.rules import groups
from dashboards.variables import filled
from harness.metrics import METRICS

promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus"
)
PROMETHEUS = ROOT / "dashboards" / "prometheus"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def all_rules():
    return [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]


@promtool
def test_promtool_accepts_the_rules():
    assert f"{len(all_rules())} rules found" in run("promtool", "check", "rules", str(RULES))


@promtool
def test_promtool_accepts_the_configuration():
    assert "SUCCESS" in run("promtool", "check", "config", str(PROMETHEUS / "prometheus.yml"))


@promtool
def test_alerts_strike_when_they_should_and_only_then():
    assert "SUCCESS" in run(
        "promtool", "test", "rules", str(Path(__file__).with_name("rules_test.yml"))
    )


@promtool
def test_a_run_is_marked_where_it_starts_and_ends_and_not_where_a_scrape_was_missed(tmp_path):
    labels = '{job="j", run="r", target="t"}'
    # Scraped every five seconds from 0:20; once in vain; gone at 2:05.
    values = "_x4 1x9 stale 1x9 stale"
    marks = {"Run started": ["20s"], "Run ended": ["2m5s"]}
    looks = [f"{s // 60}m{s % 60}s" if s >= 60 else f"{s}s" for s in range(5, 600, 5)]
    queries = dict(panel_queries())
    checks = [
        {
            "expr": filled(queries[f"Realtime voice load / {name}"]),
            "eval_time": at,
            "exp_samples": [{"labels": '{run="r", target="t"}', "value": 1}] * (at in times),
        }
        for name, times in marks.items()
        for at in looks
    ]
    series = [{"series": f"realtime_run_info{labels}", "values": values}]
    test = {"interval": "5s", "input_series": series, "promql_expr_test": checks}
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "5s", "tests": [test]}))

    assert "SUCCESS" in run("promtool", "test", "rules", str(file))


def test_every_alert_has_a_test():
    tested = set(
        re.findall(r"alertname: (\w+)", Path(__file__).with_name("rules_test.yml").read_text())
    )

    assert {rule["alert"] for rule in all_rules() if "alert" in rule} == tested


def test_rules_read_metrics_of_the_table_or_what_other_rules_record():
    recorded = {rule["record"] for rule in all_rules() if "record" in rule}
    scraped = {metric.prometheus for metric in METRICS}
    for rule in all_rules():
        promql_parser.parse(rule["expr"])
        for name in re.findall(r"(?:\w+:)*\brealtime_[\w:]+", rule["expr"]):
            assert name in recorded or re.sub(r"_(bucket|count)$", "", name) in scraped, name


def test_a_cluster_gets_the_same_rules():
    resource = yaml.safe_load((ROOT / "dashboards" / "prometheus-rule.yaml").read_text())

    assert resource["spec"] == yaml.safe_load(RULES.read_text())


def test_another_objective_moves_bound_and_budget():
    burn = next(r for r in groups("ttfa_audible:p99<1s")[1]["rules"] if "Burn" in r["alert"])
    missed = next(
        r["expr"] for r in groups("ttfa_audible:p99<1s")[0]["rules"] if "missed" in r["record"]
    )

    assert 'realtime_ttfa_audible_seconds_bucket{le="1.0"}' in missed
    assert "ratio_rate1m > 0.04" in burn["expr"]


@pytest.mark.parametrize("text", ["", "ttfa:p95<0.81s", "ttfa:mean<1s", "turns:failed<1%", "a;b"])
def test_an_objective_that_buckets_cannot_tell_is_refused(text):
    with pytest.raises(ValueError, match=r"objective|percentile"):
        groups(text)


def test_the_data_source_knows_how_often_prometheus_scrapes():
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    source = ROOT / "dashboards/grafana/provisioning/datasources/prometheus.yml"
    (datasource,) = yaml.safe_load(source.read_text())["datasources"]

    assert datasource["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
