"""Where a story is played: the lab, the binary, a workspace of its own, and what can be asked of them."""
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

lab_folder = Path(__file__).resolve().parent.parent
checkout = lab_folder.parent.parent


class Ended:
    """A program that has ended."""

    def __init__(self, words, code, out, err, seconds):
        self.words, self.code, self.out, self.err, self.seconds = words, code, out, err, seconds

    def __str__(self):
        return f"$ {shlex.join(map(str, self.words))}\n{self.out[-6000:]}{self.err[-6000:]}(exit {self.code}, {self.seconds:.1f} s)"

    def must(self, code=0):
        assert self.code == code, f"expected exit {code}:\n{self}"
        return self

    def says(self, *texts):
        for text in texts:
            assert text in self.out + self.err, f"does not say `{text}`:\n{self}"
        return self

    def never_says(self, *texts):
        for text in texts:
            assert text not in self.out + self.err, f"says `{text}`:\n{self}"
        return self

    def events(self, kind=None):
        found = [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]
        return [e for e in found if kind in (None, e.get("event"))]


def built():
    """The binary that COWHAND names, or one that is built now."""
    if named := os.environ.get("COWHAND"):
        return Path(named)
    told = subprocess.run(["cargo", "build", "--locked", "--bin", "cowhand", "--message-format=json"], cwd=checkout, stdout=subprocess.PIPE, text=True, check=True)
    return Path(next(m["executable"] for m in map(json.loads, told.stdout.splitlines()) if m.get("executable")))


