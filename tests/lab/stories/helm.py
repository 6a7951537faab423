"""Rancher by helm instead of as RKE's addon, with given certificates and a passphrase that is typed; no secret shows in any process.

`rancher.delivery: helm`: up, verify, up again, a changed value, down."""
import json
import os
import pty
import select
import time

from . import canary
from .scene import key_fingerprint, until
from .ways import the_encrypted_key_is_in_an_agent


def machines_and_a_company_ca(s):
    s.fresh_lab()
    tls = s.work / "tls"
    tls.mkdir()
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90")
    s.run("openssl", "req", "-x509", *curve, "-keyout", tls / "ca.key", "-out", tls / "ca.pem", "-subj", "/CN=story CA",
          "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign").must()
    s.run("openssl", "req", "-x509", *curve, "-CA", tls / "ca.pem", "-CAkey", tls / "ca.key", "-keyout", tls / "key.pem", "-out", tls / "leaf.pem",
          "-subj", "/CN=rancher.lab.test", "-addext", "subjectAltName=DNS:rancher.lab.test", "-addext", "extendedKeyUsage=serverAuth",
          "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=critical,digitalSignature").must()
    files = "".join(f", {key}: {tls / name}" for key, name in (("certificate", "leaf.pem"), ("key", "key.pem"), ("ca", "ca.pem")))

    def change(text):
        text = text.replace("tls: {mode: ingress, issuer: ca}", "tls: {mode: ingress, issuer: blank%s}\n  delivery: helm" % files)
        return text.replace("${LAB_RUN}/id\n", "${LAB_RUN}/id_encrypted\n")
    s.tls, s.inventory = tls, s.workspace("helm", change)
    assert "delivery: helm" in s.inventory.read_text() and "id_encrypted" in s.inventory.read_text()
    s.fingerprint = key_fingerprint(s, s.environment["LAB_ENCRYPTED_KEY"] + ".pub")


def typed(s, prompt, answer, *words, limit=600):
    """Runs a program on a terminal of its own and types the answer when it asks; its exit code and what it showed."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(str(words[0]), [str(w) for w in words], {**s.environment, "SSH_AUTH_SOCK": ""})
    shown, asked, end = b"", False, time.monotonic() + limit
    while True:
        assert time.monotonic() < end, shown.decode(errors="replace")[-3000:]
        if select.select([terminal], [], [], 1)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:   # its end closes the terminal
                piece = b""
            if not piece:
                break
            shown += piece
        if not asked and prompt in shown:
            os.write(terminal, answer.encode() + b"\n")
            asked = True
    os.close(terminal)
    assert asked, f"it never asked:\n{shown.decode(errors='replace')[-3000:]}"
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode(errors="replace")


def up_arrives_with_a_typed_passphrase(s):
    began, phrase = time.monotonic(), open(s.environment["LAB_ENCRYPTED_KEY_PASSPHRASE_FILE"]).read().strip()
    with canary.Sampler(s) as s.sampler:
        code, s.shown = typed(s, b"passphrase", phrase, s.cowhand, "up", "-v", "--output", "plain", "-i", s.inventory)
    assert code == 0, f"exit {code}:\n{s.shown[-4000:]}"
    assert "https://rancher.lab.test" in s.shown
    s.phrase = phrase
    return f"{time.monotonic() - began:.0f} s"


def no_secret_is_anywhere(s):
    """The same for what road has not: given TLS keys, an encrypted key, its passphrase; Helm's releases; the journal, which has all events."""
    wanted = canary.of_workspace(s, the_given_key=(s.tls / "key.pem").read_text(), the_given_CAs_key=(s.tls / "ca.key").read_text(), the_passphrase=s.phrase,
                                 the_encrypted_key=open(s.environment["LAB_ENCRYPTED_KEY"]).read())
    return canary.no_secret_is_anywhere(s, wanted, {"what up showed": s.shown}, in_releases=["the bootstrap password"],
                                        elsewhere=["the ssh key", "the given CAs key", "the passphrase", "the encrypted key"], env=s.agent)


