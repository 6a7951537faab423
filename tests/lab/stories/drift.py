"""What was changed by hand is named with whose doing it is; labels and taints change without rke; looking changes nothing."""
import json
import os
import random
import re
import time

from .scene import until

NAMESPACE = "cattle-system"
OWN = "docker ps -a --no-trunc --filter label=io.rancher.rke.container.name --format '{{.Names}} {{.ID}}' | sort"
# Kubernetes' own parts write these all the time: heartbeats, tokens of pods, questions about rights.
NOISE = {"leases", "events", "nodes", "tokenreviews", "subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews",
         "serviceaccounts", "endpointslices", "endpoints", "selfsubjectreviews"}
LOOKS = (("plan",), ("check",), ("status",), ("verify",), ("drift",), ("certs",))


def kube(s, *words, **how):
    return s.kubectl(s.inventory, *words, **how)


def document(said, key):
    """The one document with this key; a run also tells events."""
    lines = [json.loads(line) for line in said.out.splitlines() if line.startswith("{")]
    return next(line for line in lines if key in line)


def drift(s, code):
    found = document(s.cow("drift", "--exit-code", "--output", "json", inventory=s.inventory).must(code), "drift")
    assert not found["unseen"], found["unseen"]
    return found["drift"]


def fields(found, name):
    one = next((one for one in found if one["object"] == name), None)
    assert one, f"{name} is not among {json.dumps(found, indent=1)}"
    return {field["path"]: (field["applied"], field["seen"], field.get("by", {}).get("manager")) for field in one["fields"]}


def marked(s, words=""):
    """The inventory with these words on its first node."""
    s.inventory.write_text(re.sub(r"(\{name: \S+, address: [0-9.]+)\}", lambda found: f"{found[1]}{words}}}", s.plain, count=1))


def kept(s):
    """What RKE keeps in the cluster."""
    secret = json.loads(kube(s, "-n", "kube-system", "get", "secret", "full-cluster-state", "-o", "json"))
    text = s.run("base64", "-d", input=secret["data"]["full-cluster-state"]).must().out
    return json.loads(text)


def state(s):
    return json.loads((s.folder / "cluster.rkestate").read_text())


def same(state):
    """How rke reached the nodes stands there, too, and is another one by hand; and each rke makes a certificate of kube-admin."""
    for half in state.values():
        half["certificatesBundle"].pop("kube-admin", None)
        config = half["rkeConfig"]
        for key in ("sshKeyPath", "sshAgentAuth", "bastionHost"):
            config.pop(key, None)
        for node in config["nodes"]:
            for key in ("user", "port", "sshKeyPath", "sshKey", "sshAgentAuth"):
                node.pop(key, None)
    return state


def a_cluster(s):
    s.fresh_lab()
    s.inventory = s.workspace("drift")
    s.folder = s.inventory.parent
    done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    s.plain = s.inventory.read_text()
    s.first = list(s.nodes)[0]
    return f"up {done.seconds:.0f} s"


def nothing_has_drifted(s):
    said = s.cow("drift", inventory=s.inventory).must().says("no drift was found")
    assert drift(s, 0) == []
    quiet = s.cow("drift", "--exit-code", "--quiet", inventory=s.inventory).must(0)
    assert not quiet.out, quiet
    return f"{said.seconds:.1f} s"


def writes(s):
    """What each API server has written by now, by verb and kind of object; dry runs apart."""
    counted = {}
    for address in s.nodes.values():
        text = kube(s, "--server", f"https://{address}:6443", "get", "--raw", "/metrics")
        for line in re.findall(r"^apiserver_request_total\{(.*)\} (\S+)$", text, re.M):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line[0]))
            if labels["verb"] in ("POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION") and not labels["dry_run"] and labels["resource"] not in NOISE:
                if labels.get("subresource") != "status":
                    key = (labels["verb"], labels["group"], labels["resource"], labels["subresource"])
                    counted[key] = counted.get(key, 0) + float(line[1])
    return counted


def looking_changes_nothing(s):
    """Counted by the API servers and by Docker, not by cowhand."""
    containers, began = s.on_nodes(OWN), int(time.time()) - 1
    before = writes(s)
    for words in LOOKS:
        s.cow(*words, inventory=s.inventory).must()
    after = writes(s)
    more = {key: count - before.get(key, 0) for key, count in after.items() if count != before.get(key, 0)}
    assert not more, f"written meanwhile: {more}"
    assert s.on_nodes(OWN) == containers
    asked = "docker events --since {} --until {} --filter type=container --format '{{{{.Action}}}} {{{{.Actor.Attributes.name}}}}'"
    told = s.on_nodes(asked.format(began, int(time.time())))
    acts = {line for lines in told.values() for line in lines.splitlines() if not line.startswith("exec_") and " k8s_" not in line}
    assert not acts, acts
    return f"{len(LOOKS)} commands, {int(sum(after.values()))} writes before and after"


