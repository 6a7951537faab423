#!/usr/bin/env python3
"""A thousand endpoints on loopback, each an address of its own that leads to a real sshd, looked at by one `cowhand check`.

  tests/bench/many.py COUNT    what one check of COUNT endpoints takes; COWHAND names the binary

What is measured is the client's work (processor time of cowhand and of the ssh programs that it asks) and its memory. What the
sessions answer is captured (tests/data/facts), so that the servers, which share this machine, have little to do."""
import getpass
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

checkout = Path(__file__).resolve().parent.parent.parent
FACTS = checkout / "tests" / "data" / "facts" / "debian-12.txt"

# A machine-id and a host name of its own for each endpoint, as machines have that are no clones.
ANSWER = f'id=$(echo "$SSH_CONNECTION" | cut -d" " -f3 | md5sum | cut -c1-32); sed "s/^machine-id .*/machine-id $id/; s/^hostname .*/hostname h$id/" {FACTS}'


def loopback(number):
    """Another address of loopback for each endpoint."""
    return f"127.10.{number // 250}.{number % 250 + 1}"


class Endpoints:
    """Listens on all the addresses and gives every connection to an sshd of its own."""

    def __init__(self, folder, count):
        self.folder, self.count = folder, count
        for name in ("id", "host"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        config = folder / "sshd_config"
        config.write_text(
            f"HostKey {folder / 'host'}\nAuthorizedKeysFile {folder / 'id.pub'}\nPidFile none\nStrictModes no\nUsePAM no\n"
            f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nForceCommand {ANSWER}\n")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.port = free_port()
        self.pid = os.fork()
        if self.pid == 0:
            serve([(loopback(number), self.port) for number in range(count)], ["/usr/sbin/sshd", "-i", "-f", config])
        end = time.monotonic() + 60
        while not self.listens():
            assert time.monotonic() < end, "the endpoints do not listen"
            time.sleep(0.1)

    def listens(self):
        with socket.socket() as last:
            return last.connect_ex((loopback(self.count - 1), self.port)) == 0

    def inventory(self):
        key = " ".join((self.folder / "host.pub").read_text().split()[:2])
        (self.folder / "known_hosts").write_text("".join(f"[{loopback(n)}]:{self.port} {key}\n" for n in range(self.count)))
        (self.folder / "config").write_text("IdentityAgent none\n")
        nodes = "".join(
            f"- {{address: 10.1.{n // 250}.{n % 250 + 1}, docker_socket: /nowhere, ssh: {{host: {loopback(n)}}}{', roles: [worker]' if n > 2 else ''}}}\n"
            for n in range(self.count))
        file = self.folder / "inventory.yml"
        file.write_text(
            f"name: many\nssh: {{user: {getpass.getuser()}, port: {self.port}, identity_file: id, known_hosts: known_hosts, config: config, connect_timeout: 2m}}\n"
            f"nodes:\n{nodes}engine: {{rke: {{kubernetes: v1.32.2-rancher1-1}}}}\n"
            "rancher: {hostname: rancher.example.com, version: 2.11.3, tls: {mode: ingress, issuer: ca}}\n")
        return file

    def end(self):
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def serve(places, words):
    """In a process of its own, until it is ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192) if hard > 0 else 8192, hard))
    waiting = selectors.DefaultSelector()
    for place in places:
        listener = socket.create_server(place, backlog=16)
        waiting.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            connection, _ = key.fileobj.accept()
            with connection:
                subprocess.Popen(words, stdin=connection, stdout=connection, stderr=subprocess.DEVNULL)


def looked_at(cowhand, count):
    """One check of `count` endpoints: seconds of client work, seconds that passed, MB of memory. All have to be judged."""
    with tempfile.TemporaryDirectory(prefix="cowhand-many-") as folder:
        endpoints = Endpoints(Path(folder), count)
        try:
            inventory = endpoints.inventory()
            with open(Path(folder) / "told", "w+b") as told, open(Path(folder) / "said", "w+b") as said:
                began = time.perf_counter()
                child = subprocess.Popen([cowhand, "check", "--output", "json", "-i", inventory], stdout=told, stderr=said, cwd=folder)
                _, _, used = os.wait4(child.pid, 0)
                took = time.perf_counter() - began
                told.seek(0)
                findings = [e["finding"] for e in map(json.loads, told) if e["event"] == "finding"]
                said.seek(0)
                reached = [f for f in findings if f["check"] == "ssh.reachable" and f["verdict"] == "pass"]
                missed = [f for f in findings if f["check"] == "ssh.reachable" and f["verdict"] != "pass"][:1]
                assert len(reached) == count, f"{len(reached)} of {count} were reached; {missed} {said.read(2000)}"
        finally:
            endpoints.end()
    return used.ru_utime + used.ru_stime, took, used.ru_maxrss / 1024


def many(cowhand, table, target):
    """Rows of the benchmark: the work for a thousand, held against ten times that for a hundred."""
    hundred, _, _ = looked_at(cowhand, 100)
    thousand, took, memory = looked_at(cowhand, 1000)
    table.add(f"`check`, 1,000 endpoints, work ({took:.0f} s passed)", thousand, "10 x 100 endpoints", 10 * hundred, target(1.2))
    table.add("the same, of 60 s", thousand, "10 x 100 endpoints", 10 * hundred, target(60, "s"))
    table.add("the same, memory", memory, "a limit of 150 MiB", 150, target(150, "MB"))


if __name__ == "__main__":
    work, took, memory = looked_at(os.environ["COWHAND"], int(sys.argv[1]))
    print(f"{sys.argv[1]} endpoints: {work:.1f} s of work in {took:.1f} s, {memory:.0f} MiB")
