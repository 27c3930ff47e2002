"""
Render every overlay and validate it, offline.

    python -m k8s.render            # one line an overlay; what is wrong with it, if anything
    python -m k8s.render soak       # its manifests, as kubectl apply would get them
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

__all__ = ["OVERLAYS", "main", "problems", "render"]

HERE = Path(__file__).parent
KUBECTL = Path(sys.executable).with_name("kubectl")

KUBERNETES = "1.33"
"""The oldest version that has all fields used here for good: podFailurePolicy's FailIndex."""

OVERLAYS = tuple(sorted(path.name for path in (HERE / "overlays").iterdir()))
CUSTOM = "monitoring.coreos.com/"
"""Resources of an operator: the cluster's own schemas don't know them."""

Manifest = dict[str, Any]


def render(overlay: str) -> list[Manifest]:
    """The manifests of an overlay."""
    return list(yaml.safe_load_all(_render_text(overlay)))


def problems(manifest: Manifest) -> Iterator[str]:
    """What the API server would refuse in a manifest, unknown fields included."""
    # It loads all schemas' code: only who validates needs it.
    import kubernetes_validate as kubernetes

    if manifest["apiVersion"].startswith(CUSTOM):
        return
    try:
        kubernetes.validate(manifest, KUBERNETES, strict=True)
    except (kubernetes.ValidationError, kubernetes.InvalidSchemaError) as error:
        yield f"{_name(manifest)}: {getattr(error, 'message', error)}"


def main(arguments: list[str]) -> int:
    """Print manifests, or check them all; the exit code."""
    if arguments:
        print(_render_text(arguments[0]), end="")
        return 0
    wrong = 0
    for overlay in OVERLAYS:
        manifests = render(overlay)
        found = [problem for manifest in manifests for problem in problems(manifest)]
        print(f"{overlay:20} {len(manifests)} manifests, {'valid' if not found else 'INVALID'}")
        print(*(f"  {problem}\n" for problem in found), sep="", end="")
        wrong += len(found)
    return 1 if wrong else 0


def _render_text(overlay: str) -> str:
    command = [KUBECTL, "kustomize", HERE / "overlays" / overlay]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _name(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
