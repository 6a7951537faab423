"""Secrets looked for where everybody can read: what processes are called, and on the laptop what stands in their environment.

The environment of a node's processes is left out, for there others than cowhand put secrets, for root alone to read: rke hands
the cluster's keys to its `cert-deployer` that way, and Rancher's chart the bootstrap password to Rancher."""
import base64
import gzip
import json
import os
import re
import secrets
import subprocess
import threading
import time
from pathlib import Path

# On a node: every process's words, as ps and as /proc tell them, until the mark is taken away. A mark that nobody takes
# away goes with the machine's /run, and the loop ends by itself.
LOOK = r"""touch /run/looked-at; rounds=0
while [ -e /run/looked-at ] && [ $rounds -lt 4000 ]; do
  ps -ww -eo args; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n'; echo
  rounds=$((rounds + 1)); sleep 0.4
done"""


# How long a control is there to be seen (seconds): at load 35 a node's first look began after more than three.
HELD = 20


class Sampler:
    """Looks at all processes of the laptop (the nodes' words are among them: they are containers on it) and, from inside, of each node."""

    def __init__(self, s):
        self.s, self.seen, self.rounds = s, {}, {}
        self.stopped = threading.Event()
        self.controls = {}

    def __enter__(self):
        self.threads = [threading.Thread(target=self._laptop, daemon=True)]
        self.lookers = {name: self._on_node(name, LOOK, stdout=subprocess.PIPE) for name in self.s.nodes}
        self.threads += [threading.Thread(target=self._node, args=(name, child), daemon=True) for name, child in self.lookers.items()]
        for thread in self.threads:
            thread.start()
        self._start_controls()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for name in self.s.nodes:
            self.s.node(name, "rm -f /run/looked-at")
        for thread in self.threads:
            thread.join(timeout=60)
        for child in self.lookers.values():
            child.wait(timeout=60)

    def _on_node(self, name, script, **how):
        words = [self.s.lab_command, "node", name, "exec", "--", "sh", "-c", script]
        child = subprocess.Popen([str(w) for w in words], env=self.s.environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)
        self.s.children.append(child)
        return child

    def _start_controls(self):
        """In each place a process with a known word and a known variable: what does not find them finds nothing."""
        for place in ("laptop", *self.s.nodes):
            word, variable = secrets.token_hex(16), secrets.token_hex(16)
            self.controls[place] = (word, variable)
            script = f"CANARY={variable} sh -c 'sleep {HELD}; :' {word}"
            if place == "laptop":
                self.s.start("sh", "-c", script)
            else:
                self._on_node(place, script)

    def _laptop(self):
        seen, known, rounds, ours = set(), {}, 0, os.readlink("/proc/self/ns/pid")
        while not self.stopped.is_set():
            alive = {}
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    words = Path(f"/proc/{pid}/cmdline").read_bytes()
                    # The environment changes only with the program.
                    if known.get(pid) != words:
                        seen.add(words.replace(b"\0", b" ").decode(errors="replace"))
                        if os.readlink(f"/proc/{pid}/ns/pid") == ours:
                            seen.add(Path(f"/proc/{pid}/environ").read_bytes().replace(b"\0", b"\n").decode(errors="replace"))
                    alive[pid] = words
                except OSError:
                    continue
            known, rounds = alive, rounds + 1
            self.rounds["laptop"] = rounds
            time.sleep(0.02)
        self.seen["laptop"] = "\n".join(seen)

    def _node(self, name, child):
        seen, rounds = set(), 0
        for line in child.stdout:
            rounds += line == b"COMMAND\n"
            seen.add(line)
        self.rounds[name] = rounds
        self.seen[name] = b"".join(seen).decode(errors="replace")

    def found(self, wanted):
        """Where any of the secrets (what -> its forms) was seen; a look that cannot see its control is a failure."""
        for place, controls in self.controls.items():
            kinds = ("word", "variable") if place == "laptop" else ("word",)
            missed = [kind for kind, control in zip(kinds, controls) if control not in self.seen[place]]
            assert not missed, f"{place}: the known {missed} was not seen in {self.rounds[place]} rounds, so the look proves nothing"
        return [f"{what} in a process of {place}" for place, text in self.seen.items() for what, forms in wanted.items() if any(form in text for form in forms)]

    def told(self):
        return ", ".join(f"{place} {rounds}" for place, rounds in self.rounds.items()) + " looks"


