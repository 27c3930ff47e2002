import json
import os
import re
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
import yaml
from manifests import OVERLAYS, containers, environment, find, needs_kubectl, pods, rendered
from scraping import ROOT

from harness.durations import parse_duration
from k8s.render import CUSTOM, KUBERNETES, problems

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="it is missing: make k8s")
pytestmark = needs_kubectl

SWARM = {"master", "worker"}
JOBS = ("smoke", "soak", "target-in-cluster", "target-openai")
STAYING = ("autoscale", "interactive")
SECRETS = {
    ("api-key", "OPENAI_REALTIME_API_KEY"): "sk-test",
    ("web-login", "user"): "voice",
    ("web-login", "password"): "secret",
}

every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
every_job = pytest.mark.parametrize("overlay", JOBS)


def load(overlay):
    return find(rendered(overlay), "ConfigMap", "load")["data"]


def test_these_are_all_overlays():
    assert set(OVERLAYS) == {*JOBS, *STAYING}


@every_overlay
@pytest.mark.parametrize("version", [KUBERNETES, kubernetes_validate.latest_version()])
def test_manifests_are_valid_for_old_and_new_clusters(overlay, version):
    for manifest in rendered(overlay):
        if not manifest["apiVersion"].startswith(CUSTOM):
            kubernetes_validate.validate(manifest, version, strict=True)


def test_what_is_wrong_is_found():
    job = find(rendered("smoke"), "Job", "master")
    wrong = {**job, "spec": {**job["spec"], "bakcoffLimit": 0}}

    (problem,) = problems(wrong)
    assert "Job master" in problem
    assert "bakcoffLimit" in problem


@every_overlay
def test_all_live_in_one_namespace(overlay):
    for manifest in rendered(overlay):
        if manifest["kind"] != "Namespace":
            assert manifest["metadata"]["namespace"] == "realtime-load"


@every_overlay
def test_names_of_manifests_are_their_own(overlay):
    names = [(m["kind"], m["metadata"]["name"]) for m in rendered(overlay)]

    assert len(set(names)) == len(names)


@every_overlay
def test_pods_keep_to_the_restricted_pod_security_standard(overlay):
    for pod in pods(rendered(overlay)).values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}


@every_overlay
def test_cpu_is_asked_for_and_never_throttled(overlay):
    for container in containers(rendered(overlay)).values():
        assert container["resources"]["requests"]["cpu"] == "1"
        assert "memory" in container["resources"]["limits"]
        assert "cpu" not in container["resources"]["limits"]


@every_overlay
def test_images_are_pinned(overlay):
    for container in containers(rendered(overlay)).values():
        assert re.fullmatch(r"realtime-harness:\d+\.\d+\.\d+", container["image"])


@every_overlay
def test_keys_come_from_secrets_and_only_to_those_who_dial(overlay):
    manifests = rendered(overlay)
    for name, container in containers(manifests).items():
        for variable in container.get("env", ()):
            if re.search("KEY|PASSWORD|TOKEN", variable["name"]):
                assert "secretKeyRef" in variable["valueFrom"]
        given = environment(manifests, container, SECRETS)
        assert ("OPENAI_REALTIME_API_KEY" in given) == (name == "worker")


@every_overlay
def test_the_secret_may_hold_a_key_of_azure(overlay):
    azure = {("api-key", "AZURE_OPENAI_API_KEY"): "az-test", **SECRETS}
    manifests = rendered(overlay)

    assert (
        environment(manifests, containers(manifests)["worker"], azure)["AZURE_OPENAI_API_KEY"]
        == "az-test"
    )


def test_a_worker_keeps_what_it_could_not_ship_where_it_may_write():
    worker = containers(rendered("smoke"))["worker"]

    assert "--run-dir=/tmp" in worker["args"]
    assert "/tmp" in {mount["mountPath"] for mount in worker["volumeMounts"]}


def test_callers_of_a_worker_that_left_a_soak_go_on_elsewhere():
    assert "--enable-rebalancing" in containers(rendered("soak"))["master"]["args"]


