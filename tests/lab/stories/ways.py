"""The nodes stand behind a jump host, the key is encrypted and in an agent: check, up, verify, and not one direct way.

A rule on every node rejects whatever the laptop sends to SSH, the API and the ingress. rke gets no way but the front,
helm and the API client no way but SSH. Evidence: what the nodes' sshd logged, what their rule counted, and whom rke
was connected to while it ran. Cheap refusals come before the long `up`."""
import re
import socket
import time
from pathlib import Path

from .scene import Ended, besides_logs, key_fingerprint, logged_in_since, until
from .scene import logins as logins_on

PORTS = (22, 80, 443, 6443)

# Before Docker's and Kubernetes' own rules see the packet; a table of its own is easily taken away again.
WALL = """nft -f - <<'END'
table inet ways {
  chain laptop {
    type filter hook prerouting priority raw; policy accept;
%s
  }
}
END"""


# What a run could leave behind. Not of that are systemd's folder for timedated, which answers `timedatectl`, and the mark
# that Debian's sudo makes by itself at a user's first use of it.
LEFT = ("docker ps -aq; find /etc/kubernetes /var/lib/etcd /home/rancher /tmp /run/lock"
        " -not -path '*/systemd-private-*' -not -name .sudo_as_admin_successful 2>/dev/null | sort")


# --- what is asked of the scene
def inventory(s, name, known_hosts="${LAB_RUN}/known_hosts", key=None):
    """The lab's inventory with this lab's addresses, reached only through the jump host."""
    jump = f"{s.environment['LAB_USER']}@{s.environment['LAB_JUMP']}"

    def change(text):
        nodes = iter(s.nodes.items())
        text, count = re.subn(r"\{name: \w+, address: [\d.]+\}", lambda _: "{name: %s, address: %s}" % next(nodes), text)
        assert count == len(s.nodes), text
        text = re.sub(r'server: "[\d.]+:53"', f'server: "{s.environment["LAB_GATEWAY"]}:53"', text)
        identity = f"  identity_file: {key}\n" if key else ""
        text, count = re.subn(r"  identity_file: .*\n", f"{identity}  jump: {jump}\n", text)
        assert count == 1, text
        return text.replace("${LAB_RUN}/known_hosts", str(known_hosts))
    return s.workspace(name, change)


def cow(s, *words, inventory=None, **how):
    return s.cow(*words, inventory=inventory or s.inventory, env=s.agent, **how)


def jump_name(s):
    return f"{s.environment['LAB_NAME']}jump"


def logins(s):
    return logins_on(s, *s.nodes, jump_name(s))


def one_login_each(s, before):
    """One on every node, by way of the jump host; and one on the jump host, however many nodes are behind it."""
    for name, new in logged_in_since(s, before).items():
        origin = s.environment["LAB_GATEWAY" if name == jump_name(s) else "LAB_JUMP"]
        assert new == [(origin, s.fingerprint)], f"{name}: expected one login from {origin} with {s.fingerprint}, saw {new}"


def rejected(s):
    """How many of the laptop's packets each node has rejected: node -> port -> count."""
    count = r"tcp dport (\d+) counter packets (\d+)"
    return {name: {int(p): int(n) for p, n in re.findall(count, text)} for name, text in s.on_nodes("nft list table inet ways").items()}


def never_tried(s, before, *ports):
    after = rejected(s)
    for name, counts in after.items():
        tried = {port: counts[port] - before[name][port] for port in ports if counts[port] != before[name][port]}
        assert not tried, f"the laptop tried to reach {name} directly: packets at port {tried}"


def opens(address, port):
    try:
        with socket.create_connection((address, port), timeout=3):
            return True
    except OSError:
        return False


def host_key(file, address, kind="ssh-ed25519"):
    """The line of a known_hosts file, and its fingerprint as ssh-keygen has it."""
    return next(line for line in Path(file).read_text().splitlines() if line.startswith(f"{address},") and f" {kind} " in line)


def host_fingerprint(s, line):
    return s.run("ssh-keygen", "-lf", "-", input=line + "\n").must().out.split()[1]


def untouched(s, before):
    for name, left in s.on_nodes(LEFT).items():
        changed = set(left.splitlines()) ^ set(before[name].splitlines())
        assert not changed, f"something was left on {name}, or is gone: {changed}"


