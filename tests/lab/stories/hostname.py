"""Rancher gets another host name: every part is in the plan, agents are not lost unasked, and the new name is proved from outside."""
import json

from .scene import besides_logs, until

OLD, NEW = "rancher.lab.test", "other.lab.test"


def definition(kind, plural):
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{plural}.management.cattle.io"},
            "spec": {"group": "management.cattle.io", "scope": "Cluster", "names": {"kind": kind, "plural": plural},
                     "versions": [{"name": "v3", "served": True, "storage": True, "schema": schema}]}}


def kube(s, *words, **how):
    return s.kubectl(s.inventory, *words, **how)


def plant(s, one):
    words = ("kubectl", "--kubeconfig", s.inventory.parent / "kube_config_cluster.yml", "apply", "-f", "-")
    until(30, lambda: s.run(*words, input=json.dumps(one)).code == 0)


def setting(s):
    return json.loads(kube(s, "get", "settings.management.cattle.io", "server-url", "-o", "json"))["value"]


def objects(s):
    return kube(s, "-n", "cattle-system", "get", "ingress,secrets,certificates", "-o", "jsonpath={range .items[*]}{.kind}/{.metadata.name}={.metadata.resourceVersion} {end}")


def a_cluster_with_a_cluster_that_rancher_manages(s):
    s.fresh_lab()
    s.inventory = s.workspace("hostname")
    s.cow("up", "--output", "plain", inventory=s.inventory).must()
    s.plain = s.inventory.read_text()
    # As Rancher writes them down; no agent runs here.
    for kind, plural in (("Cluster", "clusters"), ("Setting", "settings")):
        plant(s, definition(kind, plural))
    plant(s, {"apiVersion": "management.cattle.io/v3", "kind": "Cluster", "metadata": {"name": "c-m-story"}})
    plant(s, {"apiVersion": "management.cattle.io/v3", "kind": "Cluster", "metadata": {"name": "local"}})
    plant(s, {"apiVersion": "management.cattle.io/v3", "kind": "Setting", "metadata": {"name": "server-url"}, "value": f"https://{OLD}"})
    s.lab("dns", NEW, *s.nodes.values())


def every_part_is_in_the_plan(s):
    s.inventory.write_text(s.plain.replace(f"hostname: {OLD}", f"hostname: {NEW}"))
    said = s.cow("plan", inventory=s.inventory).must()
    said.says(f"changes from {OLD} to {NEW}", "host name, certificate:", "host name, Ingress:", f"goes from https://{OLD} to https://{NEW}",
              "those of c-m-story (1 cluster)", "host name, DNS:", "host name, balancers:", "`cowhand up` refuses", "--move-agents",
              f"~ Setting server-url value: https://{OLD} -> https://{NEW}")


def agents_are_not_lost_unasked(s):
    before, files = objects(s), besides_logs(s.inventory.parent)
    s.cow("up", "--output", "plain", inventory=s.inventory).must(5).says("agents are lost", "c-m-story", "--move-agents")
    assert objects(s) == before and setting(s) == f"https://{OLD}"
    changed = {path for path, digest in besides_logs(s.inventory.parent).items() if files.get(path) != digest}
    assert "cluster.yml" not in changed and "cluster.rkestate" not in changed, changed


def said_so_it_is_changed_and_proved(s):
    done = s.cow("up", "--move-agents", "--output", "plain", inventory=s.inventory).must()
    done.says("those of c-m-story (1 cluster)", f"https://{NEW} answers on every path that was tried")
    assert setting(s) == f"https://{NEW}", setting(s)
    ca = s.inventory.parent / "ca.pem"
    for address in s.nodes.values():
        s.curl(address, "/ping", ca, NEW).must()
        old = s.run("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", f"{OLD}:443:{address}", f"https://{OLD}/ping").out
        assert old == "404", f"the former name still leads to Rancher on {address}: {old}"
    s.cow("verify", inventory=s.inventory).must()
    s.cow("plan", "--exit-code", inventory=s.inventory).must(0).never_says("host name")
    s.cow("up", inventory=s.inventory).must()
    return f"up {done.seconds:.0f} s"


def without_other_clusters_nothing_has_to_be_said(s):
    kube(s, "delete", "clusters.management.cattle.io", "c-m-story")
    s.inventory.write_text(s.plain)
    s.cow("plan", inventory=s.inventory).must().says("Rancher manages no other cluster").never_says("`cowhand up` refuses")
    s.cow("up", "--output", "plain", inventory=s.inventory).must()
    assert setting(s) == f"https://{OLD}", setting(s)


STEPS = [
    a_cluster_with_a_cluster_that_rancher_manages,
    every_part_is_in_the_plan,
    agents_are_not_lost_unasked,
    said_so_it_is_changed_and_proved,
    without_other_clusters_nothing_has_to_be_said,
]
