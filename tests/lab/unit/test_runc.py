"""What the two runtimes take out of a container's configuration, with a full set of capabilities and with lesser ones."""
import json
import os
import runpy
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from lablib.settings import here

FULL = (1 << 41) - 1
SYS_MODULE, SYS_RESOURCE = 1 << 16, 1 << 24


def process():
    held = ["CAP_CHOWN", "CAP_SYS_MODULE", "CAP_SYS_RESOURCE", "CAP_CHECKPOINT_RESTORE"]
    return {"args": ["sh"], "capabilities": {"bounding": held, "effective": list(held), "ambient": []}, "oomScoreAdj": -998,
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1 << 20, "soft": 1 << 20}]}


class Runtime(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def written(self, name, told):
        (self.folder / name).write_text(json.dumps(told))
        return self.folder / name

    def asked(self, words, bounding):
        raise NotImplementedError

    def created(self, bounding, told=None):
        """The process of a container that `create` was asked for."""
        config = self.written("config.json", {"ociVersion": "1.2.0", "process": told or process()})
        words = ["--log", "x", "create", "--bundle", str(self.folder), "name"]
        self.assertEqual(self.asked(words, bounding), words, "runc gets the same words")
        kept = json.loads(config.read_text())
        self.assertEqual(kept["ociVersion"], "1.2.0")
        return kept["process"]


class Outer(Runtime):
    """The outer engine's runtime, on a machine that says it has these capabilities."""

    def asked(self, words, bounding):
        status = self.folder / "status"
        status.write_text(f"Name:\tx\nCapInh:\t0000000000000000\nCapBnd:\t{bounding:016x}\n")
        really = open

        def opened(path, *how):
            return really(status if path == "/proc/self/status" else path, *how)
        with mock.patch("builtins.open", opened), mock.patch("sys.argv", ["runc", *words]), mock.patch.object(os, "execv") as execv, \
                mock.patch("shutil.which", lambda name, path: f"/usr/sbin/{name}"):
            runpy.run_path(str(here / "engine" / "outer-runc.py"))
        (program, given), _ = execv.call_args
        self.assertEqual((program, given[0]), ("/usr/sbin/runc", "runc"))
        return given[1:]

    def test_with_every_capability_nothing_is_changed(self):
        self.assertEqual(self.created(FULL), process())

    def test_what_the_machine_lacks_is_not_asked_for(self):
        told = process()
        told["capabilities"]["ambient"] = None   # Go's way to write an empty list
        got = self.created(FULL & ~SYS_MODULE, told)
        left = ["CAP_CHOWN", "CAP_SYS_RESOURCE", "CAP_CHECKPOINT_RESTORE"]
        self.assertEqual(got["capabilities"], {"bounding": left, "effective": left, "ambient": []})
        self.assertEqual((got["oomScoreAdj"], got["rlimits"]), (process()["oomScoreAdj"], process()["rlimits"]))

    def test_without_sys_resource_no_limit_is_raised_and_no_score_lowered(self):
        got = self.created(FULL & ~SYS_RESOURCE)
        self.assertNotIn("CAP_SYS_RESOURCE", got["capabilities"]["bounding"])
        self.assertEqual((got["oomScoreAdj"], got["rlimits"]), (0, []))
        self.assertEqual(self.created(FULL & ~SYS_RESOURCE, {**process(), "oomScoreAdj": 500})["oomScoreAdj"], 500)

    def test_an_exec_is_lowered_too(self):
        for words in (["exec", "--process", "P"], ["exec", "-p", "P"], ["exec", "--process=P"]):
            file = self.written("process.json", process())
            words = [word.replace("P", str(file)) if word in ("P", "--process=P") else word for word in words]
            self.assertEqual(self.asked([*words, "name"], FULL & ~SYS_MODULE), [*words, "name"])
            self.assertNotIn("CAP_SYS_MODULE", json.loads(file.read_text())["capabilities"]["effective"])

    def test_other_commands_pass_as_they_are(self):
        for words in (["kill", "name", "9"], ["state", "name"], ["exec", "name", "sh"], ["delete", "--force", "name"]):
            self.assertEqual(self.asked(words, 0), words)


class Node(Runtime):
    """The runtime in a node, with other places for the kernel's word and for runc."""

    def asked(self, words, bounding):
        status, runc, script = self.folder / "status", self.folder / "runc", self.folder / "lab-runc"
        status.write_text(f"Name:\tx\nCapBnd:\t{bounding:016x}\nCapAmb:\t0000000000000000\n")
        runc.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        runc.chmod(0o755)
        text = (here / "node" / "files" / "usr" / "local" / "sbin" / "lab-runc").read_text()
        for place, ours in (("/proc/self/status", status), ("/usr/sbin/runc", runc)):
            self.assertIn(place, text)
            text = text.replace(place, str(ours))
        script.write_text(text)
        done = subprocess.run(["bash", str(script), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def test_with_sys_resource_it_is_runc(self):
        self.assertEqual(self.created(FULL), process())
        self.assertEqual(self.created(SYS_RESOURCE), process())

    def test_without_it_no_limit_is_raised_and_no_score_lowered(self):
        wanted = {key: value for key, value in process().items() if key != "rlimits"}
        self.assertEqual(self.created(FULL & ~SYS_RESOURCE), {**wanted, "oomScoreAdj": 0})
        self.assertEqual(self.created(FULL & ~SYS_RESOURCE, {**process(), "oomScoreAdj": 500})["oomScoreAdj"], 500)

    def test_every_form_of_the_words_is_understood(self):
        for words in (["create", "-b", "F"], ["create", "--bundle=F"], ["run", "--bundle", "F"]):
            self.written("config.json", {"process": process()})
            words = [word.replace("F", str(self.folder)) for word in words]
            self.assertEqual(self.asked([*words, "name"], 0), [*words, "name"])
            self.assertNotIn("rlimits", json.loads((self.folder / "config.json").read_text())["process"])
        for words in (["exec", "--process", "F"], ["exec", "-p", "F"], ["exec", "--process=F"]):
            file = self.written("process.json", process())
            words = [word.replace("F", str(file)) for word in words]
            self.assertEqual(self.asked([*words, "name"], 0), [*words, "name"])
            self.assertEqual((json.loads(file.read_text())["oomScoreAdj"], "rlimits" in json.loads(file.read_text())), (0, False))

    def test_other_commands_pass_as_they_are(self):
        for words in (["kill", "name", "9"], ["exec", "name", "sh"], ["state", "name"]):
            self.assertEqual(self.asked(words, 0), words)


# Only its two kinds are tests.
del Runtime
