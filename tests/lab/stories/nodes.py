"""Nodes join, leave and are replaced: a worker, a member of etcd beside another one, a dead one that is first in the list and comes back.

The jump host is the fourth machine. Somebody apart from cowhand asks each member of etcd all the time; the story goes by what that one saw."""
import json
import subprocess
import threading
import time
from pathlib import Path

from .members import besides_logs, containers, inventory, jump, line, machines, state_names, three_machines_and_a_fourth
from .scene import until

KEYS = "find /etc/kubernetes /var/lib/kubelet /var/lib/etcd -type f 2>/dev/null | head; docker ps -aq"


class Observer:
    """Asks each machine's etcd by itself, past cowhand, and notes how many of its voters answered in one round."""

    def __init__(self, s):
        self.s, self.rounds, self.done = s, [], threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def one(self, name):
        script = "docker exec etcd etcdctl endpoint health -w json 2>/dev/null; docker exec etcd etcdctl member list -w json 2>/dev/null"
        try:
            said = subprocess.run([self.s.lab_command, "node", name, "exec", "--", "sh", "-c", script],
                                  env=self.s.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=10).stdout
            health, members = [json.loads(line) for line in said.splitlines() if line[:1] in "[{"][:2]
            voters = [one for one in members["members"] if not one.get("isLearner")]
            return health[0]["health"], len(voters)
        except (subprocess.TimeoutExpired, ValueError, KeyError, IndexError):
            return None

    def look(self):
        while not self.done.is_set():
            answers = [answer for answer in map(self.one, machines(self.s)) if answer]
            well, voters = sum(1 for answer in answers if answer[0]), max((answer[1] for answer in answers), default=0)
            self.rounds.append((time.time(), well, voters))
            self.done.wait(0.1)

    def end(self):
        self.done.set()
        self.thread.join()
        lost = [(well, voters) for _, well, voters in self.rounds if well * 2 <= voters]
        lowest = min(self.rounds, key=lambda one: one[1])
        assert not lost, f"etcd had no majority in {len(lost)} of {len(self.rounds)} rounds: {lost[:5]}"
        return f"{len(self.rounds)} rounds, at least {lowest[1]} of {lowest[2]} voters"


def watched(s, step):
    observer = Observer(s)
    try:
        note = step()
    finally:
        observer.done.set()
    return f"{note}; observer: {observer.end()}"


# --- what is asked of the scene
def node_names(s):
    return {one["metadata"]["name"] for one in json.loads(s.kubectl(s.whole, "get", "nodes", "-o", "json"))["items"]}


def voters(s, asked):
    said = s.node(asked, "docker exec etcd etcdctl member list -w json")
    return {one["name"].removeprefix("etcd-") for one in json.loads(said)["members"]}


def is_clean(s, name):
    left = s.node(name, KEYS)
    assert not left.strip(), f"{name}: {left}"


def remove(s, name, place, *options, code=0):
    return s.cow("node", "remove", name, "--yes", name, "--delete-emptydir-data", *options, "--output", "plain", inventory=place).must(code)


def changes_nothing(s, place):
    before, files = containers(s), besides_logs(place.parent)
    again = s.cow("up", "--output", "json", inventory=place).must()
    assert {e["outcome"] for e in again.events("stage-finished")} <= {"unchanged", "passed"}, again
    assert containers(s) == before, "a container was touched"
    return files


def named(s, *names):
    """Rancher's name leads to these, as whoever changes the nodes has to see to."""
    s.lab("dns", "rancher.lab.test", *[s.nodes.get(name, s.environment["LAB_JUMP"]) for name in names])


def pods(s):
    """The workloads that have all they ask for."""
    found = json.loads(s.kubectl(s.whole, "get", "deployments", "-A", "-o", "json"))["items"]
    return {(one["metadata"]["namespace"], one["metadata"]["name"]): one["status"].get("readyReplicas", 0) >= one["spec"]["replicas"] for one in found}


# --- the story
def up_builds_a_cluster_of_three_and_a_worker(s):
    done = s.cow("up", "--output", "plain", inventory=s.whole).must().says("4 nodes Ready, etcd 3/3")
    return f"{done.seconds:.0f} s"


def a_plan_changes_nothing_and_names_pods_and_keys(s):
    name, before, files = jump(s), containers(s), besides_logs(s.whole.parent)
    done = s.cow("node", "remove", name, "--plan", "--delete-emptydir-data", inventory=s.whole).must()
    done.says(f"{name} leaves the cluster", "close the node", "evict", "clean its machine", "files in /etc/kubernetes", "delete the Node", "take it out of cluster.rkestate")
    done.never_says("etcd member")
    data = s.cow("node", "remove", name, "--plan", "--delete-emptydir-data", "--output", "json", inventory=s.whole).must()
    assert data.events("leaving")[0]["node"] == name, data
    assert containers(s) == before and besides_logs(s.whole.parent) == files
    s.cow("node", "remove", name, "--yes", "another", inventory=s.whole).must(2).says("nothing was touched")
    s.cow("node", "remove", "nobody", "--yes", "nobody", inventory=s.whole).must(2).says("has no node nobody")


def three_stay_whatever_is_asked(s):
    name = list(s.nodes)[2]
    s.cow("node", "remove", name, "--yes", name, inventory=s.whole).must(5).says("three are the least", "nothing was changed")


