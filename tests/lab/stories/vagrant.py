"""Vagrant's docker provider: `vagrant up`, its ssh-config gives an inventory, `check` is green on it, and destroy leaves nothing.

Takes Vagrant 2.3 (Debian bookworm has it)."""
import json
import re

from .scene import checkout, until

FOLDER = checkout / "vagrant"


def vagrant(s, *words, limit=900):
    return s.run("vagrant", *words, cwd=FOLDER, limit=limit)


def vagrant_makes_three_machines(s):
    # A lab of its own beside the one of the other stories, and no file of Vagrant's in the checkout.
    name = f"v{s.environment.get('LAB_NAME', 'lab')}"[:12]
    s.before = dict(s.environment)
    s.environment.update(LAB_NAME=name, VAGRANT_HOME=str(s.work / "vagrant-home"), VAGRANT_DOTFILE_PATH=str(s.work / "vagrant-machines"),
                         VAGRANT_CHECKPOINT_DISABLE="1")
    for of_another in ("LAB_SUBNET", "VAGRANT_DEFAULT_PROVIDER"):
        s.environment.pop(of_another, None)
    done = vagrant(s, "up", "--provider=docker").must()
    status = vagrant(s, "status", "--machine-readable").must().out
    running = re.findall(r"^\d+,(node\d),state,running$", status, re.M)
    assert running == ["node1", "node2", "node3"], status
    return f"{done.seconds:.0f} s"


def vagrant_ssh_logs_in(s):
    for number in (1, 2, 3):
        told = vagrant(s, "ssh", f"node{number}", "-c", "hostname; docker info --format '{{.ServerVersion}}'").must().out.split()
        assert told[0].endswith(str(number)) and told[1].startswith("26."), told


def its_ssh_config_gives_an_inventory(s):
    config = vagrant(s, "ssh-config").must().out
    folder = s.work / "vagrant"
    folder.mkdir()
    s.inventory = folder / "vagrant.yml"
    done = s.cow("init", "--from-ssh-config", "-", "--hostname", "rancher.lab.test", "--name", "vagrant", "-o", s.inventory, input=config).must()
    s.nodes_of_vagrant = re.findall(r"HostName (\S+)", config)
    assert len(s.nodes_of_vagrant) == 3, config
    for address in s.nodes_of_vagrant:
        assert address in s.inventory.read_text(), s.inventory.read_text()
    s.cow("check", "--offline", inventory=s.inventory).must()
    return " ".join((done.out + done.err).split())[:160]


def check_meets_the_three_machines(s):
    """Over SSH with Vagrant's keys; skipped by its id is what a lab on one machine cannot be, this machine's own DNS, and
    rke's images, which nothing has brought to these machines and no registry of the lab has."""
    skips = [word for check in ("disk.images", "disk.etcd", "dns.laptop", "docker.images") for word in ("--skip", check)]
    done = s.cow("check", "--output", "json", "--accept-new-host-keys", *skips, inventory=s.inventory).must()
    reached = {f["subject"]: f["verdict"] for f in (e["finding"] for e in done.events("finding")) if f["check"] == "ssh.reachable"}
    assert reached == {"node1": "pass", "node2": "pass", "node3": "pass"}, reached
    return f"{done.seconds:.1f} s"


def destroy_leaves_nothing(s):
    vagrant(s, "destroy", "-f").must()
    lab = json.loads(s.run(s.lab_command, "status", "--json").out)
    assert not lab["up"] and not lab["machines"] and not lab["dns"], lab
    gone = lambda: s.environment["LAB_NAME"] not in s.run("ip", "-o", "link").out  # noqa: E731
    until(10, gone)
    s.environment = s.before   # the next story has its own lab


STEPS = [vagrant_makes_three_machines, vagrant_ssh_logs_in, its_ssh_config_gives_an_inventory, check_meets_the_three_machines, destroy_leaves_nothing]
