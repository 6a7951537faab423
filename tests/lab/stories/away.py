"""One node of a cluster is off: what needs only the API goes on, what rke has to do is refused."""
from . import members


def what_needs_only_the_api_goes_on_without_a_node(s):
    """One of three etcd nodes is off: a value of helm's is changed all the same, what rke has to do is refused, and so is all without a majority."""
    second, third = list(s.nodes)[1:]
    value = members.beside(s, "value", "startupapicheck: {enabled: false}", "startupapicheck: {enabled: false}\n    podLabels: {story: without-a-node}")
    addon = members.beside(s, "addon", "  version: 2.11.5\n", "  version: 2.11.5\n  replicas: 5\n")
    label = ["-n", "cert-manager", "get", "deploy", "cert-manager", "-o", "jsonpath={.spec.template.metadata.labels.story}"]
    s.lab("node", third, "stop")
    try:
        s.cow("check", inventory=s.whole).must(4).says(third)
        s.cow("plan", inventory=value).must().says(f"{third} is not reached", "goes on without it", "helm upgrade --install cert-manager")
        # Pods of the node that is off come up elsewhere when Kubernetes gives them up, some five minutes later.
        done = s.cow("up", "--output", "plain", inventory=value).must().says(f"{third} is not reached", "goes on without it", "etcd 2/3")
        assert s.kubectl(s.whole, *label) == "without-a-node"
        for word in ("plan", "up"):
            s.cow(word, inventory=addon).must(4).says(f"{third} cannot be reached", "rke has to run, and it goes over every node")
        s.lab("node", second, "stop")
        s.cow("up", inventory=value).must(4).says(second, third, "of 3 members of etcd only 1 can be locked")
    finally:
        for name in (second, third):
            s.lab("node", name, "start")
    members.until(240, lambda: s.cow("status", inventory=s.whole).out.count("3 of 3 members healthy"))
    ready = "jsonpath={range .items[*]}{.status.conditions[?(@.type=='Ready')].status}{' '}{end}"
    members.until(240, lambda: s.kubectl(s.whole, "get", "nodes", "-o", ready).split() == ["True"] * 4)
    again = s.cow("up", "--output", "json", inventory=value).must()
    assert {e["outcome"] for e in again.events("stage-finished")} <= {"unchanged", "passed"}, again
    s.cow("up", inventory=s.whole).must()
    return f"{done.seconds:.0f} s"


STEPS = [members.three_machines_and_a_fourth, members.up_builds_a_cluster_of_four, what_needs_only_the_api_goes_on_without_a_node]
