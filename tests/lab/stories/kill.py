"""Killed at ten random moments of a first `up`, the next one goes on and arrives, with the same CA.

STORY_SEED repeats the moments of an earlier telling."""
import json
import os
import random
import signal
import time
from pathlib import Path

from .scene import until

KILLS = 10


def virgin_machines(s):
    s.fresh_lab()
    s.inventory = s.workspace("kill")
    s.seed = int(os.environ.get("STORY_SEED") or random.randrange(1_000_000))
    s.random = random.Random(s.seed)
    s.authorities = set()
    return f"seed {s.seed}"


def authority(s):
    state = s.inventory.parent / "cluster.rkestate"
    try:
        return json.loads(state.read_text())["desiredState"]["certificatesBundle"]["kube-ca"]["certificatePEM"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def children_in(folder):
    """Programs that run in the workspace: cowhand starts rke there, and helm with its home there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            place = os.readlink(process / "cwd")
        except OSError:
            continue
        if os.path.basename(words[0].decode(errors="replace")) in ("rke", "helm") and place.startswith(str(folder)):
            found.append((process.name, words))
    return found


def rke_is_seen_while_it_runs(s):
    """The search above finds what it is for: a cowhand killed while rke runs leaves none behind."""
    log = s.work / "seen.log"
    child = s.start(s.cowhand, "up", "--output", "plain", "-i", s.inventory, log=log)
    until(60, lambda: any(b"up" in words for _, words in children_in(s.inventory.parent)), 0.1)
    s.kill(child)
    until(10, lambda: not children_in(s.inventory.parent), 0.2)


def killed_ten_times(s):
    moments = []
    for number in range(KILLS):
        log = s.work / f"kill-{number}.log"
        child = s.start(s.cowhand, "up", "--output", "plain", "-i", s.inventory, log=log)
        # Short at first, longer later, so that the moments spread over the whole road.
        moment = s.random.uniform(1, 8 + 5 * number)
        try:
            child.wait(timeout=moment)
        except Exception:
            s.kill(child)
        else:
            assert child.returncode == 0, f"run {number} ended by itself with {child.returncode}:\n{log.read_text()[-3000:]}"
        moments.append(round(moment, 1))
        # rke and helm must not outlive cowhand: they would change the cluster behind the next run's back.
        until(10, lambda: not children_in(s.inventory.parent), 0.2)
        if authority(s):
            s.authorities.add(authority(s))
    return f"after {moments} s"


def the_next_run_arrives(s):
    done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    s.authorities.add(authority(s))
    assert len(s.authorities) == 1, f"{len(s.authorities)} different CAs were seen"
    s.cow("verify", inventory=s.inventory).must()
    return f"{done.seconds:.0f} s"


def interrupted_by_ctrl_c_it_says_so(s):
    s.inventory.write_text(s.inventory.read_text().replace("rancher:\n", "rancher:\n  replicas: 2\n", 1))
    log = s.work / "interrupt.log"
    child = s.start(s.cowhand, "up", "--output", "plain", "-i", s.inventory, log=log)
    until(60, lambda: "rke" in log.read_text(), 0.1)
    time.sleep(2)
    code = s.kill(child, signal.SIGINT)
    assert code == 130, f"exit {code}\n{log.read_text()[-2000:]}"
    assert "interrupted" in log.read_text()
    s.cow("up", inventory=s.inventory).must()


STEPS = [virgin_machines, rke_is_seen_while_it_runs, killed_ten_times, the_next_run_arrives, interrupted_by_ctrl_c_it_says_so]
