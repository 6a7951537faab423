"""Which stories are played, and two of them side by side: whichever lab is free takes the next, the longest first."""
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

here = Path(__file__).resolve().parent

# How long each takes beside another lab on 2 cores, in seconds; a run says what each took (`played STORY: … in N s`). From runs: kill, members, tls,
# vagrant. The others are reckoned from their steps. One that is not listed counts as USUAL.
SECONDS = {
    "adopt": 300, "away": 1000, "backup": 380, "balancers": 1500, "cells": 380, "certs": 600, "drift": 900, "existing": 520, "external": 300, "faults": 560,
    "helm": 420, "hostname": 420, "kill": 450, "labs": 90,
    "members": 515, "nodes": 480, "outside": 380, "play": 400, "rebuild": 600, "road": 420, "rotate": 330, "tls": 2100, "vagrant": 31, "versions": 400, "back": 450, "ways": 300,
}
USUAL = 500
# The gate has 45 minutes: these are left to `all`. Every other story is in the gate, also one that was added today.
LEFT_TO_ALL = ("away", "back", "balancers", "cells", "certs", "drift", "external", "helm", "hostname", "labs", "nodes", "outside", "tls", "versions", "ways")
# So many stories of a run may fail and are played once more.
AGAIN = 2
# They make labs of their own, so nothing is played beside them.
ALONE = ("labs", "vagrant")
# A story that takes a program which not every distribution has.
TAKES = {"vagrant": "vagrant"}


def names():
    return sorted(path.stem for path in here.glob("*.py") if "\nSTEPS = " in path.read_text())


def gate():
    return [name for name in names() if name not in LEFT_TO_ALL]


def seconds(name):
    return SECONDS.get(name, USUAL)


def in_order(wanted):
    """What is played side by side, the longest first, and what is played alone after it."""
    longest_first = sorted(wanted, key=lambda name: (-seconds(name), name))
    return [name for name in longest_first if name not in ALONE], [name for name in longest_first if name in ALONE]


def expected(wanted):
    """How long all of them take on two labs, by SECONDS."""
    beside, alone = in_order(wanted)
    free = [0, 0]
    for name in beside:
        free[free.index(min(free))] += seconds(name)
    return max(free) + sum(map(seconds, alone))


class Lab:
    """A lab that stories are played on, each by a process of its own, with the binary that was built."""

    def __init__(self, name, cowhand):
        self.name = name
        # LAB_SUBNET is one network, and a lab's network follows from its name.
        self.environment = {key: value for key, value in os.environ.items() if key != "LAB_SUBNET"} | {"LAB_NAME": name, "COWHAND": str(cowhand)}

    def play(self, story):
        """What the story printed, and how many of its steps passed and failed."""
        words = [sys.executable, "-B", str(here.parent / "story"), story]
        done = subprocess.run(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        text, _, last = done.stdout.rstrip("\n").rpartition("\n")
        counted = re.fullmatch(r"(\d+) passed, (\d+) failed", last)
        if not counted:
            return done.stdout, 0, 1
        passed, failed = map(int, counted.groups())
        return text, passed, failed or int(done.returncode != 0)

    def down(self):
        return subprocess.run([str(here.parent / "lab"), "down"], env=self.environment, stdin=subprocess.DEVNULL).returncode == 0


class Telling:
    """What was played, as it ends."""

    def __init__(self):
        self.counts = {}
        self.labs_left = 0
        self.lock = threading.Lock()

    @property
    def passed(self):
        return sum(passed for passed, _ in self.counts.values())

    @property
    def failed(self):
        return sum(failed for _, failed in self.counts.values()) + self.labs_left

    def stories_failed(self):
        return [story for story, (_, failed) in self.counts.items() if failed]

    def add(self, story, lab, played, took):
        """A story that is played again counts as it ended last."""
        text, passed, failed = played
        with self.lock:
            self.counts[story] = passed, failed
            print(f"{text}\n{'failed' if failed else 'played'} {story}: {passed} of {passed + failed} steps in {took:.0f} s on lab {lab.name}", flush=True)

    def again(self, story):
        print(f"again {story}: it failed beside another story and is played once more, alone; only its last try counts", flush=True)

    def left_out(self, story, why):
        print(f"left out: story {story}: {why}", flush=True)


def play_on(lab, queue, telling):
    """Takes the first of what is left, again and again."""
    while True:
        with telling.lock:
            if not queue:
                return
            story = queue.pop(0)
        began = time.monotonic()
        played = lab.play(story)
        telling.add(story, lab, played, time.monotonic() - began)


def play(wanted, first, second, telling):
    """All of them on two labs. The second lab is gone before what is played alone, and afterwards.

    Two clusters on two cores are slow at times, so AGAIN stories may fail and be played again, and that is told. Where more fail, none is."""
    there = [name for name in wanted if name not in TAKES or shutil.which(TAKES[name])]
    for name in sorted(set(wanted) - set(there)):
        telling.left_out(name, f"no `{TAKES[name]}` in PATH")
    beside, alone = in_order(there)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda lab: play_on(lab, beside, telling), (first, second)))
    if not second.down():
        telling.labs_left += 1
        print(f"FAIL lab {second.name} did not go down", flush=True)
    play_on(first, alone, telling)
    failed = telling.stories_failed()
    for story in failed if len(failed) <= AGAIN else []:
        telling.again(story)
        play_on(first, [story], telling)


def beside(name):
    """The name of the lab beside that of this name."""
    return "beside" if name == "lab" else f"{name[:6]}beside"
