"""A cluster that bare rke and helm built, as most how-tos have it, is taken over: nothing on it changes, and then one value does.

`adopt` from its files and, in an empty folder, from one of its nodes; a Rancher by the documented helm commands, a workload beside."""
import json
import re
from pathlib import Path

from .existing import FILES
from .scene import fingerprint, until

# The file of Rancher's own how-to, with what this lab needs behind it: its images, its network, no ingress of RKE's.
HOW_TO = """nodes:
%s
services:
  etcd:
    snapshot: true
    creation: 6h
    retention: 24h
"""

NOT_FOR_A_LAB = "disk.images,disk.etcd"


# --- what is asked of the scene
def kube(s, *words, code=0, **how):
    return s.run("kubectl", "--kubeconfig", s.old / "kube_config_rancher-cluster.yml", *words, **how).must(code).out


def helm(s, *words):
    return s.run("helm", "--kubeconfig", s.old / "kube_config_rancher-cluster.yml", *words, limit=400)


def install(s, name, *words):
    """As somebody does it who types the command again where the API blinked."""
    chart = Path(s.environment["LAB_CHARTS"]) / name
    until(300, lambda: helm(s, "upgrade", "--install", name, chart, "--create-namespace", *words).code == 0, pause=5)


def every_api_is_ready(s):
    """each control plane's own API server says that it is ready"""
    servers = [f"https://{address}:6443" for address in s.nodes.values()]
    words = ["kubectl", "--kubeconfig", s.old / "kube_config_rancher-cluster.yml", "--request-timeout=5s", "get", "--raw", "/readyz", "--server"]
    return all(s.run(*words, server).code == 0 for server in servers)


def picture(s):
    """What must stay: containers on the nodes, workloads in the API with what was written to them, releases, the CA."""
    workloads = {}
    for item in json.loads(kube(s, "get", "deploy,daemonset,statefulset,ingress,secret,configmap", "-A", "-o", "json"))["items"]:
        meta = item["metadata"]
        # Leaders write into theirs all the time.
        if "control-plane.alpha.kubernetes.io/leader" not in meta.get("annotations", {}):
            workloads[item["kind"], meta["namespace"], meta["name"]] = (meta["uid"], meta.get("generation"), meta["resourceVersion"])
    pods = {item["metadata"]["uid"] for item in json.loads(kube(s, "get", "pods", "-A", "-o", "json"))["items"]}
    return {"containers": s.on_nodes("docker ps -q --no-trunc | sort"), "workloads": workloads, "pods": pods,
            "ca": s.on_nodes("sha256sum /etc/kubernetes/ssl/kube-ca.pem")}


def changed(before, after):
    found = [f"{part}: {key}" for part in ("containers", "workloads", "ca") for key in before[part].keys() | after[part].keys()
             if before[part].get(key) != after[part].get(key)]
    return sorted(found) + [f"pod {uid}" for uid in before["pods"] ^ after["pods"]]


def adopt(s, *words, folder):
    folder.mkdir()
    return s.cow("adopt", *words, "--known-hosts", s.environment["LAB_KNOWN_HOSTS"], "-o", folder / "inventory.yml", "--output", "plain", "--skip", NOT_FOR_A_LAB, env=s.home)


def finish(s, inventory):
    """What a person adds who works on this lab: its name server, and the checks that are not for a lab."""
    inventory.write_text(inventory.read_text() + f'dns: {{server: "{s.environment["LAB_GATEWAY"]}:53"}}\nskip_checks: [{NOT_FOR_A_LAB}]\n')


def changes_nothing(s, inventory):
    planned = s.cow("plan", "--output", "json", inventory=inventory, env=s.home).must()
    steps = [step for event in planned.events("plan") for step in event["value"]]
    assert not [step for step in steps if step["changes"]], planned
    before = picture(s)
    done = s.cow("up", "--output", "json", inventory=inventory, env=s.home).must()
    outcomes = {e["stage"]: e["outcome"] for e in done.events("stage-finished")}
    assert set(outcomes.values()) <= {"unchanged", "passed"}, outcomes
    assert not changed(before, picture(s)), changed(before, picture(s))
    assert not list((inventory.parent / ".cowhand" / "logs").glob("rke-*")), "rke was run"
    return f"up {done.seconds:.1f} s"


# --- the steps
def somebody_built_it_by_hand(s):
    s.fresh_lab()
    s.old = s.work / "old"
    s.old.mkdir()
    home = s.work / "home"
    home.mkdir()
    s.home = {"HOME": str(home), "SSH_AUTH_SOCK": ""}
    nodes = "\n".join(f"  - address: {a}\n    user: {s.environment['LAB_USER']}\n    role: [controlplane, worker, etcd]" for a in s.nodes.values())
    lab = (FILES / "cluster.yml").read_text().replace("KEY", s.environment["LAB_KEY"])
    # Its own keys, without those of the how-to; the keys of `services` go below that file's.
    lab = re.sub(r"^(#.*|cluster_name:.*|nodes:|NODES|services:)\n", "", lab, flags=re.M)
    services = "".join(re.findall(r"^  (?:kubeproxy|kubelet): .*\n", lab, flags=re.M))
    lab = re.sub(r"^  (?:kubeproxy|kubelet): .*\n", "", lab, flags=re.M)
    (s.old / "rancher-cluster.yml").write_text(HOW_TO % nodes + services + lab)
    done = s.run("rke", "up", "--config", "./rancher-cluster.yml", cwd=s.old, limit=900).must()
    return f"{done.seconds:.0f} s"


