"""Lost SSH and a full disk in the middle of an `up`: it ends by itself, says what happened, loses nothing; the next one arrives.

One cluster, grown in spite of all that: each `up` goes on where the one before it was cut off, under the same CA."""
import json
import os
import time

from .kill import authority, children_in
from .scene import until

# cowhand asks for 64 MiB; the rest is for its own files and for what is left after a fill.
SMALL = "100m"

# Whatever comes from the laptop to sshd is dropped without a word, as by a pulled cable.
SILENCE = """nft -f - <<'END'
table inet faults {
  chain laptop {
    type filter hook prerouting priority raw; policy accept;
    ip saddr %s tcp dport 22 drop
  }
}
END"""

# sshd and every session of it: the connections are closed at once, and nobody answers.
NO_SSHD = "systemctl stop ssh.socket ssh.service; pkill -KILL -f '^sshd' || true; ! ss -Hltn 'sport = :22' | grep -q ."

# Keepalive notices after 45 to 60 s that nobody answers; ending rke and looking at the nodes takes some more.
BOUND = 120


# --- what is asked of the scene
def begin(s, name):
    """An `up` in the background, its events in a log."""
    s.log = s.work / f"{name}.log"
    return s.start(s.cowhand, "up", "--output", "json", "-i", s.inventory, log=s.log)


def events(s):
    return [json.loads(line) for line in s.log.read_text(errors="replace").splitlines() if line.startswith("{") and line.endswith("}")]


def reaches(s, child, limit, what):
    """Waits until one of the run's events is so; a run that ends before is a failure."""
    def seen():
        assert child.poll() is None, f"ended with {child.returncode} before that:\n{s.log.read_text()[-3000:]}"
        return any(what(event) for event in events(s))
    until(limit, seen, 0.1)


def rke_says(number):
    """An event of rke's progress at this place of 25, or a later one."""
    def so(event):
        words = event.get("text", "").split("/25")[0].split()
        return event["event"] == "progress" and words[:1] == ["rke"] and words[-1].isdigit() and int(words[-1]) >= number
    return so


def stage_begins(*stages):
    return lambda event: event["event"] == "stage-started" and event["stage"] in stages


def ends(s, child, codes, *texts):
    """It ends by itself, in time, with such a code and these words; nothing that it started outlives it."""
    began = time.monotonic()
    code = child.wait(timeout=BOUND)
    took = time.monotonic() - began
    said = s.log.read_text()
    assert code in codes, f"exit {code} after {took:.0f} s:\n{said[-3000:]}"
    failure = [e for e in events(s) if "error" in e]
    told = json.dumps(failure[-1], ensure_ascii=False) if failure else said[-3000:]
    for text in texts:
        assert text.lower() in told.lower(), f"does not say `{text}` but:\n{told}"
    assert not [e for e in events(s) if e["event"] == "stage-finished" and e["text"] == "interrupted"], "nobody interrupted it"
    until(15, lambda: not children_in(s.inventory.parent), 0.2)
    remember(s)
    return f"exit {code} after {took:.0f} s: {'; '.join([failure[-1]['error'], *failure[-1]['because']]) if failure else ''}"


def remember(s):
    if authority(s):
        s.authorities.add(authority(s))
    assert len(s.authorities) <= 1, "another CA was made"


def fill(s, leave=0):
    """Takes all room of the small disk but `leave` bytes."""
    space = os.statvfs(s.small)
    room = space.f_bavail * space.f_frsize - leave
    # Unbuffered: what a buffer still held would meet the full disk once more when it is closed.
    with open(s.small / "filler", "ab", buffering=0) as filler:
        try:
            while room > 0:
                room -= filler.write(b"\0" * min(room, 1 << 20))
        except OSError as error:
            assert error.errno == 28, error


def make_room(s):
    (s.small / "filler").unlink()


def nothing_was_lost(s):
    """The state file is whole, or a whole copy of it is kept: the CA that was seen is in one of them."""
    kept = [s.inventory.parent / "cluster.rkestate", *sorted((s.inventory.parent / ".cowhand" / "state").glob("cluster.rkestate.*"))]
    found = set()
    for path in kept:
        try:
            found.add(json.loads(path.read_text())["desiredState"]["certificatesBundle"]["kube-ca"]["certificatePEM"])
        except (FileNotFoundError, ValueError):
            continue
    assert found and (not s.authorities or found == s.authorities), f"{len(found)} CAs in {[p.name for p in kept]}"


def patient_up(s, child_name):
    """Begins the next `up`; a lock that a lost connection left behind is waited for, as its refusal says."""
    end = time.monotonic() + 75
    while True:
        child = begin(s, child_name)
        until(60, lambda: child.poll() is not None or any(stage_begins("cluster")(e) for e in events(s)), 0.1)
        if child.poll() is None or "another run is under way" not in s.log.read_text() or time.monotonic() > end:
            return child
        time.sleep(3)


