"""What the stories judge by: deaths that count, gaps that have a bound, secrets that are found in every form."""
import base64
import json
import random
import signal
import tempfile
import textwrap
import time
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from stories import balancers, canary, kill
from stories.asking import Client

KEY = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(str(n) * 64 for n in range(1, 4)) + "\nEnd+Of+It==\n-----END PRIVATE KEY-----\n"


class Run:
    """A cowhand that says this and lives until it is killed, or had ended by itself."""

    def __init__(self, ended=None):
        self.pid, self.returncode = 4, ended

    def poll(self):
        return self.returncode


class Kills(unittest.TestCase):
    def told(self, runs, said=lambda number: "rancher       started"):
        """Ten kills, with the runs in this order: None lives until it is killed, a number is the code that it had ended with."""
        with tempfile.TemporaryDirectory() as folder:
            log, started = Path(folder) / "log", iter(enumerate(runs))

            def starts(s, name):
                number, ended = next(started)
                log.write_text(f"check         started\n{said(number)}\n")
                s.log = log
                return Run(ended)
            scene = SimpleNamespace(inventory=Path(folder) / "lab.yml", random=random.Random(1), authorities=set(),
                                    kill=lambda run, how: setattr(run, "returncode", -how))
            with mock.patch.object(kill, "starts_up", starts), mock.patch.object(kill.time, "sleep"), mock.patch.object(kill, "is_at", lambda *_: True):
                return kill.killed_ten_times(scene)

    road = staticmethod(lambda number: f"cluster       rke {number + 5}/25: x" if number < 8 else "rancher       started")

    def test_ten_deaths_are_told_with_the_parts_that_were_hit(self):
        told = self.told([None] * 10, self.road)
        self.assertTrue(told.startswith("10 of 10 runs died by SIGKILL: rke 5, rke 6"), told)
        self.assertTrue(told.endswith("rancher, rancher"), told)
        self.assertIn("10 of 12 runs died", self.told([None, 0, None, 0, *[None] * 8], self.road))

    def test_ten_deaths_in_one_part_are_not_the_road(self):
        for said in (lambda _: "rancher       started", lambda _: "cluster       rke 25/25: done"):
            with self.assertRaisesRegex(AssertionError, "killed only in"):
                self.told([None] * 10, said)

    def test_a_run_that_arrived_is_drawn_again_and_ten_of_them_fail(self):
        with self.assertRaisesRegex(AssertionError, "6 runs arrived before"):
            self.told([0] * 99)

    def test_a_run_that_failed_by_itself_is_no_death(self):
        with self.assertRaisesRegex(AssertionError, "ended by itself with 6"):
            self.told([6])

    def test_a_wrong_end_after_ctrl_c_is_told(self):
        child = Run()
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "log").write_text("cluster       rke 9/25: x\n")
            scene = SimpleNamespace(inventory=Path(folder) / "lab.yml", log=Path(folder) / "log", random=random.Random(1), authorities=set(),
                                    kill=lambda run, how: setattr(run, "returncode", -how))
            with mock.patch.object(kill.time, "sleep"), self.assertRaisesRegex(AssertionError, "ended with -2, not 130"):
                kill.is_struck_at(scene, child, 3, signal.SIGINT)


