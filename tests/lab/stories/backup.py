"""Backups of a running cluster: taken, proved, sabotaged, hunted for secrets; the API meanwhile; a monitor and a key.

etcd's database is made large enough that it has pages to read; what is sealed is opened again by tar and age's format alone."""
import base64
import contextlib
import hashlib
import http.client
import json
import re
import ssl
import stat
import subprocess
import threading
import time
from pathlib import Path

from . import canary
from .scene import fingerprint

# Where a copy might be left on a node: files that were written since the mark was.
LEFT = "find / -xdev -newer /run/backup-began -type f \\( -size +1M -o -name '*snapshot*' -o -name '*.db' \\) -not -path '/proc/*' -not -path '/sys/*' " \
       "-not -path '/var/lib/etcd/*' -not -path '*/var/lib/etcd/*' -not -path '/var/log/*' -not -path '/var/lib/docker/*' 2>/dev/null; find /tmp /var/tmp -type f -newer /run/backup-began 2>/dev/null; true"


def a_cluster_with_something_in_it(s):
    s.fresh_lab()
    s.inventory = s.workspace("backup")
    s.folder = s.inventory.parent
    s.said = {}
    done = s.cow("up", "--output", "plain", inventory=s.inventory).must()
    # Two volumes, which no backup holds, and some thousand objects: a database of more than a page or two.
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "orders"}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/srv/orders"}, "claimRef": {"namespace": "shop", "name": "orders"}}}
    s.kubectl(s.inventory, "apply", "-f", "-", input=json.dumps(volume))
    s.kubectl(s.inventory, "create", "namespace", "many")
    maps = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"m{n}", "namespace": "many"}, "data": {"text": f"{n} " * 2000}} for n in range(400)]
    s.kubectl(s.inventory, "create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": maps}), limit=300)
    token = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
             "metadata": {"name": "agent-token", "namespace": "many", "annotations": {"kubernetes.io/service-account.name": "default"}}}
    s.kubectl(s.inventory, "create", "-f", "-", input=json.dumps(token))
    return f"up {done.seconds:.0f} s"


def nobody_to_open_it_is_no_backup(s):
    before = fingerprint(s.folder)
    s.cow("backup", inventory=s.inventory).must(2).says("nobody is named who could open the backup", "new-key")
    s.cow("backup", "--recipient", "age1nonsense", inventory=s.inventory).must(2).says("is no public key of age")
    assert fingerprint(s.folder) == before


def a_key_is_made_once_and_for_its_owner_alone(s):
    s.keys = s.work / "keys"
    s.keys.mkdir()
    recipients = []
    for name in ("one", "two"):
        said = s.cow("backup", "new-key", s.keys / name).must()
        assert stat.S_IMODE((s.keys / name).stat().st_mode) == 0o600
        recipients += re.findall(r"\bage1\w+", said.out)
        assert "AGE-SECRET-KEY" not in said.out + said.err
    s.cow("backup", "new-key", s.keys / "one").must(2).says("not there yet")
    assert len(recipients) == 2, recipients
    text = s.inventory.read_text()
    s.inventory.write_text(text + f"backup: {{recipients: [{recipients[0]}]}}\n")
    s.recipients = recipients


class Asking:
    """Asks the API as fast as it can, each time anew, and keeps the longest time without an answer."""

    def __init__(self, s):
        kept = json.loads(s.kubectl(s.inventory, "config", "view", "--raw", "-o", "json"))
        place, user = kept["clusters"][0]["cluster"], kept["users"][0]["user"]
        folder = s.work / "asking"
        folder.mkdir(exist_ok=True)
        for name, data in (("ca", place["certificate-authority-data"]), ("cert", user["client-certificate-data"]), ("key", user["client-key-data"])):
            (folder / name).write_bytes(base64.b64decode(data))
            (folder / name).chmod(0o600)
        self.context = ssl.create_default_context(cafile=folder / "ca")
        self.context.load_cert_chain(folder / "cert", folder / "key")
        self.addresses, self.longest, self.asked, self.failed, self.over = list(s.nodes.values()), {}, 0, [], threading.Event()

    def _ask(self, address):
        last = time.monotonic()
        while not self.over.is_set():
            try:
                connection = http.client.HTTPSConnection(address, 6443, context=self.context, timeout=5)
                connection.request("GET", "/api/v1/namespaces/many/configmaps/m1")
                answer = connection.getresponse()
                assert answer.read() and answer.status == 200, answer.status
                self.asked += 1
                now = time.monotonic()
                self.longest[address] = max(self.longest.get(address, 0), now - last)
                last = now
                connection.close()
            except Exception as error:  # noqa: BLE001
                self.failed.append(f"{address}: {error}")
            time.sleep(0.02)

    def __enter__(self):
        self.threads = [threading.Thread(target=self._ask, args=(address,), daemon=True) for address in self.addresses]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(timeout=10)


