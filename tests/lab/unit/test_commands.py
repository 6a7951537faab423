"""`up` and `down` as far as they go without an engine: what is refused before what, and what a crash left."""
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from lablib import commands, ground
from lablib.names import Names
from lablib.settings import Lab
from lablib.shell import Fail


class Up(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.order = []
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("LAB_", "DOCKER_"))}
        for patch in (mock.patch.dict(os.environ, {**environment, "COWHAND_LAB_CACHE": folder.name}, clear=True),
                      mock.patch.object(ground, "look_at_programs"), mock.patch.object(ground, "look_at_watches"), mock.patch.object(commands, "say")):
            patch.start()
            self.addCleanup(patch.stop)
        self.commands = commands.Commands(Lab("unit"))
        note = lambda what: lambda *_, **__: self.order.append(what)  # noqa: E731
        self.commands.store = mock.MagicMock(**{"missing.return_value": [], "key.return_value": "key", "path.return_value": Path(folder.name), "build.side_effect": note("build")})
        self.commands.machines = mock.MagicMock(**{"make_network.side_effect": note("network"), "bring_up.side_effect": note("machines"),
                                                   "remove.side_effect": note("remove machines"), "remove_network.side_effect": note("remove network")})
        self.commands.names = mock.MagicMock(**{"start.side_effect": note("dns"), "stop.side_effect": note("end dns")})
        self.commands.pebble_server = mock.MagicMock(**{"stop.side_effect": note("end pebble")})
        self.commands.engine = mock.MagicMock(**{"answers.return_value": True, "own_runs": False, "start.side_effect": note("engine"), "docker.return_value": ""})
        self.commands._bring_up = note("machines")
        self.run = self.commands.lab.run

    def up(self, room=True):
        with mock.patch.object(ground, "look_at_room", side_effect=None if room else Fail("the lab needs 7 GiB of disk")) as looked:
            self.commands.up()
        return looked

    def test_without_room_it_refuses_before_anything_is_built_or_made(self):
        with self.assertRaisesRegex(Fail, "needs 7 GiB"):
            self.up(room=False)
        self.assertEqual(self.order, [])
        self.assertFalse(self.run.exists())

    def test_it_arrives_and_says_so_last(self):
        looked = self.up()
        self.assertEqual(self.order, ["build", "engine", "network", "dns", "machines"])
        self.assertTrue((self.run / "done").exists())
        self.assertEqual((self.run / "subnet").read_text().strip(), str(self.commands.lab.network))
        self.assertTrue(looked.call_args.kwargs["nodes"])
        self.assertFalse(self.up().call_args.kwargs["nodes"], "three machines that run need no more room")

    def test_what_a_crash_left_is_cleared_first(self):
        self.run.mkdir(parents=True)
        (self.run / "left").touch()
        self.up()
        self.assertEqual(self.order[:4], ["end pebble", "end dns", "remove machines", "remove network"])
        self.assertEqual(self.order[4:], ["build", "engine", "network", "dns", "machines"])
        self.assertFalse((self.run / "left").exists())

    def test_a_whole_lab_is_not_cleared(self):
        self.up()
        self.order.clear()
        self.up()
        self.assertNotIn("remove machines", self.order)

    def test_down_removes_it_all_and_the_engine_only_with_the_last_lab(self):
        self.up()
        other = self.run.parent / "other"
        other.mkdir()
        self.commands.engine.own_runs = True
        self.commands.down()
        self.assertFalse(self.run.exists())
        self.commands.engine.stop.assert_not_called()
        other.rmdir()
        self.commands.down()
        self.commands.engine.stop.assert_called_once()


class Records(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        with mock.patch.dict(os.environ, COWHAND_LAB_CACHE=folder.name, LAB_SUBNET=""):
            lab = Lab("unit", "10.1.2.0/24")
        lab.run.mkdir(parents=True)
        self.names = Names(lab)
        self.names.write(self.names.usual())

    def test_a_name_gets_other_addresses_and_loses_them(self):
        self.assertEqual(self.names.records()["rancher.lab.test"], ["10.1.2.11", "10.1.2.12", "10.1.2.13"])
        self.names.set("rancher.lab.test", ["10.1.2.5"])
        self.assertEqual(self.names.records()["rancher.lab.test"], ["10.1.2.5"])
        self.names.set("rancher.lab.test", [])
        self.assertNotIn("rancher.lab.test", self.names.records())
        self.assertIn("unit1.lab.test", self.names.records(), "the others stay")

    def test_names_of_others_and_words_are_refused(self):
        for name, addresses in (("example.com", ["10.0.0.1"]), ("rancher.lab.test", ["ten"])):
            with self.assertRaises(Fail):
                self.names.set(name, addresses)