class Gaps(unittest.TestCase):
    def client(self, answers, began=0.0, ended=100.0):
        client = Client({"way": None})
        client.began, client.ended, client.answers = began, ended, {"way": answers}
        return client

    def test_a_gap_in_the_middle_at_the_beginning_and_at_the_end(self):
        ten = [float(n) for n in range(0, 100, 10)]
        self.assertEqual(self.client(ten).within(60), {"way": 10.0})
        for answers in ([*range(0, 12, 2), 80, 90], [*range(70, 100, 4)], [*range(10)]):
            with self.assertRaisesRegex(AssertionError, "60 are allowed"):
                self.client(answers).within(60)

    def test_who_was_hardly_ever_answered_proves_nothing(self):
        with self.assertRaises(AssertionError):
            self.client([1.0, 2.0]).within(60)

    def test_it_asks_counts_and_tells_failures(self):
        turns = iter(range(1000))

        def ask():
            assert next(turns) % 2, "even"
        with Client({"way": ask}, 0.001) as client:
            end = time.monotonic() + 10
            while client.since(0) < 6 and time.monotonic() < end:
                time.sleep(0.005)
        self.assertGreaterEqual(client.since(0), 6)
        self.assertEqual(set(client.failed()), {"way: even"})
        self.assertEqual(client.asked(), len(client.answers["way"]) + len(client.failures["way"]))
        self.assertIn("way", balancers.told(client, 60))


class Warnings(unittest.TestCase):
    def judged(self, *findings):
        seen = [SimpleNamespace(events=lambda kind: [{"finding": {"subject": "10.0.0.5", "seen": "", **f}} for f in findings])]
        scene = SimpleNamespace(environment={"LAB_BALANCERS": "10.0.0.5"}, ca="ca", curl=lambda *_: SimpleNamespace(must=lambda: SimpleNamespace(out="pong")))
        balancers.through_both(scene, seen[0])

    def test_only_the_listed_warning_is_allowed(self):
        trusted = {"check": "outside.trusted", "verdict": "pass"}
        allowed = {"check": "outside.forwarded", "verdict": "warn", "seen": "not seen: only a balancer is believed, and our address 10.0.0.1 is none"}
        self.judged(trusted, allowed)
        for loud in ({**allowed, "seen": "believed from our address 10.0.0.1, which is no balancer's"}, {**allowed, "verdict": "fail"},
                     {"check": "outside.protocol", "verdict": "warn"}, {"check": "outside.websocket", "verdict": "unknown"}):
            with self.assertRaises(AssertionError):
                self.judged(trusted, loud)
        with self.assertRaises(AssertionError):
            self.judged(allowed)


class Canaries(unittest.TestCase):
    places = {
        "as it is": KEY, "indented, as in YAML": textwrap.indent(KEY, "    "), "in JSON": json.dumps({"key": KEY}), "one of its lines": "x" + "2" * 64 + "y",
        "its lines joined": KEY.replace("\n", ""), "with CR LF": KEY.replace("\n", "\r\n"),
        "as a Secret has it": base64.b64encode(KEY.encode()).decode(), "in base64 without the last newline": base64.b64encode(KEY.strip().encode()).decode(),
    }

    def test_a_key_is_found_in_every_form(self):
        for place, text in self.places.items():
            self.assertEqual(canary.stands_in({"the key": canary.forms(KEY)}, {place: text}), [f"the key in {place}"])

    def test_a_password_is_found_too(self):
        for text in ("--set bootstrapPassword=secret-of-24-letters-long", base64.b64encode(b"secret-of-24-letters-long\n").decode()):
            self.assertTrue(canary.stands_in({"it": canary.forms("secret-of-24-letters-long\n")}, {"there": text}))

    def test_another_key_is_not_taken_for_it(self):
        other = KEY.replace("1", "4").replace("2", "5").replace("3", "6")
        self.assertEqual(canary.stands_in({"the key": canary.forms(KEY)}, {"there": other, "empty": ""}), [])

    def test_private_files_are_apart_from_what_everybody_may_read(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for path in ("lab.yml", "cluster.yml", "cluster.rkestate", "kube_config_cluster.yml", "secrets/ca-key.pem", ".cowhand/state/cluster.rkestate.1", ".cowhand/logs/up.log", "theirs.yml"):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(path)
            self.assertEqual(set(canary.files_of(folder, "theirs.yml")), {"lab.yml", "cluster.yml", ".cowhand/logs/up.log"})
            self.assertEqual(len(canary.private_files(folder)), 4)
