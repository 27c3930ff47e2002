"""A run's objectives as JUnit XML, as CI systems read it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from harness.report import words
from harness.verdict import failures, unproven

__all__ = ["write_junit"]

Case = tuple[str, bool | None, str]  # its name, whether it is met, what was reached


def write_junit(path: Path, summary: Mapping[str, Any]) -> None:
    """
    A test case for the verdict, and one for each objective or, without any, for failures.

    A missed objective is a failure; one that can't be decided, or a run that proves nothing, an
    error.
    """
    cases = [_verdict(summary), *(_objectives(summary) or [_failures(summary)])]
    states = [met for _, met, _ in cases]
    suite = ET.Element(
        "testsuite",
        name="realtime-harness",
        time=f"{summary['duration_s']:.3f}",
        tests=str(len(cases)),
        failures=str(states.count(False)),
        errors=str(states.count(None)),
    )
    for name, met, text in cases:
        case = ET.SubElement(suite, "testcase", classname=str(summary["run"]), name=name)
        if met is not True:
            ET.SubElement(case, "error" if met is None else "failure", message=text)
    ET.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def _verdict(summary: Mapping[str, Any]) -> Case:
    reason = unproven(summary)
    return "verdict", None if reason else True, reason or ""


def _objectives(summary: Mapping[str, Any]) -> list[Case]:
    return [
        (
            each["objective"],
            each["met"],
            words.objective_value(each["objective"], each["value"], each["met"]),
        )
        for each in summary["slo"]
    ]


def _failures(summary: Mapping[str, Any]) -> Case:
    turns, sessions = failures(summary)
    text = f"{turns} turns and {sessions} sessions failed"
    return "no turn or session failed", not (turns or sessions), text
