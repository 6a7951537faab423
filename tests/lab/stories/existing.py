"""A cluster that was there before, with people in it who must not notice: kubeconfig, rights, check, plan, up, verify, lock, down.

The cluster is built by bare rke, without cowhand; Traefik and the neighbours come by helm and kubectl."""
import base64
import json
import re
import shutil
import time
from pathlib import Path

from . import canary
from .asking import LONGEST, Client, health
from .scene import besides_logs, fingerprint, until

# What rke, helm and kubectl are given here.
FILES = Path(__file__).resolve().parent / "existing-cluster"

# These change by themselves: heartbeats, locks of controllers, news.
RESTLESS = {"Event", "Lease", "Node", "ComponentStatus"}


# --- what is asked of the scene
def kube(s, *words, code=0, **how):
    return s.run("kubectl", "--kubeconfig", s.theirs, *words, **how).must(code).out


def helm(s, *words, code=0):
    return s.run("helm", "--kubeconfig", s.theirs, *words, limit=300).must(code)


def everything(s):
    """Every object: kind, namespace and name -> uid and resourceVersion."""
    kinds = kube(s, "api-resources", "--verbs=list", "-o", "name").split()
    kinds = [k for k in kinds if not k.startswith(("events", "componentstatuses"))]
    found = {}
    for item in json.loads(kube(s, "get", ",".join(kinds), "-A", "-o", "json"))["items"]:
        if item["kind"] not in RESTLESS:
            meta = item["metadata"]
            found[item["kind"], meta.get("namespace", ""), meta["name"]] = (meta["uid"], meta["resourceVersion"])
    return found


def neighbours(s):
    """What is not cowhand's to touch, with the pods' restarts."""
    ours = {"cattle-system", "cert-manager"}
    # A cert-manager that cowhand installs has its leader election there.
    leaders = {k for k in everything(s) if k[1] == "kube-system" and "cert-manager" in k[2]}
    mark = {("ConfigMap", "kube-system", "cowhand")}
    objects = {k: v for k, v in everything(s).items() if k[1] and k[1] not in ours and k not in leaders | mark}
    pods = json.loads(kube(s, "get", "pods", "-A", "-o", "json"))["items"]
    restarts = {p["metadata"]["name"]: sum(c["restartCount"] for c in p["status"].get("containerStatuses", []))
                for p in pods if p["metadata"]["namespace"] not in ours}
    return objects, restarts


def differences(before, after):
    changed = {k for k in before.keys() & after.keys() if before[k] != after[k]}
    return sorted(map(str, changed | (before.keys() ^ after.keys())))


def same_neighbours(s):
    now = neighbours(s)
    assert not differences(s.neighbours[0], now[0]), differences(s.neighbours[0], now[0])
    assert s.neighbours[1] == now[1], "a pod of the neighbours was restarted"


def visitor(s):
    """Asks the neighbours' web server through every node, again and again."""
    return Client({name: health(address, "theirs.lab.test") for name, address in s.nodes.items()}, 0.2)


def none_failed(client):
    client.within(LONGEST)
    assert not client.failed(), f"{len(client.failed())} of {client.asked()} requests failed: {client.failed()[:5]}"
    return f"{client.asked()} requests of the neighbours, none failed"


def with_kubeconfig(s, name, text, context=None):
    """A workspace whose inventory has another kubeconfig."""
    folder = s.work / name
    folder.mkdir()
    if text is not None:
        (folder / "theirs.yml").write_text(text)
    inventory = s.inventory.read_text()
    if context:
        inventory = inventory.replace("./theirs.yml", f"./theirs.yml, context: {context}")
    (folder / "shared.yml").write_text(inventory)
    return folder / "shared.yml"


