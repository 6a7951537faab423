"""What the lab stands on: is there room, are the programs there, and how the Debian packages get onto a fresh machine."""
import os
import re
import shutil
from pathlib import Path

from .shell import Fail, run, say, works

GiB = 1 << 30
# measured, with a margin: see the README of the lab
disk_build, disk_modules, disk_go, disk_run = 6 * GiB, 10 * GiB, 12 * GiB, 7 * GiB
memory_build, memory_run = 5 * GiB, 4 * GiB
watches = 1024   # inotify instances; a node with a cluster takes about 15

packages = ["docker.io", "mmdebstrap", "debian-archive-keyring", "dnsmasq-base", "jq", "haproxy", "nginx", "libnginx-mod-stream", "keepalived", "openssh-client",
            "openssh-server", "openssl", "socat", "gcc", "libc6-dev", "libcap2-bin", "git", "ca-certificates", "curl", "iproute2", "procps",
            "etcd-server", "busybox", "dash"]   # the last three for the tests of the rooms, beside the lab
programs = {"docker": "docker.io", "mmdebstrap": "mmdebstrap", "dnsmasq": "dnsmasq-base", "ssh-keygen": "openssh-client", "openssl": "openssl",
            "gcc": "gcc", "ip": "iproute2", "ssh": "openssh-client"}


def existing(path):
    while not path.exists():
        path = path.parent
    return path


def available_memory():
    told = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(told["MemAvailable"].split()[0]) * 1024


def look_at_room(cache, missing, nodes):
    """Say what this takes and refuse below it, before anything is built."""
    go = any(name.startswith("go-") for name in missing)
    needs = {cache: disk_build if missing else 0}
    if nodes:
        needs[cache] += disk_run
    if go:
        for folder, share in zip(run(["go", "env", "GOMODCACHE", "GOCACHE"], cwd="/").split(), (disk_modules, disk_go)):
            there = int(run(["du", "-s", "--block-size=1", folder]).split()[0]) if Path(folder).exists() else 0
            needs[Path(folder)] = needs.get(Path(folder), 0) + max(share - there, GiB)
    devices = {}
    for folder, size in needs.items():
        at = existing(folder)
        devices.setdefault(os.stat(at).st_dev, [at, 0])[1] += size
    memory, has = (memory_build if go else 0, memory_run if nodes else 0), available_memory()
    if not max(memory) and not any(size for _, size in devices.values()):
        return
    told = [f"{size / GiB:.0f} GiB of disk at {at} (free: {shutil.disk_usage(at).free / GiB:.0f})" for at, size in devices.values() if size]
    if max(memory):
        told.append(f"{max(memory) / GiB:.0f} GiB of memory (free: {has / GiB:.0f})")
    say("needs " + ", ".join(told))
    for at, size in devices.values():
        free = shutil.disk_usage(at).free
        if free < size:
            raise Fail(f"the lab needs {size / GiB:.0f} GiB of disk at {at}, and {free / GiB:.1f} are free",
                       "make room, or put the cache elsewhere: COWHAND_LAB_CACHE=/big/lab (and GOMODCACHE, GOCACHE)" if go else "make room, or put the cache elsewhere: COWHAND_LAB_CACHE=/big/lab")
    if has < max(memory):
        raise Fail(f"the lab needs {max(memory) / GiB:.0f} GiB of memory, and {has / GiB:.1f} are free", "end what takes it, or take a larger machine")


def look_at_watches(limit=Path("/proc/sys/fs/inotify/max_user_instances")):
    """Every kubelet, systemd and Docker engine of every node watches files as this machine's root, and the kernel's usual 128 are
    used up by a second lab: then a kubelet ends with `inotify_init: too many open files`."""
    before = int(limit.read_text())
    if before >= watches:
        return
    try:
        limit.write_text(f"{watches}\n")
        say(f"fs.inotify.max_user_instances was {before}, is {watches} until this machine is started again")
    except OSError as error:
        say(f"fs.inotify.max_user_instances is {before} and cannot be raised ({error}): that is enough for one lab, not for two")


def look_at_programs(missing):
    if os.geteuid() != 0:
        raise Fail("the lab makes machines and networks, which takes root", "sudo -E env PATH=\"$PATH\" tests/lab/lab …")
    lacking = sorted({package for program, package in programs.items() if not shutil.which(program)})
    if lacking:
        raise Fail(f"programs of these Debian packages are missing: {' '.join(lacking)}", "tests/lab/lab install")
    if any(name.startswith("go-") for name in missing):
        told = run(["go", "version"], cwd="/") if shutil.which("go") else ""
        version = re.search(r"go(\d+)\.(\d+)", told)
        if not version or (int(version[1]), int(version[2])) < (1, 24):
            raise Fail(f"Go 1.24 or newer has to be in PATH{', there is ' + told if told else ''}",
                       "install it, or let a Go of 1.21 or newer fetch it: GOTOOLCHAIN=go1.26.0")
    if any(name.startswith("cargo-") for name in missing) and not shutil.which("cargo"):
        raise Fail("cargo has to be in PATH: the stand-in for Rancher is built with it", "install Rust, as for cowhand itself")


def install():
    """The Debian packages, without the services that some of them would start by themselves."""
    if os.geteuid() != 0:
        raise Fail("installing packages takes root", "sudo tests/lab/lab install")
    if not shutil.which("apt-get"):
        raise Fail("this machine is no Debian or Ubuntu", f"install what these packages hold: {' '.join(packages)}")
    lacking = [p for p in packages if "installed" not in (run(["dpkg-query", "-W", "-f", "${Status}", p]).split()[-1:] if works(["dpkg-query", "-W", p]) else [])]
    if "docker.io" in lacking and shutil.which("dockerd"):
        lacking.remove("docker.io")   # somebody's own Docker is as good
    if not lacking:
        say("all packages are there")
        return
    say(f"installing {' '.join(lacking)}; their services are not started")
    policy, ours = Path("/usr/sbin/policy-rc.d"), False
    if not policy.exists():
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        ours = True
    try:
        run(["apt-get", "update", "-qq"])
        if "docker.io" in lacking and "docker-cli" in run(["apt-cache", "pkgnames", "docker-cli"]).split():
            lacking.append("docker-cli")   # Debian 13 has the engine without its command
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *lacking], env={"DEBIAN_FRONTEND": "noninteractive"})
    finally:
        if ours:
            policy.unlink()
    say("installed")
