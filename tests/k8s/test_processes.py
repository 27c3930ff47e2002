"""What the rendered smoke overlay would start in a cluster, started here: it ends with a report."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from manifests import containers, environment, find, needs_kubectl, rendered
from manifests import pods as pod_specs
from scraping import ROOT

NAMESPACES = ("unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork")
ALONE = (*NAMESPACES, "--mount-proc", "--kill-child")
RUN_TIME = "12s"  # in place of minutes; all else is as rendered
RUNNING = ["realtime_users 20.0", 'realtime_workers{state="running"} 2.0']  # as metrics say it


def has_namespaces():
    try:
        tried = subprocess.run([*ALONE, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


pytestmark = [
    pytest.mark.e2e,
    needs_kubectl,
    pytest.mark.skipif(not has_namespaces(), reason="no network namespaces may be made here"),
]


def image_environment():
    """What the image adds to every container, as its Dockerfile says."""
    text = (ROOT / "Dockerfile").read_text().rpartition("FROM ")[2].replace("\\\n", "")
    (line,) = re.findall(r"^ENV (.+)$", text, re.MULTILINE)
    found = dict(pair.split("=", 1) for pair in line.split())
    return found | {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": "/tmp"}


def entrypoint():
    return json.loads(re.search(r"^ENTRYPOINT (.+)$", (ROOT / "Dockerfile").read_text(), re.M)[1])


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The swarm of the smoke overlay, from its start to its end."""
    folder = tmp_path_factory.mktemp("smoke")
    (folder / "results").mkdir()
    manifests = rendered("smoke")
    pods = {}
    for name, container in containers(manifests).items():
        variables = {**image_environment(), **environment(manifests, container)}
        if "LOCUST_RUN_TIME" in variables:
            variables["LOCUST_RUN_TIME"] = RUN_TIME
        command = [*container.get("command", entrypoint()), *container["args"]]
        pod = {
            "command": [mounted(word, folder) for word in command],
            "env": {key: mounted(value, folder) for key, value in variables.items()},
        }
        if waits := pod_specs(manifests)[name].get("initContainers"):
            pod["first"] = [wait["command"] for wait in waits]
        if probe := container.get("readinessProbe"):
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            pod["ready"] = ports[probe["tcpSocket"]["port"]]
        pods |= replicas(manifests, name, pod)
    asked = {
        "folder": str(folder),
        "cwd": str(ROOT),
        "services": [m["metadata"]["name"] for m in manifests if m["kind"] == "Service"],
        "pods": dict(sorted(pods.items(), key=lambda pair: pair[0] != "simulator")),
        "metrics": 9646,
        "shown": RUNNING,
    }
    done = subprocess.run(
        [*ALONE, sys.executable, Path(__file__).with_name("cluster.py")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    logs = "\n".join(path.read_text() for path in sorted(folder.glob("*.log")))
    assert done.returncode == 0, done.stderr + logs
    return folder / "results", json.loads(done.stdout), logs


def mounted(text, folder):
    """The same text, with the volume where this test has it."""
    return text.replace("/results", str(folder / "results"))


def replicas(manifests, name, pod):
    if name != "worker":
        return {name: pod}
    n = find(manifests, "Job", "worker")["spec"]["parallelism"]
    return {f"worker-{i}": pod for i in range(n)}


def test_all_pods_end_by_themselves_and_the_master_with_the_verdict(smoke):
    results, told, logs = smoke
    command = [sys.executable, "-m", "harness", "check", results / "latest"]
    judged = subprocess.run(command, capture_output=True, check=False).returncode

    # So short a run has too few turns for a p95, on a busy machine it may be invalid besides.
    assert told["codes"]["master"] == judged, logs
    assert {name: code for name, code in told["codes"].items() if name != "master"} == {
        "simulator": 0,
        "worker-0": 0,
        "worker-1": 0,
    }
    assert "Traceback" not in logs


def test_a_report_lies_in_the_volume(smoke):
    results, _, _ = smoke
    summary = json.loads((results / "latest" / "summary.json").read_text())

    assert (results / "latest" / "report.html").stat().st_size > 0
    turns = (results / "latest" / "turns.jsonl").read_text().splitlines()
    assert {json.loads(turn)["caller"] for turn in turns} == set(range(1, 21))
    assert summary["outcomes"] == {"completed": summary["turns"]}
    assert len(json.loads((results / "latest" / "run.json").read_text())["anchors"]) == 2


def test_the_master_served_the_metrics_of_the_whole_swarm(smoke):
    _, told, _ = smoke

    assert set(RUNNING) <= set(told["metrics"].splitlines())
    assert "realtime_users_target 20.0" in told["metrics"]