# --- the steps
def bare_rke_builds_a_cluster(s):
    s.fresh_lab()
    folder = s.work / "bare"
    folder.mkdir()
    nodes = "\n".join(f"- {{address: {a}, user: {s.environment['LAB_USER']}, role: [controlplane, etcd, worker], hostname_override: {n}}}" for n, a in s.nodes.items())
    (folder / "cluster.yml").write_text((FILES / "cluster.yml").read_text().replace("KEY", s.environment["LAB_KEY"]).replace("NODES", nodes))
    done = s.run("rke", "up", "--config", "cluster.yml", cwd=folder, limit=900).must()
    s.theirs = folder / "kube_config_cluster.yml"
    s.folder = s.work / "shared"
    s.folder.mkdir()
    s.inventory = s.folder / "shared.yml"
    shutil.copy(s.theirs, s.folder / "theirs.yml")
    s.inventory.write_text((FILES / "inventory.yml").read_text().replace("GATEWAY", s.environment["LAB_GATEWAY"]))
    return f"{done.seconds:.0f} s"


def others_move_in(s):
    helm(s, "install", "traefik", Path(s.environment["LAB_CHARTS"]) / "traefik", "-n", "traefik", "--create-namespace", "-f", FILES / "traefik.yml", "--wait", "--timeout", "4m")
    # Helm's --wait is content with maxUnavailable pods of a DaemonSet missing; the next step counts them all.
    kube(s, "-n", "traefik", "rollout", "status", "daemonset/traefik", "--timeout=180s")
    kube(s, "apply", "-f", FILES / "neighbours.yml")
    kube(s, "-n", "theirs", "rollout", "status", "deployment/theirs", "--timeout=180s")
    with visitor(s) as client:
        until(60, lambda: client.since(0) > 0)


def a_kubeconfig_that_cannot_be_used_is_named_with_its_remedy(s):
    whole = s.theirs.read_text()
    plugin = whole[:whole.index("users:")] + "users:\n- name: kube-admin-bare\n  user:\n    exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-plugin, interactiveMode: Never}\n"
    dead = whole.replace(":6443", ":6444")
    for name, text, context, code, said in [
        ("missing", None, None, 5, ["theirs.yml", "kubeconfig.usable"]),
        ("wrong-context", whole, "elsewhere", 5, ["no context elsewhere", "it has", "theirs.yml"]),
        ("no-current", whole.replace("current-context:", "x-context:"), None, 5, ["current context", "theirs.yml"]),
        ("no-plugin", plugin, None, 5, ["no-such-plugin", "kubeconfig.credentials", "PATH"]),
        ("dead", dead, None, 4, ["6444", "kubectl"]),
    ]:
        place = with_kubeconfig(s, name, text, context)
        before = besides_logs(place.parent)
        s.cow("check", "--output", "plain", inventory=place).must(code).says(*said)
        if code == 5:
            s.cow("check", "--offline", "--output", "plain", inventory=place).must(5).says(*said)
        for verb in (["up"], ["plan"]):
            s.cow(*verb, "--output", "plain", inventory=place).must(code).says(*said[:1])
        if name != "no-plugin":
            s.cow("verify", inventory=place).must(4).says("theirs.yml")
        assert besides_logs(place.parent) == before, f"{name}: something besides the run's own log was written"


def each_right_that_is_missing_is_named(s):
    token = kube(s, "-n", "theirs", "create", "token", "guest").strip()
    whole = s.theirs.read_text()
    place = with_kubeconfig(s, "guest", whole[:whole.index("users:")] + f"users:\n- name: kube-admin-bare\n  user: {{token: {token}}}\n")
    done = s.cow("check", "--output", "json", inventory=place).must(5)
    missing = {}
    for f in [e["finding"] for e in done.events("finding") if e["finding"]["check"] == "existing.rights"]:
        missing[f["subject"]] = f"{missing.get(f['subject'], '')} {f['seen']}"
    for resource, verb in [("secrets", "create"), ("namespaces", "create"), ("deployments.apps", "patch"), ("clusterrolebindings.rbac.authorization.k8s.io", "create"),
                           ("clusterroles.rbac.authorization.k8s.io/cluster-admin", "bind"), ("leases.coordination.k8s.io", "create"), ("ingresses.networking.k8s.io", "create"),
                           ("customresourcedefinitions.apiextensions.k8s.io", "create"), ("validatingwebhookconfigurations.admissionregistration.k8s.io", "create"),
                           ("certificates/status.cert-manager.io", "patch"), ("jobs.batch", "create")]:
        assert verb in missing.get(resource, ""), f"{resource}: {missing}"
    done.never_says(token)
    s.cow("up", "--output", "plain", inventory=place).must(5).says("existing.rights").never_says(token)
    return f"{len(missing)} resources"