def another_argument(s, node, container, word):
    """The container made anew as it is, but for one argument."""
    one = json.loads(s.node(node, f"docker inspect {container}"))[0]
    config, host = one["Config"], one["HostConfig"]
    words = ["docker", "run", "-d", "--name", container, "--net", "host", "--restart", "always"]
    words += [word for bind in host.get("Binds") or [] for word in ("-v", bind)]
    words += [word for other in host.get("VolumesFrom") or [] for word in ("--volumes-from", other)]
    words += [word for each in config["Env"] or [] for word in ("-e", each)]
    words += [word for key, value in config["Labels"].items() for word in ("--label", f"{key}={value}")]
    words += ["--entrypoint", config["Entrypoint"][0], config["Image"], *config["Entrypoint"][1:], *(config["Cmd"] or []), word]
    quoted = " ".join("'" + each.replace("'", "'\\''") + "'" for each in words)
    s.node(node, f"docker rm -f {container} && {quoted}")


def each_change_by_hand_is_named_with_whose_doing_it_is(s):
    first, second, third = s.nodes
    kube(s, "-n", NAMESPACE, "scale", "deployment/rancher", "--replicas", "2")
    kube(s, "-n", NAMESPACE, "set", "env", "deployment/rancher", "BY_HAND=1", "MY_TOKEN=CANARY")
    kube(s, "label", "node", first, "by=hand")
    kube(s, "annotate", "node", first, "rke.cattle.io/external-ip=192.0.2.1", "--overwrite")
    kube(s, "-n", "traefik", "patch", "daemonset/traefik", "--type=json", "-p",
         '[{"op": "replace", "path": "/spec/template/spec/terminationGracePeriodSeconds", "value": 7}]')
    s.node(second, "docker update --restart=no kube-proxy")
    another_argument(s, third, "kube-scheduler", "--v=3")
    said = s.cow("drift", inventory=s.inventory).must().never_says("CANARY")
    s.cow("drift", "--exit-code", "--quiet", inventory=s.inventory).must(9)
    found = drift(s, 9)
    rancher = fields(found, f"deployment {NAMESPACE}/rancher")
    assert rancher["spec.replicas"] == ("3", "2", "kubectl"), rancher
    env = {path: field for path, field in rancher.items() if "BY_HAND" in path or "MY_TOKEN" in path}
    assert len(env) == 2 and all(by == "kubectl-set" for *_, by in env.values()), rancher
    node = fields(found, f"node {first}")
    assert node["metadata.labels.by"] == (None, "hand", "kubectl-label"), node
    assert node["metadata.annotations[rke.cattle.io/external-ip]"] == (s.nodes[first], "192.0.2.1", "kubectl-annotate"), node
    traefik = fields(found, "daemonset traefik/traefik")
    assert traefik["spec.template.spec.terminationGracePeriodSeconds"][1:] == ("7", "kubectl-patch"), traefik
    assert fields(found, f"container {second}/kube-proxy")["restart policy"] == ("always", "no", "docker")
    scheduler = fields(found, f"container {third}/kube-scheduler")
    assert scheduler["--v"][0].startswith("2 (as on ") and scheduler["--v"][1].startswith("2,3"), scheduler
    assert {one["object"] for one in found} == {f"deployment {NAMESPACE}/rancher", f"node {first}", "daemonset traefik/traefik",
                                                f"container {second}/kube-proxy", f"container {third}/kube-scheduler"}, found
    return said.out.strip().splitlines()[-1]


def another_hands_revision_is_named(s):
    chart = s.environment["LAB_CHARTS"]
    s.run("helm", "--kubeconfig", s.folder / "kube_config_cluster.yml", "-n", "traefik", "upgrade", "traefik", f"{chart}/traefik",
          "--reuse-values", "--set", "deployment.podLabels.by=hand", limit=300).must()
    release = fields(drift(s, 9), "release traefik/traefik")
    assert release["revision"][2] == "helm" and release["revision"][0].startswith("1 (cowhand"), release
    assert any(path.startswith("values.deployment.podLabels") for path in release), release


def up_puts_right_what_it_owns(s):
    first, second, third = s.nodes
    s.cow("plan", inventory=s.inventory).must().says(f"deployment {NAMESPACE}/rancher differs from the addon")
    done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    found = drift(s, 9)
    left = {one["object"] for one in found}
    rancher = fields(found, f"deployment {NAMESPACE}/rancher") if f"deployment {NAMESPACE}/rancher" in left else {}
    assert "spec.replicas" not in rancher, rancher
    assert "release traefik/traefik" not in left, found
    # What a person added is not taken away; each says how it goes.
    kube(s, "-n", NAMESPACE, "set", "env", "deployment/rancher", "BY_HAND-", "MY_TOKEN-")
    kube(s, "label", "node", first, "by-")
    kube(s, "annotate", "node", first, f"rke.cattle.io/external-ip={s.nodes[first]}", "--overwrite")
    s.node(second, "docker update --restart=always kube-proxy")
    s.node(third, "docker rm -f kube-scheduler")
    s.run("rke", "up", "--config", "cluster.yml", cwd=s.folder, limit=900).must()
    until(120, lambda: not document(s.cow("drift", "--output", "json", inventory=s.inventory).must(), "drift")["drift"])
    return f"up {done.seconds:.0f} s"


