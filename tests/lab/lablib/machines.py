"""The three nodes and the jump host: made, ended, looked at."""
import ipaddress
import secrets

from . import seed
from .recipe import remove
from .settings import user
from .shell import Fail, run, say, together, wait_until


class Machines:
    def __init__(self, lab, engine):
        self.lab, self.engine = lab, engine

    def folder(self, name):
        return self.lab.run / "machines" / name

    def _has_network(self):
        """By its whole name: `network inspect b` would also take the network whose id begins with b."""
        return self.lab.name in self.engine.docker("network", "ls", "--format", "{{.Name}}").split()

    def make_network(self):
        if self._has_network():
            return
        taken = [line for line in run(["ip", "-4", "route"]).splitlines() if overlaps(line, self.lab.network)]
        if taken:
            raise Fail(f"the network {self.lab.network} is taken on this machine: {taken[0]}", "another one: LAB_SUBNET=172.31.80.0/24")
        self.engine.docker("network", "create", "--label", f"cowhand.lab={self.lab.name}", "--subnet", self.lab.network, "--gateway", self.lab.gateway,
                           "--opt", f"com.docker.network.bridge.name={self.lab.bridge}", self.lab.name)

    def make_keys(self):
        """A key of the lab, and one that has a passphrase; both open every machine."""
        for name, phrase in (("id", ""), ("id_encrypted", secrets.token_hex(8))):
            key = self.lab.run / name
            if not key.exists():
                run(["ssh-keygen", "-q", "-t", "ed25519", "-N", phrase, "-C", f"{name} of the lab {self.lab.name}", "-f", key])
                if phrase:
                    (self.lab.run / "id_encrypted.pass").write_text(phrase + "\n")
                    (self.lab.run / "id_encrypted.pass").chmod(0o600)

    def prepare(self, name, seed_folder):
        """The folders of a machine: what it is given at boot, and its engine's data."""
        given = self.folder(name) / "etc"
        remove(self.folder(name))
        given.mkdir(parents=True)
        keys = [(self.lab.run / f"{k}.pub").read_text() for k in ("id", "id_encrypted")]
        (given / "authorized_keys").write_text("".join(keys))
        (given / "resolv.conf").write_text(f"nameserver {self.lab.gateway}\n")
        if name in self.lab.jump:
            (given / "no-engine").touch()
            (self.folder(name) / "docker").mkdir()
        else:
            seed.plant(seed_folder, self.folder(name) / "docker")

    def run_words(self, name):
        """The words after `docker run -d`, which Vagrant's docker provider uses as well."""
        return [*seed.machine_options, "--hostname", name, "--network", self.lab.name, "--ip", self.lab.machines[name],
                "--label", f"cowhand.lab={self.lab.name}", "-v", f"{self.folder(name)}/etc:/etc/lab:ro", "-v", f"{self.folder(name)}/docker:/var/lib/docker"]

    def make(self, name, image, seed_folder):
        self.prepare(name, seed_folder)
        try:
            self.engine.docker("run", "-d", "--name", name, *self.run_words(name), image)
        except Fail as error:
            if "apply caps" not in str(error):
                raise
            raise Fail(f"the Docker engine of this machine cannot start a privileged container: {error}",
                       "end this lab (down), then let it start an engine of its own: LAB_ENGINE=own")

    def wait(self, name):
        wait_until(f"a login on {name}", 90, lambda: self.engine.works("exec", name, "systemctl", "is-active", "-q", "ssh.service"))
        if name in self.lab.nodes:
            wait_until(f"an answer of Docker on {name}", 90, lambda: self.engine.works("exec", name, "docker", "info"))

    def bring_up(self, image, seed_folder, names=None):
        """Every machine runs: made when it is not there, started when it was stopped."""
        state = self.states()

        def one(name):
            if state.get(name) == "paused":
                self.engine.docker("unpause", name)
            elif name in state:
                if state[name] != "running":
                    self.engine.docker("start", name)
            else:
                self.make(name, image, seed_folder)
            self.wait(name)
        together([lambda name=name: one(name) for name in names or self.lab.machines])
        self.write_ssh_files()

    def states(self):
        """name -> running, exited, paused … of the machines that are there"""
        told = self.engine.docker("ps", "-a", "--filter", f"label=cowhand.lab={self.lab.name}", "--format", "{{.Names}} {{.State}}")
        return dict(line.split() for line in told.splitlines())

    def remove(self):
        """All machines of this lab, whatever state a crash left them in."""
        there = self.engine.docker("ps", "-aq", "--filter", f"label=cowhand.lab={self.lab.name}").split()
        if there:
            self.engine.docker("rm", "-fv", *there)
        remove(self.lab.run / "machines")

    def remove_network(self):
        if self._has_network():
            self.engine.docker("network", "rm", self.lab.name)

    def write_ssh_files(self):
        """known_hosts from the machines' own files, read past the network; and a configuration for `ssh -F`."""
        known, config = [], [f"# the machines of the lab {self.lab.name}: ssh -F {self.lab.run}/ssh_config {next(iter(self.lab.nodes))}"]
        for name, address in self.lab.machines.items():
            keys = self.engine.docker("exec", name, "sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub")
            known += [f"{address},{name},{name}.lab.test {' '.join(line.split()[:2])}" for line in keys.splitlines()]
            config += [f"Host {name} {address}", f"  HostName {address}", f"  HostKeyAlias {name}"]
        config += [f"Host {' '.join([*self.lab.machines, *self.lab.machines.values()])}", f"  User {user}", f"  IdentityFile {self.lab.run}/id",
                   "  IdentitiesOnly yes", f"  UserKnownHostsFile {self.lab.run}/known_hosts", "  StrictHostKeyChecking yes"]
        (self.lab.run / "known_hosts").write_text("\n".join(known) + "\n")
        (self.lab.run / "ssh_config").write_text("\n".join(config) + "\n")

    def look(self):
        """What `status` tells of every machine."""
        states = self.states()
        told = []
        for name, address in self.lab.machines.items():
            state = states.get(name, "absent")
            one = {"name": name, "address": address, "state": state, "role": "jump host" if name in self.lab.jump else "node"}
            if state == "running":
                one["ssh"] = self.engine.works("exec", name, "systemctl", "is-active", "-q", "ssh.service")
                if name in self.lab.nodes:
                    one["docker"] = self.engine.works("exec", name, "docker", "info")
                    one["containers"] = len(self.engine.docker("exec", name, "docker", "ps", "-q").split()) if one["docker"] else 0
            told.append(one)
        return told


def overlaps(route, network):
    try:
        return ipaddress.ip_network(route.split()[0]).overlaps(network)
    except ValueError:   # default, unreachable, …
        return False
