"""RKE's certificates renewed on a running cluster: an observer with clients of its own counts the voters of etcd that are in sync.

`rke cert rotate` itself restarts all three at once. With FAILPOINTS=rails.off=return and a binary of `cargo test`, which alone has that
point, the rule is off, and the observer's record ends the story."""
import json
import re

from .scene import fingerprint, until
from .watching import fewest, observed, told

STARTED = "docker inspect --format '{{.Name}} {{.State.StartedAt}}' etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy"


def certificates(s):
    bundle = json.loads((s.folder / "cluster.rkestate").read_text())["currentState"]["certificatesBundle"]
    return {name: one["certificatePEM"] for name, one in bundle.items() if one.get("certificatePEM")}


def served(s, address, port):
    return s.run("sh", "-c", f"openssl s_client -connect {address}:{port} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256").out


def a_cluster(s):
    s.fresh_lab()
    s.inventory = s.workspace("rotate")
    s.folder = s.inventory.parent
    done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    return f"up {done.seconds:.0f} s"


def the_plan_says_what_ends_when_and_what_restarts_and_changes_nothing(s):
    before, containers = fingerprint(s.folder), s.on_nodes(STARTED)
    done = s.cow("rotate", "--plan", inventory=s.inventory).must()
    names = ", ".join(s.nodes)
    done.says(f"etcd on {names}: one at a time, the next when the one before is back", f"kube-apiserver on {names}: one at a time",
              "kube-admin: ends on", "no backup is set up")
    done.never_says("kube-ca:")
    s.cow("rotate", inventory=s.inventory).must(2).says("has to be confirmed", "--yes")
    s.cow("rotate", "--yes", "other", inventory=s.inventory).must(2).says("--yes says `other`")
    said = s.cow("rotate", "--plan", "--service", "kube-scheduler", "--output", "json", inventory=s.inventory).must()
    one = said.events("rotation")[0]
    assert [leaf["name"] for leaf in one["leaves"] if leaf["renewed"]] == ["kube-scheduler"], one
    assert not any("etcd" in restart["containers"] for restart in one["restarts"]), one
    assert fingerprint(s.folder) == before and s.on_nodes(STARTED) == containers


def every_leaf_is_new_and_two_of_three_voters_were_in_sync_all_the_time(s):
    before, containers = certificates(s), s.on_nodes(STARTED)
    shown = {name: served(s, address, 6443) for name, address in s.nodes.items()}
    with observed(s, s.folder) as observer:
        done = s.cow("rotate", "--yes", "lab", "--output", "plain", "-v", inventory=s.inventory)
    record = told(observer)
    assert fewest(observer.etcd)[0] >= 2, f"{record}\n{done}"
    assert fewest(observer.apis)[0] >= 2, f"{record}\n{done}"
    done.must().says("certificates renewed, seen on 3 nodes, and in use")
    after = certificates(s)
    stay = {name for name in before if after[name] == before[name]}
    assert stay == {"kube-ca", "kube-apiserver-requestheader-ca", "kube-service-account-token"} & set(before), stay
    for name, lines in s.on_nodes(STARTED).items():
        same = set(lines.splitlines()) & set(containers[name].splitlines())
        assert not same, f"{name}: not restarted: {same}"
        assert served(s, s.nodes[name], 6443) != shown[name], f"{name} serves the former certificate"
    s.said = done
    return f"{done.seconds:.0f} s; {record}"


def each_restart_is_told_and_the_log_has_every_call(s):
    told = s.said.out + s.said.err
    # Of the last one rke may have ended before it is back; that it is in the end was seen.
    for what in ("etcd", "kube-apiserver"):
        assert len(re.findall(rf"{what} on \S+ is back after", told)) >= 2, s.said
    log = max((s.folder / ".cowhand" / "logs").glob("*-rotate.log"), key=lambda path: path.stat().st_mtime).read_text()
    restarts = re.findall(r"docker call of rke.*?path=/containers/(etcd|kube-apiserver)/restart.*?status=(\d+)", log)
    assert sorted(restarts) == sorted([("etcd", "204"), ("kube-apiserver", "204")] * 3), restarts
    waits = [float(found) for found in re.findall(r"after ([0-9.]+) s for its turn", told)]
    return f"longest wait for a turn {max(waits, default=0):.1f} s; rke would give up after 50 s; {told.count('held back from rke')} held back until its next try"


def up_changes_nothing_and_the_kubeconfig_of_before_still_works(s):
    s.cow("plan", "--exit-code", inventory=s.inventory).must(0).says("nothing would be changed")
    s.kubectl(s.inventory, "get", "nodes")
    # rke restarts every kubelet, and Rancher's pods are ready again only some time after it.
    until(120, lambda: s.cow("status", "--fail", inventory=s.inventory).code == 0)
    s.cow("status", "--fail", inventory=s.inventory).must().says("no problem was found")
    told = s.cow("history", inventory=s.inventory).must().says("rotate", "done, changed: rotate")
    first = told.out.splitlines()[3].split()[0]
    s.cow("history", first, inventory=s.inventory).must().says("rotate of lab", "exit 0 (done)")


def what_is_ill_is_left_alone(s):
    name = list(s.nodes)[1]
    s.node(name, "docker pause etcd")
    try:
        containers = s.on_nodes(STARTED)
        s.cow("rotate", "--yes", "lab", inventory=s.inventory).must(5).says("while the cluster is ill")
        assert s.on_nodes(STARTED) == containers
    finally:
        s.node(name, "docker unpause etcd")


STEPS = [
    a_cluster,
    the_plan_says_what_ends_when_and_what_restarts_and_changes_nothing,
    every_leaf_is_new_and_two_of_three_voters_were_in_sync_all_the_time,
    each_restart_is_told_and_the_log_has_every_call,
    up_changes_nothing_and_the_kubeconfig_of_before_still_works,
    what_is_ill_is_left_alone,
]