# --- the story
def machines_and_a_small_disk(s):
    s.fresh_lab()
    s.small = s.mount("faults", SMALL)
    s.inventory = s.workspace("faults")
    s.authorities = set()


def a_full_disk_at_the_start_is_refused_before_anything(s):
    fill(s, leave=8 << 20)
    written = lambda: sorted(p for p in s.small.rglob("*") if p.is_file() and p.parent.name != "logs")  # noqa: E731
    before = written()
    done = s.cow("up", "--output", "plain", inventory=s.inventory).must(5)
    done.says(str(s.small), "MiB free", "make room", "nothing was changed")
    assert written() == before, "something besides the run's own log was written"
    for name in s.nodes:
        left = s.node(name, "docker ps -aq; ls -A /etc/kubernetes 2>/dev/null; ls /tmp | grep cowhand || true")
        assert not left.strip(), f"{name}: {left}"
    make_room(s)


def a_disk_that_fills_up_while_rke_runs(s):
    child = begin(s, "full-rke")
    reaches(s, child, 120, rke_says(7))
    remember(s)
    assert s.authorities, "rke had written its state by then"
    fill(s)
    told = ends(s, child, (6,), str(s.small), "disk is full", "make room", "no space left")
    nothing_was_lost(s)
    make_room(s)
    return told


def a_state_cut_off_by_that_disk_is_mended(s):
    """What rke leaves when its own write meets the full disk: the beginning of the file."""
    state = s.inventory.parent / "cluster.rkestate"
    whole = state.read_text()
    state.write_text(whole[:len(whole) // 2])
    s.next = patient_up(s, "silent-node")
    reaches(s, s.next, 60, lambda event: event["event"] == "warning" and "was put back" in event["text"])
    remember(s)


def a_node_that_falls_silent_while_rke_runs(s):
    child, name = s.next, list(s.nodes)[1]
    reaches(s, child, 180, rke_says(13))
    s.node(name, SILENCE % s.environment["LAB_GATEWAY"])
    told = ends(s, child, (4,), f"the connection to {name} ", "run the same command again")
    s.node(name, "nft delete table inet faults")
    return told


def a_node_that_shuts_down_while_rke_runs(s):
    """It ends its containers, and with them what rke is at, before its sshd is gone."""
    child, name = patient_up(s, "shut-down"), list(s.nodes)[2]
    reaches(s, child, 180, rke_says(13))
    s.lab("node", name, "stop")
    try:
        return ends(s, child, (4,), f"the connection to {name} ", "run the same command again")
    finally:
        s.lab("node", name, "start")


def ssh_ends_on_all_nodes_while_helm_works(s):
    child = patient_up(s, "no-sshd")
    reaches(s, child, 400, stage_begins("ingress"))
    s.on_nodes(NO_SSHD)
    # The first that is gone ends the run; whether the others were gone by then is a matter of moments.
    told = ends(s, child, (4,), "went away during the run", "run the same command again")
    assert any(f"{name}: " in told for name in s.nodes), told
    s.on_nodes("systemctl start ssh")
    return told


def all_nodes_freeze_while_objects_are_applied(s):
    child = patient_up(s, "frozen")
    reaches(s, child, 200, stage_begins("cert-manager", "rancher"))
    for name in s.nodes:
        s.lab("node", name, "pause")
    try:
        told = ends(s, child, (4,), *s.nodes, "run the same command again")
    finally:
        for name in s.nodes:
            s.lab("node", name, "unpause")
    return told


def a_disk_that_fills_up_while_helm_works(s):
    child = patient_up(s, "full-helm")
    reaches(s, child, 200, stage_begins("ingress"))
    fill(s)
    # Whether anything was left to write depends on how far the runs before it came.
    code = child.wait(timeout=300)
    assert code in (0, 6), f"exit {code}:\n{s.log.read_text()[-3000:]}"
    if code == 6:
        assert "make room" in s.log.read_text(), s.log.read_text()[-3000:]
    nothing_was_lost(s)
    make_room(s)
    return f"exit {code}"


def the_next_run_arrives(s):
    child = patient_up(s, "arrives")
    code = child.wait(timeout=600)
    assert code == 0, f"exit {code}:\n{s.log.read_text()[-3000:]}"
    remember(s)
    s.cow("verify", inventory=s.inventory).must()
    again = s.cow("up", "--output", "json", inventory=s.inventory).must()
    assert {e["outcome"] for e in again.events("stage-finished")} <= {"unchanged", "passed"}
    return "one CA from the first run to the last"


STEPS = [
    machines_and_a_small_disk, a_full_disk_at_the_start_is_refused_before_anything, a_disk_that_fills_up_while_rke_runs,
    a_state_cut_off_by_that_disk_is_mended, a_node_that_falls_silent_while_rke_runs, a_node_that_shuts_down_while_rke_runs, ssh_ends_on_all_nodes_while_helm_works,
    all_nodes_freeze_while_objects_are_applied, a_disk_that_fills_up_while_helm_works, the_next_run_arrives,
]