def check_is_green_and_touches_nothing(s):
    before, files = everything(s), fingerprint(s.folder)
    done = s.cow("check", "--output", "plain", inventory=s.inventory).must()
    found = [e["finding"] for e in s.cow("check", "--output", "json", inventory=s.inventory).must().events("finding")]
    said = {f["check"]: f["seen"] for f in found if f["verdict"] == "pass"}
    assert "class traefik, the cluster's default" in said["existing.ingress-class"] and "3 of its pods ready" in said["existing.ingress-class"], said
    assert said["existing.rancher"] == "none" and said["existing.leftovers"] == "nothing", said
    assert not differences(before, everything(s)) and fingerprint(s.folder) == files
    return f"{done.seconds:.1f} s"


def plan_says_all_and_changes_nothing(s):
    before, files = everything(s), fingerprint(s.folder)
    done = s.cow("plan", "-v", inventory=s.inventory).must()
    done.says("helm upgrade --install rancher", "helm upgrade --install cert-manager", "secret cattle-system/tls-ca", "ingressClassName: traefik", "the existing cluster itself is not changed").never_says("rke", "PRIVATE KEY", "upgrade --install traefik")
    now = everything(s)
    assert not differences(before, now), differences(before, now)
    assert fingerprint(s.folder) == files, "plan wrote into the workspace"


def up_arrives_and_nobody_notices(s):
    s.before, s.neighbours = everything(s), neighbours(s)
    s.visitor = visitor(s).__enter__()
    with canary.Sampler(s) as s.sampler:
        done = s.cow("up", "--output", "plain", inventory=s.inventory).must().says("https://rancher.lab.test")
    s.up_text = done.out + done.err
    same_neighbours(s)
    assert not s.run("kubectl", "--kubeconfig", s.theirs, "-n", "kube-system", "get", "lease", "cowhand").must(1).out
    return f"{done.seconds:.0f} s"


def a_browser_with_only_the_ca_trusts_every_node(s):
    for name, address in s.nodes.items():
        answer = s.curl(address, "/ping", s.folder / "ca.pem").must()
        assert answer.out.strip() == "pong", f"{name}: {answer}"


def verify_status_and_kubeconfig_agree(s):
    done = s.cow("verify", "--output", "json", inventory=s.inventory).must()
    findings = [e["finding"] for e in done.events("finding")]
    assert findings and all(f["verdict"] == "pass" for f in findings), findings
    subjects = {f["subject"] for f in findings if f["check"] == "outside.trusted"}
    assert {f"node {n}" for n in s.nodes} <= subjects and any(x.startswith("dns ") for x in subjects), subjects
    s.cow("status", inventory=s.inventory).must().says("cert-manager  accepts issuers", "3 of 3 ready").never_says("etcd  ")
    s.cow("kubeconfig", "--path", inventory=s.inventory).must().says("shared/theirs.yml")
    s.cow("recover-state", inventory=s.inventory).must(2).says("hint")


def up_again_changes_nothing(s):
    before = everything(s)
    done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    now = everything(s)
    assert not differences(before, now), differences(before, now)
    return f"{done.seconds:.1f} s"


