"""Keys of artefacts: a changed recipe rebuilds its own part and what depends on it, and nothing else."""
import copy
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from lablib import catalogue, recipe, seed
from lablib.recipe import Recipe, Store
from lablib.shell import Fail


class Cache(unittest.TestCase):
    """Four artefacts: a program, a root, a layer of both, and one beside them."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = Path(folder.name) / "cache"
        self.source = Path(folder.name) / "source"
        self.source.mkdir()
        (self.source / "prepare").write_text("#!/bin/sh\n")
        self.built = []
        quiet = mock.patch.object(recipe, "say")
        quiet.start()
        self.addCleanup(quiet.stop)

    def store(self, version="1", build=None):
        def make(out, words, needs):
            self.built.append(out.name.removeprefix("half-"))
            (out / "made").write_text("made")
        build = build or make
        return Store(self.cache, [Recipe("program", build, {"version": version}), Recipe("root", make, inputs=[self.source]),
                                  Recipe("layer", make, needs=["program", "root"]), Recipe("beside", make)])

    def rebuilt(self, **how):
        self.built.clear()
        self.store(**how).build(["layer", "beside"])
        return sorted(self.built)

    def test_the_second_time_nothing_is_built(self):
        self.assertEqual(self.rebuilt(), ["beside", "layer", "program", "root"])
        self.assertEqual(self.rebuilt(), [])

    def test_another_version_rebuilds_the_program_and_its_layer(self):
        self.rebuilt()
        self.assertEqual(self.rebuilt(version="2"), ["layer", "program"])

    def test_a_changed_input_file_rebuilds_the_root_and_its_layer(self):
        self.rebuilt()
        for change in (lambda: (self.source / "prepare").write_text("#!/bin/sh\ntrue\n"), lambda: (self.source / "prepare").chmod(0o755),
                       lambda: (self.source / "more").write_text("x"), lambda: (self.source / "link").symlink_to("prepare")):
            change()
            self.assertEqual(self.rebuilt(), ["layer", "root"])

    def test_cargos_folder_below_an_input_is_no_input(self):
        self.rebuilt()
        (self.source / "target").mkdir()
        (self.source / "target" / "x").write_text("x")
        self.assertEqual(self.rebuilt(), [])

    def test_another_way_to_build_rebuilds_what_is_built_that_way(self):
        self.rebuilt()

        def other(out, words, needs):
            self.built.append("program")
        self.assertEqual(self.rebuilt(build=other), ["layer", "program"])

    def test_a_build_that_failed_is_not_taken_for_a_built_one(self):
        def fails(out, words, needs):
            (out / "half").write_text("half")
            raise Fail("no network")
        with self.assertRaises(Fail):
            self.store(build=fails).build(["program"])
        self.assertFalse(self.store(build=fails).has("program"))
        self.assertEqual(self.rebuilt(), ["beside", "layer", "program", "root"])

    def test_what_is_missing_is_told_in_the_order_of_building(self):
        self.assertEqual(self.store().missing(["layer", "beside"]), ["program", "root", "layer", "beside"])
        self.rebuilt()
        self.assertEqual(self.store(version="2").missing(["layer", "beside"]), ["program", "layer"])

    def test_what_another_lab_uses_is_kept_and_the_rest_goes(self):
        first = self.store()
        self.rebuilt()
        used, unused = first.path("program"), first.path("layer")
        (self.cache / "run" / "other").mkdir(parents=True)
        (self.cache / "run" / "other" / "artefacts.json").write_text(json.dumps({"program": first.key("program")}))
        self.rebuilt(version="2")
        self.assertTrue(used.is_dir())
        self.assertFalse(unused.exists())


class Catalogue(unittest.TestCase):
    """The real list of artefacts."""

    def changed_by(self, name, words):
        """The artefacts that get another key when this one's recipe says something else."""
        there = [*catalogue.recipes, seed.recipe(None)]
        other = [copy.copy(r) for r in there]
        for one in other:
            if one.name == name:
                one.words = {**one.words, **words}
        before, after = (Store(Path("/nowhere"), recipes) for recipes in (there, other))
        return {r.name for r in there if before.key(r.name) != after.key(r.name)}

    def test_a_new_rke_changes_rke_and_nothing_else(self):
        self.assertEqual(self.changed_by("go-rke", {"version": "v1.8.1"}), {"go-rke"})

    def test_a_new_coredns_changes_its_layer_and_the_seed(self):
        self.assertEqual(self.changed_by("go-coredns", {"version": "v1.12.0"}), {"go-coredns", "layer-coredns", "seed"})

    def test_every_image_and_program_is_made_of_what_there_is(self):
        names = {r.name for r in catalogue.recipes}
        layers = {layer for layers, _ in [*catalogue.images.values(), catalogue.node_image] for layer in layers}
        self.assertLessEqual(layers | set(catalogue.programs.values()), names)
