"""A module of this package at work in a child process, where heavy work holds up no call."""

from __future__ import annotations

import subprocess
import sys

__all__ = ["ChildError", "run_module"]


class ChildError(RuntimeError):
    """The child failed; the last line of what it complained of."""


def run_module(module: str, *arguments: str, message: bytes = b"", limit: float = 600.0) -> bytes:
    """
    Run ``python -m module``, as a greenlet where Locust patched ``subprocess``, and wait for it.

    Args:
        module: Its name, ``harness.voice``.
        arguments: Of the command.
        message: What it reads from stdin.
        limit: Seconds it may take.

    Returns:
        What it wrote to stdout.

    Raises:
        ChildError: If it took too long or did not exit with 0.

    """
    try:
        child = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            input=message,
            capture_output=True,
            timeout=limit,
            check=False,
            start_new_session=True,  # Ctrl-C is the caller's to handle
        )
    except subprocess.TimeoutExpired:
        raise ChildError(f"{module} took more than {limit:g} s") from None
    if child.returncode:
        lines = child.stderr.decode(errors="replace").split("\n")
        said = [line for line in lines if line.strip()] or [f"exit code {child.returncode}"]
        raise ChildError(f"{module} failed: {said[-1].strip()}")
    return child.stdout