def a_backup_reaches_level_3_and_the_api_does_not_notice(s):
    s.on_nodes("touch /run/backup-began")
    before = {name: s.node(name, "docker ps -a --no-trunc --format '{{.ID}} {{.State}}' | sort") for name in s.nodes}
    time.sleep(1.1)
    # How long one waits for the API on this machine while nothing is taken: others may be at work on it.
    with Asking(s) as usual:
        time.sleep(15)
    assert not usual.failed, usual.failed[:3]
    with contextlib.ExitStack() as stack:
        s.sampler = stack.enter_context(canary.Sampler(s))
        asking = stack.enter_context(Asking(s))
        time.sleep(1)
        done = s.run("/usr/bin/time", "-f", "peak %M KiB", s.cowhand, "backup", "--output", "plain", "-v", "-i", s.inventory).must()
        time.sleep(1)
    s.said["what backup said"] = done.out + done.err
    done.says("level 3 (belongs together)", "one recipient", "verifies the token in secrets/many/agent-token", "each of the state is a Node")
    files = list((s.folder / "backups").iterdir())
    assert len(files) == 1 and re.fullmatch(r"lab-\d{8}T\d{6}Z\.cowhand", files[0].name), files
    s.file = files[0]
    assert stat.S_IMODE(s.file.stat().st_mode) == 0o600 and stat.S_IMODE(s.file.parent.stat().st_mode) == 0o700
    assert not asking.failed, asking.failed[:3]
    gap = max(asking.longest.values())
    before_it = max(usual.longest.values())
    assert gap < max(2, 4 * before_it), f"the API was silent for {gap:.1f} s, and {before_it:.1f} s while nothing was taken"
    after = {name: s.node(name, "docker ps -a --no-trunc --format '{{.ID}} {{.State}}' | sort") for name in s.nodes}
    assert before == after, "a container was touched"
    peak = int(re.search(r"peak (\d+) KiB", done.err)[1]) // 1024
    return f"{done.seconds:.1f} s, {s.file.stat().st_size >> 20} MiB, memory {peak} MiB; API: longest gap {gap:.2f} s (while nothing was taken: {before_it:.2f} s), {asking.asked} asked, 0 failed"


def it_came_from_a_follower_and_says_what_is_not_in_it(s):
    told = json.loads(s.cow("backup", "show", s.file, "--identity", s.keys / "one", "--output", "json").must().out)
    assert told["source"]["follower"] and told["level"] == 3, told
    assert "data of PersistentVolume orders (claim shop/orders)" in told["not_in_it"], told["not_in_it"]
    entries = {one["name"]: one["path"] for one in told["entries"] if one.get("path")}
    assert {"cluster.rkestate", "cluster.yml", "lab.yml", "ca.pem", "secrets/ca-key.pem", "secrets/bootstrap-password"} <= set(entries.values()), entries
    live = json.loads(s.kubectl(s.inventory, "get", "configmaps", "-A", "-o", "json"))["items"]
    assert abs(told["objects"]["configmaps"] - len(live)) <= 3, (told["objects"], len(live))
    shown = s.cow("backup", "show", s.file).must().says("level 3", "--identity").out
    assert "PersistentVolume" not in shown
    return f"{told['keys']} keys, from {told['source']['node']}, revision {told['source']['revision']}"


def verify_proves_it_again_and_another_key_opens_nothing(s):
    s.cow("backup", "verify", s.file).must().says("level 0 (there)", "--identity")
    done = s.cow("backup", "verify", s.file, "--identity", s.keys / "one").must().says("level 3 (belongs together)", "proved  the cluster's CA")
    s.cow("backup", "verify", s.file, "--identity", s.keys / "two").must(5).says("this key does not open it")
    s.cow("backup", "key-check", "--identity", s.keys / "one", inventory=s.inventory).must().says("the key opens it")
    s.cow("backup", "key-check", "--identity", s.keys / "two", inventory=s.inventory).must(5)
    return f"{done.seconds:.1f} s"


def the_snapshot_inside_is_one_for_etcds_own_program(s):
    """Behind the label there is a plain age file; etcd's own tool, where the lab has it, reads what is in it."""
    opened = s.cow("backup", "verify", s.file, "--identity", s.keys / "one", "--output", "json").must()
    manifest = json.loads(opened.out.splitlines()[0])["manifest"]
    etcd = next(one for one in manifest["entries"] if one["name"] == "etcd-snapshot.db")
    assert etcd["length"] % 512 == 32, etcd
    assert s.file.read_bytes()[1024:1024 + 21] == b"age-encryption.org/v1", "no age file begins behind the label"
    return f"{etcd['length'] >> 20} MiB of etcd"