def given_nodes_are_looked_at_and_walked_from(s):
    text = s.inventory.read_text()
    nodes = "\n".join(f"- {{name: {n}, address: {a}}}" for n, a in s.nodes.items())
    ssh = "{user: %s, identity_file: %s, known_hosts: %s}" % (s.environment["LAB_USER"], s.environment["LAB_KEY"], Path(s.environment["LAB_RUN"]) / "known_hosts")
    s.inventory.write_text(f"{text}ssh: {ssh}\nnodes:\n{nodes}\n")
    found = [e["finding"] for e in s.cow("check", "--output", "json", inventory=s.inventory).must().events("finding")]
    for check in ["ssh.reachable", "dns.nodes", "clock.skew"]:
        subjects = {f["subject"] for f in found if f["check"] == check and f["verdict"] == "pass"}
        assert subjects >= set(s.nodes), f"{check}: {subjects}"
    # How a machine must be for rke is nobody's business here.
    assert not [f for f in found if f["check"].startswith(("docker.", "ports.", "node."))], found
    before = everything(s)
    s.cow("up", "--output", "plain", inventory=s.inventory).must().says("left as it is")
    assert not differences(before, everything(s)), differences(before, everything(s))
    findings = [e["finding"] for e in s.cow("verify", "--output", "json", inventory=s.inventory).must().events("finding")]
    subjects = {f["subject"] for f in findings if f["check"] == "outside.trusted"}
    assert set(s.nodes) <= subjects and all(any(x.startswith(f"{n}→dns ") for x in subjects) for n in s.nodes), subjects
    s.inventory.write_text(text)
    same_neighbours(s)


def a_named_class_is_used_and_no_ingress_comes_beside_it(s):
    text = s.inventory.read_text()
    named = lambda name: text.replace("cert_manager:", f"ingress: {{class: {name}}}\ncert_manager:", 1)
    # A second default, which nobody serves.
    kube(s, "apply", "-f", "-", input="""
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
spec: {controller: example.com/nobody}
""")
    s.cow("check", "--output", "plain", inventory=s.inventory).must(5).says("2 ingress classes are the default one")
    s.inventory.write_text(named("traefik"))
    s.cow("check", "--output", "json", inventory=s.inventory).must().says("class traefik, of controller traefik.io/ingress-controller: 3 of its pods ready")
    before = everything(s)
    s.cow("up", "--output", "plain", inventory=s.inventory).must().says("class traefik is served by traefik.io/ingress-controller, left as it is")
    s.cow("verify", inventory=s.inventory).must()
    assert not differences(before, everything(s)), differences(before, everything(s))
    # What a class is called does not tell what serves it.
    through = "mode: rancher, issuer: ca, passthrough: true"
    s.inventory.write_text(named("nginx").replace("mode: ingress, issuer: ca", through))
    for words in (["check"], ["plan"], ["verify"]):
        s.cow(*words, inventory=s.inventory).must(3).says("example.com/nobody")
    s.inventory.write_text(named("traefik").replace("mode: ingress, issuer: ca", through))
    s.cow("check", inventory=s.inventory).must()
    s.cow("plan", inventory=s.inventory).must().says("IngressRouteTCP")
    s.inventory.write_text(text.replace("cert_manager:", "ingress: {provider: traefik}\ncert_manager:", 1))
    s.cow("check", "--output", "plain", inventory=s.inventory).must(5).says("existing.ingress-class", "an ingress is there already")
    s.cow("up", "--output", "plain", "--skip", "existing.ingress-class", inventory=s.inventory).must(5).says("cowhand did not install it")
    assert not differences(before, everything(s)), differences(before, everything(s))
    kube(s, "delete", "ingressclass/nginx")
    s.inventory.write_text(text)
    same_neighbours(s)


def no_secret_is_anywhere(s):
    key = re.search(r"client-key-data: \"?([A-Za-z0-9+/=]+)", s.theirs.read_text())[1]
    secrets = {"the CA's key": (s.folder / "secrets" / "ca-key.pem").read_text(), "the password": (s.folder / "secrets" / "bootstrap-password").read_text(),
               "the kubeconfig's key": base64.b64decode(key).decode()}
    wanted = {what: canary.forms(text) for what, text in secrets.items()}
    return canary.no_secret_is_anywhere(s, wanted, {"what up said": s.up_text}, lambda *words, **how: kube(s, *words, **how), ["theirs.yml"], ["the password"])