def test_without_its_key_no_worker_of_a_paid_target_starts():
    worker = containers(rendered("target-openai"))["worker"]

    with pytest.raises(AssertionError, match="OPENAI_REALTIME_API_KEY has no value"):
        environment(rendered("target-openai"), worker)


@every_job
def test_workers_are_as_many_as_the_master_expects_and_none_may_be_evicted(overlay):
    manifests = rendered(overlay)
    expected = int(load(overlay)["LOCUST_EXPECT_WORKERS"])
    worker = find(manifests, "Job", "worker")["spec"]

    assert worker["parallelism"] == worker["completions"] == expected
    assert find(manifests, "PodDisruptionBudget", "worker")["spec"]["minAvailable"] == expected
    assert find(manifests, "PodDisruptionBudget", "master")["spec"]["minAvailable"] == 1


def test_an_interactive_swarm_has_as_many_workers_as_it_says():
    manifests = rendered("interactive")
    expected = int(load("interactive")["LOCUST_EXPECT_WORKERS"])

    assert find(manifests, "Deployment", "worker")["spec"]["replicas"] == expected


@every_job
def test_a_test_is_never_run_twice_and_never_goes_on_for_ever(overlay):
    manifests = rendered(overlay)
    run_time = parse_duration(load(overlay)["LOCUST_RUN_TIME"])
    for name in SWARM:
        job = find(manifests, "Job", name)["spec"]
        assert job["activeDeadlineSeconds"] >= run_time + 600
        assert job["template"]["spec"]["restartPolicy"] == "Never"
    assert find(manifests, "Job", "master")["spec"]["backoffLimit"] == 0


@every_job
def test_a_pod_has_time_to_hear_its_calls_out(overlay):
    stop_timeout = parse_duration(load(overlay)["LOCUST_STOP_TIMEOUT"])
    for name, pod in pods(rendered(overlay)).items():
        if name in SWARM:
            assert pod["terminationGracePeriodSeconds"] > stop_timeout + 15


@every_overlay
def test_services_and_policies_select_pods_that_exist(overlay):
    manifests = rendered(overlay)
    labels = [
        m["spec"]["template"]["metadata"]["labels"]
        for m in manifests
        if m["kind"] in ("Job", "Deployment")
    ]
    selectors = [m["spec"]["selector"] for m in manifests if m["kind"] == "Service"]
    selectors += [
        m["spec"]["podSelector"]["matchLabels"] for m in manifests if m["kind"] == "NetworkPolicy"
    ]
    selectors += [
        m["spec"]["selector"]["matchLabels"]
        for m in manifests
        if m["kind"] in ("PodDisruptionBudget", "PodMonitor")
    ]

    assert len(selectors) >= 6
    for selector in selectors:
        assert sum(selector.items() <= found.items() for found in labels) == 1, selector


@every_overlay
def test_workers_may_call_their_target_and_nobody_else(overlay):
    host = urlsplit(load(overlay)["LOCUST_HOST"])
    policy = find(rendered(overlay), "NetworkPolicy", "target")["spec"]
    (rule,) = policy["egress"]

    assert rule["to"]
    assert rule["ports"] == [{"port": host.port or 443}]


@every_overlay
def test_the_swarm_talks_on_ports_that_policies_let_through(overlay):
    manifests = rendered(overlay)
    allowed = {
        port["port"]
        for policy in manifests
        if policy["kind"] == "NetworkPolicy"
        for rule in policy["spec"].get("ingress", ())
        for port in rule["ports"]
    }
    served = {
        port["containerPort"]
        for container in containers(manifests).values()
        for port in container.get("ports", ())
    }

    assert served == allowed


PARSE = """
import json, os, sys
from locust.argument_parser import get_parser
from harness.swarm import RealtimeUser
for arguments, variables in json.load(sys.stdin):
    os.environ.update(variables)
    parser = get_parser()
    options = {name: str(value) for name, value in vars(parser.parse_args(arguments)).items()}
    for name in variables:
        del os.environ[name]
    read = [action.env_var for action in parser._actions if getattr(action, "env_var", None)]
    print(json.dumps([options, read]))
"""