def rancher_comes_by_the_documented_commands(s):
    until(180, lambda: every_api_is_ready(s))
    install(s, "traefik", "-n", "traefik", "-f", FILES / "traefik.yml", "--wait", "--timeout", "4m")
    install(s, "cert-manager", "-n", "cert-manager", "--set", "installCRDs=true", "-f", FILES / "cert-manager.yml", "--wait", "--timeout", "4m")
    install(s, "rancher", "-n", "cattle-system", "--set", "hostname=rancher.lab.test", "--set", "bootstrapPassword=CANARY-of-adopt",
            "--set", "ingress.ingressClassName=traefik")
    kube(s, "-n", "cattle-system", "rollout", "status", "deploy/rancher", "--timeout=5m")
    kube(s, "-n", "cattle-system", "wait", "certificate/tls-rancher-ingress", "--for=condition=Ready", "--timeout=3m")
    kube(s, "apply", "-f", FILES / "neighbours.yml")
    kube(s, "-n", "theirs", "rollout", "status", "deployment/theirs", "--timeout=180s")


def adopt_writes_it_down_and_has_nothing_to_do(s):
    before, files = picture(s), fingerprint(s.old)
    done = adopt(s, "--from", s.old / "rancher-cluster.yml", folder=s.work / "new").must()
    done.says("older copy of cluster.rkestate", "rancher.values.bootstrapPassword").never_says("CANARY", "FILL IN", "fill in")
    s.inventory = s.work / "new" / "inventory.yml"
    text = s.inventory.read_text()
    assert "CANARY" not in text and "FILL IN" not in text and "mode: ingress" in text and "class: traefik" in text, text
    assert not changed(before, picture(s)) and fingerprint(s.old) == files
    modes = s.run("find", s.work / "new", "-type", "f", "-not", "-name", "inventory.yml", "-perm", "/077").must().out.split()
    assert not [name for name in modes if "/.cowhand/" not in name], modes
    finish(s, s.inventory)
    return f"{done.seconds:.1f} s"


def up_changes_nothing(s):
    return changes_nothing(s, s.inventory)


def it_is_protected(s):
    s.cow("down", "--yes", "local", inventory=s.inventory, env=s.home).must(5).says("protected", "cowhand unprotect local")
    s.cow("up", "--replace-ca", inventory=s.inventory, env=s.home).must(5).says("protected")
    before, state = picture(s), s.inventory.parent / "cluster.rkestate"
    aside = state.rename(s.work / "aside.rkestate")
    s.cow("up", inventory=s.inventory, env=s.home).must(5)
    aside.rename(state)
    assert not changed(before, picture(s)), changed(before, picture(s))


def one_value_changed_changes_only_that(s):
    text = s.inventory.read_text()
    chart = Path(s.environment["LAB_CHARTS"]) / "rancher"
    # Where an upgrade takes the chart from, only its user knows.
    s.inventory.write_text(text.replace("  delivery: helm\n", f"  delivery: helm\n  chart: {{path: {chart}}}\n  values: {{debug: true}}\n"))
    assert s.inventory.read_text() != text and "values:\n" not in text, text
    s.cow("plan", inventory=s.inventory, env=s.home).must().says("helm upgrade --install rancher", "value debug changes").never_says("rke up", "CANARY", "value bootstrapPassword")
    before = picture(s)
    done = s.cow("up", "--output", "json", inventory=s.inventory, env=s.home).must()
    outcomes = {e["stage"]: e["outcome"] for e in done.events("stage-finished")}
    assert outcomes["rancher"] == "changed" and outcomes["cluster"] == "unchanged", outcomes
    after = picture(s)
    workloads = {key: one for key, one in after["workloads"].items() if one != before["workloads"].get(key)}
    touched = {key[1:] for key in workloads if key[0] in ("Deployment", "DaemonSet", "StatefulSet")}
    assert touched == {("cattle-system", "rancher")}, touched
    assert {key[1] for key in workloads} == {"cattle-system"} and before["ca"] == after["ca"], workloads
    values = json.loads(helm(s, "get", "values", "rancher", "-n", "cattle-system", "-o", "json").must().out)
    assert values["bootstrapPassword"] == "CANARY-of-adopt" and values["debug"] is True, values
    return f"{done.seconds:.1f} s"


def from_a_node_alone_in_an_empty_folder(s):
    words = ["--node", list(s.nodes.values())[1], "--user", s.environment["LAB_USER"], "--key", s.environment["LAB_KEY"]]
    done = adopt(s, *words, folder=s.work / "alone").must().never_says("CANARY", "FILL IN", "fill in")
    inventory = s.work / "alone" / "inventory.yml"
    finish(s, inventory)
    assert (s.work / "alone" / "cluster.rkestate").stat().st_mode & 0o777 == 0o600
    return f"adopt {done.seconds:.1f} s, {changes_nothing(s, inventory)}"


def bad_ways_are_refused_with_nothing_written(s):
    empty = s.work / "bad"
    words = ["--user", s.environment["LAB_USER"], "--key", s.environment["LAB_KEY"]]
    adopt(s, "--node", s.environment["LAB_GATEWAY"], *words, folder=empty).must(4)
    assert not (empty / "inventory.yml").exists(), list(empty.iterdir())


STEPS = [
    somebody_built_it_by_hand, rancher_comes_by_the_documented_commands, adopt_writes_it_down_and_has_nothing_to_do, up_changes_nothing, it_is_protected,
    one_value_changed_changes_only_that, from_a_node_alone_in_an_empty_folder, bad_ways_are_refused_with_nothing_written,
]
