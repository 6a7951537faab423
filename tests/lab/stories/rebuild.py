"""A cluster made again from its backup: what refuses, three other machines in place of the old ones, killed on the way.

The machines are installed anew and get other names and other addresses; the old ones are gone. Afterwards the cluster is the same one."""
import base64
import json
import os
import re
import time
from pathlib import Path

from . import canary

MAPS = 300
# Kinds that Rancher keeps, by their own names; the stand-in reads none of them.
KINDS = {"clusters": "Cluster", "tokens": "Token", "settings": "Setting"}


def definition(plural, kind):
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v3", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{plural}.management.cattle.io"},
            "spec": {"group": "management.cattle.io", "scope": "Cluster", "names": {"plural": plural, "kind": kind}, "versions": [version]}}


def create(s, *objects):
    s.kubectl(s.old, "create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}), limit=300)


def a_cluster_with_something_to_lose(s):
    s.fresh_lab()
    s.old = s.workspace("old")
    done = s.cow("up", "--output", "plain", inventory=s.old).must()
    s.kubectl(s.old, "create", "namespace", "shop")
    create(s, *[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"m{n}", "namespace": "shop"}, "data": {"text": f"{n} " * 500}} for n in range(MAPS)])
    create(s, *[definition(*one) for one in KINDS.items()])
    for plural in KINDS:
        s.kubectl(s.old, "wait", "--for=condition=Established", f"crd/{plural}.management.cattle.io", "--timeout=60s")
    create(s, *[{"apiVersion": "management.cattle.io/v3", "kind": kind, "metadata": {"name": f"c-{n}"}, "spec": {"n": n}} for kind in KINDS.values() for n in range(20)])
    create(s, {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
               "metadata": {"name": "agent", "namespace": "shop", "annotations": {"kubernetes.io/service-account.name": "default"}}})
    pod = {"metadata": {"labels": {"app": "till"}}, "spec": {"containers": [{"name": "till", "image": "lab/pause:3.9"}]}}
    create(s, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "till", "namespace": "shop"},
               "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "till"}}, "template": pod}})
    s.kubectl(s.old, "rollout", "status", "deployment/till", "-n", "shop", "--timeout=120s")
    return f"up {done.seconds:.0f} s"


def marked(s, inventory):
    """What has to be the same afterwards: the cluster, its CA, and every object that was there, by its UID."""
    get = lambda *words: json.loads(s.kubectl(inventory, "get", *words, "-o", "json"))
    kinds = ["configmaps", "secrets", "serviceaccounts", "deployments", "services", "ingresses", *[f"{one}.management.cattle.io" for one in KINDS]]
    objects = {(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]): one["metadata"]["uid"] for kind in kinds for one in get(kind, "-A")["items"]}
    return {
        "uid": get("namespace", "kube-system")["metadata"]["uid"],
        "ca": json.loads((inventory.parent / "cluster.rkestate").read_text())["currentState"]["certificatesBundle"]["kube-ca"]["certificatePEM"],
        "objects": objects,
        "data": {one["metadata"]["name"]: one.get("data") for one in get("configmaps", "-n", "shop")["items"] if one["metadata"]["name"] != "kube-root-ca.crt"},
    }


def revision(s, inventory):
    return int(json.loads(s.kubectl(inventory, "get", "--raw", "/api/v1/namespaces/shop/configmaps?limit=1"))["metadata"]["resourceVersion"])


def its_backup(s):
    s.key = s.work / "backup.key"
    recipient = re.search(r"\bage1\w+", s.cow("backup", "new-key", s.key).must().out)[0]
    s.before = marked(s, s.old)
    token = json.loads(s.kubectl(s.old, "get", "secret", "agent", "-n", "shop", "-o", "json"))["data"]["token"]
    s.token = base64.b64decode(token).decode()
    folder = s.work / "nas"
    folder.mkdir()
    s.cow("backup", "-o", folder, "--recipient", recipient, "--output", "plain", inventory=s.old).must().says("level 3")
    s.file = next(folder.iterdir())
    s.kubectl(s.old, "create", "configmap", "too-late", "-n", "shop")
    s.revision = revision(s, s.old)
    return f"{s.file.stat().st_size >> 10} KiB"


def rebuild(s, *words, inventory, **how):
    return s.cow("rebuild", "--from", s.file, "--identity", s.key, *words, "--output", "plain", inventory=inventory, **how)