def release(s):
    helm = ["helm", "--kubeconfig", s.inventory.parent / "kube_config_cluster.yml", "-n", "cattle-system"]
    listed = json.loads(s.run(*helm, "list", "-a", "-o", "json").must().out)
    return next(one for one in listed if one["name"] == "rancher"), json.loads(s.run(*helm, "get", "values", "rancher", "-o", "json").must().out)


def helm_knows_the_release_and_rke_no_addon(s):
    one, values = release(s)
    assert (one["status"], one["revision"]) == ("deployed", "1"), one
    assert values["hostname"] == "rancher.lab.test", values
    assert "addons:" not in (s.inventory.parent / "cluster.yml").read_text()
    s.cow("verify", inventory=s.inventory, env=s.agent).must()
    for name, address in s.nodes.items():
        assert s.curl(address, "/ping", s.tls / "ca.pem").must().out.strip() == "pong", name


def up_again_changes_nothing(s):
    logs = sorted((s.inventory.parent / ".cowhand" / "logs").glob("rke-*"))
    done = s.cow("up", "--output", "json", inventory=s.inventory, env=s.agent).must()
    outcomes = {e["stage"]: e["outcome"] for e in done.events("stage-finished")}
    assert set(outcomes.values()) <= {"unchanged", "passed"}, outcomes
    assert sorted((s.inventory.parent / ".cowhand" / "logs").glob("rke-*")) == logs, "rke was run"
    assert release(s)[0]["revision"] == "1"
    return f"{done.seconds:.1f} s"


def a_changed_value_is_a_new_revision(s):
    logs = sorted((s.inventory.parent / ".cowhand" / "logs").glob("rke-*"))
    text = s.inventory.read_text()
    s.inventory.write_text(text.replace("values: {rancherImage: lab/rancher}", "values: {rancherImage: lab/rancher, extraEnv: [{name: STORY, value: told}]}"))
    assert s.inventory.read_text() != text
    planned = s.cow("plan", inventory=s.inventory, env=s.agent).must()
    planned.says("helm upgrade --install rancher", "extraEnv")
    done = s.cow("up", "--output", "json", inventory=s.inventory, env=s.agent).must()
    outcomes = {e["stage"]: e["outcome"] for e in done.events("stage-finished")}
    assert outcomes["rancher"] == "changed" and outcomes["cluster"] == "unchanged", outcomes
    assert sorted((s.inventory.parent / ".cowhand" / "logs").glob("rke-*")) == logs, "rke was run"
    one, values = release(s)
    assert (one["status"], one["revision"]) == ("deployed", "2") and values["extraEnv"] == [{"name": "STORY", "value": "told"}], (one, values)
    told = s.kubectl(s.inventory, "-n", "cattle-system", "get", "deploy", "rancher", "-o", "jsonpath={.spec.template.spec.containers[0].env[?(@.name=='STORY')].value}")
    assert told == "told"
    assert "STORY" in (s.inventory.parent / "rancher-values.yml").read_text(), "the kept values are not those of the release"


def down_leaves_nothing(s):
    done = s.cow("down", "--yes", "lab", "--output", "plain", inventory=s.inventory, env=s.agent).must()
    for name in s.nodes:
        left = s.node(name, "docker ps -aq; find /etc/kubernetes /var/lib/etcd /var/lib/kubelet /etc/cni /opt/cni /var/lib/rancher -mindepth 1 2>/dev/null || true")
        assert not left.strip(), f"{name}: {left}"
    until(10, lambda: not (s.inventory.parent / "cluster.rkestate").exists())
    return f"{done.seconds:.0f} s"


STEPS = [
    machines_and_a_company_ca, up_arrives_with_a_typed_passphrase, the_encrypted_key_is_in_an_agent, no_secret_is_anywhere,
    helm_knows_the_release_and_rke_no_addon, up_again_changes_nothing, a_changed_value_is_a_new_revision, down_leaves_nothing,
]
