"""Run files: check, confirm, commands on nodes, files, waits, verify; one that was cut off goes on, a bad one touches nothing.

Also the nodes as Ansible takes them, through the jump host, with the real ansible-core."""
import json
import os
import signal
import sys
import time
from pathlib import Path

from .scene import besides_logs, until
from .ways import inventory as behind_the_jump_host

# Of ansible-core, from the registry that pip asks; kept outside the checkout.
ANSIBLE = "2.18.6"

LEFT = "ls -A /opt/play 2>/dev/null; cat /opt/play/* 2>/dev/null; true"


def book(s, name, text):
    path = s.folder / name
    path.write_text(text)
    return path


def play(s, path, *words, **how):
    return s.cow("play", path, "--output", "plain", *words, inventory=s.inventory, **how)


# --- the steps
def machines_are_there(s):
    s.fresh_lab()
    s.inventory = s.workspace("play")
    s.folder = s.inventory.parent
    s.secret = s.folder / "token"
    s.secret.write_text("CANARY-of-play\n")
    s.secret.chmod(0o600)


def a_bad_file_touches_nothing(s):
    before = s.on_nodes(LEFT)
    path = book(s, "bad.run", "name: bad\nitems:\n- run: {on: all, sudo: true, words: [mkdir, /opt/play]}\n- chekc\n- run: {on: lab9, words: [uptime]}\n")
    files = besides_logs(s.folder)
    play(s, path, "--yes", "bad").must(2).says("bad.run:4:", "did you mean", "bad.run:5:", "nothing was touched")
    s.secret.chmod(0o644)
    path = book(s, "open.run", "name: open\nitems:\n- run: {on: all, words: [cat], stdin_file: ./token}\n")
    play(s, path).must(2).says("0644", "nothing was touched").never_says("CANARY")
    s.secret.chmod(0o600)
    path.unlink()
    assert besides_logs(s.folder) == files
    assert s.on_nodes(LEFT) == before


def a_question_is_asked_before_anything_is_done(s):
    s.first = list(s.nodes)[0]
    path = book(s, "first.run", "name: first one\nitems:\n- check\n- confirm: go?\n- run: {on: all, sudo: true, words: [mkdir, -p, /opt/play]}\n")
    before = s.on_nodes(LEFT)
    play(s, path).must(2).says("nobody is there to ask", "--yes 'first one'")
    play(s, path, "--yes", "first").must(2).says("this is `first one`")
    assert s.on_nodes(LEFT) == before
    play(s, path, "--yes", "first one").must().says("item 3/3", "done in")
    assert all(s.node(name, "test -d /opt/play && echo there") for name in s.nodes)


def words_files_and_secrets_arrive_as_they_are(s):
    (s.folder / "motd").write_text("hello\n")
    path = book(s, "words.run", """name: words
items:
- run: {on: each, words: [printf, '%%s|', "a b", '$HOME', ';', reboots]}
- upload: {on: [%s], from: ./motd, to: /opt/play/motd, mode: "0644", sudo: true}
- run: {on: all, sudo: true, words: [sh, -c, 'umask 077; printf "%%s" "$TOKEN" > /opt/play/token; cat >> /opt/play/token'], env_files: {TOKEN: ./token}, stdin_file: ./token}
""" % s.first)
    done = play(s, path, "-v").must().says("a b|$HOME|;|reboots|").never_says("CANARY")
    for name in s.nodes:
        assert s.node(name, "cat /opt/play/token") == "CANARY-of-playCANARY-of-play\n"
    assert s.node(s.first, "cat /opt/play/motd; stat -c %U:%a /opt/play/motd") == "hello\nroot:644\n"
    told = "".join(p.read_text(errors="replace") for p in (s.folder / ".cowhand").rglob("*") if p.is_file())
    assert "CANARY" not in told, "a secret stands in the workspace"
    shown = play(s, path, "--plan").must().says("TOKEN from", "one after the other").never_says("CANARY")
    return f"{done.seconds:.1f} s, plan {shown.seconds:.1f} s"


def up_verify_and_waits_are_items(s):
    path = book(s, "build.run", "name: build\nitems:\n- up\n- wait: {nodes: ready, limit: 5m}\n- wait: {deployment: cattle-system/rancher}\n- verify\n")
    return f"{play(s, path, limit=1500).must().says('item 4/4').seconds:.0f} s"