def a_second_laptop_is_refused_until_the_first_is_gone(s):
    other = s.work / "laptop2"
    shutil.copytree(s.folder, other, symlinks=True)
    # Something to do, so that the first run takes its time.
    s.inventory.write_text(s.inventory.read_text().replace("rancher:\n", "rancher:\n  replicas: 2\n", 1))
    log = s.work / "first.log"
    first = s.start(s.cowhand, "up", "--output", "plain", "-i", s.inventory, log=log)
    # It has taken the lock when its first stage after the checks begins.
    until(60, lambda: re.search(r"^cluster +started", log.read_text(), re.M) or first.poll() is not None, 0.05)
    there = s.cow("up", inventory=other / "shared.yml")
    s.kill(first)
    assert there.code == 5, f"the second run has to be refused: {there}"
    there.says("another run", "cowhand up", "kube-system/cowhand")
    began = time.monotonic()
    s.cow("up", inventory=other / "shared.yml").must(5).says("free in")
    until(90, lambda: s.cow("up", inventory=other / "shared.yml").code == 0, 5)
    waited = time.monotonic() - began
    s.inventory.write_text(s.inventory.read_text().replace("  replicas: 2\n", "", 1))
    s.cow("up", inventory=s.inventory).must()
    same_neighbours(s)
    return f"a dead run's lock was free after {waited:.0f} s"


def the_pinned_cluster_is_meant_wherever_the_context_has_moved_on_to(s):
    pin, kubeconfig = s.folder / ".cowhand" / "identity" / "shared.pin.json", s.folder / "theirs.yml"
    pinned, text, before = pin.read_text(), kubeconfig.read_text(), everything(s)
    assert json.loads(pinned)["cluster"] == kube(s, "get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"), pinned
    context = json.loads(pinned)["context"]
    # Another context, in which nobody answers, is current now.
    user = re.search(r"user: \"?([^\s\"]+)", text[text.index("contexts:"):])[1]
    moved = text.replace("contexts:\n", f"contexts:\n- context: {{cluster: elsewhere, user: {user}}}\n  name: elsewhere\n", 1)
    moved = moved.replace("clusters:\n", "clusters:\n- cluster: {server: 'https://127.0.0.1:6444'}\n  name: elsewhere\n", 1)
    moved = re.sub(r"current-context: .*", "current-context: elsewhere", moved)
    kubeconfig.write_text(moved)
    for words in (["check"], ["plan"], ["up", "--output", "plain"], ["status"], ["verify"]):
        s.cow(*words, inventory=s.inventory).must().says(f"(context {context})").never_says("6444")
    kubeconfig.write_text(text)
    # The same context leads to another cluster: as if this one were not the first one's.
    pin.write_text(pinned.replace(json.loads(pinned)["cluster"], "00000000-0000-0000-0000-000000000000"))
    for words in (["check"], ["plan"], ["up", "--output", "plain"], ["status"], ["verify"], ["down", "--yes", "shared"]):
        s.cow(*words, inventory=s.inventory).must(5).says("00000000-0000-0000-0000-000000000000", json.loads(pinned)["cluster"], json.loads(pinned)["server"])
    pin.write_text(pinned)
    assert not differences(before, everything(s)), differences(before, everything(s))


def a_mark_of_another_workspace_is_refused_until_its_uid_is_said(s):
    uid = (s.folder / ".cowhand" / "identity" / "shared.uid").read_text().strip()
    lost = s.work / "laptop3"
    shutil.copytree(s.folder, lost, symlinks=True, ignore=shutil.ignore_patterns("identity"))
    inventory, before = lost / "shared.yml", everything(s)
    s.cow("down", "--yes", "shared", inventory=inventory).must(5).says("nothing proves which cluster is meant")
    context = json.loads((s.folder / ".cowhand" / "identity" / "shared.pin.json").read_text())["context"]
    inventory.write_text(inventory.read_text().replace("./theirs.yml", f"./theirs.yml, context: {context}"))
    for words in (["check"], ["plan"], ["up", "--output", "plain"], ["down", "--yes", "shared"]):
        s.cow(*words, inventory=inventory).must(5).says(f"--take-over {uid}")
    s.cow("plan", "--take-over", uid, inventory=inventory).must().says("nothing would be changed")
    s.cow("up", "--take-over", uid, "--output", "plain", inventory=inventory).must()
    s.cow("up", "--output", "plain", inventory=inventory).must()
    assert not differences(before, everything(s)), differences(before, everything(s))


