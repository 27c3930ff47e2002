"""Rendered manifests as tests look at them."""

from functools import cache

import pytest

from k8s.render import KUBECTL, OVERLAYS, render

__all__ = ["OVERLAYS", "containers", "environment", "find", "needs_kubectl", "pods", "rendered"]

needs_kubectl = pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl is missing: make k8s")

PODS = ("Job", "Deployment")


@cache
def rendered(overlay):
    """The manifests of an overlay."""
    return render(overlay)


def find(manifests, kind, name=None):
    """The one of this kind, and this name; without its hash, as a ConfigMap's name has one."""
    found = [
        m
        for m in manifests
        if m["kind"] == kind and (name is None or m["metadata"]["name"].split("-")[0] == name)
    ]
    assert len(found) == 1, f"{len(found)} × {kind} {name}"
    return found[0]


def pods(manifests):
    """The pod specs of all workloads, by their names."""
    return {
        m["metadata"]["name"]: m["spec"]["template"]["spec"] for m in manifests if m["kind"] in PODS
    }


def containers(manifests):
    """Each workload's only container, by the workload's name."""
    found = {}
    for name, pod in pods(manifests).items():
        (found[name],) = pod["containers"]
    return found


def environment(manifests, container, secrets=None):
    """A container's variables, as the kubelet would set them; of secrets those that are given."""
    maps = {m["metadata"]["name"]: m["data"] for m in manifests if m["kind"] == "ConfigMap"}
    found = {}
    for source in container.get("envFrom", ()):
        found |= maps[source["configMapRef"]["name"]]
    for variable in container.get("env", ()):
        if "value" in variable:
            found[variable["name"]] = variable["value"]
            continue
        key = variable["valueFrom"]["secretKeyRef"]
        value = (secrets or {}).get((key["name"], key["key"]))
        assert value is not None or key.get("optional"), f"{variable['name']} has no value"
        if value is not None:
            found[variable["name"]] = value
    return found