class Scene:
    def __init__(self):
        self.cowhand = built()
        self.work = Path(tempfile.mkdtemp(prefix="cowhand-story-"))
        self.environment = dict(os.environ)
        self.lab_command = lab_folder / "lab"
        self.children = []
        self.mounts = []
        self.failed = False

    def tell(self, story):
        """Plays the story's STEPS in order; returns how many passed and failed."""
        name = story.__name__.split(".")[-1]
        print(f"== {name}: {story.__doc__.splitlines()[0]}", flush=True)
        for number, step in enumerate(story.STEPS):
            began = time.monotonic()
            try:
                note = step(self)
            except Exception as error:
                self.failed = True
                kind = "" if isinstance(error, AssertionError) else traceback.format_exc()
                print(f"FAIL {name}: {step.__name__} ({time.monotonic() - began:.1f} s)\n{kind}{error}", flush=True)
                rest = len(story.STEPS) - number
                if rest > 1:
                    print(f"     {rest - 1} more steps of this story were not reached", flush=True)
                return number, rest
            print(f"ok   {name}: {step.__name__} ({time.monotonic() - began:.1f} s){'  ' + note if note else ''}", flush=True)
        return len(story.STEPS), 0

    def end(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        if self.failed or os.environ.get("STORY_KEEP"):
            self._unmount(keep=True)
            print(f"the workspaces are kept in {self.work}; the lab is left as it is")
            return
        self._unmount()
        shutil.rmtree(self.work)

    def mount(self, name, size):
        """A small disk of its own in the story's folder; gone with the scene, its content kept when the story failed."""
        folder = self.work / name
        folder.mkdir()
        self.run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder).must()
        self.mounts.append(folder)
        return folder

    def _unmount(self, keep=False):
        for folder in self.mounts:
            if keep:
                shutil.copytree(folder, f"{folder}.kept", symlinks=True, ignore=shutil.ignore_patterns("filler"))
            self.run("umount", folder).must()

    # --- programs
    def run(self, *words, cwd=None, limit=900, input=None, env=None):
        began = time.monotonic()
        environment = {**self.environment, **(env or {})}
        done = subprocess.run([str(w) for w in words], cwd=cwd, env=environment, input=input, text=True, errors="replace",
                              stdin=subprocess.DEVNULL if input is None else None, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=limit)
        return Ended(words, done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    def start(self, *words, cwd=None, log=None, env=None):
        """A program in the background, in a session of its own; ended with the scene."""
        out = open(log, "w") if log else subprocess.DEVNULL
        child = subprocess.Popen([str(w) for w in words], cwd=cwd, env={**self.environment, **(env or {})}, stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        self.children.append(child)
        return child

    def cow(self, *words, inventory=None, limit=900, **how):
        place = ["-i", inventory] if inventory else []
        return self.run(self.cowhand, *words, *place, limit=limit, **how)

    # --- the lab
    def lab(self, *words, limit=5000):
        return self.run(self.lab_command, *words, limit=limit).must()

    def fresh_lab(self):
        """Three virgin machines; the environment that goes with them."""
        status = json.loads(self.run(self.lab_command, "status", "--json").out or "{}")
        # Also when a fault of an earlier story has left them stopped, frozen or without sshd: `up` would keep them.
        self.lab("reset" if status.get("up") else "up")
        self.use_lab()

    def use_lab(self):
        for line in self.lab("env").out.splitlines():
            found = re.match(r"export (\w+)=(.*)", line)
            if not found:
                continue
            name, value = found.groups()
            if name == "PATH":
                self.environment["PATH"] = f"{self.environment['LAB_RUN']}/bin:{os.environ['PATH']}"
            else:
                self.environment[name] = " ".join(shlex.split(value))

    @property
    def nodes(self):
        return dict(zip(self.environment["LAB_NODE_NAMES"].split(), self.environment["LAB_NODES"].split()))

    def node(self, name, script, code=0):
        """A shell script as root on a node, beside cowhand's own way there."""
        done = self.run(self.lab_command, "node", name, "exec", "--", "sh", "-c", script)
        return done.must(code).out if code is not None else done.out

    def on_nodes(self, script):
        with ThreadPoolExecutor() as side_by_side:
            return dict(zip(self.nodes, side_by_side.map(lambda name: self.node(name, script), self.nodes)))

    def workspace(self, name, change=lambda text: text):
        """A folder with the lab's inventory in it."""
        folder = self.work / name
        folder.mkdir(parents=True, exist_ok=True)
        text = (checkout / "inventory" / "lab.yml").read_text()
        # A lab of another name has machines of other names in another network.
        text = text.replace("172.31.77.", self.environment["LAB_NODES"].split()[0].rpartition(".")[0] + ".")
        text = re.sub(r"name: lab(\d),", lambda found: f"name: {list(self.nodes)[int(found[1]) - 1]},", text)
        (folder / "lab.yml").write_text(change(text))
        return folder / "lab.yml"

    def kubectl(self, inventory, *words, code=0, **how):
        return self.run("kubectl", "--kubeconfig", Path(inventory).parent / "kube_config_cluster.yml", *words, **how).must(code).out

    def curl(self, address, path="/ping", ca=None, name="rancher.lab.test", *words):
        trust = ["--cacert", ca] if ca else ["-k"]
        return self.run("curl", "-sS", "--max-time", "10", *trust, "--resolve", f"{name}:443:{address}", *words, f"https://{name}{path}")

    def kill(self, child, how=signal.SIGKILL):
        """Kills exactly this process, by its id; what it started has to notice by itself."""
        os.kill(child.pid, how)
        return child.wait()


def until(limit, ask, pause=1.0):
    """Asks again until the answer is true; the last answer, or an assertion when the limit is over."""
    end = time.monotonic() + limit
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < end, f"not so after {limit} s: {ask.__doc__ or ask}"
        time.sleep(pause)


def fingerprint(folder):
    """Every file below a folder, and what is in it."""
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def besides_logs(folder):
    """The same without the logs of runs, which even a refused `up` leaves."""
    return {path: digest for path, digest in fingerprint(folder).items() if not path.startswith(".cowhand/logs/")}


def key_fingerprint(s, public_key):
    return s.run("ssh-keygen", "-lf", public_key).must().out.split()[1]


def logins(s, *machines):
    """What each machine's sshd says of all who have logged in so far: (from, fingerprint of the key)."""
    found = {}
    for name in machines or s.nodes:
        log = s.node(name, "journalctl -u ssh --no-pager -o cat")
        found[name] = re.findall(r"Accepted \S+ for \S+ from (\S+) port \d+ ssh2(?:: \S+ (\S+))?", log)
    return found


def logged_in_since(s, before):
    """The logins that are new, machine by machine."""
    return {name: all_of_them[len(before[name]):] for name, all_of_them in logins(s, *before).items()}