def down_leaves_what_it_did_not_make(s):
    s.cow("down", inventory=s.inventory).must(2).says("nobody is there to ask", "`--yes` with the name")
    s.cow("down", "--yes", "bare", inventory=s.inventory).must(2)
    done = s.cow("down", "--yes", "shared", "--output", "plain", inventory=s.inventory).must()
    done.says("the cluster stays", "this removes Rancher rancher.lab.test", ":6443 (context ")
    left = everything(s)
    gone, new = s.before.keys() - left.keys(), {k for k in left.keys() - s.before.keys()}
    assert not gone, f"down took away: {sorted(gone)}"
    assert not new, f"down left: {sorted(new)}"
    same_neighbours(s)
    s.visitor.__exit__()
    return f"{done.seconds:.0f} s; {none_failed(s.visitor)}"


def somebodys_cert_manager_and_objects_stay(s):
    chart = Path(s.environment["LAB_CHARTS"]) / "cert-manager"
    # One without its definitions must not be upgraded over.
    helm(s, "install", "cert-manager", chart, "-n", "cert-manager", "--create-namespace", "-f", FILES / "cert-manager.yml", "--set", "installCRDs=false")
    s.cow("check", "--output", "plain", inventory=s.inventory).must(5).says("existing.cert-manager", "without its definitions")
    s.cow("up", "--output", "plain", "--skip", "existing.cert-manager", inventory=s.inventory).must(5).says("not cowhand's")
    helm(s, "uninstall", "cert-manager", "-n", "cert-manager", "--wait")
    kube(s, "delete", "namespace", "cert-manager", "cattle-system", "--ignore-not-found")
    # A whole one, in a place of its own; and somebody's ConfigMap where Rancher will live.
    helm(s, "install", "issuers", chart, "-n", "security", "--create-namespace", "-f", FILES / "cert-manager.yml", "--set", "installCRDs=true", "--set", "fullnameOverride=cm-cert-manager", "--wait", "--timeout", "4m")
    kube(s, "create", "namespace", "cattle-system")
    kube(s, "-n", "cattle-system", "create", "configmap", "mine", "--from-literal=a=b")
    s.neighbours = neighbours(s)
    s.cow("up", "--output", "plain", inventory=s.inventory).must().says("used and left as it is")
    s.cow("verify", inventory=s.inventory).must()
    same_neighbours(s)
    done = s.cow("down", "--yes", "shared", "--output", "plain", inventory=s.inventory).must()
    done.says("namespace cattle-system is kept")
    same_neighbours(s)
    assert kube(s, "-n", "cattle-system", "get", "configmap", "mine", "-o", "jsonpath={.data.a}") == "b"
    left = [k for k in everything(s) if k[1] == "cattle-system" and k[0] in ("Secret", "Deployment", "Issuer", "Certificate", "Ingress", "Service")]
    assert not left, left


def a_rancher_of_somebody_else_is_left_alone(s):
    chart = Path(s.environment["LAB_CHARTS"]) / "rancher"
    helm(s, "install", "rancher", chart, "-n", "cattle-system", "--set", "hostname=other.lab.test,rancherImage=lab/rancher,replicas=1,ingress.tls.source=secret,bootstrapPassword=somebody-elses")
    before = {k: v for k, v in everything(s).items() if k[0] in ("Deployment", "Secret", "ConfigMap", "Ingress")  and k[1] == "cattle-system"}
    for words in (["check"], ["up"], ["up", "--skip", "existing.rancher"]):
        done = s.cow(*words, "--output", "plain", inventory=s.inventory)
        assert done.code == (2 if "--skip" in words else 5), done
        done.says("existing.rancher")
    s.cow("down", "--yes", "shared", inventory=s.inventory).must(5).says("not installed by cowhand")
    after = {k: v for k, v in everything(s).items() if k in before}
    assert {k: v[0] for k, v in before.items()} == {k: v[0] for k, v in after.items()}