def refused_and_nothing_written(s, place, known, *texts, options=()):
    """check and up both end with 4 and say it; nothing is changed here or on a node."""
    files, lines, before = besides_logs(place.parent), known.read_bytes(), s.on_nodes(LEFT)
    for verb in ("check", "up"):
        cow(s, verb, "--output", "plain", *options, inventory=place).must(4).says(*texts)
    assert besides_logs(place.parent) == files, "something besides the run's own log was written into the workspace"
    assert known.read_bytes() == lines, "known_hosts was changed"
    untouched(s, before)


# --- the steps
def machines_behind_a_jump_host(s):
    s.fresh_lab()
    s.inventory = inventory(s, "ways")
    s.folder = s.inventory.parent
    s.fingerprint = key_fingerprint(s, s.environment["LAB_ENCRYPTED_KEY"] + ".pub")
    s.run("ssh-keygen", "-y", "-P", "", "-f", s.environment["LAB_ENCRYPTED_KEY"]).must(255)
    return f"jump host {s.environment['LAB_JUMP']}, key {s.fingerprint}"


def the_encrypted_key_is_in_an_agent(s):
    sock, helper = s.work / "agent.sock", s.work / "askpass"
    s.keeper = s.start("ssh-agent", "-D", "-a", sock)
    until(10, sock.exists, 0.05)
    helper.write_text('#!/bin/sh\ncat "$LAB_ENCRYPTED_KEY_PASSPHRASE_FILE"\n')
    helper.chmod(0o700)
    s.agent = {"SSH_AUTH_SOCK": str(sock)}
    asked = {**s.agent, "SSH_ASKPASS": str(helper), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "none:0"}
    s.run("ssh-add", s.environment["LAB_ENCRYPTED_KEY"], env=asked, limit=20).must()
    listed = s.run("ssh-add", "-l", env=s.agent).must().out
    assert [line.split()[1] for line in listed.splitlines()] == [s.fingerprint], listed


def no_way_leads_directly_to_a_node(s):
    for name, address in s.nodes.items():
        assert opens(address, 22), f"{name} cannot be reached even without the rule, so the rule would prove nothing"
    gateway = s.environment["LAB_GATEWAY"]
    rules = "\n".join(f"    ip saddr {gateway} tcp dport {port} counter reject with tcp reset" for port in PORTS)
    s.on_nodes(WALL % rules)
    for name, address in s.nodes.items():
        assert not any(opens(address, port) for port in PORTS), f"{name}: {address} still lets the laptop in"
        done = s.run("ssh", "-F", s.environment["LAB_SSH_CONFIG"], "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", name, "true", limit=30).must(255)
        done.says("refused")
    # Without the jump host cowhand gets nowhere either: it is not a way of its own that passes below.
    direct = inventory(s, "direct")
    direct.write_text(re.sub(r"  jump: .*\n", "  jump: []\n", direct.read_text()))
    before = logins(s)
    cow(s, "check", "--output", "plain", inventory=direct).must(4).says(*s.nodes)
    assert logins(s) == before


def an_unknown_host_key_is_refused_with_its_fingerprint(s):
    lab, jump = s.environment["LAB_KNOWN_HOSTS"], s.environment["LAB_JUMP"]
    known, before = s.work / "known-none", logins(s)
    known.write_text("")
    place = inventory(s, "unknown-jump", known)
    refused_and_nothing_written(s, place, known, "not known", jump, host_fingerprint(s, host_key(lab, jump)), "--accept-new-host-keys")
    assert logins(s) == before, "the unknown jump host was logged in to"
    # The jump host is known, one of the nodes behind it is not.
    first, address = next(iter(s.nodes.items()))
    known = s.work / "known-but-one"
    known.write_text("".join(line + "\n" for line in Path(lab).read_text().splitlines() if not line.startswith(f"{address},")))
    place = inventory(s, "unknown-node", known)
    refused_and_nothing_written(s, place, known, first, "not known", host_fingerprint(s, host_key(lab, address)))
    assert logins(s)[first] == before[first], "the unknown node was logged in to"


