"""Certificates live on: another leaf, another CA, from files to a CA, from a CA to ACME; clients go on meanwhile."""
import contextlib
import json
import re
import time
from pathlib import Path

from . import canary, company, proving
from .asking import LONGEST, Client, ping
from .scene import until

NAME, NAMESPACE = company.NAME, "cattle-system"
PAUSE = 0.08


def told(client):
    """The longest gap, which has a bound; a client that trusts the former and the new root must never be shown another."""
    gaps, failed = client.within(LONGEST), client.failed()
    distrust = [error for error in failed if "CERTIFICATE_VERIFY_FAILED" in error]
    assert not distrust, f"{len(distrust)} of {client.asked()} times a client that trusts the former and the new root was shown another: {distrust[0]}"
    kinds = ", ".join(sorted({re.sub(r"\(.*|\d+", "", error.partition(": ")[2]).strip()[:40] for error in failed}))
    return f"longest gap {max(gaps.values()):.2f} s; {client.asked()} asked, {len(failed)} failed{': ' + kinds if kinds else ''}"


def tls(s, **keys):
    text = s.inventory.read_text()
    s.inventory.write_text(re.sub(r"^  tls: .*$", f"  tls: {json.dumps(keys, default=str)}", text, flags=re.M))


def changed(s, roots, *words, env=None, keys=None):
    """`up` and `verify` while clients ask; a second `up` has nothing to do. `keys` (what -> file) must show in no process meanwhile."""
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(Client({name: ping(address, roots) for name, address in s.nodes.items()}, PAUSE))
        if keys:
            s.sampler = stack.enter_context(canary.Sampler(s))
        done = s.cow("up", "--output", "plain", *words, inventory=s.inventory, env=env).must()
        time.sleep(3)
    if keys:
        s.given |= keys
        found = s.sampler.found({what: canary.forms(file.read_text()) for what, file in keys.items()})
        assert not found, "\n".join(found)
    s.said[f"what up {len(s.said)} said"] = done.out + done.err
    s.cow("verify", inventory=s.inventory, env=env).must()
    again = s.cow("up", "--output", "json", inventory=s.inventory, env=env).must()
    changes = [e for e in again.events("stage-finished") if e["outcome"] == "changed"]
    assert not changes, changes
    return f"{told(client)}; up {done.seconds:.0f} s"


def names(s, kinds):
    listed = s.kubectl(s.inventory, "-n", NAMESPACE, "get", kinds, "-o", "name", "--ignore-not-found")
    return {line.partition("/")[0].partition(".")[0] + "/" + line.partition("/")[2] for line in listed.split()}


def nothing_but(s, secrets, objects):
    there = {one.partition("/")[2] for one in names(s, "secrets")} - {"bootstrap-secret", "tls-rancher", "cattle-issuer-acme"}
    assert there == secrets, f"secrets: {there}, expected {secrets}"
    kinds = "ingress,issuers.cert-manager.io,certificates.cert-manager.io"
    found = names(s, kinds) if s.kubectl(s.inventory, "get", "crd", "issuers.cert-manager.io", "--ignore-not-found") else names(s, "ingress")
    assert found == objects | {"ingress/rancher"}, f"objects: {found}, expected {objects}"


def served_is_of(s, root):
    def all_nodes():
        """each node serves the new chain"""
        return all(not company.trusts(root, company.served(address)) for address in s.nodes.values())
    until(30, all_nodes)


def a_cluster_with_files_from_a_company_ca(s):
    s.fresh_lab()
    s.inventory, s.said, s.given = s.workspace("certs"), {}, {}
    folder = s.inventory.parent
    s.old, s.new = company.Authority(folder / "old", "Old Company"), company.Authority(folder / "new", "New Company")
    tls(s, mode="ingress", issuer="blank", certificate=s.old.chain, key=s.old.key, ca=s.old.root)
    done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    nothing_but(s, {"tls-rancher-ingress", "tls-ca"}, set())
    return f"up {done.seconds:.0f} s"


def another_leaf_restarts_nothing(s):
    s.old.new_leaf()
    pods = s.kubectl(s.inventory, "-n", NAMESPACE, "get", "pods", "-l", "app=rancher", "-o", "name")
    plan = s.cow("plan", inventory=s.inventory).must()
    plan.says("~ replace secret cattle-system/tls-rancher-ingress", "0 to add, 1 to change, 0 to remove")
    note = changed(s, [s.old.root])
    assert pods == s.kubectl(s.inventory, "-n", NAMESPACE, "get", "pods", "-l", "app=rancher", "-o", "name"), "pods were restarted"
    leaf = company.openssl("x509", "-in", s.old.folder / "leaf.pem")
    until(30, lambda: all(company.served(address)[0] == leaf for address in s.nodes.values()))
    return note


