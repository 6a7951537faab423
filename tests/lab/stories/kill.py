"""Killed at ten random moments of a first `up`, the next one goes on and arrives, with the same CA.

The moments lie all over the road, however fast the machine is: each is a place that a run reaches (a step of rke, a
stage), drawn from its own part of the road, and a random while after it. STORY_SEED repeats those of an earlier telling."""
import json
import os
import random
import re
import signal
import time
from pathlib import Path

from .scene import until

# Ten parts of the road: rke's steps, of 25, then the stages after it.
RKE_PARTS = [(1, 3), (4, 6), (7, 9), (10, 12), (13, 14), (15, 17), (18, 25)]
STAGES = ["ingress", "cert-manager", "rancher"]
# How long after the place (seconds); longer than most steps take, so that no moment between two places is left out.
WHILE = 3
# A run may arrive before its moment comes; then another moment is drawn from the same part, so often at most.
DRAWS = 6


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


def starts_up(s, name):
    s.log = s.work / f"{name}.log"
    return s.start(s.cowhand, "up", "--output", "plain", "-i", s.inventory, log=s.log)


def is_at(place, text):
    """Whether what a run said shows that it reached the place: a step of rke (or anything after it), or a stage."""
    stages = set(re.findall(r"^(\S+) +started$", text, re.M))
    if isinstance(place, str):
        return bool(stages & set(STAGES[STAGES.index(place):])) or "verify" in stages
    return any(int(step) >= place for step in re.findall(r"^cluster +rke (\d+)/25", text, re.M)) or bool(stages & {*STAGES, "verify"})


def is_struck_at(s, child, place, how, within=WHILE, limit=400):
    """Sends that signal once the run has come to the place and a while has passed; what it said, or None when it had arrived before."""
    until(limit, lambda: child.poll() is not None or is_at(place, s.log.read_text()), 0.05)
    time.sleep(s.random.uniform(0, within))
    arrived = child.poll() is not None
    if not arrived:
        s.kill(child, how)
    text = s.log.read_text()
    # rke and helm must not outlive cowhand: they would change the cluster behind the next run's back.
    until(10, lambda: not children_in(s.inventory.parent), 0.2)
    if authority(s):
        s.authorities.add(authority(s))
    # Between the look and the signal it may have ended too; any end of its own but success is a failure.
    if arrived or child.returncode == 0:
        assert child.returncode == 0, f"ended by itself with {child.returncode}:\n{text[-3000:]}"
        return None
    expected = 130 if how == signal.SIGINT else -how
    assert child.returncode == expected, f"struck with {how}, it ended with {child.returncode}, not {expected}:\n{text[-3000:]}"
    return text


def rke_is_seen_while_it_runs(s):
    """The search above finds what it is for: a cowhand killed while rke runs leaves none behind."""
    child = starts_up(s, "seen")
    until(60, lambda: any(b"up" in words for _, words in children_in(s.inventory.parent)), 0.1)
    s.kill(child)
    until(10, lambda: not children_in(s.inventory.parent), 0.2)


def interrupted_by_ctrl_c_it_says_so(s):
    child = starts_up(s, "interrupt")
    text = is_struck_at(s, child, s.random.randint(2, 8), signal.SIGINT)
    assert text, "it arrived before it could be interrupted"
    assert "interrupted" in text and "goes on from here" in text, text[-2000:]


def killed_in(s, number, part):
    """One run killed in this part of the road, and where it was then, in its own words; how many runs that took."""
    for draw in range(1, DRAWS + 1):
        child = starts_up(s, f"kill-{number}-{draw}")
        place = part if isinstance(part, str) else s.random.randint(*part)
        # A run with little left to do is over soon: each further moment is drawn closer to its place.
        text = is_struck_at(s, child, place, signal.SIGKILL, WHILE / draw)
        if text is not None:
            assert child.returncode == -signal.SIGKILL, child.returncode
            reached = re.findall(r"^cluster +rke (\d+)/25|^(\S+) +started$", text, re.M)
            return next((f"rke {step}" if step else stage for step, stage in reversed(reached)), "before anything"), draw
    raise AssertionError(f"{DRAWS} runs arrived before they could be killed in {part}")


def killed_ten_times(s):
    parts = [*RKE_PARTS, *STAGES]
    hit = [killed_in(s, number, part) for number, part in enumerate(parts)]
    places, runs = [place for place, _ in hit], sum(draws for _, draws in hit)
    assert len(places) == 10, places
    # Ten deaths in the last stage would be another story: the road's first parts have to be among them.
    in_rke, stages = [p for p in places if p.startswith("rke ")], [p for p in places if p in (*STAGES, "verify")]
    assert len(in_rke) >= 5 and stages, f"killed only in {places}"
    return f"{len(places)} of {runs} runs died by SIGKILL: {', '.join(places)}"


def the_next_run_arrives(s):
    done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    s.authorities.add(authority(s))
    assert len(s.authorities) == 1, f"{len(s.authorities)} different CAs were seen"
    s.cow("verify", inventory=s.inventory).must()
    return f"{done.seconds:.0f} s"


STEPS = [virgin_machines, rke_is_seen_while_it_runs, interrupted_by_ctrl_c_it_says_so, killed_ten_times, the_next_run_arrives]