def rke_by_hand(s):
    began = time.monotonic()
    s.run("rke", "up", "--config", "cluster.yml", cwd=s.folder, limit=900).must()
    return time.monotonic() - began


def addon_jobs(s):
    """By their UIDs; the one of the user's addons is run again by each rke (rancher/rke v1.8.0: k8s/job.go, ApplyK8sSystemJob)."""
    found = json.loads(kube(s, "-n", "kube-system", "get", "jobs", "-o", "json"))["items"]
    return {one["metadata"]["name"]: one["metadata"]["uid"] for one in found if not one["metadata"]["name"].startswith("rke-user-addon")}


def a_label_and_a_taint_in_seconds_and_rke_finds_nothing_new(s):
    s.cow("up", "--output", "plain", inventory=s.inventory).must()
    rke_by_hand(s)
    containers, notes = s.on_nodes(OWN), []
    jobs = addon_jobs(s)
    for words, label, taints in (
        (", labels: {zone: a, tier: web}, taints: [{key: team, value: db, effect: PreferNoSchedule}]", "a", 1),
        (", labels: {zone: b}", "b", 0),
        ("", None, 0),
    ):
        marked(s, words)
        logs = set((s.folder / ".cowhand" / "logs").glob("rke-*"))
        s.cow("plan", inventory=s.inventory).must().says("label and taint nodes", "no pod and no container restarts").never_says("run rke up")
        done = s.cow("up", "--output", "json", inventory=s.inventory).must()
        step = next(event["seconds"] for event in done.events("step-finished") if "label and taint nodes" in event["step"])
        assert set((s.folder / ".cowhand" / "logs").glob("rke-*")) == logs, "rke was run"
        node = json.loads(kube(s, "get", "node", s.first, "-o", "json"))
        assert node["metadata"]["labels"].get("zone") == label, node["metadata"]["labels"]
        assert len([one for one in node["spec"].get("taints", []) if one["key"] == "team"]) == taints, node["spec"]
        s.cow("plan", "--exit-code", inventory=s.inventory).must(0)
        ours = kept(s)
        own = state(s)
        took = rke_by_hand(s)
        theirs = kept(s)
        assert same(theirs) == same(ours), "rke writes another Secret"
        assert same(state(s)) == same(own), "rke writes another state"
        assert s.on_nodes(OWN) == containers, "rke restarted something"
        assert addon_jobs(s) == jobs, "rke ran a job again"
        assert drift(s, 0) == []
        s.cow("plan", "--exit-code", inventory=s.inventory).must(0)
        notes.append(f"step {step:.1f} s, up {done.seconds:.1f} s, rke up {took:.0f} s")
    return " | ".join(notes)


def a_label_taken_off_by_hand_is_put_back(s):
    marked(s, ", labels: {zone: a}")
    s.cow("up", inventory=s.inventory).must()
    kube(s, "label", "node", s.first, "zone-")
    assert fields(drift(s, 9), f"node {s.first}")["metadata.labels.zone"][:2] == ("a", None)
    s.cow("plan", inventory=s.inventory).must().says(".labels.zone: (unset) -> a").never_says("run rke up")
    s.cow("up", inventory=s.inventory).must()
    assert drift(s, 0) == []


def killed_anywhere_the_next_run_arrives(s):
    chance = random.Random(int(os.environ.get("STORY_SEED", "7")))
    for turn in range(6):
        marked(s, f", labels: {{turn: t{turn}}}")
        child = s.start(s.cowhand, "up", "-i", s.inventory, log=s.work / f"kill-{turn}.log")
        time.sleep(chance.uniform(0.8, 3.0))
        if child.poll() is None:
            s.kill(child)
        # Every other time with the inventory put back.
        wanted = f"t{turn}" if turn % 2 else None
        marked(s, f", labels: {{turn: {wanted}}}" if wanted else "")
        until(90, lambda: s.cow("up", inventory=s.inventory).code == 0, pause=5)
        node = json.loads(kube(s, "get", "node", s.first, "-o", "json"))
        assert node["metadata"]["labels"].get("turn") == wanted, (turn, node["metadata"]["labels"])
        s.cow("plan", "--exit-code", inventory=s.inventory).must(0)
        assert drift(s, 0) == []


STEPS = [
    a_cluster,
    nothing_has_drifted,
    looking_changes_nothing,
    a_label_and_a_taint_in_seconds_and_rke_finds_nothing_new,
    a_label_taken_off_by_hand_is_put_back,
    killed_anywhere_the_next_run_arrives,
    each_change_by_hand_is_named_with_whose_doing_it_is,
    another_hands_revision_is_named,
    up_puts_right_what_it_owns,
]