def what_lives_is_not_rebuilt(s):
    rebuild(s, "--yes", "lab", inventory=s.old).must(5).says("the cluster's API answers at", "etcd's data, and etcd runs on them", "nothing was touched")
    s.on_nodes("docker stop -t 1 kube-apiserver etcd kubelet")
    refused = rebuild(s, "--yes", "lab", inventory=s.old).must(5)
    refused.says("3 of 3 members of etcd have their data", "starting them is enough", "nothing was touched")
    # Two of three came back with nothing: the third may hold what the backup has not.
    first, *rest = s.nodes
    for name in rest:
        s.node(name, "mv /var/lib/etcd/member /var/lib/aside")
    rebuild(s, "--yes", "lab", inventory=s.old).must(5).says(f"{first} (", "they may be newer than the backup", f"`docker start etcd` on {first}")


def what_does_not_fit_is_refused(s):
    """Nothing of it comes as far as a machine."""
    copy = s.workspace("wrong")
    text = copy.read_text()
    for change, says in (
        (("name: lab\n", "name: other\n"), "the backup is of cluster `lab`, and the inventory is of `other`"),
        (("v1.32.2", "v1.31.6"), "asks for another cluster"),
        (("plugin: flannel, options: {flannel_backend_type: host-gw}", "plugin: canal"), "asks for another cluster"),
    ):
        copy.write_text(text.replace(*change))
        rebuild(s, "--yes", "lab", inventory=copy).must(5).says(says, "nothing was touched")
    copy.write_text(text)
    s.cow("rebuild", "--from", s.file, "--yes", "lab", inventory=copy).must(2).says("no key is named")
    broken = s.work / "broken.cowhand"
    broken.write_bytes(s.file.read_bytes()[:-100])
    s.cow("rebuild", "--from", broken, "--identity", s.key, "--yes", "lab", inventory=copy).must(5).says("nothing is rebuilt from", "it is cut off")


def three_other_machines(s):
    """Installed anew, at other addresses; the old addresses are nobody's any more."""
    s.lab("reset")
    s.use_lab()
    s.moved = {}
    for name, address in s.nodes.items():
        new = re.sub(r"\.1(\d)$", r".2\1", address)
        s.node(name, f"ip addr del {address}/24 dev eth0; ip addr add {new}/24 dev eth0; ip route replace default via {address.rpartition('.')[0]}.1 || true")
        s.moved[address] = new
    known = s.work / "known_hosts"
    text = (Path(s.environment["LAB_RUN"]) / "known_hosts").read_text()
    for old, new in s.moved.items():
        text = text.replace(old, new)
    known.write_text(text)

    def change(text):
        for number, (old, new) in enumerate(s.moved.items()):
            text = text.replace(f"name: {list(s.nodes)[number]}, address: {old}", f"name: new{number + 1}, address: {new}")
        return text.replace("${LAB_RUN}/known_hosts", str(known))

    s.new = s.workspace("new", change)
    s.lab("dns", "rancher.lab.test", *s.moved.values())


def what_cannot_be_asked_is_named_by_hand(s):
    names = list(s.nodes)
    rebuild(s, "--yes", "lab", inventory=s.new).must(5).says("cannot be asked", f"--gone {names[0]}", "nothing was touched")
    rebuild(s, "--gone", "new1", "--yes", "lab", inventory=s.new).must(2).says("has no such machine")
    s.gone = [word for name in names for word in ("--gone", name)]
    plan = rebuild(s, *s.gone, "--plan", inventory=s.new).must()
    plan.says("rebuild of `lab` from", "gone, as you say", "20 management.cattle.io/clusters", "DNS: rancher.lab.test has to lead to", "compacted")
    rebuild(s, *s.gone, inventory=s.new).must(2).says("nobody is there to ask", "nothing was touched")
    rebuild(s, *s.gone, "--yes", "prod", inventory=s.new).must(2)
    left = s.on_nodes("find /var/lib/etcd /etc/kubernetes -mindepth 1 2>/dev/null; docker ps -aq; docker volume ls -q")
    assert not any(text.strip() for text in left.values()), left


def killed_on_the_way(s):
    """While etcd's data are placed, and while rke builds on them."""
    for wanted in ("restoring etcd's data on every node", "rke 1"):
        log = s.work / "killed.log"
        child = s.start(s.cowhand, "rebuild", "--from", s.file, "--identity", s.key, *s.gone, "--yes", "lab", "--output", "plain", "-i", s.new, log=log)
        end = time.monotonic() + 300
        while wanted not in log.read_text():
            assert child.poll() is None and time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.1)
        s.kill(child)


