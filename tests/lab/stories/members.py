"""Who is a member: nodes that left the inventory, a machine that is not the cluster's, an etcd that stopped, a worker that goes by hand.

The jump host is the fourth machine: a worker first, a stranger's machine later. What is refused changes nothing on any of the four."""
import json
import re
import subprocess
from pathlib import Path

from .scene import besides_logs, until

# What was started when: a container that was touched has another line.
CONTAINERS = "docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}' | grep -vE 'k8s_|cowhand' | sort"
CANARY = "mkdir -p /var/lib/etcd /etc/kubernetes && echo somebody >/var/lib/etcd/canary && echo somebody >/etc/kubernetes/canary"


# --- what is asked of the scene
def jump(s):
    return f"{s.environment['LAB_NAME']}jump"


def machines(s):
    return [*s.nodes, jump(s)]


def line(s, name, roles=""):
    address = s.nodes.get(name, s.environment["LAB_JUMP"])
    return f"  - {{name: {name}, address: {address}{f', roles: [{roles}]' if roles else ''}}}\n"


def inventory(s, name, *nodes, skip=""):
    """An inventory of these lines of nodes beside the first one: the same workspace."""
    def change(text):
        text, count = re.subn(r"(nodes:\n)(  - .*\n)+", lambda found: found[1] + "".join(nodes), text)
        assert count == 1, text
        return text.replace("skip_checks: [", f"skip_checks: [{skip}") if skip else text
    made = s.workspace("members", change)
    place = made.rename(made.with_name(f"{name}.yml"))
    return place


def containers(s):
    return {name: s.node(name, CONTAINERS) for name in machines(s)}


def refused(s, place, expected, says=(), words=("check", "plan", "up"), code=5):
    """Each ends with this code and says all of it, and no container of any machine is touched."""
    before, files = containers(s), besides_logs(place.parent)
    for word in words:
        options = ["--yes", "lab"] if word == "down" else []
        s.cow(word, *options, "--output", "plain", inventory=place).must(code).says(expected, *says)
    assert containers(s) == before, "a container was touched"
    changed = {path for path, digest in besides_logs(place.parent).items() if files.get(path) != digest}
    # A refused `down` opens its journal.
    assert {path for path in changed if not path.startswith(".cowhand/")} == set(), changed


def state_names(s):
    state = json.loads((s.whole.parent / "cluster.rkestate").read_text())
    return {node["hostnameOverride"] for half in ("desiredState", "currentState") for node in state[half]["rkeConfig"]["nodes"]}


# --- the story
def three_machines_and_a_fourth(s):
    s.fresh_lab()
    # `lab up` gives the jump host no engine; the story does, with the nodes' images.
    (Path(s.environment["LAB_RUN"]) / "machines" / jump(s) / "etc" / "no-engine").unlink(missing_ok=True)
    s.node(jump(s), "systemctl start docker.socket docker")
    until(60, lambda: s.node(jump(s), "docker info >/dev/null 2>&1 && echo yes || true").strip() == "yes")
    images = subprocess.Popen([s.lab_command, "images"], stdout=subprocess.PIPE, env=s.environment)
    loaded = subprocess.run([s.lab_command, "node", jump(s), "exec", "--", "docker", "load", "-q"], stdin=images.stdout, env=s.environment, stdout=subprocess.DEVNULL)
    assert images.wait() == 0 and loaded.returncode == 0
    s.three = [line(s, name) for name in s.nodes]
    s.whole = inventory(s, "whole", *s.three, line(s, jump(s), "worker"))


def up_builds_a_cluster_of_four(s):
    done = s.cow("up", "--output", "plain", inventory=s.whole).must().says("4 nodes Ready, etcd 3/3")
    assert state_names(s) == set(machines(s)), state_names(s)
    s.cow("status", inventory=s.whole).must().says("3 of 3 members healthy").never_says("  members ")
    return f"{done.seconds:.0f} s"