def what_an_older_rancher_left_is_found(s):
    helm(s, "uninstall", "rancher", "-n", "cattle-system", "--wait")
    kube(s, "apply", "-f", FILES / "leftovers.yml")
    s.cow("check", "--output", "plain", inventory=s.inventory).must(5).says("existing.leftovers", "validatingwebhookconfiguration/rancher.cattle.io", "settings.management.cattle.io", "rancher-cleanup")
    kube(s, "delete", "validatingwebhookconfiguration/rancher.cattle.io", "crd/settings.management.cattle.io")
    s.cow("check", inventory=s.inventory).must()


def what_others_use_stays(s):
    helm(s, "uninstall", "traefik", "-n", "traefik", "--wait")
    helm(s, "uninstall", "issuers", "-n", "security", "--wait")
    kube(s, "delete", "namespace", "traefik", "security", "--ignore-not-found")
    kube(s, "-n", "theirs", "delete", "ingress/theirs")
    own = 'ingress: {provider: traefik, chart: {path: "${LAB_CHARTS}/traefik"}, values: {image: {repository: lab/traefik, tag: v3.6.0}}}\n'
    s.inventory.write_text(s.inventory.read_text().replace("cert_manager:", f"{own}cert_manager:", 1))
    s.cow("up", "--output", "plain", inventory=s.inventory).must()
    kube(s, "apply", "-f", FILES / "users.yml")
    kube(s, "-n", "theirs", "wait", "--for=condition=Ready", "certificate/theirs", "--timeout=60s")
    answers = lambda: all(s.run("curl", "-s", "-H", "Host: route.lab.test", f"http://{address}/health").out == "OK" for address in s.nodes.values())
    until(30, answers)
    done = s.cow("down", "--yes", "shared", "--output", "plain", inventory=s.inventory).must()
    done.says("traefik is kept: others use it: ingressroute theirs/route", "cert-manager is kept: others use it: certificate theirs/theirs")
    assert answers(), "the route of the neighbours does not answer any more"
    kube(s, "-n", "theirs", "delete", "secret/theirs-tls")
    until(60, lambda: kube(s, "-n", "theirs", "get", "secret", "theirs-tls", "--ignore-not-found", "-o", "name").strip())
    kube(s, "delete", "-f", FILES / "users.yml")
    until(60, lambda: not kube(s, "-n", "theirs", "get", "certificaterequests", "-o", "name").strip())
    s.cow("down", "--yes", "shared", "--output", "plain", inventory=s.inventory).must().says("gone").never_says("traefik is kept", "cert-manager is kept")
    left = [k for k in everything(s) if k[1] in ("traefik", "cert-manager") or k == ("ConfigMap", "kube-system", "cowhand")]
    assert not left, left


STEPS = [
    bare_rke_builds_a_cluster, others_move_in, a_kubeconfig_that_cannot_be_used_is_named_with_its_remedy, each_right_that_is_missing_is_named,
    check_is_green_and_touches_nothing, plan_says_all_and_changes_nothing, up_arrives_and_nobody_notices, a_browser_with_only_the_ca_trusts_every_node,
    verify_status_and_kubeconfig_agree, up_again_changes_nothing, given_nodes_are_looked_at_and_walked_from,
    a_named_class_is_used_and_no_ingress_comes_beside_it, no_secret_is_anywhere, a_second_laptop_is_refused_until_the_first_is_gone,
    the_pinned_cluster_is_meant_wherever_the_context_has_moved_on_to, a_mark_of_another_workspace_is_refused_until_its_uid_is_said,
    down_leaves_what_it_did_not_make, somebodys_cert_manager_and_objects_stay, a_rancher_of_somebody_else_is_left_alone, what_an_older_rancher_left_is_found,
    what_others_use_stays,
]
