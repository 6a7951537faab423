"""The commands of the lab; each reads as what it does."""
import json
import os
import shlex
import sys

from . import catalogue, ground, seed
from .archive import write_archive
from .balancers import Balancers
from .engine import Engine
from .machines import Machines
from .names import Names
from .pebble import Pebble
from .recipe import Store, remove
from .settings import here, user
from .shell import Fail, say


class Commands:
    def __init__(self, lab):
        self.lab = lab
        self.engine = Engine(lab.cache)
        self.store = Store(lab.cache, [*catalogue.recipes, seed.recipe(self.engine)])
        self.machines, self.names, self.pebble_server = Machines(lab, self.engine), Names(lab), Pebble(lab, self.store)
        self.balancers = Balancers(lab, self.engine)
        self.artefacts = ["seed", "charts", *catalogue.programs.values(), *catalogue.node_image[0]]
        self.done = lab.run / "done"   # written last by `up`: a run folder without it is what a crash left

    def build(self, names=()):
        """build every artefact that is not in the cache yet, or the named ones"""
        unknown = [n for n in names if n not in self.store.recipes]
        if unknown:
            raise Fail(f"there is no artefact {' '.join(unknown)}", f"one of {' '.join(self.store.recipes)}")
        names = list(names) or self.artefacts
        missing = self.store.missing(names)
        ground.look_at_programs(missing)
        ground.look_at_room(self.lab.cache, missing, nodes=False)
        self._build_all_but_the_seed(names)
        if "seed" in missing:
            with self.engine.lock():
                self.engine.start()
            self.store.build(names)
            self._end_engine_unless_used()

    def _build_all_but_the_seed(self, names):
        """The seed is the only artefact that takes an engine; all else is built before one is started."""
        if "seed" in self.store.missing(names):
            names = [*seed.needs, *names]
        self.store.build([n for n in dict.fromkeys(names) if n != "seed"])

    def up(self, with_nodes=True):
        """three fresh machines, a jump host and a DNS server; whatever is there already stays"""
        with self.lab.alone():
            missing = self.store.missing(self.artefacts)
            ground.look_at_programs(missing)
            ground.look_at_room(self.lab.cache, missing, nodes=not self.done.exists())
            ground.look_at_watches()
            if self.lab.run.exists() and not self.done.exists():
                say("an earlier `up` did not come to its end; clearing what it left")
                self._clear()
            self._build_all_but_the_seed(self.artefacts)
            with self.engine.lock():
                self.lab.run.mkdir(parents=True, exist_ok=True)   # from here on the engine is in use
                self.lab.run.chmod(0o700)
                self.engine.start()
            (self.lab.run / "subnet").write_text(f"{self.lab.network}\n")
            if "seed" in missing:
                self.store.build(["seed"])
            self._note_artefacts()
            self.machines.make_network()
            self.names.start()
            self.machines.make_keys()
            if with_nodes:
                self._bring_up()
            else:
                for name in set(self.lab.nodes) - set(self.machines.states()):
                    self.machines.prepare(name, self.store.path("seed"))
            self.done.touch()
        if with_nodes:
            self._summary()

    def _bring_up(self):
        paths = {n: self.store.path(n) for n in catalogue.node_image[0]}
        image = seed.load_node_image(self.engine, paths)
        self.machines.bring_up(image, self.store.path("seed"))

    def _note_artefacts(self):
        """Which artefacts this lab uses, so that no build removes them; and a folder for the PATH of a test: rke, helm, kubectl, pebble."""
        (self.lab.run / "artefacts.json").write_text(json.dumps({n: self.store.key(n) for n in self.artefacts}))
        folder = self.lab.run / "bin"
        folder.mkdir(exist_ok=True)
        for program, artefact in catalogue.programs.items():
            remove(folder / program)
            (folder / program).symlink_to(self.store.path(artefact) / program)

    def _clear(self):
        """Everything of this lab, in whatever state; what is not there is no failure."""
        self.pebble_server.stop()
        self.names.stop()
        if not self.engine.answers() and self._left_with_own_engine():
            with self.engine.lock():
                self.engine.start()
        if self.engine.answers():
            self.machines.remove()
            self.machines.remove_network()
        remove(self.lab.run)

    def _left_with_own_engine(self):
        """Whether our own engine, dead now, may still hold containers of this lab."""
        return self.engine.choice != "found" and (self.engine.folder / "data").exists() and self.lab.run.exists()

    def down(self, if_empty=False):
        """end this lab: its machines, its network, its DNS server, its files, and the engine when it was ours and the last"""
        with self.lab.alone():
            if if_empty and self.engine.answers() and self.machines.states():
                return
            self._clear()
            self._end_engine_unless_used()
            say(f"the lab `{self.lab.name}` is gone; what was built stays in {self.lab.cache}")

    def _end_engine_unless_used(self):
        with self.engine.lock():
            if any((self.lab.cache / "run").glob("*/")):
                return
            if self.engine.own_runs:
                self.engine.stop()
                say("engine: ended")
            elif self.engine.answers():
                for image in self.engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}", "lab/node").split():
                    self.engine.works("rmi", image)

    def reset(self):
        """three fresh machines in the place of the ones there are; network, DNS records, keys and engine stay"""
        self._must_be_up()
        with self.lab.alone():
            self.store.build(self.artefacts)
            self.machines.remove()
            self.names.start()
            self._note_artefacts()
            self._bring_up()
        self._summary()

    def status(self, as_json=False):
        """what is there; ends with 0 when all of it works"""
        up = self.done.exists() and self.engine.answers()
        machines = self.machines.look() if up else []
        told = {"name": self.lab.name, "up": up, "subnet": str(self.lab.network), "machines": machines, "dns": self.names.runs, "pebble": self.pebble_server.runs,
                "engine": self.engine.host() or "the one that answers", "records": self.names.records()}
        fine = up and self.names.runs and all(m["state"] == "running" and m.get("ssh") and m.get("docker", True) for m in machines)
        if as_json:
            print(json.dumps({**told, "fine": fine}, indent=2))
        else:
            print(f"lab `{self.lab.name}` on {self.lab.network}: {'up' if up else 'not up'}")
            for m in machines:
                docker = f", docker {'answers, ' + str(m['containers']) + ' containers' if m['docker'] else 'does not answer'}" if "docker" in m else ""
                print(f"  {m['name']:10} {m['address']:15} {m['state']}{', ssh ' + ('runs' if m['ssh'] else 'does not run') if 'ssh' in m else ''}{docker}")
            if up:
                print(f"  dns {self.lab.gateway} {'runs' if told['dns'] else 'does not run'} · pebble {'runs' if told['pebble'] else 'off'} · engine {told['engine']}")
        return 0 if fine else 1

    def ssh(self, name, words):
        """a login on a machine, or one command there"""
        self._machine(name)
        os.execvp("ssh", ["ssh", "-F", str(self.lab.run / "ssh_config"), name, *words])

    def env(self):
        """what a test needs, as lines for `eval`"""
        self._must_be_up()
        if not self.store.has("charts"):
            self.store.build(["charts"])   # somebody works on a chart; the rest waits for a `reset`
        run, nodes = self.lab.run, self.lab.nodes
        told = {"LAB_NAME": self.lab.name, "LAB_SUBNET": str(self.lab.network), "LAB_RUN": run, "LAB_NODES": " ".join(nodes.values()),
                "LAB_NODE_NAMES": " ".join(nodes), "LAB_JUMP": next(iter(self.lab.jump.values())), "LAB_GATEWAY": self.lab.gateway, "LAB_DNS": self.lab.gateway,
                "LAB_BALANCERS": " ".join(self.lab.balancers.values()), "LAB_FLOATING": self.lab.floating,
                "LAB_USER": user, "LAB_KEY": run / "id", "LAB_ENCRYPTED_KEY": run / "id_encrypted", "LAB_ENCRYPTED_KEY_PASSPHRASE_FILE": run / "id_encrypted.pass",
                "LAB_KNOWN_HOSTS": run / "known_hosts", "LAB_SSH_CONFIG": run / "ssh_config", "LAB_CHARTS": self.store.path("charts"),
                "LAB_RKE": run / "bin" / "rke", "LAB_HELM": run / "bin" / "helm", "LAB_KUBECTL": run / "bin" / "kubectl"}
        for name, value in {**told, **self.engine.environment()}.items():
            print(f"export {name}={shlex.quote(str(value))}")
        print(f'export PATH={shlex.quote(str(run / "bin"))}:"$PATH"')

    def node(self, name, verb, words):
        """stop, start, kill (as by pulling the plug), pause, unpause or exec on a machine: for faults"""
        self._machine(name)
        if verb == "exec":
            line = self.engine.words("exec", "-i", name, *words)
            os.execvp(line[0], line)
        if words:
            raise Fail(f"`{verb}` takes no more words")
        self.engine.docker(verb, name)
        if verb == "start":
            self.machines.wait(name)

    def balancer(self, number, verb, words):
        """start a program of this machine at an address of its own in front of the nodes, stop it, show what it said, or exec beside it"""
        self._must_be_up()
        if verb == "start":
            return self.balancers.start(number, words)
        if verb == "exec":
            line = self.balancers.beside(number, words)
            os.execvp(line[0], line)
        if words:
            raise Fail(f"`{verb}` takes no more words")
        if verb == "stop":
            return self.balancers.stop(number)
        line = self.balancers.told(number)
        os.execvp(line[0], line)

    def dns(self, name, addresses):
        """show the records, or give a name other addresses (none: the name is gone), at once"""
        self._must_be_up()
        if name == "usual":
            self.names.write(self.names.usual())
        elif name:
            self.names.set(name, addresses)
        for one, at in sorted(self.names.records().items()):
            print(one, *at)

    def pebble(self, verb):
        """an ACME server for cert-manager: start tells where it is and what has to be trusted"""
        self._must_be_up()
        if verb == "stop":
            return self.pebble_server.stop()
        for name, value in self.pebble_server.start().items():
            print(f"export PEBBLE_{name.upper()}={shlex.quote(value)}")

    def images(self):
        """all images of the nodes as one archive for `docker load`, on stdout: for machines that are no containers"""
        if sys.stdout.isatty():
            raise Fail("an archive of a gigabyte is nothing for a terminal", "tests/lab/lab images > images.tar")
        self.store.build(seed.needs)
        write_archive(sys.stdout.buffer, {n: ([self.store.path(l) for l in ls], c) for n, (ls, c) in catalogue.images.items()})

    def vagrant(self, prepare=False):
        """what vagrant/Vagrantfile needs for the docker provider, as JSON; with --prepare everything but the machines is made"""
        if prepare:
            self.up(with_nodes=False)
        self._must_be_up()
        image = seed.load_node_image(self.engine, {n: self.store.path(n) for n in catalogue.node_image[0]})
        print(json.dumps({"image": image, "user": user, "key": str(self.lab.run / "id"), "docker_host": self.engine.host(),
                          "nodes": {n: {"address": a, "create_args": [str(w) for w in self.machines.run_words(n)]} for n, a in self.lab.nodes.items()}}))

    def _must_be_up(self):
        if not self.done.exists() or not self.engine.answers():
            raise Fail(f"the lab `{self.lab.name}` is not up", "tests/lab/lab up")

    def _machine(self, name):
        self._must_be_up()
        if name not in self.lab.machines:
            raise Fail(f"`{name}` is no machine of the lab `{self.lab.name}`", f"one of {' '.join(self.lab.machines)}")

    def _summary(self):
        nodes = "  ".join(f"{n} {a}" for n, a in self.lab.nodes.items())
        me = f"{'LAB_NAME=' + self.lab.name + ' ' if self.lab.name != 'lab' else ''}{here / 'lab'}"
        say(f"the lab `{self.lab.name}` is up\n"
            f"    nodes      {nodes}  (user {user}, jump host {next(iter(self.lab.jump.values()))})\n"
            f"    names      rancher.lab.test and others, DNS server {self.lab.gateway}\n"
            f"    login      {me} ssh {next(iter(self.lab.nodes))}\n"
            f"    inventory  inventory/lab.yml\n"
            f"    tests      eval \"$({me} env)\"\n"
            f"    end        {me} down")