def a_changed_host_key_is_refused_with_both_fingerprints(s):
    """Two nodes have swapped their keys; an option that takes unknown keys takes no changed one."""
    lab = Path(s.environment["LAB_KNOWN_HOSTS"])
    (first, one), (second, two) = list(s.nodes.items())[:2]
    known, lines = s.work / "known-swapped", []
    for line in lab.read_text().splitlines():
        names, kind, key = line.split()[:3]
        address = names.split(",")[0]
        if address in (one, two):
            key = host_key(lab, two if address == one else one, kind).split()[2]
        lines.append(f"{names} {kind} {key}\n")
    known.write_text("".join(lines))
    place, before = inventory(s, "changed", known), logins(s)
    both = [host_fingerprint(s, host_key(lab, address)) for address in (one, two)]
    for options in ((), ("--accept-new-host-keys",)):
        refused_and_nothing_written(s, place, known, first, str(known), *both, options=options)
    cow(s, "check", "--output", "plain", inventory=place).must(4).says(first, second, "ssh-keygen -R")
    after = logins(s)
    assert after[first] == before[first] and after[second] == before[second], "logged in although the key had changed"


def an_encrypted_key_without_agent_or_terminal_is_refused(s):
    place = inventory(s, "locked", key=s.environment["LAB_ENCRYPTED_KEY"])
    before = logins(s)
    done = s.cow("check", "--output", "plain", inventory=place, env={"SSH_AUTH_SOCK": ""}).must(4)
    done.says("encrypted", "ssh-add")
    assert logins(s) == before


def check_passes_through_jump_host_and_agent(s):
    before, counts, silent = logins(s), rejected(s), s.on_nodes(LEFT)
    done = cow(s, "check", "--output", "plain").must()
    one_login_each(s, before)
    never_tried(s, counts, *PORTS)
    untouched(s, silent)
    return f"{done.seconds:.1f} s, one login each"


def sockets(s, pids, *options):
    """(program, local address, peer) of the TCP sockets of these processes."""
    found = []
    for line in s.run("ss", "-Hnp", "-t", *options).must().out.splitlines():
        owner = re.search(r'\(\("([^"]+)",pid=(\d+)', line)
        if owner and int(owner[2]) in pids:
            fields = line.split()
            found.append((owner[1], fields[3], fields[4]))
    return found