def forms(text):
    """How a secret may look: itself or, of a PEM, each line of its body; and in base64, as a Secret or a kube config has it."""
    text = text.strip()
    body = [line for line in text.splitlines() if re.fullmatch(r"[A-Za-z0-9+/=]{40,}", line)] if "-----BEGIN" in text else []
    if "OPENSSH" in text:
        body = body[2:]   # these are alike in all keys, or the public half
    encoded = base64.b64encode(text.encode()).decode().rstrip("=")
    # The last letters depend on what follows the text.
    return {*(body or [text]), encoded[:len(encoded) // 4 * 4 - 4] if len(encoded) > 12 else encoded}


def of_workspace(s, **more):
    """The secrets of a workspace that has a cluster, each in all its forms."""
    folder = s.inventory.parent
    state = json.loads((folder / "cluster.rkestate").read_text())["desiredState"]["certificatesBundle"]
    wanted = {f"the key of {name}": state[name]["keyPEM"] for name in ("kube-ca", "kube-admin", "kube-service-account-token")}
    for what, path in (("the CA's key", folder / "secrets" / "ca-key.pem"), ("the bootstrap password", folder / "secrets" / "bootstrap-password"),
                       ("the ssh key", Path(s.environment["LAB_KEY"]))):
        if path.exists():
            wanted[what] = path.read_text()
    wanted.update({what.replace("_", " "): text for what, text in more.items()})
    found = {what: forms(text) for what, text in wanted.items()}
    for what, all_of_them in found.items():
        assert all_of_them and all(len(form) > 8 for form in all_of_them), f"{what} would be found everywhere: {all_of_them}"
    return found


def helm_releases(kube):
    """What Helm keeps of each release in the cluster, unpacked: its chart, values and manifests."""
    told = json.loads(kube("get", "secrets", "-A", "--field-selector", "type=helm.sh/release.v1", "-o", "json"))
    unpack = lambda data: gzip.decompress(base64.b64decode(base64.b64decode(data))).decode()  # noqa: E731
    return {f"the Helm release {item['metadata']['name']}": unpack(item["data"]["release"]) for item in told["items"]}


def stands_in(wanted, places):
    """Which secret stands in which of the texts."""
    return [f"{what} in {place}" for place, text in places.items() for what, all_of_them in wanted.items() if any(form in text for form in all_of_them)]


def files_of(folder, *but):
    """All else that a workspace keeps."""
    private = private_files(folder)
    kept = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and path not in private and path.name not in but]
    return {str(path.relative_to(folder)): path.read_text(errors="replace") for path in kept}


def logs_of_nodes(s):
    """The journal of each node, and what its engine has kept of every container's words."""
    texts = {f"the journal of {name}": text for name, text in s.on_nodes("journalctl --no-pager -o cat").items()}
    engines = s.on_nodes("for one in $(docker ps -aq); do docker logs $one 2>&1; done")
    return texts | {f"docker logs on {name}": text for name, text in engines.items()}


def logs_of_pods(kube):
    texts = {}
    for pod in json.loads(kube("get", "pods", "-A", "-o", "json"))["items"]:
        name, states = pod["metadata"]["name"], [one["state"] for one in pod["status"].get("containerStatuses", [])]
        if states and all("running" in state or "terminated" in state for state in states):
            texts[f"the log of pod {name}"] = kube("logs", "--all-containers", "--tail=-1", "-n", pod["metadata"]["namespace"], name)
    return texts


def private_files(folder):
    """What only its owner may read."""
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
            and (path.parent.name == "secrets" or "rkestate" in path.name or path.name.startswith("kube_config"))]


def in_cluster(s, kube):
    """What everybody may read there, and the logs; with a known word in each kind, so that a look which sees nothing is told."""
    word = secrets.token_hex(16)
    for name, address in s.nodes.items():
        s.node(name, f"logger {word}")
        # Rancher writes each request down, by whichever of the two it is reached here.
        for url in (f"http://{address}/{word}", f"https://rancher.lab.test/{word}"):
            s.run("curl", "-sSk", "-o", "/dev/null", "--max-time", "10", "-H", "Host: rancher.lab.test", "--resolve", f"rancher.lab.test:443:{address}", url)
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": f"canary-{word[:8]}", "namespace": "default"}, "message": word, "reason": "Canary",
             "type": "Normal", "involvedObject": {"kind": "Namespace", "name": "default", "namespace": "default"}}
    kube("create", "-f", "-", input=json.dumps(event))
    texts = logs_of_nodes(s) | logs_of_pods(kube)
    texts["events"] = kube("get", "events", "-A", "-o", "yaml")
    texts["ConfigMaps and Leases"] = kube("get", "configmaps,leases", "-A", "-o", "yaml")
    kube("-n", "default", "delete", "event", event["metadata"]["name"])
    for kind, least in (("the journal of", len(s.nodes)), ("docker logs on", 1), ("the log of pod", 1), ("events", 1)):
        seen = [place for place, text in texts.items() if place.startswith(kind) and word in text]
        assert len(seen) >= least, f"{kind}: the known word was not seen there, so the look proves nothing"
    return texts


def no_secret_is_anywhere(s, wanted, said, kube=None, but=(), in_releases=(), elsewhere=(), env=None):
    """Looks for the secrets (what -> its forms) in what was said, written, logged or stored for everybody, and in the processes that
    `s.sampler` saw. `but`: files of the user's own with a secret in them. `in_releases`: what Rancher's own chart renders, so that
    Helm keeps it as the Secret does. `elsewhere`: what neither the cluster nor the workspace keeps, so that the control cannot find it."""
    folder = s.inventory.parent
    kube = kube or (lambda *words, **how: s.kubectl(s.inventory, *words, **how))
    places = dict(said)
    for words in (["plan", "-v"], ["status", "--output", "json"], ["up", "--output", "json"], ["certs", "--output", "json"]):
        done = s.cow(*words, inventory=s.inventory, env=env).must()
        places[f"what {words[0]} says"] = done.out + done.err
    places.update(files_of(folder, *but))
    places.update(in_cluster(s, kube))
    releases = helm_releases(kube)
    assert releases, "no Helm release was found"
    found = stands_in(wanted, places) + stands_in({what: forms for what, forms in wanted.items() if what not in in_releases}, releases)
    found += s.sampler.found(wanted)
    assert not found, "\n".join(found)
    # Each secret is seen where it may be: a search in a form that nobody uses finds nothing anywhere.
    private = [*private_files(folder), *(path for path in folder.rglob("*") if path.name in but)]
    kept = {"": kube("get", "secrets", "-A", "-o", "yaml") + "".join(path.read_text(errors="replace") for path in private)}
    blind = [what for what, forms in wanted.items() if what not in elsewhere and not stands_in({what: forms}, kept)]
    assert not blind, f"the search does not even find {blind} where they are kept"
    open_to_others = [str(path) for path in private_files(folder) if path.stat().st_mode & 0o077]
    assert not open_to_others, f"others may read {open_to_others}"
    return f"{len(wanted)} secrets, {len(places) + len(releases)} texts, {s.sampler.told()}"
