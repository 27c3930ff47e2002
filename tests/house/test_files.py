"""What every file of the repository must and must not hold."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked(*patterns):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_locked_requirements_name_no_address():
    for path in tracked("*requirements*.txt"):
        assert not re.search(r"https?://|file:|--index-url|--find-links", path.read_text())


def test_every_requirement_is_pinned_with_a_hash():
    lines = (ROOT / "requirements.txt").read_text().replace("\\\n", " ").splitlines()
    pinned = [line for line in lines if line and not line.lstrip().startswith("#")]

    assert len(pinned) > 50
    assert all("==" in line and "--hash=sha256:" in line for line in pinned)


def test_every_target_of_the_makefile_is_explained():
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split())
    explained = set(re.findall(r"^(\w[\w-]*):.*## ", text, re.MULTILINE))

    assert phony - {"help"} <= explained


def test_lines_of_the_makefile_set_up_the_environment_first():
    text = (ROOT / "Makefile").read_text()

    for target in ("demo", "test", "check", "bench"):
        assert re.search(rf"^{target}: \.venv/ready\b", text, re.MULTILINE)
