"""The verdict of the benchmarks: a missed target is a missed target, and the exit code says it."""
import contextlib
import importlib.machinery
import importlib.util
import io
import unittest
from types import SimpleNamespace
from unittest import mock

from lablib.settings import here

loader = importlib.machinery.SourceFileLoader("bench", str(here.parent / "bench" / "run"))
bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench", loader))
loader.exec_module(bench)


class Verdicts(unittest.TestCase):
    def verdict(self, *row):
        table = bench.Table()
        with contextlib.redirect_stdout(io.StringIO()):
            table.add("x", *row)
        self.assertEqual(table.missed, ["x"] if table.rows[0][-1] == "MISSED" else [])
        return table.rows[0][-1]

    def test_a_ratio_is_held_against_the_other_way(self):
        self.assertEqual(self.verdict(1.2, "y", 1.0, bench.Target(1.2)), "met")
        self.assertEqual(self.verdict(1.21, "y", 1.0, bench.Target(1.2)), "MISSED")
        self.assertEqual(self.verdict(9.0, "y", 1.0, bench.Target(1.2), 1.1), "met", "the median of the pairs counts where it is given")

    def test_an_amount_is_held_against_itself(self):
        self.assertEqual(self.verdict(0.0099, "y", 0.001, bench.Target(0.010, "s")), "met")
        self.assertEqual(self.verdict(0.0101, "y", 5.0, bench.Target(0.010, "s")), "MISSED")
        self.assertEqual(self.verdict(20.1, "y", 90.0, bench.Target(20, "MB")), "MISSED")

    def run_with(self, ours):
        """All of `--only start-up`, with one measured figure."""
        scene = mock.MagicMock(cowhand="cowhand", environment={"LAB_RKE": "rke"})
        with mock.patch.multiple(bench, Scene=lambda: scene, side_by_side=lambda *_: (ours, 0.02, ours / 0.02)), \
                mock.patch.object(bench.argparse.ArgumentParser, "parse_args", lambda _: SimpleNamespace(only="start-up")), \
                mock.patch.dict(bench.os.environ, COWHAND="cowhand"), contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(io.StringIO()):
            return bench.main(), said.getvalue()

    def test_the_exit_code_says_it(self):
        code, said = self.run_with(0.002)
        self.assertEqual(code, 0, said)
        self.assertIn("| met", said)
        code, said = self.run_with(0.5)
        self.assertEqual(code, 1, said)
        self.assertIn("MISSED", said)