def check_looks_at_api_and_etcd_in_no_time(s):
    done = s.cow("check", "-v", inventory=s.whole).must().says("cluster.members", "etcd.healthy")
    quickest = min(s.cow("check", inventory=s.whole).must().seconds for _ in range(5))
    return f"{done.seconds:.1f} s, at best {quickest:.2f} s"


def a_worker_that_left_the_inventory_is_named_by_all(s):
    name = jump(s)
    s.less = inventory(s, "less", *s.three)
    said = (name, "a Node of the API (Ready)", "a node of cluster.rkestate (worker)", f"cowhand node remove {name}")
    refused(s, s.less, "cluster.members", said)
    refused(s, s.less, "cluster.members", said[:2], words=["verify"], code=7)
    refused(s, s.less, name, said, words=["status"], code=0)
    refused(s, s.less, "it would live on", (name, "put "), words=["down"])
    s.cow("check", "--skip", "cluster.members", inventory=s.less).must(2).says("cannot be skipped")
    s.kubectl(s.whole, "get", "node", name)


def too_few_nodes_are_told_of_the_members_that_are_missing(s):
    first, second, third = s.three
    two = inventory(s, "two", first, second)
    gone = [name for name in machines(s) if name not in list(s.nodes)[:2]]
    refused(s, two, "at least three nodes", [f"{name} (" for name in gone], words=["check", "up", "status", "down"], code=3)


def an_etcd_node_in_the_place_of_another_is_refused(s):
    first, second, third = s.three
    swapped = inventory(s, "swapped", first, second, line(s, jump(s)))
    name = list(s.nodes)[2]
    refused(s, swapped, "etcd.one-change", ("cluster.members", f"{jump(s)} joins and {name} leaves", "a member of etcd (", f"cowhand node remove {name}", f"`cowhand node remove {name}` first"))
    refused(s, swapped, "it would live on", (name,), words=["down"])


def an_etcd_that_stopped_is_named_and_started(s):
    first = list(s.nodes)[0]
    s.node(first, "docker stop etcd")
    s.cow("status", inventory=s.whole).must().says(f"2 of 3 members healthy: {first} is down", "does not run: Exited")
    s.cow("status", "--fail", "--quiet", inventory=s.whole).must(5).says(f"etcd's member {first} is down")
    s.cow("check", "--output", "plain", inventory=s.whole).must().says("etcd.healthy", f"on {first}", "`cowhand up` starts it")
    s.cow("verify", "--output", "plain", inventory=s.whole).must(7).says("etcd.healthy", first)
    s.cow("plan", inventory=s.whole).must().says(f"etcd on {first} does not run", "run rke up")
    done = s.cow("up", "--output", "plain", inventory=s.whole).must().says("etcd 3/3")
    s.cow("status", inventory=s.whole).must().says("3 of 3 members healthy")
    again = s.cow("up", "--output", "json", inventory=s.whole).must()
    assert {e["outcome"] for e in again.events("stage-finished")} <= {"unchanged", "passed"}, again
    return f"{done.seconds:.0f} s"


def beside(s, name, old, new):
    """The whole inventory with one thing replaced, in the same workspace."""
    text = s.whole.read_text()
    assert text.count(old) == 1, f"{old} is not there once:\n{text}"
    place = s.whole.with_name(f"{name}.yml")
    place.write_text(text.replace(old, new))
    return place


