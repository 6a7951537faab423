"""The Docker engine of the outer machine: the one that answers, or one of the lab's own.

Our own engine has its socket, its data and everything else in the cache, no bridge of its own and no firewall rules, so that it
disturbs no other engine and leaves nothing behind. It belongs to all labs of the cache; the last one to go ends it.
"""
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

from .recipe import remove
from .settings import here, locked
from .shell import Fail, end_process, process_is, run, say, wait_until, works


class Engine:
    def __init__(self, cache):
        self.cache = cache
        self.folder = cache / "engine"
        self.socket = f"unix://{self.folder}/docker.sock"
        self.pidfile = self.folder / "pid"
        self.choice = os.environ.get("LAB_ENGINE", "auto")
        if self.choice not in ("auto", "own", "found"):
            raise Fail(f"LAB_ENGINE is `{self.choice}`", "LAB_ENGINE=auto (a found one, else our own), own, or found")

    def lock(self):
        return locked(self.cache / "locks" / "engine")

    @property
    def own_runs(self):
        try:
            return process_is(int(self.pidfile.read_text()), str(self.folder))
        except (FileNotFoundError, ValueError):
            return False

    def host(self):
        """DOCKER_HOST of the engine to talk to, or None for the one that answers without being told."""
        if self.choice != "found" and self.own_runs:
            return self.socket
        return os.environ.get("DOCKER_HOST")

    def docker(self, *words, **how):
        return run(["docker", *words], env=self.environment(), **how)

    def words(self, *words):
        """The command line for those who start it themselves."""
        host = self.host()
        return ["docker", *(["--host", host] if host else []), *words]

    def environment(self):
        host = self.host()
        return {"DOCKER_HOST": host} if host else {}

    def works(self, *words):
        return works(self.words(*words))

    def answers(self):
        return self.works("info")

    def start(self):
        """Make an engine answer; call it with the lock held."""
        if self.own_runs and self.choice != "found":
            wait_until("an answer of the lab's engine", 60, self.answers)
            return
        if self.choice != "own" and self.answers():
            say(f"engine: the one that answers{' at ' + os.environ['DOCKER_HOST'] if os.environ.get('DOCKER_HOST') else ''}")
            return
        if self.choice == "found":
            raise Fail("no Docker engine answers, and LAB_ENGINE=found", "start it, or let the lab start its own: LAB_ENGINE=own")
        self._start_own()

    def _start_own(self):
        dockerd = shutil.which("dockerd")
        if not dockerd:
            raise Fail("there is no Docker on this machine", "tests/lab/lab install")
        self._sweep()
        self.folder.mkdir(parents=True, exist_ok=True)
        config = {"bridge": "none", "iptables": False, "ip6tables": False, "ip-forward": False, "userland-proxy": False, "ip-masq": False,
                  "exec-opts": ["native.cgroupdriver=cgroupfs"], "cgroup-parent": self._cgroup(), "storage-driver": "overlay2"}
        if not full_bounding_set():
            runtime, script = self.folder / "runc", self.folder / "outer-runc.py"
            # A copy: the engine may outlive the checkout that started it.
            script.write_text((here / "engine" / "outer-runc.py").read_text())
            runtime.write_text(f'#!/bin/sh\nexec {Path(sys.executable).resolve()} -I {script} "$@"\n')
            runtime.chmod(0o755)
            config.update({"runtimes": {"lab": {"path": str(runtime)}}, "default-runtime": "lab"})
            say("engine: the bounding set of this machine is not full; containers get what is there")
        (self.folder / "daemon.json").write_text(json.dumps(config))
        with open(self.folder / "log", "ab") as log:
            subprocess.Popen([dockerd, "--config-file", self.folder / "daemon.json", "--host", self.socket, "--pidfile", self.pidfile,
                              "--data-root", self.folder / "data", "--exec-root", self.folder / "exec"],
                             stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/")
        try:
            wait_until("an answer of the lab's engine", 60, lambda: self.own_runs and self.answers())
        except Fail:
            tail = (self.folder / "log").read_text(errors="replace").splitlines()[-8:]
            self.stop()
            raise Fail("the lab's own Docker engine did not come up:" + "".join(f"\n    {line[:300]}" for line in tail),
                       f"read {self.folder}/log; a machine without cgroups or overlayfs cannot hold the lab")
        say(f"engine: started our own, {self.socket}")

    def _cgroup(self):
        """A cgroup of this cache's own, so that what the engine leaves there can be found and removed."""

        return f"/cowhand-lab-{zlib.crc32(str(self.cache).encode()):08x}"

    def stop(self):
        """End our own engine, with everything it left on the machine except the images in the cache."""
        end_process(self.pidfile, str(self.folder))
        self._sweep()

    def _sweep(self):
        """What an engine that did not end by itself leaves: its containers, its containerd, mounts, sockets, empty cgroups."""
        end_process(self.folder / "exec" / "containerd" / "containerd.pid", str(self.folder))
        wait_until("the end of what a dead engine left", 30, self._kill_left)
        with open("/proc/self/mounts") as mounts:
            below = [line.split()[1] for line in mounts if line.split()[1].startswith(f"{self.folder}/")]
        for mount in sorted(below, reverse=True):
            works(["umount", "--lazy", mount])
        for name in ("exec", "docker.sock", "pid", "runc", "daemon.json"):
            remove(self.folder / name)
        for group in self._cgroups():
            works(["rmdir", group])
        for folder in ("/run/docker/plugins", "/run/docker", "/run/containerd/s", "/run/containerd"):
            works(["rmdir", folder])   # an engine makes them wherever its own folder is; only when nothing is in them

    def _cgroups(self):
        """The folders of our cgroup in every hierarchy, the inner ones first."""
        for top in [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*")]:
            for folder, _, _ in os.walk(f"{top}{self._cgroup()}", topdown=False):
                yield Path(folder)

    def _kill_left(self):
        """End, by their ids, the processes in our cgroup and the shims that serve our engine; true when there is none."""
        left = set()
        for group in self._cgroups():
            try:
                left.update(int(pid) for pid in (group / "cgroup.procs").read_text().split())
            except OSError:   # it ended meanwhile
                pass
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.path.basename(words[0]).startswith(b"containerd-shim") and f"{self.folder}/exec/containerd/containerd.sock".encode() in words:
                left.add(int(process.name))
        for pid in left:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        return not left or f"{len(left)} processes"


def full_bounding_set():
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    status = Path("/proc/self/status").read_text()
    bounding = int(next(line for line in status.splitlines() if line.startswith("CapBnd")).split()[1], 16)
    return bounding & ((1 << (last + 1)) - 1) == (1 << (last + 1)) - 1
