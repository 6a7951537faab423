"""The whole road: init, check, plan, up, verify, up again, two at once, a lost state, helm adopts, down.

Three virgin machines; at the end they are as virgin as before, but for their images."""
import hashlib
import json
import re
import shutil
import signal
import stat
from pathlib import Path

from . import canary
from .scene import fingerprint, key_fingerprint, logged_in_since, logins, until

# What is in the places where a tool might leave something; sudo itself leaves its mark of a first use.
SILENT = "docker ps -aq; ls -A /etc/kubernetes /var/lib/etcd 2>/dev/null; ls -A /home/rancher /home/rancher/.ssh /tmp /run/lock /var/tmp | grep -vE 'systemd-private|sudo_as_admin'"


def machines_are_there(s):
    s.fresh_lab()
    s.inventory = s.workspace("road")
    s.folder = s.inventory.parent
    s.key = key_fingerprint(s, s.environment["LAB_KEY"] + ".pub")
    return ", ".join(f"{n} {a}" for n, a in s.nodes.items())


def init_writes_an_inventory_that_checks(s):
    folder = s.work / "init"
    folder.mkdir()
    # What `vagrant ssh-config` prints for such machines.
    lines = "Host {}\n  HostName {}\n  User rancher\n  Port 22\n  UserKnownHostsFile {}\n  IdentityFile {}\n  IdentitiesOnly yes\n\n"
    run = s.environment
    config = "".join(lines.format(name, address, run["LAB_KNOWN_HOSTS"], run["LAB_KEY"]) for name, address in s.nodes.items())
    s.cow("init", "--from-ssh-config", "-", "--hostname", "rancher.lab.test", "--name", "lab", "-o", folder / "made.yml", input=config).must()
    s.cow("check", "--offline", inventory=folder / "made.yml").must()
    text = (folder / "made.yml").read_text()
    # It leads to the machines: each is logged in to once, and each one's facts are judged.
    before = logins(s)
    made = s.cow("check", "--output", "json", inventory=folder / "made.yml")
    one_login_each(s, before)
    findings = [e["finding"] for e in made.events("finding")]
    told = {check: {f["subject"] for f in findings if f["check"] == check and f["verdict"] == "pass"} for check in ("ssh.reachable", "docker.version")}
    assert all(subjects == set(s.nodes) for subjects in told.values()), (told, findings)
    for address in s.nodes.values():
        assert address in text, text


def check_sees_three_good_machines_and_touches_nothing(s):
    before = s.on_nodes(SILENT)
    done = s.cow("check", "--output", "plain", inventory=s.inventory).must()
    done.says("end-of-life")
    after = s.on_nodes(SILENT)
    assert before == after, f"check left something on a node:\n{before}\n{after}"
    assert [p.name for p in s.folder.iterdir() if not p.name.startswith(".")] == ["lab.yml"], list(s.folder.iterdir())
    return f"{done.seconds:.1f} s"


def check_names_what_is_wrong_and_where(s):
    name = list(s.nodes)[1]
    s.node(name, "touch /etc/kubernetes-canary; mkdir -p /etc/kubernetes; echo x > /etc/kubernetes/left; systemctl stop docker.socket docker")
    try:
        done = s.cow("check", "--output", "plain", inventory=s.inventory).must(5)
        done.says(name, "docker", "leftover.cluster")
        up = s.cow("up", "--output", "plain", inventory=s.inventory).must(5)
        up.says(name)
        assert not (s.folder / "cluster.yml").exists(), "up wrote a file although checks failed"
    finally:
        s.node(name, "rm -rf /etc/kubernetes /etc/kubernetes-canary; systemctl start docker")


