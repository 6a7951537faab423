"""Is there room, are the packages there: with faked disks, memory, cgroups and packages."""
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from lablib import ground
from lablib.ground import GiB
from lablib.shell import Fail


def files(root, texts):
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


class Memory(unittest.TestCase):
    def room(self, cgroup, groups):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            files(root, {"proc/meminfo": "MemTotal: 99 kB\nMemAvailable:    8388608 kB\n", "proc/self/cgroup": cgroup})
            (root / "groups").mkdir()
            files(root / "groups", groups)
            return ground.available_memory(root / "proc", root / "groups") / GiB

    def test_without_a_limit_it_is_what_the_kernel_says(self):
        self.assertEqual(self.room("0::/\n", {}), 8)
        self.assertEqual(self.room("0::/a\n", {"a/memory.max": "max\n", "a/memory.current": f"{GiB}\n", "a/memory.stat": "inactive_file 0\n"}), 8)

    def test_a_limit_counts_with_what_is_taken_below_it(self):
        group = {"a/memory.max": f"{4 * GiB}\n", "a/memory.current": f"{3 * GiB}\n", "a/memory.stat": f"anon 1\ninactive_file {GiB}\n"}
        self.assertEqual(self.room("0::/a\n", group), 2)

    def test_a_limit_above_counts_too(self):
        group = {f"{folder}memory.{name}": text for folder, most in (("a/", 3 * GiB), ("a/b/", 6 * GiB))
                 for name, text in (("max", f"{most}\n"), ("current", "0\n"), ("stat", "inactive_file 0\n"))}
        self.assertEqual(self.room("0::/a/b\n", group), 3)

    def test_a_container_sees_its_own_limit_at_the_top(self):
        group = {"memory.max": f"{2 * GiB}\n", "memory.current": "0\n", "memory.stat": "inactive_file 0\n"}
        self.assertEqual(self.room("0::/docker/0123\n", group), 2)

    def test_version_1_has_other_names_and_a_huge_number_for_no_limit(self):
        def group(most):
            return {"memory/a/memory.limit_in_bytes": f"{most}\n", "memory/a/memory.usage_in_bytes": f"{GiB}\n", "memory/a/memory.stat": f"total_inactive_file {GiB // 2}\n"}
        self.assertEqual(self.room("5:cpu,cpuacct:/x\n4:memory:/a\n", group(3 * GiB)), 2.5)
        self.assertEqual(self.room("4:memory:/a\n", group(9223372036854771712)), 8)

    def test_more_taken_than_allowed_leaves_nothing(self):
        group = {"a/memory.max": f"{GiB}\n", "a/memory.current": f"{2 * GiB}\n", "a/memory.stat": "inactive_file 0\n"}
        self.assertEqual(self.room("0::/a\n", group), 0)