def descendants(pid):
    """The process and all that it has started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
    family, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in family} - family
        family, grown = family | more, bool(more)
    return family


def up_arrives_and_rke_talks_to_nobody_else(s):
    """While it runs its sockets are watched: rke's and helm's peers are on loopback, what listens does so there too."""
    before, counts, began = logins(s), rejected(s), time.monotonic()
    words, log = (s.cowhand, "up", "--output", "json", "-i", s.inventory), s.work / "up.log"
    child = s.start(*words, log=log, env=s.agent)
    s.listened, s.front_keys, peers = set(), set(), {}
    while child.poll() is None:
        assert time.monotonic() - began < 900, log.read_text()[-3000:]
        family = descendants(child.pid)
        s.listened |= {local for _, local, _ in sockets(s, family, "-l")}
        for program, _, peer in sockets(s, family):
            peers.setdefault(program, set()).add(peer)
        s.front_keys |= set((s.folder / ".cowhand" / "rke").glob("*.key"))
        time.sleep(0.2)
    text = log.read_text()
    s.up = Ended(words, child.returncode, text, "", time.monotonic() - began).must()
    one_login_each(s, before)
    never_tried(s, counts, 22, 6443)
    assert s.listened and s.front_keys and peers.get("rke"), f"the front was never seen: {s.listened} {s.front_keys} {peers}"
    assert all(local.startswith("127.0.0.1:") for local in s.listened), f"listens not only on loopback: {s.listened}"
    for program in peers.keys() - {s.cowhand.name}:
        away = {peer for peer in peers[program] if not peer.startswith("127.0.0.1:")}
        assert not away, f"{program} was connected to {away}"
    jump, mine = s.environment["LAB_JUMP"], peers[s.cowhand.name]
    elsewhere = {p for p in mine if not p.startswith("127.0.0.1:") and p != f"{jump}:22" and not p.endswith((":80", ":443"))}
    assert not elsewhere, f"cowhand was connected to {elsewhere}"
    return f"{s.up.seconds:.0f} s; seen: {', '.join(sorted(peers))}"


def the_proof_from_outside_went_through_ssh(s):
    findings = [e["finding"] for e in s.up.events("finding")]
    reached = [f for f in findings if f["check"] == "outside.reached"]
    assert len(reached) >= len(s.nodes) + 1, f"three nodes and the DNS name: {reached}"
    for finding in reached:
        assert finding["verdict"] == "pass" and "through ssh on" in finding["seen"], finding
    for name, address in s.nodes.items():
        own = [f for f in reached if f["subject"] == name]
        assert own and own[0]["seen"] == f"{address}:443, through ssh on {name}", f"{name}: {own}"
    trusted = [f for f in findings if f["check"] == "outside.trusted"]
    assert len(trusted) == len(reached) and all(f["verdict"] == "pass" for f in trusted), trusted
    before = logins(s)
    done = cow(s, "verify", "--output", "json").must()
    assert all("through ssh on" in e["finding"]["seen"] for e in done.events("finding") if e["finding"]["check"] == "outside.reached")
    one_login_each(s, before)
    return f"{len(reached)} ways"


def sshd_saw_only_the_jump_host_and_the_encrypted_key(s):
    seen = logins(s)
    for name in s.nodes:
        assert set(seen[name]) == {(s.environment["LAB_JUMP"], s.fingerprint)}, f"{name}: {seen[name]}"
    assert set(seen[jump_name(s)]) == {(s.environment["LAB_GATEWAY"], s.fingerprint)}, seen[jump_name(s)]
    # rke's own SSH client names itself Go; nobody of that name was even refused on a node.
    for name in s.nodes:
        strangers = s.node(name, "journalctl -u ssh --no-pager -o cat | grep -E 'Failed|Invalid user|no matching|Bad protocol' || true")
        assert not strangers.strip(), f"{name}: {strangers}"
    return ", ".join(f"{name} {len(all_of_them)}" for name, all_of_them in seen.items())


def the_front_is_gone(s):
    for local in s.listened:
        assert not opens("127.0.0.1", int(local.rsplit(":", 1)[1])), f"{local} still listens"
    assert s.run("pgrep", "-f", str(s.folder)).code == 1, "a process of the run is still there"
    assert not any(key.exists() for key in s.front_keys), s.front_keys
    keys = [p for p in s.folder.rglob("*") if p.is_file() and not p.is_symlink() and "OPENSSH PRIVATE KEY" in p.read_text(errors="replace")]
    assert not keys, f"a key is still there: {keys}"
    kept = (s.folder / "cluster.yml").read_text()
    for port in (local.rsplit(":", 1)[1] for local in s.listened):
        assert f"port: {port}" not in kept and f"port: '{port}'" not in kept and f'port: "{port}"' not in kept, "the front is in the kept cluster.yml"
    assert not re.search(r"bastion_host:\s*\n(\s+.*\n)*?\s+address: .?127\.0\.0\.1", kept), "the front is in the kept cluster.yml"
    kubeconfig = (s.folder / "kube_config_cluster.yml").read_text()
    assert "server: " in kubeconfig and "127.0.0.1" not in kubeconfig, "the kubeconfig leads through a front that is gone"
    return f"{len(s.listened)} ports, {len(s.front_keys)} key"


def up_again_changes_nothing(s):
    logs = sorted((s.folder / ".cowhand" / "logs").glob("rke-*"))
    before, counts = logins(s), rejected(s)
    done = cow(s, "up", "--output", "json").must()
    stages = {e["stage"]: e["outcome"] for e in done.events("stage-finished")}
    assert len(stages) >= 5 and set(stages.values()) == {"unchanged", "passed"}, stages
    assert sorted((s.folder / ".cowhand" / "logs").glob("rke-*")) == logs, "rke was run"
    one_login_each(s, before)
    never_tried(s, counts, 22, 6443)
    return f"{done.seconds:.1f} s"


def without_the_wall_the_direct_way_is_taken(s):
    s.on_nodes("nft delete table inet ways")
    s.kubectl(s.inventory, "get", "nodes")
    done = cow(s, "verify", "--output", "json").must()
    reached = [e["finding"] for e in done.events("finding") if e["finding"]["check"] == "outside.reached"]
    # What a node itself would reach is asked from there, wall or not.
    ways = [finding["seen"] for finding in reached if "→" not in finding["subject"]]
    assert len(ways) > len(s.nodes) and not any("through ssh" in way for way in ways), ways
    s.kill(s.keeper)


STEPS = [
    machines_behind_a_jump_host, the_encrypted_key_is_in_an_agent, no_way_leads_directly_to_a_node,
    an_unknown_host_key_is_refused_with_its_fingerprint, a_changed_host_key_is_refused_with_both_fingerprints,
    an_encrypted_key_without_agent_or_terminal_is_refused, check_passes_through_jump_host_and_agent,
    up_arrives_and_rke_talks_to_nobody_else, the_proof_from_outside_went_through_ssh,
    sshd_saw_only_the_jump_host_and_the_encrypted_key, the_front_is_gone, up_again_changes_nothing,
    without_the_wall_the_direct_way_is_taken,
]
