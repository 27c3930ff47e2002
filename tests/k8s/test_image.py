"""The image and the compose file: no container engine runs them here, so their parts are held."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from scraping import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DIGEST = "sha256:[0-9a-f]{64}"
HADOLINT = Path(sys.executable).with_name("hadolint")


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint is missing: make k8s")
def test_hadolint_finds_nothing_in_the_dockerfile():
    done = subprocess.run([HADOLINT, ROOT / "Dockerfile"], stdout=subprocess.PIPE, check=False)

    assert done.returncode == 0, done.stdout


def test_bases_are_slim_and_pinned():
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    assert bases
    for base in bases:
        assert re.fullmatch(rf"python:3\.11\.\d+-slim-\w+@{DIGEST}", base)
    assert len(set(bases)) == 1


def test_the_image_runs_as_the_user_that_manifests_name():
    (user,) = re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE)
    master = yaml.safe_load((ROOT / "k8s/base/master.yaml").read_text())
    security = master["spec"]["template"]["spec"]["securityContext"]

    assert user == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert COMPOSE["services"]["locust"]["user"] == str(security["runAsUser"])


def test_what_is_copied_exists_and_is_not_ignored():
    kept = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    }

    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)


def test_nothing_but_what_is_needed_goes_to_the_builder():
    assert (ROOT / ".dockerignore").read_text().startswith("*\n")


def test_the_installer_is_in_the_lock():
    recipe = r"/^uv==/,/[^\\]$/p"
    assert recipe in DOCKERFILE
    found = subprocess.run(
        ["sed", "-n", recipe, ROOT / "requirements.txt"], capture_output=True, text=True, check=True
    ).stdout

    assert re.match(r"uv==[\d.]+ \\\n", found)
    assert found.count("==") == 1
    assert "--hash=sha256:" in found


def test_the_version_is_that_of_manifests():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    version = re.search(
        r'__version__ = "(.+)"', (ROOT / project["tool"]["hatch"]["version"]["path"]).read_text()
    )[1]
    tags = {
        tag
        for path in (ROOT / "k8s").rglob("*.yaml")
        for tag in re.findall(r"(?:newTag: |image: realtime-harness:)(\S+)", path.read_text())
    }

    assert tags == {version}


def test_images_of_others_are_pinned():
    for name in ("prometheus", "grafana"):
        assert re.fullmatch(rf"[\w/]+:v?\d+\.\d+\.\d+@{DIGEST}", COMPOSE["services"][name]["image"])


def test_what_compose_mounts_is_there():
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (ROOT / source).exists() if "/" in source else source in COMPOSE["volumes"]


def test_services_call_each_other_by_names_and_ports_that_exist():
    services = COMPOSE["services"]
    scraped = yaml.safe_load((ROOT / "dashboards/prometheus/prometheus.yml").read_text())
    (target,) = scraped["scrape_configs"][0]["static_configs"][0]["targets"]
    source = ROOT / "dashboards/grafana/provisioning/datasources/prometheus.yml"
    datasource = yaml.safe_load(source.read_text())["datasources"][0]["url"]

    assert target == "locust:8089"
    assert any(port.endswith(":8089") for port in services["locust"]["ports"])
    assert datasource == "http://prometheus:9090"
    assert "--host=ws://simulator:8765" in services["locust"]["command"]
    assert services["simulator"]["command"][-4:-2] == ["--port", "8765"]
    assert "--master-host=locust" in services["worker"]["command"]


def test_the_simulator_answers_before_anybody_calls_it():
    services = COMPOSE["services"]
    test = services["simulator"]["healthcheck"]["test"]

    assert test[:3] == ["CMD", "python", "-c"]
    assert "http://127.0.0.1:8765/healthz" in test[3]
    assert services["locust"]["depends_on"]["simulator"] == {"condition": "service_healthy"}


def test_a_test_begins_with_all_workers():
    services = COMPOSE["services"]
    workers = services["worker"]["deploy"]["replicas"]

    assert f"--expect-workers={workers}" in services["locust"]["command"]


def test_ports_are_open_to_this_machine_only():
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_grafana_finds_its_dashboards():
    grafana = COMPOSE["services"]["grafana"]
    provider = yaml.safe_load(
        (ROOT / "dashboards/grafana/provisioning/dashboards/realtime.yml").read_text()
    )["providers"][0]
    mounts = dict(volume.split(":")[:2][::-1] for volume in grafana["volumes"])
    folder = ROOT / mounts[provider["options"]["path"]]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]

    assert (folder / Path(home).name).exists()