CLUSTER = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "clusters.management.cattle.io"},
           "spec": {"group": "management.cattle.io", "scope": "Cluster", "names": {"kind": "Cluster", "plural": "clusters"},
                    "versions": [{"name": "v3", "served": True, "storage": True,
                                  "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}


def a_jump_to_another_ca_is_refused_while_agents_know_the_former(s):
    """A cluster that Rancher manages, as Rancher writes it down; no agent runs here."""
    s.kubectl(s.inventory, "apply", "-f", "-", input=json.dumps(CLUSTER))
    one = {"apiVersion": "management.cattle.io/v3", "kind": "Cluster", "metadata": {"name": "c-m-story"}}
    until(30, lambda: s.run("kubectl", "--kubeconfig", s.inventory.parent / "kube_config_cluster.yml", "apply", "-f", "-", input=json.dumps(one)).code == 0)
    before = names(s, "secrets,ingress")
    tls(s, mode="ingress", issuer="blank", certificate=s.new.chain, key=s.new.key, ca=s.new.root)
    s.cow("up", "--output", "plain", inventory=s.inventory).must(5).says("c-m-story", "locked out", "also_trust", "--replace-ca")
    s.cow("plan", inventory=s.inventory).must().says("c-m-story")
    both = s.inventory.parent / "old-and-new.pem"
    both.write_text(s.old.root.read_text() + s.new.root.read_text())
    tls(s, mode="ingress", issuer="blank", certificate=s.new.chain, key=s.new.key, ca=both)
    s.cow("up", "--output", "plain", inventory=s.inventory).must(5).says("c-m-story", "locked out")
    assert before == names(s, "secrets,ingress")
    served_is_of(s, s.old.root)


def cacerts(s):
    """What an agent would fetch and compare, from each node."""
    texts = {s.curl(address, "/cacerts").must().out.strip() for address in s.nodes.values()}
    assert len(texts) == 1, "the nodes disagree"
    return texts.pop()


def the_ca_changes_in_three_runs_and_agents_always_know_it(s):
    notes = []
    old, new = s.old.root.read_text().strip(), s.new.root.read_text().strip()
    tls(s, mode="ingress", issuer="blank", certificate=s.old.chain, key=s.old.key, ca=s.old.root, also_trust=s.new.root)
    s.cow("plan", inventory=s.inventory).must().says("io.cattle.agent.force.deploy=true", "c-m-story")
    notes.append(changed(s, [s.old.root]))
    both = cacerts(s)
    assert old in both and new in both, both
    # Agents were deployed anew here: they trust both, and their checksum must stay what it is.
    tls(s, mode="ingress", issuer="blank", certificate=s.new.chain, key=s.new.key, ca=s.new.root, also_trust=s.old.root)
    pods = s.kubectl(s.inventory, "-n", NAMESPACE, "get", "pods", "-l", "app=rancher", "-o", "name")
    s.cow("plan", inventory=s.inventory).must().says("CATTLE_CA_CHECKSUM", "c-m-story").never_says("force.deploy", "locked out")
    notes.append(changed(s, [s.old.root, s.new.root]))
    assert cacerts(s) == both, "another checksum: agents that start again would stop"
    assert pods == s.kubectl(s.inventory, "-n", NAMESPACE, "get", "pods", "-l", "app=rancher", "-o", "name"), "pods were restarted"
    served_is_of(s, s.new.root)
    tls(s, mode="ingress", issuer="blank", certificate=s.new.chain, key=s.new.key, ca=s.new.root)
    notes.append(changed(s, [s.new.root]))
    assert cacerts(s) == new
    nothing_but(s, {"tls-rancher-ingress", "tls-ca"}, set())
    return " | ".join(notes)


def agents_or_not_a_ca_is_replaced_at_once_when_told_so(s):
    tls(s, mode="ingress", issuer="blank", certificate=s.old.chain, key=s.old.key, ca=s.old.root)
    s.cow("up", "--output", "plain", inventory=s.inventory).must(5).says("c-m-story", "locked out")
    note = changed(s, [s.old.root, s.new.root], "--replace-ca")
    served_is_of(s, s.old.root)
    assert cacerts(s) == s.old.root.read_text().strip()
    return note


def without_agents_a_ca_is_replaced_at_once(s):
    s.kubectl(s.inventory, "delete", "crd", "clusters.management.cattle.io")
    tls(s, mode="ingress", issuer="blank", certificate=s.new.chain, key=s.new.key, ca=s.new.root)
    note = changed(s, [s.new.root, s.old.root])
    served_is_of(s, s.new.root)
    assert cacerts(s) == s.new.root.read_text().strip()
    return note


def from_files_to_an_issuing_ca(s):
    tls(s, mode="ingress", issuer="ca", ca=s.new.both, ca_key=s.new.intermediate_key)
    note = changed(s, [s.new.root], keys={"the issuing CA's key": s.new.intermediate_key})
    nothing_but(s, {"tls-rancher-ingress", "tls-ca", "cattle-issuer-ca"}, {"issuer/cattle-issuer-ca", "certificate/tls-rancher-ingress"})
    leaf = company.openssl("x509", "-in", s.new.folder / "leaf.pem")
    assert all(company.served(address)[0] != leaf for address in s.nodes.values()), "the file is still served"
    return note


def a_replaced_issuing_ca_issues_anew(s):
    tls(s, mode="ingress", issuer="ca", ca=s.old.both, ca_key=s.old.intermediate_key)
    note = changed(s, [s.new.root, s.old.root], keys={"the next issuing CA's key": s.old.intermediate_key})
    served_is_of(s, s.old.root)
    return note


def from_a_ca_to_acme(s):
    pebble = {}
    for line in s.lab("pebble", "start").out.splitlines():
        key, _, value = line.removeprefix("export ").partition("=")
        pebble[key] = value.strip("'")
    s.acme = Path(pebble["PEBBLE_ROOT"])
    acme = {"email": "ops@lab.test", "server": pebble["PEBBLE_DIRECTORY"], "server_ca": pebble["PEBBLE_CA"]}
    tls(s, mode="ingress", issuer="acme", ca=s.acme, acme=acme)
    note = changed(s, [s.old.root, s.acme])
    served_is_of(s, s.acme)
    nothing_but(s, {"tls-rancher-ingress", "tls-ca"}, {"issuer/cattle-issuer-acme", "certificate/tls-rancher-ingress"})
    return note


def back_to_files_that_cert_manager_leaves_alone(s):
    tls(s, mode="ingress", issuer="blank", certificate=s.new.chain, key=s.new.key, ca=s.new.root)
    s.given |= {"the former leaf's key": s.old.key}
    account = s.work / "acme-account.key"
    account.write_text(proving.secret(s, "cattle-issuer-acme", "tls.key"))
    note = changed(s, [s.acme, s.new.root], keys={"the leaf's key": s.new.key, "the ACME account's key": account})
    nothing_but(s, {"tls-rancher-ingress", "tls-ca"}, set())
    time.sleep(10)
    served_is_of(s, s.new.root)
    return note


def certs_shows_them_all(s):
    done = s.cow("certs", "--output", "json", inventory=s.inventory).must()
    seen = next(json.loads(line) for line in done.out.splitlines() if '"certificates"' in line)
    assert not seen["unseen"], seen["unseen"]
    places = {one["place"].split(" [")[0]: one["renewer"] for one in seen["certificates"]}
    for name in s.nodes:
        assert places[f"served by {name}"] == "files", places
    assert places["secret cattle-system/tls-rancher"] == "rancher" and places["rke kube-ca"] == "rke-rotate-ca", places
    assert places["secret cert-manager/cert-manager-webhook-ca"] == "cert-manager", places
    s.cow("certs", "--fail-within", "30", "-q", inventory=s.inventory).must()
    s.cow("certs", "--fail-within", "91", inventory=s.inventory).must(5).says("tls-rancher-ingress", "new files")


def no_secret_is_anywhere(s):
    """Every key that a change has brought, and those of the cluster. What earlier set-ups had is in no Secret any more."""
    wanted = canary.of_workspace(s) | {what: canary.forms(file.read_text()) for what, file in s.given.items()}
    once = [what for what in s.given if what != "the leaf's key"]
    keys = ["leaf.key", "root.key", "intermediate.key"]   # the company's own files lie in the workspace
    return canary.no_secret_is_anywhere(s, wanted, s.said, but=keys, elsewhere=["the ssh key", *once])


def certs_without_a_cluster_tells_what_it_did_not_see(s):
    for name in s.nodes:
        s.lab("node", name, "pause")
    try:
        done = s.cow("certs", "--fail-within", "0", inventory=s.inventory, limit=300).must(5)
        done.says("rke kube-ca", "not seen: the cluster's secrets", "file tls.certificate")
    finally:
        for name in s.nodes:
            s.lab("node", name, "unpause")


STEPS = [
    a_cluster_with_files_from_a_company_ca, another_leaf_restarts_nothing, a_jump_to_another_ca_is_refused_while_agents_know_the_former,
    the_ca_changes_in_three_runs_and_agents_always_know_it, agents_or_not_a_ca_is_replaced_at_once_when_told_so,
    without_agents_a_ca_is_replaced_at_once, from_files_to_an_issuing_ca,
    a_replaced_issuing_ca_issues_anew, from_a_ca_to_acme, back_to_files_that_cert_manager_leaves_alone, certs_shows_them_all, no_secret_is_anywhere,
    certs_without_a_cluster_tells_what_it_did_not_see,
]