def plan_says_all_and_changes_nothing(s):
    """No node, no file of the workspace, nothing at home nor among the temporary files (rke and helm are in PATH, so none is fetched)."""
    home = s.work / "home-of-plan"
    for folder in ("cache", "tmp"):
        (home / folder).mkdir(parents=True)
    elsewhere = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": "", "XDG_STATE_HOME": "", "TMPDIR": str(home / "tmp")}
    before, files = s.on_nodes(SILENT), fingerprint(s.folder)
    done = s.cow("plan", "-v", inventory=s.inventory, env=elsewhere).must()
    done.says("rke up", "kubernetes_version: v1.32.2-rancher1-1", "helm upgrade --install traefik", "secret cattle-system/tls-ca", "agentTLSMode")
    assert "PRIVATE KEY" not in done.out + done.err
    assert before == s.on_nodes(SILENT), "plan left something on a node"
    assert files == fingerprint(s.folder), "plan wrote into the workspace"
    left = [str(path) for path in home.rglob("*") if path not in (home / "cache", home / "tmp")]
    assert not left, f"plan left files: {left}"


def one_login_each(s, before):
    """A run logs in once on every node, whatever it does there; rke by itself would come again and again, with the same key."""
    for name, new in logged_in_since(s, before).items():
        assert new == [(s.environment["LAB_GATEWAY"], s.key)], f"{name}: expected one login with {s.key}, saw {new}"


def up_arrives(s):
    before = logins(s)
    with canary.Sampler(s) as s.sampler:
        done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    done.says("https://rancher.lab.test")
    s.logins_of_up = before, logged_in_since(s, before)
    s.up_text = done.out + done.err
    return f"{done.seconds:.0f} s"


def a_browser_with_only_the_ca_trusts_every_node(s):
    ca = s.folder / "ca.pem"
    for name, address in s.nodes.items():
        answer = s.curl(address, "/ping", ca).must()
        assert answer.out.strip() == "pong", f"{name}: {answer}"
    served = s.curl(address, "/cacerts", ca).must().out
    wanted = hashlib.sha256((ca.read_text().strip() + "\n").encode()).hexdigest()
    assert hashlib.sha256((served.strip() + "\n").encode()).hexdigest() == wanted
    refused = s.run("curl", "-sS", "--max-time", "10", "--resolve", f"rancher.lab.test:443:{address}", "https://rancher.lab.test/ping")
    assert refused.code == 60, f"without the CA it has to be refused: {refused}"


def the_cluster_is_highly_available(s):
    nodes = json.loads(s.kubectl(s.inventory, "get", "nodes", "-o", "json"))["items"]
    assert len(nodes) == 3
    for node in nodes:
        assert any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])
        assert {f"node-role.kubernetes.io/{r}" for r in ("controlplane", "etcd", "worker")} <= set(node["metadata"]["labels"])
    pods = json.loads(s.kubectl(s.inventory, "-n", "cattle-system", "get", "pods", "-l", "app=rancher", "-o", "json"))["items"]
    assert len({p["spec"]["nodeName"] for p in pods}) == 3, "three replicas on three nodes"


def verify_and_status_agree(s):
    done = s.cow("verify", "--output", "json", inventory=s.inventory).must()
    findings = [e["finding"] for e in done.events("finding")]
    assert findings and all(f["verdict"] == "pass" for f in findings), findings
    subjects = {f["subject"] for f in findings if f["check"] == "outside.trusted"}
    assert len(subjects) >= 4, f"three nodes and the DNS name: {subjects}"
    agents = {f["subject"] for f in findings if f["check"] == "agent.connect"}
    assert len(agents) == 3 + 9, f"an agent's way from here and from each node, to each address: {agents}"
    s.cow("status", "--fail", inventory=s.inventory).must().says("etcd", "cert-manager", "rancher", "days", "certificates, ", "no problem was found")


def a_name_that_leads_elsewhere_is_named(s):
    s.lab("dns", "rancher.lab.test", "10.9.9.9")
    try:
        s.cow("verify", "--output", "plain", inventory=s.inventory).must(7).says("outside.name", "it leads to 10.9.9.9, expected the nodes")
    finally:
        s.lab("dns", "usual")


def rke_never_logged_in_itself(s):
    """The whole `up`, rke's run in it, was one login on each node; so is a `check`. Nor was anybody refused there."""
    _, new = s.logins_of_up
    for name, seen in new.items():
        assert seen == [(s.environment["LAB_GATEWAY"], s.key)], f"{name}: the `up` that ran rke logged in {len(seen)} times: {seen}"
        strangers = s.node(name, "journalctl -u ssh --no-pager -o cat | grep -E 'Failed|Invalid user|no matching|Bad protocol' || true")
        assert not strangers.strip(), f"{name}: {strangers}"
    before = logins(s)
    s.cow("check", inventory=s.inventory).must()
    one_login_each(s, before)
    folder = s.folder / ".cowhand" / "rke"
    left = [p for p in folder.rglob("*") if p.is_file() and "PRIVATE KEY" in p.read_text(errors="replace") and not p.is_symlink()]
    assert not left, f"the throwaway key is still there: {left}"


