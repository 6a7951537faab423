"""Which stories are played on which lab, what counts as failed, and what a whole run writes down."""
import contextlib
import io
import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from lablib import last_run
from lablib.shell import Fail
from stories import playing

# Everything of `tests/run` but its stories, all cached, on 2 cores; and what CI has.
BESIDE_STORIES, BUDGET = 420, 45 * 60


class Order(unittest.TestCase):
    def test_every_story_is_in_the_gate_or_left_to_all_by_name(self):
        self.assertEqual(sorted([*playing.gate(), *playing.LEFT_TO_ALL]), playing.names())
        for known in (playing.SECONDS, playing.ALONE, playing.TAKES):
            self.assertLessEqual(set(known), set(playing.names()), "a story that is gone")
        self.assertLessEqual({"road", "kill", "existing", "faults", "members", "play"}, set(playing.gate()))

    def test_the_gate_fits_into_its_time(self):
        self.assertLess(playing.expected(playing.gate()) + BESIDE_STORIES, BUDGET, "leave a story to `all`, or make one shorter")

    def test_the_longest_come_first_and_what_is_alone_comes_last(self):
        with mock.patch.object(playing, "SECONDS", {"a": 10, "b": 30, "labs": 99}):
            self.assertEqual(playing.in_order(["a", "labs", "b", "new"]), (["new", "b", "a"], ["labs"]))
            self.assertEqual(playing.expected(["a", "b", "labs"]), 30 + 99)


class Played(unittest.TestCase):
    def lab(self, name, waits, answers=None, goes=True):
        def plays(story):
            self.played.append((name, story))
            end = time.monotonic() + 30
            while story in waits and waits[story] not in (played for _, played in self.played) and time.monotonic() < end:
                time.sleep(0.01)
            answer = (answers or {}).get(story, ("ok", 2, 0))
            return answer.pop(0) if isinstance(answer, list) else answer

        def goes_down():
            self.played.append((name, "down"))
            return goes
        return SimpleNamespace(name=name, play=plays, down=goes_down)

    def told(self, wanted, waits=(), answers=None, goes=True, programs="vagrant"):
        """`waits`: a story that goes on until another one was begun."""
        self.played, telling, out = [], playing.Telling(), io.StringIO()
        labs = [self.lab(name, dict(waits), answers, goes) for name in ("one", "two")]
        with contextlib.redirect_stdout(out), mock.patch.object(playing.shutil, "which", lambda name: name == programs):
            playing.play(wanted, *labs, telling)
        return telling, out.getvalue()

    def test_the_lab_that_is_free_takes_the_next_and_the_second_goes_before_what_is_alone(self):
        telling, out = self.told(["road", "kill", "ways", "labs", "vagrant"], {"kill": "ways"})
        self.assertEqual((telling.passed, telling.failed), (10, 0))
        on = {story: lab for lab, story in self.played}
        self.assertEqual({on["road"], on["ways"]}, {"one", "two"} - {on["kill"]})
        self.assertEqual(self.played[-3:], [("two", "down"), ("one", "labs"), ("one", "vagrant")])
        self.assertIn("played road: 2 of 2 steps", out)

    def test_a_failed_step_and_a_lab_that_stays_are_failures(self):
        telling, out = self.told(["road", "kill"], answers={"kill": ("FAIL kill: x", 1, 3)}, goes=False)
        self.assertEqual((telling.passed, telling.failed), (3, 4))
        self.assertEqual(out.count("failed kill: 1 of 4 steps"), 2)

    def test_one_story_that_failed_is_played_again_alone_and_said(self):
        telling, out = self.told(["road", "kill", "labs"], answers={"kill": [("FAIL kill: x", 1, 3), ("ok", 4, 0)]})
        self.assertEqual((telling.passed, telling.failed), (8, 0))
        self.assertEqual(self.played[-3:], [("two", "down"), ("one", "labs"), ("one", "kill")])
        for line in ("FAIL kill: x", "failed kill: 1 of 4 steps", "again kill", "played kill: 4 of 4 steps"):
            self.assertIn(line, out)

    def test_of_two_stories_each_is_played_again_and_of_three_none(self):
        failed = {"kill": ("FAIL kill: x", 1, 3), "road": [("FAIL road: x", 0, 1), ("ok", 1, 0)], "ways": ("FAIL ways: x", 0, 1)}
        telling, out = self.told(["road", "kill", "labs"], answers=failed)
        self.assertEqual((telling.passed, telling.failed, out.count("again ")), (1 + 1 + 2, 3, 2))
        failed["road"] = ("FAIL road: x", 0, 1)
        telling, out = self.told(["road", "kill", "ways"], answers=failed)
        self.assertEqual((telling.passed, telling.failed), (1, 5))
        self.assertNotIn("again", out)

    def test_what_a_machine_has_not_is_said(self):
        telling, out = self.told(["vagrant", "road"], programs="")
        self.assertNotIn(("one", "vagrant"), self.played)
        self.assertIn("left out: story vagrant: no `vagrant` in PATH", out)

    def test_a_story_that_ends_without_a_count_has_failed(self):
        for out, code, wanted in (("a\n3 passed, 0 failed\n", 0, ("a", 3, 0)), ("a\n3 passed, 0 failed\n", 1, ("a", 3, 1)), ("a\n1 passed, 2 failed\n", 1, ("a", 1, 2)),
                                  ("Traceback\n", 1, ("Traceback\n", 0, 1)), ("", 0, ("", 0, 1))):
            with mock.patch.object(playing.subprocess, "run", return_value=SimpleNamespace(stdout=out, returncode=code)):
                self.assertEqual(playing.Lab("one", "cowhand").play("road"), wanted)

    def test_each_lab_has_its_own_network(self):
        with mock.patch.dict(os.environ, LAB_SUBNET="10.1.2.0/24", LAB_NAME="lab"):
            environment = playing.Lab(playing.beside("lab"), "/cowhand").environment
        self.assertEqual((environment["LAB_NAME"], environment["COWHAND"], "LAB_SUBNET" in environment), ("beside", "/cowhand", False))
        self.assertLessEqual(len(playing.beside("abcdefghijkl")), 12)


