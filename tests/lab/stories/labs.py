"""Labs side by side: a second one beside the present, a third one killed in the middle of its `up`, and what `down` leaves of both.

The present lab must not notice; of the others nothing may stay but what was built."""
import json
import os
import re
import signal
import time
from pathlib import Path

from .scene import until


# --- what is asked of the scene
def lab(s, name, *words, code=0, subnet="", limit=300):
    """A command on the lab of that name; this story's own environment is that of the present one."""
    return s.run(s.lab_command, "--name", name, *words, env={"LAB_SUBNET": subnet}, limit=limit).must(code)


def docker(s, *words):
    return s.run("docker", *words).must().out


def status(s, name, code=0):
    return json.loads(lab(s, name, "status", "--json", code=code).out)


def machines(s, name):
    """Every container of a lab: its name -> what tells it from another one of that name."""
    ids = docker(s, "ps", "-aq", "--no-trunc", "--filter", f"label=cowhand.lab={name}").split()
    if not ids:
        return {}
    asked = s.run("docker", "inspect", *ids)
    # A helper that was listed may have ended meanwhile; docker tells of the others all the same.
    wrong = [line for line in asked.err.splitlines() if "No such object" not in line]
    assert not wrong, asked
    told = json.loads(asked.out)
    return {one["Name"].lstrip("/"): one for one in told}


def same(one):
    return one["Id"], one["State"]["StartedAt"], one["State"]["Pid"], one["State"]["Status"], one["RestartCount"]


def folder(s, name):
    return Path(s.environment["LAB_RUN"]).parent / name


def traces(s, name, subnet):
    """Whatever on this machine carries the lab's name or stands on its network."""
    links = s.run("ip", "-o", "link").must().out.splitlines()
    routes = s.run("ip", "-o", "-4", "route").must().out.splitlines()
    place, found = f"{folder(s, name)}/", []
    found += [f"link: {line}" for line in links if re.search(rf"\bcw-{name}\b", line)]
    found += [f"route: {line}" for line in routes if re.search(rf"\bcw-{name}\b", line) or line.startswith(subnet)]
    found += [f"mount: {line}" for line in Path("/proc/self/mounts").read_text().splitlines() if place in line]
    found += [f"container: {one}" for one in machines(s, name)]
    found += [f"container: {one}" for one in docker(s, "ps", "-a", "--format", "{{.Names}}").split() if re.fullmatch(rf"{name}([123]|jump|lb[12])", one)]
    found += [f"network: {one}" for one in docker(s, "network", "ls", "--format", "{{.Name}}").split() if one == name]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if place in words or f"--hostname {name}" in words:
            found.append(f"process: {process.name} {words[:120]}")
    return found + [f"file: {path}" for path in [folder(s, name)] if path.exists()]


def held(s, name):
    """What a lab's machines hold that bears no name: their volumes, and the first process of each with the time of its birth."""
    there = machines(s, name).values()
    volumes = {mount["Name"] for one in there for mount in one["Mounts"] if mount["Type"] == "volume"}
    return volumes, {(one["State"]["Pid"], born(one["State"]["Pid"])) for one in there if one["State"]["Pid"]}