def up_again_changes_nothing(s):
    def logs():
        return sorted(p.name for p in (s.folder / ".cowhand" / "logs").glob("rke-*"))
    before, versions = logs(), s.kubectl(s.inventory, "get", "deploy,ds,secret,ingress", "-A", "-o", "jsonpath={range .items[*]}{.metadata.uid} {.metadata.generation}{'\\n'}{end}")
    done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    assert logs() == before, "rke was run"
    done.says("as in the last run; -v shows them").never_says("rke.end-of-life")
    after = s.kubectl(s.inventory, "get", "deploy,ds,secret,ingress", "-A", "-o", "jsonpath={range .items[*]}{.metadata.uid} {.metadata.generation}{'\\n'}{end}")
    assert versions == after, "an object was changed"
    return f"{done.seconds:.1f} s"


def rancher_all_on_one_node_is_spread(s):
    """As after an `rke up` that brought Rancher's pods while only one node took any: nobody moves them later."""
    def on():
        pods = json.loads(s.kubectl(s.inventory, "-n", "cattle-system", "get", "pods", "-l", "app=rancher", "-o", "json"))["items"]
        return sorted(p["spec"]["nodeName"] for p in pods if "deletionTimestamp" not in p["metadata"])
    first, *others = s.nodes
    rancher = ["-n", "cattle-system", "rollout"]
    s.kubectl(s.inventory, "cordon", *others)
    try:
        s.kubectl(s.inventory, *rancher, "restart", "deploy/rancher")
        s.kubectl(s.inventory, *rancher, "status", "deploy/rancher", "--timeout=180s")
        until(60, lambda: on() == [first] * 3)
        # No other node takes pods: it is as good as it can be.
        s.cow("plan", inventory=s.inventory).must().never_says("restart cattle-system/rancher")
    finally:
        s.kubectl(s.inventory, "uncordon", *others)
    s.cow("verify", "--output", "plain", inventory=s.inventory).must(7).says("outside.replicas", f"on {first}, while 3 nodes")
    s.cow("plan", inventory=s.inventory).must().says(f"restart cattle-system/rancher: all its replicas are on {first}")
    log = s.work / "ping.log"
    ask = f"curl -sk --max-time 5 -o /dev/null -w '%{{http_code}}\\n' --resolve rancher.lab.test:443:{s.nodes[first]} https://rancher.lab.test/ping"
    asking = s.start("sh", "-c", f"while sleep 0.3; do {ask}; done", log=log)
    done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    s.kill(asking)
    answers = log.read_text().split()
    unanswered = [pair for pair in zip(answers, answers[1:]) if "200" not in pair]
    assert len(answers) > 3 and not unanswered, f"the page was away: {answers}"
    assert len(set(on())) > 1, on()
    s.cow("plan", inventory=s.inventory).must().never_says("restart cattle-system/rancher")
    return f"{done.seconds:.0f} s, then on {', '.join(on())}; {answers.count('200')} of {len(answers)} pings answered meanwhile"


def cluster_yml_serves_plain_rke(s):
    """Without the front, by hand: rke judges the file and finds its state (`--init` touches no node)."""
    copy = s.work / "by-hand"
    shutil.copytree(s.folder, copy, symlinks=True)
    text = (copy / "cluster.yml").read_text()
    assert "bastion_host" not in text and "127.0.0.1" not in text, "the front is in the kept file"
    assert f"ssh_key_path: {s.environment['LAB_KEY']}" in text, "a plain rke would not find the key"
    done = s.run("rke", "up", "--init", "--config", "cluster.yml", cwd=copy, limit=120).must()
    done.says("Successfully Deployed state file")
    was, now = (json.loads((f / "cluster.rkestate").read_text())["desiredState"]["certificatesBundle"]["kube-ca"] for f in (s.folder, copy))
    assert was["certificatePEM"] == now["certificatePEM"], "another CA"


