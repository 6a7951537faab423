"""A lab's name and network, and what follows from them; locks."""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from lablib.settings import Lab, cache_root, here, locked
from lablib.shell import Fail


class Settings(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = Path(folder.name)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("LAB_")}
        patched = mock.patch.dict(os.environ, {**clean, "COWHAND_LAB_CACHE": folder.name}, clear=True)
        patched.start()
        self.addCleanup(patched.stop)

    def runs(self, name, subnet):
        run = self.cache / "run" / name
        run.mkdir(parents=True)
        (run / "subnet").write_text(subnet + "\n")
        (run / "done").touch()

    def test_the_usual_lab(self):
        lab = Lab()
        self.assertEqual((lab.name, str(lab.network), lab.bridge), ("lab", "172.31.77.0/24", "cw-lab"))
        self.assertEqual(lab.nodes, {"lab1": "172.31.77.11", "lab2": "172.31.77.12", "lab3": "172.31.77.13"})
        self.assertEqual((lab.gateway, lab.jump, lab.balancers, lab.floating),
                         ("172.31.77.1", {"labjump": "172.31.77.10"}, {"1": "172.31.77.5", "2": "172.31.77.6"}, "172.31.77.7"))

    def test_two_labs_share_nothing_but_the_cache(self):
        one, two = Lab("lab"), Lab("other")
        self.assertFalse(one.network.overlaps(two.network))
        self.assertFalse(set(one.machines) & set(two.machines) or set(one.machines.values()) & set(two.machines.values()))
        self.assertNotEqual(one.run, two.run)
        self.assertNotEqual(one.bridge, two.bridge)
        self.assertEqual(Lab("other").network, two.network, "the same name gets the same network again")

    def test_names_that_cannot_be_are_refused(self):
        for name in ("Lab", "1lab", "a-b", "a b", "../x", "abcdefghijklm"):
            with self.assertRaisesRegex(Fail, "cannot be the name of a lab"):
                Lab(name)
        self.assertLessEqual(len(Lab("abcdefghijkl").bridge), 15, "the kernel's limit for an interface's name")

    def test_the_environment_speaks_and_the_command_line_louder(self):
        with mock.patch.dict(os.environ, LAB_NAME="mine", LAB_SUBNET="10.1.2.0/24"):
            self.assertEqual((Lab().name, str(Lab().network)), ("mine", "10.1.2.0/24"))
            self.assertEqual((Lab("told").name, str(Lab("told", "10.9.9.0/24").network)), ("told", "10.9.9.0/24"))

    def test_networks_that_cannot_be_are_refused(self):
        for subnet in ("10.0.0.0/25", "fd00::/64"):
            with self.assertRaisesRegex(Fail, "too small"):
                Lab("lab", subnet)
        for subnet in ("10.0.0.1/24", "ten"):
            with self.assertRaisesRegex(Fail, "is no network"):
                Lab("lab", subnet)

    def test_a_running_lab_keeps_its_network(self):
        self.runs("mine", "10.1.2.0/24")
        self.assertEqual(str(Lab("mine").network), "10.1.2.0/24")
        with self.assertRaisesRegex(Fail, "runs on 10.1.2.0/24, not on 10.1.3.0/24"):
            Lab("mine", "10.1.3.0/24")

    def test_what_a_crash_left_holds_no_network(self):
        self.runs("mine", "10.1.2.0/24")
        (self.cache / "run" / "mine" / "done").unlink()
        self.assertEqual(str(Lab("mine", "10.1.3.0/24").network), "10.1.3.0/24")

    def test_a_folder_too_long_for_sockets_is_refused(self):
        with mock.patch.dict(os.environ, COWHAND_LAB_CACHE="/" + "x" * 60), self.assertRaisesRegex(Fail, "too long a name"):
            cache_root()

    def test_one_command_at_a_time_on_a_lab_and_another_lab_is_free(self):
        with Lab("one").alone():
            with self.assertRaisesRegex(Fail, "another command is at work on the lab `one`"), Lab("one").alone():
                pass
            with Lab("two").alone():
                pass
        with Lab("one").alone():
            pass

    def test_a_lock_goes_with_the_process_however_it_ends(self):
        path = self.cache / "lock"
        script = f"import sys; sys.path.insert(0, {str(here)!r})\nfrom pathlib import Path\nfrom lablib.settings import locked\n" \
                 f"with locked(Path({str(path)!r})):\n    print('held', flush=True)\n    sys.stdin.read()\n"
        holder = subprocess.Popen([sys.executable, "-B", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with holder:
            self.assertEqual(holder.stdout.readline(), "held\n")
            with self.assertRaisesRegex(Fail, "busy"), locked(path, "busy"):
                pass
            holder.kill()
            holder.wait()
            with locked(path, "busy"):
                pass