def born(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def logs_in(s, name, node, address):
    """A login by the lab's own files, to the machine of its own name at its own address."""
    words = ["ssh", "-F", folder(s, name) / "ssh_config", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", node]
    done = s.run(*words, "hostname; hostname -I; docker info -f '{{.ServerVersion}}'", limit=60).must()
    told = done.out.split()
    assert told[0] == node and address in told, f"{node}: {done}"


def all_is_well(s, name):
    told = status(s, name)
    assert told["fine"] and told["dns"] and len(told["machines"]) == 4, told
    for one in told["machines"]:
        if one["role"] == "node":
            logs_in(s, name, one["name"], one["address"])
    return told


# --- the steps
def one_lab_is_there(s):
    s.lab("up")
    s.use_lab()
    s.first = s.environment["LAB_NAME"]
    s.second, s.third = (s.first[:11] + letter for letter in "bc")
    for name in (s.second, s.third):
        lab(s, name, "down")   # of a telling that failed
    s.subnets = {s.first: all_is_well(s, s.first)["subnet"]}
    s.machines = {name: same(one) for name, one in machines(s, s.first).items()}
    s.network = docker(s, "network", "inspect", "-f", "{{.Id}}", s.first)
    s.dns = (folder(s, s.first) / "dns.pid").read_text()
    s.keys = (folder(s, s.first) / "known_hosts").read_text()
    # The search finds what it is for.
    kinds = {line.split(":")[0] for line in traces(s, s.first, s.subnets[s.first])}
    assert {"link", "route", "container", "network", "process", "file"} <= kinds, kinds
    return f"{s.first} on {s.subnets[s.first]}"


def a_second_lab_comes_up_beside_it(s):
    done = lab(s, s.second, "up")
    s.subnets[s.second] = all_is_well(s, s.second)["subnet"]
    assert s.subnets[s.second] != s.subnets[s.first], s.subnets
    all_is_well(s, s.first)
    # Each has its own names: the same name leads to its own nodes.
    for name, subnet in s.subnets.items():
        told = lab(s, name, "ssh", f"{name}1", "getent", "ahostsv4", "rancher.lab.test").out
        there = {line.split()[0] for line in told.splitlines()}
        assert len(there) == 3 and {at.rpartition(".")[0] for at in there} == {subnet.rpartition(".")[0]}, f"{name}: {told}"
    # And its own keys: neither's opens the other's machines.
    other = status(s, s.second)["machines"][0]
    s.run("ssh", "-i", s.environment["LAB_KEY"], "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={folder(s, s.second)}/known_hosts",
          f"{s.environment['LAB_USER']}@{other['address']}", "true", limit=60, env={"SSH_AUTH_SOCK": ""}).must(255).says("Permission denied")
    return f"{s.second} on {s.subnets[s.second]}, {done.seconds:.0f} s"


def a_network_that_is_taken_is_refused(s):
    lab(s, s.third, "up", subnet=s.subnets[s.first], code=1).says("is taken on this machine", "LAB_SUBNET=")
    lab(s, s.second, "up", subnet="10.98.76.0/24", code=1).says(f"runs on {s.subnets[s.second]}")
    all_is_well(s, s.second)


def an_up_that_is_killed_is_cleared_by_the_next(s):
    """SIGKILL to the whole process group of `up` when the first of its machines runs."""
    log = s.work / "killed.log"
    child = s.start(s.lab_command, "--name", s.third, "up", log=log, env={"LAB_SUBNET": ""})

    def half():
        """a machine of the third lab runs"""
        assert child.poll() is None, f"it ended with {child.returncode} before it could be killed:\n{log.read_text()[-2000:]}"
        return any(one["State"]["Status"] == "running" for one in machines(s, s.third).values())
    until(120, half, 0.05)
    os.killpg(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, child.returncode
    left = machines(s, s.third)
    assert left and not (folder(s, s.third) / "done").exists(), f"it was not in the middle: {sorted(left)}"
    told = status(s, s.third, code=1)
    assert not told["up"] and not told["fine"], told
    again = lab(s, s.third, "up").says("did not come to its end; clearing")
    s.subnets[s.third] = all_is_well(s, s.third)["subnet"]
    now = machines(s, s.third)
    kept = {one["Id"] for one in now.values()} & {one["Id"] for one in left.values()}
    assert len(now) == 4 and not kept, f"a machine of the killed run is still there: {kept}"
    return f"{len(left)} machines were left; {again.seconds:.0f} s"


def down_leaves_nothing_of_both(s):
    volumes, firsts = set(), set()
    for name in (s.second, s.third):
        more = held(s, name)
        volumes, firsts = volumes | more[0], firsts | more[1]
    assert volumes and len(firsts) == 8, (volumes, firsts)
    began = time.monotonic()
    for name in (s.second, s.third):
        lab(s, name, "down")
    took = time.monotonic() - began
    for name in (s.second, s.third):
        left = traces(s, name, s.subnets[name])
        assert not left, f"of {name} there is still:\n" + "\n".join(left)
    assert not volumes & set(docker(s, "volume", "ls", "-q").split()), "volumes of the machines are still there"
    alive = [pid for pid, birth in firsts if born(pid) == birth]
    assert not alive, f"processes of the machines are still there: {alive}"
    lab(s, s.second, "down")   # once more: nothing to do is no failure
    return f"{took:.0f} s for two"


def the_first_lab_never_noticed(s):
    all_is_well(s, s.first)
    now = {name: same(one) for name, one in machines(s, s.first).items()}
    assert now == s.machines, f"its machines are others:\n{s.machines}\n{now}"
    assert s.network == docker(s, "network", "inspect", "-f", "{{.Id}}", s.first), "its network is another one"
    assert s.dns == (folder(s, s.first) / "dns.pid").read_text(), "its DNS server is another one"
    assert s.keys == (folder(s, s.first) / "known_hosts").read_text(), "its keys are others"


STEPS = [
    one_lab_is_there, a_second_lab_comes_up_beside_it, a_network_that_is_taken_is_refused, an_up_that_is_killed_is_cleared_by_the_next,
    down_leaves_nothing_of_both, the_first_lab_never_noticed,
]