def no_secret_is_anywhere(s):
    """Canaries: keys and passwords, in all that was written, said, logged or stored for everybody, and in `ps` during the first up."""
    return canary.no_secret_is_anywhere(s, canary.of_workspace(s), {"what up said": s.up_text}, elsewhere=["the ssh key"])


def a_second_run_is_refused_while_one_goes_on(s):
    """From the same workspace and from another laptop's."""
    other = s.work / "laptop2"
    shutil.copytree(s.folder, other, symlinks=True)
    log = s.work / "first.log"
    first = s.start(s.cowhand, "up", "--output", "plain", "-i", s.inventory, log=log)
    try:
        # It has its locks when it gets to the cluster; held still there, it cannot be done before the others come.
        until(60, lambda: re.search(r"^cluster +started", log.read_text(), re.M) or first.poll() is not None, 0.02)
        assert first.poll() is None, f"it was done before it could be held:\n{log.read_text()}"
        first.send_signal(signal.SIGSTOP)
        here = s.cow("up", inventory=s.inventory)
        there = s.cow("up", inventory=other / "lab.yml")
    finally:
        first.send_signal(signal.SIGCONT)
        first.wait(timeout=300)
    # Nothing was changed: the same as a check that failed.
    here.must(5).says("another run is under way here", "cowhand up", "process ")
    there.must(5).says("another run is under way, as ", "cowhand up")
    s.cow("up", inventory=s.inventory).must()


def a_lost_state_is_never_built_over(s):
    state = s.folder / "cluster.rkestate"
    kept = json.loads(state.read_text())
    ca = kept["desiredState"]["certificatesBundle"]["kube-ca"]["certificatePEM"]
    state.unlink()
    (s.folder / "kube_config_cluster.yml").unlink()
    s.cow("up", inventory=s.inventory).must(5).says("recover-state")
    assert not state.exists()
    s.cow("recover-state", inventory=s.inventory).must()
    again = json.loads(state.read_text())
    assert again["desiredState"]["certificatesBundle"]["kube-ca"]["certificatePEM"] == ca
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    s.cow("up", inventory=s.inventory).must()
    s.kubectl(s.inventory, "get", "nodes")


def a_lost_folder_comes_back_and_no_new_ca_is_made(s):
    """Only the inventory is left, as on another laptop: state, made CA and password come from the cluster."""
    names = ["cluster.rkestate", "ca.pem", "secrets/ca-key.pem", "secrets/bootstrap-password"]
    kept = {name: (s.folder / name).read_text() for name in names}
    for name in names[1:]:
        (s.folder / name).unlink()
    for word in ("plan", "up"):
        s.cow(word, inventory=s.inventory).must(5).says("a new one would replace it", "recover-state")
    assert not (s.folder / "ca.pem").exists(), "a new CA was made"
    s.cow("recover-state", "--force", inventory=s.inventory).must().says("ca.pem", "bootstrap-password")
    for name in names[1:]:
        assert (s.folder / name).read_text().strip() == kept[name].strip(), f"{name} is another one"
    modes = {name: stat.S_IMODE((s.folder / name).stat().st_mode) for name in names[2:]}
    assert set(modes.values()) == {0o600}, modes
    (s.folder / "kube_config_cluster.yml").unlink()
    again = s.cow("up", "--output", "json", inventory=s.inventory).must()
    changed = [e for e in again.events("stage-finished") if e["outcome"] == "changed"]
    assert not changed, changed
    assert stat.S_IMODE((s.folder / "kube_config_cluster.yml").stat().st_mode) == 0o600


