"""What the lab stands on: is there room, are the programs there, and how the Debian packages get onto a fresh machine."""
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

from .shell import Fail, run, say, works

GiB = 1 << 30
# measured, with a margin: see the README of the lab
disk_build, disk_modules, disk_go, disk_run = 6 * GiB, 10 * GiB, 12 * GiB, 7 * GiB
memory_build, memory_run = 5 * GiB, 4 * GiB
watches = 1024   # inotify instances; a node with a cluster takes about 15

# what cargo's tests take that need no lab (`tests/run fast`), and what the lab takes beside them
test_packages = ["openssh-client", "openssh-server", "openssl", "busybox", "dash", "mount", "jq", "procps", "gcc", "libc6-dev", "ca-certificates", "curl", "git"]
lab_packages = ["docker.io", "mmdebstrap", "debian-archive-keyring", "dnsmasq-base", "haproxy", "nginx", "libnginx-mod-stream", "keepalived", "socat",
                "libcap2-bin", "iproute2", "etcd-server"]
# installed where the distribution has it (Debian 13 has not); only the story `vagrant` takes it
wished_packages = ["vagrant"]
programs = {"docker": "docker.io", "mmdebstrap": "mmdebstrap", "dnsmasq": "dnsmasq-base", "ssh-keygen": "openssh-client", "openssl": "openssl",
            "gcc": "gcc", "ip": "iproute2", "ssh": "openssh-client"}


def existing(path):
    while not path.exists():
        path = path.parent
    return path


def available_memory(proc=Path("/proc"), groups=Path("/sys/fs/cgroup")):
    """What may still be taken: what the kernel has, or less where this process's cgroup, or one above it, has a limit."""
    told = dict(line.split(":") for line in (proc / "meminfo").read_text().splitlines())
    return min([int(told["MemAvailable"].split()[0]) * 1024, *below_limits(proc, groups)])


def below_limits(proc, groups):
    """What each limit of memory leaves, cgroups of version 1 and 2. What only caches files is given back when it is asked for."""
    for line in (proc / "self" / "cgroup").read_text().splitlines():
        _, kinds, path = line.split(":", 2)
        if not kinds:
            top, limit, usage, cached = groups, "memory.max", "memory.current", "inactive_file"
        elif "memory" in kinds.split(","):
            top, limit, usage, cached = groups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
        else:
            continue
        inner = top / path.lstrip("/")
        # Where a container sees the outer path and its own files only, its limit is that of the top.
        for folder in [f for f in (inner, *inner.parents) if f == top or top in f.parents]:
            try:
                most, taken = (folder / limit).read_text().strip(), int((folder / usage).read_text())
                stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            except OSError:
                continue
            if most != "max":
                yield max(int(most) - taken + int(stat.get(cached, 0)), 0)


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


def is_installed(package):
    return works(["dpkg-query", "-W", package]) and run(["dpkg-query", "-W", "-f", "${Status}", package]).split()[-1:] == ["installed"]


def is_offered(package):
    """Whether the distribution has it, by the lists that are there."""
    return "Candidate: (none)" not in (told := run(["apt-cache", "policy", package])) and "Candidate:" in told


def lacking_packages(wanted):
    lacking = [p for p in wanted if not is_installed(p)]
    if "docker.io" in lacking and shutil.which("dockerd"):
        lacking.remove("docker.io")   # somebody's own Docker is as good
    return lacking


def install(only_tests=False):
    """The Debian packages, without the services that some of them would start by themselves."""
    wanted = test_packages if only_tests else [*test_packages, *lab_packages]
    if not shutil.which("apt-get"):
        raise Fail("this machine is no Debian or Ubuntu", f"install what these packages hold: {' '.join(wanted)}")
    lacking = lacking_packages(wanted)
    wished = [] if only_tests else [p for p in wished_packages if not is_installed(p)]
    if os.geteuid() != 0:
        if lacking:
            raise Fail(f"these packages are missing, and installing them takes root: {' '.join(lacking)}", "sudo tests/lab/lab install")
        wished = []
    if not lacking and not any(map(is_offered, wished)):
        say("all packages are there")
        return
    with services_not_started():
        run(["apt-get", "update", "-qq"])
        if "docker.io" in lacking and is_offered("docker-cli"):
            lacking.append("docker-cli")   # Debian 13 has the engine without its command
        lacking += [p for p in wished if is_offered(p)]
        say(f"installing {' '.join(lacking)}; their services are not started")
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *lacking], env={"DEBIAN_FRONTEND": "noninteractive"})
    say("installed")


@contextmanager
def services_not_started(policy=Path("/usr/sbin/policy-rc.d")):
    """Debian's own switch for it, where nobody has set it."""
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            policy.unlink()
