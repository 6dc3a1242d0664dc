"""Hosts of a test: network namespaces with names and addresses, joined by a bridge.

The addresses are of TEST-NET-1 (RFC 5737), which no machine on a network has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

REQUIRED = set(os.environ.get("DLOGREG_REQUIRE", "").split(","))


def need(name, missing):
    """Skip where a tool is missing; fail if DLOGREG_REQUIRE names it."""
    if missing:
        (pytest.fail if name in REQUIRED else pytest.skip)(f"{name}: {missing}")


def no_namespaces():
    """Say why there can be no network namespaces here; empty if there can."""
    if not shutil.which("ip") or not shutil.which("unshare"):
        return "needs ip and unshare (Debian: iproute2, util-linux)"
    if os.geteuid():
        return "needs root"
    name = f"dlogreg-try-{os.getpid()}"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if tried.returncode:
        return f"no network namespaces: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "delete", name], check=True)
    return ""


def missing_commands(*names):
    """Say which commands are missing; empty if none is."""
    absent = [name for name in names if not shutil.which(name)]
    return f"needs {', '.join(absent)}" if absent else ""


class Hosts:
    """Namespaces h0, h1, ... at 192.0.2.1, 192.0.2.2, ..., while the context lasts."""

    def __init__(self, n):
        self.prefix = f"dlr{os.getpid() % 100000}"
        self.names = [f"h{i}" for i in range(n)]
        self.addresses = {name: f"192.0.2.{i + 1}" for i, name in enumerate(self.names)}
        self._started = []

    def namespace(self, name):
        return f"{self.prefix}{name}"

    def _ip(self, *arguments, name=None):
        where = [] if name is None else ["-n", self.namespace(name)]
        subprocess.run(["ip", *where, *map(str, arguments)], check=True)

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make(self):
        self._ip("netns", "add", self.namespace("sw"))
        self._ip("link", "add", "name", "br0", "type", "bridge", name="sw")
        self._ip("link", "set", "br0", "up", name="sw")
        lines = [f"{address} {name}" for name, address in self.addresses.items()]
        for name, address in self.addresses.items():
            self._ip("netns", "add", self.namespace(name))
            folder = Path("/etc/netns") / self.namespace(name)
            folder.mkdir(parents=True)
            (folder / "hosts").write_text(
                "\n".join(["127.0.0.1 localhost", *lines, ""])
            )
            self._ip("link", "set", "lo", "up", name=name)
            peer = ("peer", "name", name, "netns", self.namespace("sw"))
            self._ip("link", "add", "eth0", "type", "veth", *peer, name=name)
            self._ip("link", "set", name, "master", "br0", "up", name="sw")
            self._ip("address", "add", f"{address}/24", "dev", "eth0", name=name)
            self._ip("link", "set", "eth0", "up", name=name)

    def on(self, name, *command):
        """Return a command line that runs on a host, under its name."""
        enter = ["ip", "netns", "exec", self.namespace(name)]
        rename = f'hostname {name} && exec "$@"'
        return [
            *enter,
            "unshare",
            "--uts",
            "sh",
            "-c",
            rename,
            "sh",
            *map(str, command),
        ]

    def run(self, name, *command, **options):
        """Run a command on a host; what it printed is shown where it fails."""
        options = {"capture_output": True, "text": True, "timeout": 240, **options}
        done = subprocess.run(self.on(name, *command), **options)
        assert done.returncode == 0, f"{done.args[-1]}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, name, *command, **options):
        """Start a command on a host; it is ended with the hosts."""
        started = subprocess.Popen(self.on(name, *command), **options)
        self._started.append(started)
        return started

    def cut(self, name):
        """Pull a host's plug."""
        self._ip("link", "set", name, "down", name="sw")

    def mend(self, name):
        """Put it back."""
        self._ip("link", "set", name, "up", name="sw")

    def __exit__(self, *_):
        for name in [*self.names, "sw"]:
            space = self.namespace(name)
            end_all(space)
            quietly("ip", "netns", "delete", space)
            shutil.rmtree(Path("/etc/netns") / space, ignore_errors=True)
        for started in self._started:
            started.wait(timeout=10)


def end_all(space):
    """End every process in a namespace, at last by force."""
    for attempt in range(40):
        numbers = quietly("ip", "netns", "pids", space).stdout.split()
        if not numbers:
            return
        quietly("kill", "-TERM" if attempt < 20 else "-KILL", *numbers)
        time.sleep(0.1)


def quietly(*command):
    return subprocess.run(command, capture_output=True, text=True)
