"""Artefacts: each has a recipe, each recipe a key, each key a place in the cache.

The key is the hash of the recipe's words, of the function that carries it out, of its input files and of the keys of what it
needs. So a changed recipe rebuilds its own part and what depends on it, and nothing else.
"""
import hashlib
import inspect
import json
import os
import shutil
import time
from pathlib import Path

from .settings import locked
from .shell import Fail, say


class Recipe:
    def __init__(self, name, build, words=(), inputs=(), needs=()):
        """`build(out, words, needs)` makes the folder `out`; `words` is plain data; `inputs` files or folders; `needs` names."""
        self.name, self.build, self.words = name, build, words
        self.inputs, self.needs = [Path(p) for p in inputs], list(needs)


def files_below(path):
    """Every file of an input, with a name that does not depend on where the checkout lies."""
    if path.is_file() or path.is_symlink():
        return [(path.name, path)]
    if not path.exists():
        raise Fail(f"{path} is not there, and a recipe of the lab needs it", "take the whole checkout; this part may not be written yet")
    found = []
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(f for f in folders if f not in ("target", "__pycache__"))
        links = [f for f in folders if (Path(folder) / f).is_symlink()]
        found += [(str((Path(folder) / f).relative_to(path)), Path(folder) / f) for f in sorted(files) + links]
    return sorted(found)


def digest(path):
    total = hashlib.sha256()
    for name, file in files_below(path):
        if file.is_symlink():
            total.update(f"{name} -> {os.readlink(file)}\n".encode())
        else:
            mode = "x" if os.access(file, os.X_OK) else "-"
            total.update(f"{name} {mode} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


class Store:
    """The artefacts in the cache."""

    def __init__(self, cache, recipes):
        self.root = cache / "artefacts"
        self.runs = cache / "run"
        self.recipes = {r.name: r for r in recipes}
        self._keys = {}

    def key(self, name):
        if name not in self._keys:
            r = self.recipes[name]
            told = [r.name, r.words, inspect.getsource(r.build), [digest(p) for p in r.inputs], [self.key(n) for n in r.needs]]
            self._keys[name] = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:20]
        return self._keys[name]

    def path(self, name):
        return self.root / name / self.key(name)

    def has(self, name):
        return self.path(name).is_dir()

    def missing(self, names):
        """What has to be built for these, in order."""
        wanted = []

        def visit(name):
            if self.has(name):
                return
            for need in self.recipes[name].needs:
                visit(need)
            if name not in wanted:
                wanted.append(name)
        for name in names:
            visit(name)
        return wanted

    def build(self, names):
        with locked(self.root.parent / "locks" / "build"):
            missing = self.missing(names)
            cached = [n for n in names if n not in missing]
            if cached:
                say(f"{len(cached)} artefacts cached: {' '.join(cached)}")
            for name in missing:
                self._build(name)
        return {n: self.path(n) for n in names}

    def _build(self, name):
        recipe, out = self.recipes[name], self.path(name)
        half = out.parent / f"half-{name}"
        for need in recipe.needs:
            if not self.has(need):
                self._build(need)
        remove(half)
        half.mkdir(parents=True)
        say(f"{name}: building")
        began = time.monotonic()
        recipe.build(half, recipe.words, {n: self.path(n) for n in recipe.needs})
        half.rename(out)
        say(f"{name}: built in {time.monotonic() - began:.0f} s")
        used = {key for kept in self.runs.glob("*/artefacts.json") for key in json.loads(kept.read_text()).values()}
        for old in out.parent.iterdir():
            if old != out and len(old.name) == len(out.name) and old.name not in used:   # not the log, not cargo's folder
                remove(old)


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        path.unlink()