def bytes_that_were_changed_are_found(s):
    whole = s.file.read_bytes()
    copy = s.work / "changed.cowhand"
    for what, at in (("label", 30), ("age header", 1100), ("middle", len(whole) // 2), ("end", len(whole) - 1)):
        changed = bytearray(whole)
        changed[at] ^= 0x20
        copy.write_bytes(changed)
        s.cow("backup", "verify", copy, "--identity", s.keys / "one").must(5)
    copy.write_bytes(whole[:-4096])
    s.cow("backup", "verify", copy).must(5).says("it is cut off")
    copy.unlink()


def no_secret_is_outside_of_the_seal(s):
    """The outer bytes, /tmp here and there, the nodes' disks, what was said and logged, and every process while it was taken."""
    wanted = canary.of_workspace(s)
    wanted["the key that opens backups"] = {line for line in (s.keys / "one").read_text().splitlines() if line.startswith("AGE-SECRET")}
    places = dict(s.said)
    places["the backup's own bytes"] = s.file.read_bytes().decode("latin-1")
    for path in [*Path("/tmp").glob("cowhand*"), *Path("/tmp").glob(".cowhand*"), *Path("/tmp").glob(".tmp*")]:
        if path.is_file():
            places[str(path)] = path.read_text(errors="replace")
    places.update({str(log): log.read_text(errors="replace") for log in (s.folder / ".cowhand" / "logs").glob("*")})
    found = canary.stands_in(wanted, places) + s.sampler.found({what: forms for what, forms in wanted.items() if what != "the ssh key"})
    assert not found, "\n".join(found)
    left = {name: text.strip() for name, text in s.on_nodes(LEFT).items()}
    assert not any(left.values()), f"left on the nodes: {left}"
    assert [path.name for path in s.file.parent.iterdir()] == [s.file.name], "something lies beside the backup"
    open_files = [path for path in s.folder.rglob("*") if path.is_file() and path.suffix == ".db"]
    assert not open_files, open_files
    return f"{len(wanted)} secrets, {len(places)} texts, {s.sampler.told()}"


def a_monitor_and_status_see_it(s):
    s.cow("backup", "check", "--max-age", "26h", inventory=s.inventory).must().says("level 3")
    quiet = s.cow("backup", "check", "--quiet", inventory=s.inventory).must()
    assert not quiet.out and not quiet.err, quiet
    time.sleep(61)
    s.cow("backup", "check", "--max-age", "1m", inventory=s.inventory).must(5).says("the newest one is")
    s.cow("backup", "list", inventory=s.inventory).must().says(s.file.name, "level 3")
    s.cow("status", inventory=s.inventory).must().says("backup", s.file.name, "level 3")
    timer = s.cow("backup", "--print-timer", inventory=s.inventory).must().says("[Timer]", "ExecStart=", "OnCalendar=").out
    assert str(s.inventory) in timer, timer


def a_state_of_a_sister_cluster_stops_at_level_2(s):
    """The service-account key of another cluster in the state: everything reads well, and nothing would start with it."""
    state = s.folder / "cluster.rkestate"
    text = state.read_text()
    whole = json.loads(text)
    other = subprocess.run(["openssl", "genrsa", "-traditional", "2048"], capture_output=True, text=True, check=True).stdout
    for half in ("desiredState", "currentState"):
        whole[half]["certificatesBundle"]["kube-service-account-token"]["keyPEM"] = other
    state.write_text(json.dumps(whole))
    before = set((s.folder / "backups").iterdir())
    time.sleep(1)
    try:
        s.cow("backup", "--output", "plain", inventory=s.inventory).must(7).says("level 2 (readable), and no further", "does not verify the token")
    finally:
        state.write_text(text)
    s.bad = (set((s.folder / "backups").iterdir()) - before).pop()
    s.cow("backup", "check", inventory=s.inventory).must().says(s.file.name)
    s.cow("backup", "verify", s.bad, "--identity", s.keys / "one").must(5).says("stops before level 3")


def keep_thins_out_and_spares_the_last_good_one(s):
    time.sleep(1)
    s.cow("backup", "--output", "plain", "--keep", "1d", inventory=s.inventory).must().says(f"{s.bad.name} is removed", f"{s.file.name} is removed")
    left = list((s.folder / "backups").iterdir())
    assert len(left) == 1, left
    s.file = left[0]


def two_folders_and_two_recipients(s):
    one, two = s.work / "nas-one", s.work / "nas-two"
    one.mkdir()
    two.mkdir()
    both = ["--recipient", s.recipients[0], "--recipient", s.recipients[1]]
    s.cow("backup", "-o", one, "-o", two, *both, "--output", "plain", inventory=s.inventory).must().never_says("one recipient")
    files = [next(folder.iterdir()) for folder in (one, two)]
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in files}) == 1 and files[0].name == files[1].name
    for key in ("one", "two"):
        s.cow("backup", "verify", files[1], "--identity", s.keys / key).must().says("level 3")
    s.cow("backup", "-o", s.work / "not-mounted", *both, inventory=s.inventory).must(8).says("mount its disk")
    # A folder belongs to one cluster.
    label = json.loads(files[0].read_bytes()[:1024])
    label["uid"] = "another"
    stranger = one / "other-20260101T000000Z.cowhand"
    stranger.write_bytes(json.dumps(label).encode().ljust(1023) + b"\n")
    s.cow("backup", "-o", one, *both, inventory=s.inventory).must(5).says("is a backup of another cluster")