def the_same_command_arrives(s):
    done = rebuild(s, *s.gone, "--yes", "lab", "-v", inventory=s.new)
    s.said = done.out + done.err
    done.must().says("goes on", "compare", "rancher.lab.test answers on every path")
    assert not (s.new.parent / ".cowhand" / "rebuild.json").exists()
    left = s.on_nodes("docker volume ls -q --filter label=cowhand.rebuild; docker ps -aq --filter label=cowhand.rebuild")
    assert not any(text.strip() for text in left.values()), left
    return f"{done.seconds:.0f} s"


def it_is_the_same_cluster(s):
    now = marked(s, s.new)
    assert now["uid"] == s.before["uid"] and now["ca"] == s.before["ca"], (now["uid"], s.before["uid"])
    lost = {name: uid for name, uid in s.before["objects"].items() if now["objects"].get(name) != uid}
    assert not lost, f"{len(lost)} objects are not as they were: {list(lost)[:5]}"
    assert now["data"] == s.before["data"], "data of ConfigMaps differ"
    s.kubectl(s.new, "get", "configmap", "too-late", "-n", "shop", code=1)
    assert revision(s, s.new) > s.revision + 900_000_000, (revision(s, s.new), s.revision)
    address = next(iter(s.moved.values()))
    asked = s.run("curl", "-sS", "-k", "--max-time", "10", "-H", f"Authorization: Bearer {s.token}", f"https://{address}:6443/api").must()
    assert '"versions"' in asked.out, asked
    return f"{len(s.before['objects'])} objects by their UIDs"


def nothing_of_the_old_machines_is_left(s):
    nodes = json.loads(s.kubectl(s.new, "get", "nodes", "-o", "json"))["items"]
    assert sorted(one["metadata"]["name"] for one in nodes) == ["new1", "new2", "new3"], nodes
    beats = json.loads(s.kubectl(s.new, "get", "leases", "-n", "kube-node-lease", "-o", "json"))["items"]
    assert sorted(one["metadata"]["name"] for one in beats) == ["new1", "new2", "new3"], beats
    everything = s.kubectl(s.new, "get", "nodes,pods,endpoints,endpointslices,csinodes", "-A", "-o", "json")
    for name, address in s.nodes.items():
        for old in (rf'"{name}"', rf'"{re.escape(address)}"'):
            assert not re.search(old, everything), f"{old} is in the API still"
    members = s.node(list(s.nodes)[0], "docker exec etcd etcdctl member list")
    assert len(re.findall(r"etcd-new\d", members)) == 3 and "etcd-lab" not in members, members
    s.kubectl(s.new, "rollout", "status", "deployment/till", "-n", "shop", "--timeout=120s")
    assert not json.loads(s.kubectl(s.new, "get", "resourcequotas", "-A", "-o", "json"))["items"], "a namespace is closed still"


def a_second_up_changes_nothing(s):
    s.cow("verify", inventory=s.new).must()
    before = {name: s.node(name, "docker ps -a --no-trunc --format '{{.ID}}' | sort") for name in s.nodes}
    again = s.cow("up", "--output", "json", inventory=s.new).must()
    outcomes = {event["stage"]: event["outcome"] for event in again.events("stage-finished")}
    assert "changed" not in outcomes.values(), outcomes
    assert before == {name: s.node(name, "docker ps -a --no-trunc --format '{{.ID}}' | sort") for name in s.nodes}
    rebuild(s, *s.gone, "--yes", "lab", inventory=s.new).must(5).says("etcd runs on them")
    return f"up {again.seconds:.1f} s"


def no_secret_is_said(s):
    s.inventory, s.folder = s.new, s.new.parent
    wanted = canary.of_workspace(s)
    places = {"what rebuild said": s.said}
    places.update({str(log): log.read_text(errors="replace") for log in (s.folder / ".cowhand" / "logs").glob("*")})
    found = canary.stands_in(wanted, places)
    assert not found, "\n".join(found)
    s.lab("dns", "usual")
    return f"{len(wanted)} secrets, {len(places)} texts"


STEPS = [
    a_cluster_with_something_to_lose, its_backup, what_lives_is_not_rebuilt, what_does_not_fit_is_refused, three_other_machines,
    what_cannot_be_asked_is_named_by_hand, killed_on_the_way, the_same_command_arrives, it_is_the_same_cluster,
    nothing_of_the_old_machines_is_left, a_second_up_changes_nothing, no_secret_is_said,
]
