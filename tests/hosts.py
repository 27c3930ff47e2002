"""
Three hosts of a test's own: a master's and two workers', joined by virtual cables.

Network namespaces, where the kernel lets this user make them; else two addresses of the loopback.
"""

import subprocess
import time

MASTER = "10.77.0.1"
UNSHARED = ("unshare", "--user", "--map-root-user", "--net")


class Namespaces:
    """Each host is a network namespace, held open by a process that sleeps."""

    address = MASTER

    def __init__(self):
        self._holders = []
        try:
            self._hold(*UNSHARED)
            self._ip(0, "address", "add", f"{MASTER}/32", "dev", "lo")
            self._ip(0, "link", "set", "lo", "up")
            for n in (1, 2):
                self._hold(*self.on(0), "unshare", "--net")
                self._connect(n)
        except BaseException:
            self.close()
            raise

    def _hold(self, *command):
        """Make a host; wait until it has a network of its own: nothing but a loopback."""
        holder = subprocess.Popen([*command, "sleep", "600"], stderr=subprocess.DEVNULL)
        self._holders.append(holder)
        deadline = time.monotonic() + 40
        while self._links(len(self._holders) - 1) != 1:
            if holder.poll() is not None or time.monotonic() > deadline:
                raise OSError("no network namespace can be made")
            time.sleep(0.02)

    def _links(self, host):
        shown = subprocess.run(
            [*self.on(host), "ip", "-o", "link"], capture_output=True, check=False
        )
        return len(shown.stdout.splitlines())

    def _connect(self, n):
        peer = str(self._holders[n].pid)
        self._ip(0, "link", "add", f"to{n}", "type", "veth", "peer", "name", "up0", "netns", peer)
        self._ip(0, "address", "add", f"10.77.{n}.1/30", "dev", f"to{n}")
        self._ip(0, "link", "set", f"to{n}", "up")
        self._ip(n, "link", "set", "lo", "up")
        self._ip(n, "address", "add", f"10.77.{n}.2/30", "dev", "up0")
        self._ip(n, "link", "set", "up0", "up")
        self._ip(n, "route", "add", "default", "via", f"10.77.{n}.1")

    def on(self, host):
        """What a command must begin with to run on a host: 0 the master's, 1 and 2 the workers'."""
        pid = str(self._holders[host].pid)
        return ("nsenter", "--target", pid, "--user", "--net", "--preserve-credentials")

    def _ip(self, host, *arguments):
        subprocess.run([*self.on(host), "ip", *arguments], check=True)

    def close(self):
        for holder in self._holders:
            holder.kill()
            holder.wait()


class Loopback:
    """All on this host, the master at an address of its own."""

    address = "127.0.0.2"

    def on(self, host):
        return ()

    def close(self):
        pass


def three_hosts():
    try:
        return Namespaces()
    except (OSError, subprocess.SubprocessError):
        return Loopback()