TABLE = """| story | last played |
|---|---|
| `road` | never <!-- last-run:road --> |
| `kill` | 1 May 2026, `0000000` <!-- last-run:kill --> |
"""


class LastRun(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / "tests").mkdir()
        self.page = self.root / "tests" / "README.md"
        self.page.write_text(TABLE)
        (self.root / "README.md").write_text("nothing\n")
        self.git("init", "-q")
        self.commit = self.committed()
        today = mock.patch.object(last_run, "today", lambda: "30 November 2026")
        today.start()
        self.addCleanup(today.stop)

    def git(self, *words):
        words = ["git", "-c", "user.name=lab", "-c", "user.email=lab@lab.test", "-C", str(self.root), *words]
        return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def committed(self):
        self.git("add", ".")
        self.git("commit", "-q", "-m", "x")
        return last_run.commit(self.root)

    def test_only_the_cells_of_the_stories_that_were_played_are_written(self):
        self.assertEqual(last_run.record(["road"], self.commit, self.root), ["tests/README.md"])
        self.assertEqual(self.page.read_text(), TABLE.replace("never", f"30 November 2026, `{self.commit}`"))
        self.committed()
        last_run.record(["road", "kill"], last_run.commit(self.root), self.root)
        self.assertNotIn("1 May", self.page.read_text())

    def test_a_story_without_a_row_or_with_two_is_refused_and_nothing_is_written(self):
        with self.assertRaisesRegex(Fail, "for ways"):
            last_run.record(["road", "ways"], self.commit, self.root)
        (self.root / "README.md").write_text(TABLE)
        commit = self.committed()
        with self.assertRaisesRegex(Fail, "for kill road"):
            last_run.record(["road", "kill"], commit, self.root)
        self.assertEqual(self.page.read_text(), TABLE)

    def test_what_is_no_commit_is_not_written_down(self):
        (self.root / "README.md").write_text("more\n")
        with self.assertRaisesRegex(Fail, "not what its commit says"):
            last_run.commit(self.root)
        self.committed()
        with self.assertRaisesRegex(Fail, f"{self.commit} was played"):
            last_run.record(["road"], self.commit, self.root)
        self.assertEqual(self.page.read_text(), TABLE)

    def test_every_story_has_its_row_in_the_pages(self):
        marks = last_run.marked(page.read_text() for page in last_run.pages())
        self.assertEqual(sorted(marks), playing.names())