def a_worker_that_went_by_hand_is_forgotten(s):
    """Past cowhand: drained, cleaned, deleted; then rke forgets it."""
    name = jump(s)
    s.kubectl(s.whole, "drain", name, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=120s")
    s.node(name, "docker rm -fv $(docker ps -aq) >/dev/null; for m in $(grep -oE ' /var/lib/kubelet/[^ ]+' /proc/mounts | sort -r); do umount $m; done; "
                 "for d in /etc/kubernetes /var/lib/etcd /var/lib/kubelet /etc/cni /opt/cni /var/lib/cni /opt/rke /var/lib/rancher; do [ ! -e $d ] || find $d -mindepth 1 -xdev -delete; done")
    # Cleaned, but not deleted: it is still a member.
    refused(s, s.less, "cluster.members", (name,))
    s.kubectl(s.whole, "delete", "node", name)
    s.cow("check", "--output", "plain", inventory=s.less).must().says(name, "neither the API nor etcd has it any more")
    done = s.cow("up", "--output", "plain", inventory=s.less).must().says("certificates stay valid")
    assert state_names(s) == set(s.nodes), state_names(s)
    s.cow("check", "--output", "plain", inventory=s.less).must().never_says(name)
    assert len(json.loads(s.kubectl(s.whole, "get", "nodes", "-o", "json"))["items"]) == 3
    return f"{done.seconds:.0f} s"


def a_machine_that_is_not_the_clusters_is_left_alone(s):
    """Somebody's etcd data, a stopped container etcd and a running nginx-proxy, on a machine that the inventory names by mistake."""
    name = jump(s)
    s.node(name, f"{CANARY} && docker create --name etcd lab/tools:v0.1.111 true >/dev/null && docker run -d --name nginx-proxy --entrypoint sleep lab/tools:v0.1.111 86400 >/dev/null")
    s.foreign = s.node(name, CONTAINERS)
    assert "nginx-proxy running" in s.foreign and " etcd " in s.foreign, s.foreign
    mistaken = inventory(s, "mistaken", *s.three, line(s, name, "worker"))
    refused(s, mistaken, "it is not this cluster's", (name, "not a node of cluster.rkestate", f"take {name} out"), words=["down"])
    still_there(s)


def still_there(s):
    name = jump(s)
    assert s.node(name, CONTAINERS) == s.foreign
    assert s.node(name, "cat /var/lib/etcd/canary /etc/kubernetes/canary") == "somebody\nsomebody\n"


def a_skip_gives_no_leave_to_destroy(s):
    name = list(s.nodes)[1]
    s.node(name, "mkdir -p /var/lib/rancher/rke2 && echo x >/var/lib/rancher/rke2/canary")
    skipping = inventory(s, "skipping", *s.three, skip="node.other-distribution, ")
    s.cow("check", inventory=skipping).must()
    refused(s, skipping, "/var/lib/rancher/rke2", (name,), words=["down"])
    s.node(name, "grep -q x /var/lib/rancher/rke2/canary && rm -rf /var/lib/rancher/rke2")


def down_removes_the_settled_cluster_and_nothing_else(s):
    done = s.cow("down", "--yes", "lab", "--output", "plain", inventory=s.less).must().says("nothing of `lab` is left on 3 nodes")
    for name in s.nodes:
        left = s.node(name, "docker ps -aq; find /etc/kubernetes /var/lib/etcd /var/lib/kubelet -mindepth 1 2>/dev/null || true")
        assert not left.strip(), f"{name}: {left}"
    still_there(s)
    s.node(jump(s), "docker rm -f etcd nginx-proxy >/dev/null; rm -rf /var/lib/etcd/canary /etc/kubernetes/canary; systemctl stop docker.socket docker")
    (Path(s.environment["LAB_RUN"]) / "machines" / jump(s) / "etc" / "no-engine").touch()
    return f"{done.seconds:.0f} s"


STEPS = [
    three_machines_and_a_fourth, up_builds_a_cluster_of_four, check_looks_at_api_and_etcd_in_no_time, a_worker_that_left_the_inventory_is_named_by_all,
    too_few_nodes_are_told_of_the_members_that_are_missing, an_etcd_node_in_the_place_of_another_is_refused, an_etcd_that_stopped_is_named_and_started,
    a_worker_that_went_by_hand_is_forgotten, a_machine_that_is_not_the_clusters_is_left_alone, a_skip_gives_no_leave_to_destroy,
    down_removes_the_settled_cluster_and_nothing_else,
]