def a_state_cut_short_by_a_full_disk_is_put_back(s):
    """A whole copy was kept before each run of rke and after it, so nobody has to act: the next `up` says which one it took."""
    state = s.folder / "cluster.rkestate"
    whole = state.read_text()
    for left, why in (("", "was empty"), (whole[:len(whole) // 2], "was cut off")):
        state.write_text(left)
        s.cow("up", "--output", "plain", inventory=s.inventory).must().says(f"cluster.rkestate {why}", "was put back")
        assert json.loads(state.read_text())["desiredState"]["certificatesBundle"]["kube-ca"] == json.loads(whole)["desiredState"]["certificatesBundle"]["kube-ca"]


def helm_adopts_the_addon(s):
    helm = ["helm", "--kubeconfig", s.folder / "kube_config_cluster.yml", "-n", "cattle-system"]
    chart = Path(__file__).resolve().parent.parent / "charts" / "rancher"
    uid = s.kubectl(s.inventory, "-n", "cattle-system", "get", "deploy", "rancher", "-o", "jsonpath={.metadata.uid}")
    s.run(*helm, "upgrade", "--install", "rancher", chart, "-f", s.folder / "rancher-values.yml", limit=180).must()
    assert uid == s.kubectl(s.inventory, "-n", "cattle-system", "get", "deploy", "rancher", "-o", "jsonpath={.metadata.uid}"), "made anew, not adopted"
    s.cow("verify", inventory=s.inventory).must()


def down_spares_what_is_not_the_clusters(s):
    """A container under a name that rke removes by, and a disk in a folder that it empties with all that is mounted there."""
    name, disk = next(iter(s.nodes)), "/var/lib/etcd/my disk"
    s.node(name, "docker tag \"$(docker images --format '{{.Repository}}:{{.Tag}}' | grep -m 1 pause)\" somebody/web:1; "
                 f"docker create --name rke-log-cleaner somebody/web:1; mkdir '{disk}'; mount -t tmpfs disk '{disk}'; touch '{disk}/canary'")
    s.cow("check", inventory=s.inventory).must(5).says("rke-log-cleaner (image somebody/web:1) is not RKE's")
    s.cow("down", "--yes", "lab", inventory=s.inventory).must(5).says("docker rename rke-log-cleaner", "nothing was touched")
    s.node(name, "docker rename rke-log-cleaner mine")
    s.cow("down", "--yes", "lab", inventory=s.inventory).must(5).says(f"{disk} is mounted in /var/lib/etcd", "nothing was touched")
    s.cow("verify", inventory=s.inventory).must()
    s.node(name, f"[ -e '{disk}/canary' ] && umount '{disk}' && rmdir '{disk}'")


def down_leaves_nothing(s):
    s.cow("down", inventory=s.inventory).must(2).says("nobody is there to ask", "`--yes` with the name")
    s.cow("down", "--yes", "other", inventory=s.inventory).must(2)
    s.kubectl(s.inventory, "get", "nodes")
    done = s.cow("down", "--yes", "lab", "--output", "plain", inventory=s.inventory).must()
    s.node(next(iter(s.nodes)), "docker rm mine && docker rmi somebody/web:1")
    for name in s.nodes:
        left = s.node(name, "docker ps -aq; find /etc/kubernetes /var/lib/etcd /var/lib/kubelet /etc/cni /opt/cni /var/lib/rancher -mindepth 1 2>/dev/null; "
                      "grep /var/lib/kubelet/ /proc/mounts; iptables-save | grep -c KUBE- || true")
        assert left.strip() == "0", f"{name}: {left}"
    s.cow("check", inventory=s.inventory).must()
    return f"{done.seconds:.0f} s"


STEPS = [
    machines_are_there, init_writes_an_inventory_that_checks, check_sees_three_good_machines_and_touches_nothing,
    check_names_what_is_wrong_and_where, plan_says_all_and_changes_nothing, up_arrives,
    a_browser_with_only_the_ca_trusts_every_node, the_cluster_is_highly_available, verify_and_status_agree, a_name_that_leads_elsewhere_is_named,
    rke_never_logged_in_itself, up_again_changes_nothing, rancher_all_on_one_node_is_spread, cluster_yml_serves_plain_rke, no_secret_is_anywhere, a_second_run_is_refused_while_one_goes_on,
    a_lost_state_is_never_built_over, a_lost_folder_comes_back_and_no_new_ca_is_made, a_state_cut_short_by_a_full_disk_is_put_back, helm_adopts_the_addon, down_spares_what_is_not_the_clusters, down_leaves_nothing,
]