@pytest.fixture(scope="module")
def parsed():
    """What Locust makes of each master's and worker's command, and the variables that it reads."""
    asked, given = [], []
    for overlay in OVERLAYS:
        manifests = rendered(overlay)
        for name in sorted(SWARM):
            container = containers(manifests)[name]
            asked.append((overlay, name))
            given.append((container["args"], environment(manifests, container, SECRETS)))
    done = subprocess.run(
        [sys.executable, "-c", PARSE],
        input=json.dumps(given),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if not k.startswith(("LOCUST_", "REALTIME_"))},
        cwd=ROOT,
    )
    return dict(zip(asked, map(json.loads, done.stdout.splitlines()), strict=True))


@every_overlay
def test_commands_and_variables_mean_what_they_should_to_locust(overlay, parsed):
    master, worker = (parsed[overlay, name][0] for name in ("master", "worker"))

    assert (master["master"], worker["worker"]) == ("True", "True")
    assert master["host"] == load(overlay)["LOCUST_HOST"]
    assert master["slo"] == worker["slo"] == "ttfa:p95<0.8s"
    assert worker["master_host"] == "master"
    assert master["metrics_port"] == "9646"
    assert master["autostart"] == str(overlay in JOBS)
    assert master["web_login"] == str(overlay in STAYING)


@every_overlay
def test_every_variable_is_one_that_somebody_reads(overlay, parsed):
    manifests = rendered(overlay)
    others = {"OPENAI_REALTIME_API_KEY", "LOCUST_WEB_USER", "LOCUST_WEB_PASSWORD"}
    for name in SWARM:
        given = environment(manifests, containers(manifests)[name], SECRETS)
        assert given.keys() <= {*parsed[overlay, name][1], *others}


@pytest.mark.parametrize("overlay", [o for o in OVERLAYS if o.startswith("target") or o == "soak"])
def test_the_master_is_scraped_and_dashboards_and_rules_come_along(overlay):
    manifests = rendered(overlay)
    monitor = find(manifests, "PodMonitor")["spec"]
    (boards,) = (
        m
        for m in manifests
        if m["kind"] == "ConfigMap" and m["metadata"]["labels"].get("grafana_dashboard") == "1"
    )

    (endpoint,) = monitor["podMetricsEndpoints"]
    ports = {port["name"] for port in containers(manifests)["master"]["ports"]}
    assert endpoint["port"] in ports
    assert monitor["selector"]["matchLabels"]["app.kubernetes.io/component"] == "master"
    for name in ("realtime-overview.json", "realtime-generator.json"):
        source = ROOT / "dashboards" / "grafana" / "boards" / name
        assert json.loads(boards["data"][name]) == json.loads(source.read_text())
    rules = yaml.safe_load((ROOT / "dashboards/prometheus/rules.yml").read_text())
    assert find(manifests, "PrometheusRule")["spec"] == rules


@pytest.mark.parametrize("overlay", ["smoke", *STAYING])
def test_a_simulator_in_the_cluster_needs_no_operator(overlay):
    assert not [m for m in rendered(overlay) if m["apiVersion"].startswith(CUSTOM)]


def test_an_autoscaler_only_adds_workers_and_they_get_callers():
    manifests = rendered("autoscale")

    scaler = find(manifests, "HorizontalPodAutoscaler")["spec"]
    assert scaler["behavior"]["scaleDown"] == {"selectPolicy": "Disabled"}
    assert scaler["scaleTargetRef"]["name"] == "worker"
    assert "replicas" not in find(manifests, "Deployment", "worker")["spec"]
    assert "--enable-rebalancing" in containers(manifests)["master"]["args"]


def test_dashboards_fit_a_config_map():
    boards = ROOT.joinpath("dashboards/grafana/boards").glob("*.json")

    # Of the MiB that the API server takes; kubectl apply keeps a copy in an annotation of 256 KiB.
    assert sum(path.stat().st_size for path in boards) < 256 * 1024
