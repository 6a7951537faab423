"""Ways back from an upgrade of Rancher: by helm where its image is nowhere, proved; and refused with the named losses where it has run.

Rancher is delivered by helm, from the chart repository of story versions."""
import json

from .scene import until
from .versions import FROM, TO, UNPULLED, a_cluster_of, backups, files_of, ranchers
from .watching import observed


def definition(plural, kind):
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{plural}.management.cattle.io"},
            "spec": {"group": "management.cattle.io", "scope": "Cluster", "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
                     "versions": [{"name": "v3", "served": True, "storage": True,
                                   "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}


def made(s, *objects):
    s.kubectl(s.inventory, "apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def a_cluster_with_kinds_of_rancher_s(s):
    done = a_cluster_of(s, "back", "helm")
    # The stand-in makes none of Rancher's definitions.
    made(s, definition("users", "User"), definition("clusters", "Cluster"))
    until(30, lambda: "v3" in s.kubectl(s.inventory, "get", "crd", "users.management.cattle.io", "-o", "jsonpath={.status.storedVersions}"))
    s.cow("rollback", "--plan", inventory=s.inventory).must().says("no upgrade by `cowhand upgrade` is on record")
    s.cow("rollback", "--yes", "lab", inventory=s.inventory).must(5).says("no way back")
    return f"up {done.seconds:.0f} s"


def an_image_that_is_nowhere_stops_it_and_the_page_stays(s):
    old = ranchers(s)
    with observed(s, s.folder) as observer:
        done = s.cow("upgrade", "--to", f"rancher={UNPULLED}", "--yes", "lab", inventory=s.inventory)
    done.must(6).says("it stands at step 1 of 1", "the same command goes on", "cowhand rollback")
    page, = observer.page
    assert not page.failed, page.failed[:5]
    now = ranchers(s)
    # The chart lets one of three go before the new one is there.
    assert len(set(old) & set(now)) >= 2 and f"lab/rancher:v{UNPULLED}" in now.values(), now
    return f"{done.seconds:.0f} s"


def helm_leads_back_and_that_is_proved(s):
    files = files_of(s)
    s.cow("rollback", "--plan", inventory=s.inventory).must().says("helm rollback to revision 1", "has never run: its image is not on", "stored versions of 2 definitions")
    s.cow("rollback", inventory=s.inventory).must(2).says("has to be confirmed")
    assert files_of(s) == files
    with observed(s, s.folder) as observer:
        done = s.cow("rollback", "--yes", "lab", "--output", "plain", inventory=s.inventory)
    done.must().says(f"Rancher {FROM} again, by helm's revision 1")
    page, = observer.page
    assert not page.failed, page.failed[:5]
    until(60, lambda: set(ranchers(s).values()) == {f"lab/rancher:v{FROM}"})
    assert f"version: {FROM}   # since the spring" in s.inventory.read_text()
    s.cow("plan", "--exit-code", inventory=s.inventory).must(0).says("nothing would be changed")
    s.cow("rollback", "--plan", inventory=s.inventory).must().says("on record")
    return f"{done.seconds:.0f} s"


def what_has_run_is_not_rolled_back_and_the_losses_are_named(s):
    saved = backups(s)
    s.cow("upgrade", "--to", f"rancher={TO}", "--yes", "lab", inventory=s.inventory).must()
    backup, = set(backups(s)) - set(saved)
    made(s, {"apiVersion": "management.cattle.io/v3", "kind": "User", "metadata": {"name": "u-ada"}, "username": "ada"},
         {"apiVersion": "management.cattle.io/v3", "kind": "Cluster", "metadata": {"name": "c-m-shop"}, "spec": {"displayName": "shop"}})
    pods, files = ranchers(s), files_of(s)
    refused = s.cow("rollback", "--yes", "lab", inventory=s.inventory).must(5)
    refused.says("helm does not lead back", "has run, or may have", "user ada (u-ada), made ", "cluster shop (c-m-shop), made ", f"cowhand rebuild --from {backup}")
    assert ranchers(s) == pods and files_of(s) == files
    data = s.cow("rollback", "--plan", "--output", "json", inventory=s.inventory).must().events("rollback")[0]
    assert [one["name"] for one in data["lost"]] == ["shop (c-m-shop)", "ada (u-ada)"], data


STEPS = [
    a_cluster_with_kinds_of_rancher_s,
    an_image_that_is_nowhere_stops_it_and_the_page_stays,
    helm_leads_back_and_that_is_proved,
    what_has_run_is_not_rolled_back_and_the_losses_are_named,
]