class Room(unittest.TestCase):
    """`look_at_room` on a machine with so much disk and memory; Go's folders lie where the test says."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def look(self, missing, nodes, disk, memory, go_has=0):
        said = []
        answers = {"go": f"{self.root}/mod\n{self.root}/build", "du": f"{go_has}\t/x"}
        if go_has:
            (self.root / "mod").mkdir(exist_ok=True)
            (self.root / "build").mkdir(exist_ok=True)
        with mock.patch.multiple(ground, run=lambda words, **_: answers[words[0]], say=said.append, available_memory=lambda: memory * GiB), \
                mock.patch.object(ground.shutil, "disk_usage", lambda _: SimpleNamespace(free=disk * GiB)):
            ground.look_at_room(self.root / "cache", missing, nodes)
        return " ".join(said)

    def test_nothing_to_do_needs_nothing(self):
        self.assertEqual(self.look([], False, 0, 0), "")

    def test_three_machines_need_disk_and_memory(self):
        said = self.look([], True, 7, 4)
        self.assertIn("7 GiB of disk", said)
        self.assertIn("4 GiB of memory", said)
        with self.assertRaisesRegex(Fail, "needs 7 GiB of disk .* and 6.9 are free") as refused:
            self.look([], True, 6.9, 4)
        self.assertIn("COWHAND_LAB_CACHE", refused.exception.remedy)
        with self.assertRaisesRegex(Fail, "needs 4 GiB of memory, and 3.9 are free"):
            self.look([], True, 7, 3.9)

    def test_a_build_without_go_needs_the_room_of_its_artefacts(self):
        self.look(["layer-node"], False, 6, 0)
        with self.assertRaisesRegex(Fail, "needs 6 GiB of disk"):
            self.look(["layer-node"], False, 5.9, 99)

    def test_gos_folders_on_the_same_disk_are_added_up(self):
        everything = 6 + 7 + 10 + 12
        self.look(["go-rke"], True, everything, 5)
        with self.assertRaisesRegex(Fail, f"needs {everything} GiB of disk") as refused:
            self.look(["go-rke"], True, everything - 0.1, 5)
        self.assertIn("GOMODCACHE", refused.exception.remedy)
        with self.assertRaisesRegex(Fail, "needs 5 GiB of memory"):
            self.look(["go-rke"], True, everything, 4.9)

    def test_what_gos_folders_hold_already_is_not_asked_for_again(self):
        self.look(["go-rke"], False, 6 + 2 + 4, 5, go_has=8 * GiB)
        with self.assertRaisesRegex(Fail, "needs 12 GiB of disk"):
            self.look(["go-rke"], False, 11.9, 5, go_has=8 * GiB)


class Packages(unittest.TestCase):
    """`install` on a machine that has some packages and whose distribution offers some more."""

    def install(self, root=True, has=(), offers=(), dockerd=False, only_tests=False):
        ran, policy = [], mock.MagicMock()

        def run(words, **_):
            if words[0] == "apt-cache":
                return f"{words[2]}:\n  Candidate: {'1.0' if words[2] in offers else '(none)'}"
            if words[0] == "dpkg-query":
                return "install ok installed"
            ran.append(words)
        tools = {"apt-get": "/usr/bin/apt-get", "dockerd": "/usr/sbin/dockerd" if dockerd else None}
        with mock.patch.multiple(ground, run=run, works=lambda words: words[-1] in has, say=mock.DEFAULT, services_not_started=policy), \
                mock.patch.object(ground.os, "geteuid", lambda: 0 if root else 1000), mock.patch.object(ground.shutil, "which", tools.get):
            ground.install(only_tests)
        self.assertEqual(policy.called, bool(ran), "packages are installed with the services' switch, and nothing else is")
        return [word for words in ran if words[1] == "install" for word in words[words.index("--no-install-recommends") + 1:]]

    everything = [*ground.test_packages, *ground.lab_packages]

    def test_when_all_are_there_nobody_has_to_be_root(self):
        self.assertEqual(self.install(root=False, has=self.everything), [])

    def test_when_one_lacks_it_is_named_and_root_is_asked_for(self):
        with self.assertRaisesRegex(Fail, "takes root: jq"):
            self.install(root=False, has=[p for p in self.everything if p != "jq"])
        self.assertEqual(self.install(has=[p for p in self.everything if p != "jq"]), ["jq"])

    def test_the_tests_alone_take_no_engine(self):
        self.assertEqual(self.install(root=False, has=ground.test_packages, only_tests=True), [])
        self.assertEqual(self.install(only_tests=True), ground.test_packages)

    def test_vagrant_is_installed_where_the_distribution_has_it(self):
        self.assertEqual(self.install(has=self.everything, offers=["vagrant"]), ["vagrant"])
        self.assertEqual(self.install(has=self.everything), [])
        self.assertEqual(self.install(root=False, has=self.everything, offers=["vagrant"]), [], "a wish is no reason to ask for root")

    def test_somebodys_own_docker_is_as_good(self):
        has = [p for p in self.everything if p != "docker.io"]
        self.assertEqual(self.install(has=has, dockerd=True), [])
        self.assertEqual(self.install(has=has, offers=["docker-cli"]), ["docker.io", "docker-cli"])

    def test_the_services_switch_is_put_back_also_after_a_failure(self):
        with tempfile.TemporaryDirectory() as folder:
            policy = Path(folder) / "policy-rc.d"
            with self.assertRaises(Fail), ground.services_not_started(policy):
                self.assertIn("exit 101", policy.read_text())
                raise Fail("no network")
            self.assertFalse(policy.exists())
            policy.write_text("somebody's")
            with ground.services_not_started(policy):
                pass
            self.assertEqual(policy.read_text(), "somebody's")


class Watches(unittest.TestCase):
    def test_the_limit_is_raised_where_it_is_low_and_never_lowered(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(ground, "say"):
            limit = Path(folder) / "max_user_instances"
            for before, after in (("128\n", "1024\n"), ("1024\n", "1024\n"), ("9999\n", "9999\n")):
                limit.write_text(before)
                ground.look_at_watches(limit)
                self.assertEqual(limit.read_text(), after)