def one_at_a_time_and_only_while_all_are_well(s):
    order = "date +%s.%N >> /opt/play/when; sleep 1; date +%s.%N >> /opt/play/when; : stop"
    path = book(s, "away.run", f"name: away\nitems:\n- run: {{on: all, sudo: true, words: [sh, -c, '{order}']}}\n")
    play(s, path).must()
    times = sorted(tuple(map(float, s.node(name, "cat /opt/play/when").split())) for name in s.nodes)
    assert all(before[1] <= after[0] for before, after in zip(times, times[1:])), times
    # With an ill member nothing is taken away.
    ill = list(s.nodes)[2]
    s.node(ill, "docker stop etcd")
    s.on_nodes("rm /opt/play/when")
    play(s, path).must(5).says("while the cluster is ill", ill)
    assert all(not s.node(name, "ls /opt/play/when 2>/dev/null", code=None) for name in s.nodes)
    s.node(ill, "docker start etcd")
    until(120, lambda: play(s, path, "--anew").code == 0)


def screens_are_items_and_a_large_file_goes_up(s):
    large = s.folder / "large"
    with large.open("wb") as file:
        file.truncate(300 << 20)
    path = book(s, "look.run", "name: look\nitems:\n- plan\n- status\n- certs\n- upload: {on: %s, from: ./large, to: /opt/play/large, sudo: true}\n" % s.first)
    child = s.start(s.cowhand, "play", path, "-i", s.inventory, "--output", "plain", log=s.work / "look.log")
    most = 0
    while child.poll() is None:
        held = [line for line in Path(f"/proc/{child.pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
        most = max([most, *(int(line.split()[1]) >> 10 for line in held)])
        time.sleep(0.05)
    told = (s.work / "look.log").read_text()
    assert child.returncode == 0 and "nothing would be changed" in told and "no problem was found" in told and "days left" in told, told
    assert most < 250, f"{most} MiB were held for a file of 300 MiB"
    assert s.node(s.first, "stat -c %s /opt/play/large; rm /opt/play/large").strip() == str(300 << 20)
    return f"at most {most} MiB held"


def a_reboot_waits_until_the_node_is_back(s):
    """The lab's machines end with their systemd, so that the story starts this one again, as a machine does by itself."""
    second, third = list(s.nodes)[1:3]
    path = book(s, "again.run", f"""name: again
items:
- turns:
    on: {second}
    items:
    - drain: {{on: this, delete_emptydir_data: true}}
    - run: {{on: this, sudo: true, words: [sh, -c, 'echo x >> /opt/play/patched; test ! -e /opt/play/broken']}}
    - reboot: {{on: this, limit: 8m}}
    - uncordon: {{on: this, always: true}}
- run: {{on: all, sudo: true, words: [touch, /opt/play/after]}}
""")
    closed = lambda name: s.kubectl(s.inventory, "get", "node", name, "-o", "jsonpath={.spec.unschedulable}") == "true"
    s.node(second, "touch /opt/play/broken")
    play(s, path).must(6).says(f"{second} is closed and empty", f"{second} is open for pods").never_says("reboot: done")
    assert not closed(second)
    s.node(second, "rm /opt/play/broken")
    s.node(third, "docker stop etcd")
    play(s, path).must(5).says("while the cluster is ill", third)
    s.node(third, "docker start etcd")
    until(120, lambda: s.cow("status", "--fail", "-q", inventory=s.inventory).code == 0)
    log = s.work / "again.log"
    child = s.start(s.cowhand, "play", path, "-i", s.inventory, "--output", "plain", log=log)
    until(120, lambda: "down; waiting until ssh answers" in log.read_text() or child.poll() is not None)
    assert child.poll() is None, log.read_text()
    s.lab("node", second, "start")
    assert closed(second), "it is closed while it boots"
    code, told = child.wait(600), log.read_text()
    assert code == 0 and "waiting until the node is Ready" in told, told
    assert all(s.node(name, "rm /opt/play/after && echo there") for name in s.nodes)
    assert not closed(second) and s.node(second, "cat /opt/play/patched").split() == ["x", "x"]
    # Who closed a node by hand has it closed afterwards.
    path = book(s, "theirs.run", f"name: theirs\nitems:\n- turns: {{on: {third}, items: [{{drain: {{on: this, delete_emptydir_data: true}}}}, {{uncordon: {{on: this}}}}]}}\n")
    s.kubectl(s.inventory, "cordon", third)
    play(s, path).must().says(f"{third} stays closed")
    assert closed(third)
    s.kubectl(s.inventory, "uncordon", third)


def a_run_that_was_cut_off_goes_on(s):
    path = book(s, "cut.run", """name: cut
items:
- check
- run: {on: [each], sudo: true, words: [sh, -c, 'echo once >> /opt/play/count; test ! -e /opt/play/wait || sleep 600'], limit: 15m}
- run: {on: all, sudo: true, words: [sh, -c, 'echo end >> /opt/play/count']}
""")
    second = list(s.nodes)[1]
    s.node(second, "touch /opt/play/wait")
    child = s.start(s.cowhand, "play", path, "-i", s.inventory, "--output", "plain", log=s.work / "cut.log")
    until(90, lambda: s.node(second, "cat /opt/play/count 2>/dev/null", code=None))
    s.kill(child, signal.SIGKILL)
    s.node(second, "rm /opt/play/wait /opt/play/count; pkill -f '[s]leep 600' || true")

    def went_on():
        """the lock of the killed run is free, and the next one says that it goes on"""
        done = play(s, path)
        return done.code == 0 and done.says("goes on from what is done")
    until(120, went_on)
    counts = {name: s.node(name, "cat /opt/play/count").split() for name in s.nodes}
    assert all(lines == ["once", "end"] for lines in counts.values()), counts
    # The end of a whole run is no place to go on from.
    play(s, path).must()
    assert s.node(s.first, "cat /opt/play/count").split() == ["once", "end"] * 2


def a_failure_stops_the_list_but_for_what_is_done_always(s):
    path = book(s, "fail.run", """name: fail
items:
- run: {on: each, sudo: true, words: [sh, -c, 'echo no >> /opt/play/tried; exit 3']}
- run: {on: all, sudo: true, words: [touch, /opt/play/never]}
- run: {on: all, sudo: true, words: [touch, /opt/play/always], always: true}
""")
    play(s, path).must(6).says("ended with exit code 3", s.first)
    tried = {name: s.node(name, "ls /opt/play") for name in s.nodes}
    assert [name for name, files in tried.items() if "tried" in files] == [s.first], tried
    assert all("never" not in files and "always" in files for files in tried.values()), tried


def a_plan_that_is_stale_is_refused(s):
    path = book(s, "stale.run", "name: stale\nitems:\n- run: {on: %s, words: [sleep, '20']}\n- run: {on: all, sudo: true, words: [touch, /opt/play/stale]}\n" % s.first)
    child = s.start(s.cowhand, "play", path, "-i", s.inventory, "--output", "plain", log=s.work / "stale.log")
    until(60, lambda: s.node(s.first, "pgrep -f '^sleep 20' || true"))
    text = s.inventory.read_text()
    s.inventory.write_text(text + "# moved on\n")
    code, told = child.wait(120), (s.work / "stale.log").read_text()
    s.inventory.write_text(text)
    assert code == 5 and "the plan is stale" in told and s.inventory.name in told, told
    assert not any("stale" in s.node(name, "ls /opt/play") for name in s.nodes), "the stale plan went on"


def python_on_the_nodes(s):
    """Ansible works with a Python on the node; the lab's nodes have none, so they get this program's own, by a run file."""
    if all(s.node(name, "command -v python3 || true").strip() for name in s.nodes):
        return "/usr/bin/python3"
    archive, name = s.folder / "python.tgz", f"python{sys.version_info[0]}.{sys.version_info[1]}"
    left_out = [f"--exclude=lib/{name}/{part}" for part in ("test", "site-packages", "idlelib", "ensurepip", "config-*")]
    libraries = [path.name for path in (Path(sys.base_prefix) / "lib").glob(f"lib{name}*.so*")]
    s.run("tar", "-czf", archive, "-C", sys.base_prefix, *left_out, f"bin/{name}", f"lib/{name}", *(f"lib/{one}" for one in libraries)).must()
    path = book(s, "python.run", """name: python
items:
- run: {on: all, sudo: true, words: [mkdir, -p, /opt/play/python]}
- upload: {on: all, from: ./python.tgz, to: /opt/play/python.tgz, sudo: true, mode: "0644"}
- run: {on: all, sudo: true, words: [tar, -xzf, /opt/play/python.tgz, -C, /opt/play/python], limit: 5m}
- upload: {on: all, from: ./python.sh, to: /opt/play/python3, sudo: true, mode: "0755"}
""")
    home = "/opt/play/python"
    (s.folder / "python.sh").write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={home}/lib PYTHONHOME={home} exec {home}/bin/{name} "$@"\n')
    play(s, path).must()
    return "/opt/play/python3"


def ansible_takes_the_nodes(s):
    """ping and facts of every node, through the jump host, with the known_hosts of the inventory and no other."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cowhand-stories" / f"ansible-{ANSIBLE}"
    ansible = cache / "bin" / "ansible"
    if not ansible.exists():
        s.run(sys.executable, "-m", "venv", cache).must()
        s.run(cache / "bin" / "pip", "install", "-q", f"ansible-core=={ANSIBLE}").must()
    place = behind_the_jump_host(s, "ansible", key=s.environment["LAB_KEY"])
    nodes = s.work / "nodes"
    nodes.write_text(f'#!/bin/sh\nexec {s.cowhand} -i {place} inventory --ansible "$@"\n')
    nodes.chmod(0o755)
    home = s.work / "ansible-home"
    home.mkdir()
    quiet = {"HOME": str(home), "ANSIBLE_LOCALHOST_WARNING": "0", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
             # No connection is kept for the next call, which may have another known_hosts.
             "ANSIBLE_SSH_ARGS": ""}
    python = ["-e", f"ansible_python_interpreter={python_on_the_nodes(s)}"]
    done = s.run(ansible, "-i", nodes, "all", "-m", "ping", *python, env=quiet, limit=300).must()
    assert done.out.count('"ping": "pong"') == len(s.nodes), done
    facts = s.run(ansible, "-i", nodes, "etcd", "-m", "setup", "-a", "filter=ansible_hostname", *python, env=quiet, limit=300).must()
    for name in s.nodes:
        assert f'"ansible_hostname": "{name}"' in facts.out, facts
    host = json.loads(s.cow("inventory", "--ansible", "--host", s.first, inventory=place).must().out)
    assert "ProxyCommand" in host["ansible_ssh_common_args"], host
    # Without the right known_hosts nobody is reached.
    empty = s.work / "no_known_hosts"
    empty.write_text("")
    place = behind_the_jump_host(s, "ansible-unknown", known_hosts=empty, key=s.environment["LAB_KEY"])
    nodes.write_text(f'#!/bin/sh\nexec {s.cowhand} -i {place} inventory --ansible "$@"\n')
    refused = s.run(ansible, "-i", nodes, "all", "-m", "ping", *python, env=quiet, limit=300)
    assert refused.code != 0 and '"ping": "pong"' not in refused.out, refused
    return s.run(ansible, "--version").must().out.splitlines()[0]


def down_is_an_item_with_its_own_question(s):
    path = book(s, "gone.run", "name: gone\nitems:\n- down\n")
    play(s, path, "--yes", "gone").must(2).says("this is `lab`")
    play(s, path, "--yes", "lab").must()
    s.on_nodes("rm -rf /opt/play")


STEPS = [
    machines_are_there, a_bad_file_touches_nothing, a_question_is_asked_before_anything_is_done,
    words_files_and_secrets_arrive_as_they_are, ansible_takes_the_nodes, up_verify_and_waits_are_items,
    one_at_a_time_and_only_while_all_are_well, screens_are_items_and_a_large_file_goes_up, a_reboot_waits_until_the_node_is_back,
    a_run_that_was_cut_off_goes_on,
    a_failure_stops_the_list_but_for_what_is_done_always, a_plan_that_is_stale_is_refused, down_is_an_item_with_its_own_question,
]