def a_worker_leaves(s):
    """By the verb, while the inventory still has it."""
    name = jump(s)
    done = remove(s, name, s.whole).says("is clean", f"{name} has left the cluster", "is out of cluster.rkestate")
    is_clean(s, name)
    assert node_names(s) == set(s.nodes) == state_names(s), (node_names(s), state_names(s))
    until(120, lambda: all(pods(s).values()))
    s.less = inventory(s, "less", *s.three)
    changes_nothing(s, s.less)
    s.cow("status", "--fail", "--quiet", inventory=s.less).must()
    return f"{done.seconds:.0f} s"


def a_member_that_was_added_and_never_started_is_named_and_taken_out(s):
    """What an rke that is killed in the middle of a join leaves."""
    name, first = jump(s), list(s.nodes)[0]
    s.four = inventory(s, "four", *s.three, line(s, name))
    s.node(first, f"docker exec etcd etcdctl member add later --peer-urls=https://{s.environment['LAB_JUMP']}:2380")
    s.cow("status", inventory=s.four).must().says("3 of 4 members healthy")
    s.cow("up", inventory=s.four).must(5).says("cowhand node remove")
    done = remove(s, name, s.four).says("is no member of etcd any more")
    assert voters(s, first) == set(s.nodes), voters(s, first)
    return f"{done.seconds:.0f} s"


def it_joins_as_a_member_of_etcd(s):
    """3 -> 4."""
    s.cow("plan", inventory=s.four).must().says("run rke up", "new")

    def join():
        done = s.cow("up", "--output", "plain", inventory=s.four).must().says("etcd 4/4")
        assert voters(s, jump(s)) == set(machines(s)), voters(s, jump(s))
        return f"{done.seconds:.0f} s"
    return watched(s, join)


def another_member_leaves(s):
    """4 -> 3: the first of the list, and well. The inventory has gone ahead."""
    first, second, third = s.nodes
    s.after = inventory(s, "after", *s.three[1:], line(s, jump(s)))
    s.cow("up", inventory=s.after).must(5).says("cluster.members", f"cowhand node remove {first}")

    def leave():
        done = remove(s, first, s.after).says("is no member of etcd any more", "is clean", f"{first} has left the cluster")
        return f"{done.seconds:.0f} s"
    note = watched(s, leave)
    is_clean(s, first)
    expected = {second, third, jump(s)}
    assert node_names(s) == state_names(s) == voters(s, second) == expected, (node_names(s), state_names(s), voters(s, second))
    named(s, *expected)
    changes_nothing(s, s.after)
    return note


def a_dead_member_that_is_first_in_the_list_is_replaced(s):
    """The machine stops for good; the one that left before takes its place."""
    first, dead, third = s.nodes
    s.lab("node", dead, "kill")
    named(s, first, third, jump(s))
    s.replaced = inventory(s, "replaced", line(s, first), line(s, third), line(s, jump(s)))
    s.cow("up", inventory=s.replaced).must(5).says("cluster.members", f"cowhand node remove {dead}")
    s.cow("node", "remove", dead, "--yes", dead, inventory=s.replaced).must(4).says("cannot be reached", "--unreachable", "until the cluster gets another CA")

    def replace():
        done = remove(s, dead, s.replaced, "--unreachable").says("is no member of etcd any more", f"`cowhand up` then lets {first} join")
        assert voters(s, third) == {third, jump(s)}, voters(s, third)
        joined = s.cow("up", "--output", "plain", inventory=s.replaced).must().says("etcd 3/3")
        return f"removed in {done.seconds:.0f} s, joined in {joined.seconds:.0f} s"
    note = watched(s, replace)
    expected = {first, third, jump(s)}
    assert node_names(s) == state_names(s) == voters(s, third) == expected
    changes_nothing(s, s.replaced)
    return note


def when_it_comes_back_it_is_named_and_cleaned(s):
    first, dead, third = s.nodes
    s.lab("node", dead, "start")
    until(180, lambda: dead in node_names(s))
    s.cow("status", inventory=s.replaced).must().says(dead, f"cowhand node remove {dead}")
    s.cow("up", inventory=s.replaced).must(5).says("cluster.members", dead)
    assert voters(s, third) == {first, third, jump(s)}
    done = remove(s, dead, s.replaced).says("is clean")
    is_clean(s, dead)
    assert node_names(s) == {first, third, jump(s)}
    changes_nothing(s, s.replaced)
    return f"{done.seconds:.0f} s"


def the_fourth_machine_is_given_back(s):
    s.cow("down", "--yes", "lab", "--output", "plain", inventory=s.replaced).must()
    s.lab("dns", "usual")
    s.node(jump(s), "systemctl stop docker.socket docker")
    (Path(s.environment["LAB_RUN"]) / "machines" / jump(s) / "etc" / "no-engine").touch()


STEPS = [
    three_machines_and_a_fourth, up_builds_a_cluster_of_three_and_a_worker, a_plan_changes_nothing_and_names_pods_and_keys, three_stay_whatever_is_asked,
    a_worker_leaves, a_member_that_was_added_and_never_started_is_named_and_taken_out, it_joins_as_a_member_of_etcd, another_member_leaves,
    a_dead_member_that_is_first_in_the_list_is_replaced,
    when_it_comes_back_it_is_named_and_cleaned, the_fourth_machine_is_given_back,
]