def another_machine_keeps_it_too(s):
    """The lab's fourth machine, over SSH: written whole or not at all, thinned out there; one that is not reached is no backup's end."""
    jump = f"{s.environment['LAB_NAME']}jump"
    s.node(jump, f"mkdir -p /srv/backups && chown {s.environment['LAB_USER']} /srv/backups && chmod 700 /srv/backups")
    place = f"ssh://{s.environment['LAB_USER']}@{s.environment['LAB_JUMP']}/srv/backups"
    before = sorted(path.name for path in (s.folder / ".cowhand").iterdir())
    first = s.cow("backup", "-o", place, "--output", "plain", inventory=s.inventory).must().says(f"{place}/lab-", "level 3")
    assert sorted(path.name for path in (s.folder / ".cowhand").iterdir()) == before, "a copy was left here"
    time.sleep(1)
    folder = s.work / "beside-the-nas"
    folder.mkdir()
    s.cow("backup", "-o", folder, "-o", place, "--keep", "1d", "--output", "plain", inventory=s.inventory).must().says("level 3", "is removed")
    left = s.node(jump, "ls -A /srv/backups; stat -c %a /srv/backups/*; sha256sum /srv/backups/* | cut -d ' ' -f 1").split()
    here = next(folder.iterdir())
    assert left == [here.name, "600", hashlib.sha256(here.read_bytes()).hexdigest()], left
    s.node(jump, "chmod 500 /srv/backups")
    time.sleep(1)
    done = s.cow("backup", "-o", folder, "-o", place, "--output", "plain", inventory=s.inventory).must().says("was not written", "stands")
    s.cow("backup", "-o", f"{place}/none", "--output", "plain", inventory=s.inventory).must(8)
    return f"{first.seconds:.1f} s there alone, {done.seconds:.1f} s where it failed"


def a_member_that_is_down_is_not_asked(s):
    name = list(s.nodes)[1]
    s.node(name, "docker stop etcd")
    try:
        s.cow("backup", "--output", "plain", inventory=s.inventory).must().says("level 3")
    finally:
        s.node(name, "docker start etcd")


def a_passphrase_opens_it_too(s):
    secret = s.keys / "passphrase"
    secret.write_text("correct horse battery staple\n")
    secret.chmod(0o600)
    folder = s.work / "by-passphrase"
    folder.mkdir()
    s.cow("backup", "-o", folder, "--passphrase-file", secret, "--output", "plain", inventory=s.inventory).must().says("level 3").never_says("one recipient")
    path = next(folder.iterdir())
    s.cow("backup", "verify", path, "--passphrase-file", secret).must().says("level 3")
    s.cow("backup", "verify", path, "--identity", s.keys / "one").must(5).says("with a passphrase")


STEPS = [
    a_cluster_with_something_in_it, nobody_to_open_it_is_no_backup, a_key_is_made_once_and_for_its_owner_alone, a_backup_reaches_level_3_and_the_api_does_not_notice,
    it_came_from_a_follower_and_says_what_is_not_in_it, verify_proves_it_again_and_another_key_opens_nothing, the_snapshot_inside_is_one_for_etcds_own_program,
    bytes_that_were_changed_are_found, no_secret_is_outside_of_the_seal, a_monitor_and_status_see_it, a_state_of_a_sister_cluster_stops_at_level_2,
    keep_thins_out_and_spares_the_last_good_one, two_folders_and_two_recipients, another_machine_keeps_it_too, a_member_that_is_down_is_not_asked, a_passphrase_opens_it_too,
]
