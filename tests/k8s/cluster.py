"""
Pods as processes: what a cluster would start, in a network of its own, until the master has ended.

Run in namespaces of its own (``unshare``): names of Services are put into ``/etc/hosts``, so that
commands, variables and ports can stay what they are.
"""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from socket import create_connection


def main():
    asked = json.load(sys.stdin)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    hosts = Path(asked["folder"]) / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {' '.join(asked['services'])}\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    pods = {name: start(name, asked) for name in asked["pods"]}
    page = scraped(asked["metrics"], asked["shown"])
    codes = {name: pod.wait(150) for name, pod in pods.items() if name != "simulator"}
    pods["simulator"].terminate()
    codes["simulator"] = pods["simulator"].wait(20)
    print(json.dumps({"codes": codes, "metrics": page}))


def start(name, asked):
    pod = asked["pods"][name]
    for command in pod.get("first", ()):
        subprocess.run(command, env=pod["env"], check=True, timeout=60)
    log = (Path(asked["folder"]) / f"{name}.log").open("wb")
    found = subprocess.Popen(
        pod["command"], env=pod["env"], cwd=asked["cwd"], stdout=log, stderr=subprocess.STDOUT
    )
    if "ready" in pod:
        wait_for(lambda: create_connection(("127.0.0.1", pod["ready"])).close() is None)
    return found


def scraped(port, lines):
    """The first page of metrics that has these lines."""

    def page():
        text = page_of(port)
        return text if set(lines) <= set(text.splitlines()) else None

    return wait_for(page)


def page_of(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        return page.read().decode()


def wait_for(condition, limit=60):
    """What ``condition`` gives as soon as it is true, and raises no more."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"nothing within {limit} s")


if __name__ == "__main__":
    main()
