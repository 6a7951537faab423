"""Rancher taken to a newer version while its page is asked all the time: what could be, the path, refusals, the upgrade, and the same once more.

The chart repository is helm's own, served here: the lab's chart under other versions. So is the image: one program, two tags. A Kubernetes upgrade
is not played: the lab has one Kubernetes."""
import json
import re
import shutil
import socket
import sys

from .scene import besides_logs, until
from .watching import longest, observed

# From, to; one whose image no node has; one that takes no Kubernetes of the lab's.
FROM, TO, UNPULLED, TOO_OLD = "2.11.3", "2.11.5", "2.11.6", "2.11.7"


def repository(s):
    """A chart repository with the lab's chart in these versions, and the image of the first one on every node."""
    place, charts = s.work / "repository", s.work / "charts"
    place.mkdir(), charts.mkdir()
    for version in (FROM, TO, UNPULLED, TOO_OLD):
        folder = charts / version / "rancher"
        shutil.copytree(f"{s.environment['LAB_CHARTS']}/rancher", folder)
        chart = (folder / "Chart.yaml").read_text()
        chart = re.sub(r"(?m)^version: .*", f"version: {version}", chart)
        chart = re.sub(r"(?m)^appVersion: .*", f"appVersion: v{version}", chart)
        if version == TOO_OLD:
            chart = re.sub(r"(?m)^kubeVersion: .*", 'kubeVersion: "< 1.32.0-0"', chart)
        (folder / "Chart.yaml").chmod(0o644)
        (folder / "Chart.yaml").write_text(chart)
        s.run("helm", "package", folder, "--destination", place).must()
    s.run("helm", "repo", "index", place).must()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    s.start(sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", place)
    url = f"http://127.0.0.1:{port}"
    until(20, lambda: s.run("curl", "-sf", f"{url}/index.yaml").code == 0)
    s.on_nodes(f"docker tag lab/rancher:v2.11.5 lab/rancher:v{FROM}")
    return url


def a_cluster_of(s, name, delivery):
    """Rancher of the first version from the repository, with backups set up."""
    s.fresh_lab()
    url = repository(s)
    said = s.cow("backup", "new-key", s.work / "backup.key").must()
    recipient = re.search(r"\bage1\w+", said.out)[0]

    def change(text):
        text = text.replace('chart: {path: "${LAB_CHARTS}/rancher"}', f"chart: {{repository: \"{url}\"}}\n  delivery: {delivery}")
        text = text.replace("  version: 2.11.5\n", f"  version: {FROM}   # since the spring\n")
        return text + f"backup: {{recipients: [{recipient}]}}\n"
    s.inventory = s.workspace(name, change)
    s.folder = s.inventory.parent
    assert f"version: {FROM}   # since the spring" in s.inventory.read_text() and url in s.inventory.read_text()
    return s.cow("up", "--output", "plain", inventory=s.inventory).must()


def ranchers(s):
    """Each of Rancher's pods with its image."""
    pods = json.loads(s.kubectl(s.inventory, "-n", "cattle-system", "get", "pods", "-l", "app=rancher", "-o", "json"))["items"]
    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in pods}


def files_of(s):
    """All files of the workspace but logs and helm's cache, into which also a plan fetches charts."""
    return {path: digest for path, digest in besides_logs(s.folder).items() if not path.startswith(".cowhand/helm/")}


def backups(s):
    return sorted((s.folder / "backups").glob("*.cowhand"))


def a_cluster(s):
    done = a_cluster_of(s, "versions", "addon")
    assert set(ranchers(s).values()) == {f"lab/rancher:v{FROM}"}, ranchers(s)
    return f"up {done.seconds:.0f} s"


def what_it_could_take_is_said_and_nothing_changes(s):
    before, pods = files_of(s), ranchers(s)
    said = s.cow("upgrade", "--what", inventory=s.inventory).must()
    said.says("Kubernetes v1.32.2 on ", f"Rancher {FROM} (by addon)", f"Rancher {FROM} -> 2.11.16", "2.11 is the last that does", "--to rancher=2.11.16")
    data = s.cow("upgrade", "--what", "--output", "json", inventory=s.inventory).must().events("upgrade")[0]
    assert [one["to"] for one in data["path"]] == ["2.11.16"] and data["runs"]["rancher"] == FROM, data
    shown = s.cow("upgrade", "--to", f"rancher={TO}", "--plan", inventory=s.inventory).must()
    shown.says("backup of level 3 first", f"Rancher {FROM} -> {TO}", f"inventory rancher.version: {FROM} -> {TO}", "recommended one", "1 step")
    assert files_of(s) == before and ranchers(s) == pods


def what_cannot_be_had_is_refused_with_its_reason_before_anything(s):
    before, pods = files_of(s), ranchers(s)

    def refused(code, *words, on=s.inventory, more=("--yes", "lab")):
        return s.cow("upgrade", "--to", *words, *more, inventory=on).must(code)
    refused(5, "rancher=2.11.2").says("2.11.2 is older", "cowhand rollback")
    refused(5, "rancher=2.12.1").says("does not run on a cluster that RKE built")
    refused(5, "kubernetes=v1.33.1-rancher1-1").says("takes Kubernetes 1.30 to 1.32, not 1.33")
    refused(5, "kubernetes=v1.34.1-rancher1-1").says("one minor at a time")
    refused(5, f"rancher={TOO_OLD}").says("takes Kubernetes < 1.32.0-0, and 1.32.2 runs then")
    refused(5, "rancher=2.11.9").says("Rancher's chart is not to be had")
    refused(2, "ranchr=2.11.5").says("did you mean rancher?")
    refused(2, f"rancher={TO}", more=("--yes", "other")).says("--yes says `other`")
    refused(2, f"rancher={TO}", more=()).says("has to be confirmed")
    bare = s.folder / "bare.yml"
    bare.write_text(re.sub(r"(?m)^backup: .*\n", "", s.inventory.read_text()))
    refused(5, f"rancher={TO}", on=bare).says("no backup is set up", "--no-backup")
    bare.write_text(s.inventory.read_text().replace(f"version: {FROM} ", f"version: &rancher {FROM} "))
    refused(3, f"rancher={TO}", on=bare).says("anchor", "by hand")
    bare.unlink()
    assert files_of(s) == before and ranchers(s) == pods and not backups(s)


def it_goes_there_behind_a_backup_and_the_page_stays(s):
    former, text = ranchers(s), s.inventory.read_text()
    with observed(s, s.folder) as observer:
        done = s.cow("upgrade", "--to", f"rancher={TO}", "--yes", "lab", "--output", "plain", inventory=s.inventory)
    done.must().says(f"Rancher {TO} runs everywhere, and nothing of the version before", "belongs together")
    page, = observer.page
    assert not page.failed, page.failed[:5]
    now = ranchers(s)
    assert set(now.values()) == {f"lab/rancher:v{TO}"} and len(now) == 3 and not set(now) & set(former), now
    assert s.inventory.read_text() == text.replace(f"version: {FROM} ", f"version: {TO} "), "only that line"
    kept = list((s.folder / ".cowhand" / "backups").glob("lab.yml.*"))
    assert [one.read_text() for one in kept] == [text], kept
    assert len(backups(s)) == 1
    s.cow("backup", "verify", backups(s)[0], "--identity", s.work / "backup.key").must()
    return f"{done.seconds:.0f} s; page asked {page.asked} times, 0 failed, longest gap {longest([page]):.2f} s"


def once_more_it_changes_nothing(s):
    pods, files = ranchers(s), files_of(s)
    s.cow("upgrade", "--to", f"rancher={TO}", "--yes", "lab", inventory=s.inventory).must().says("nothing to do")
    assert ranchers(s) == pods and files_of(s) == files
    s.cow("plan", "--exit-code", inventory=s.inventory).must(0).says("nothing would be changed")
    s.cow("history", inventory=s.inventory).must().says("upgrade")


STEPS = [
    a_cluster,
    what_it_could_take_is_said_and_nothing_changes,
    what_cannot_be_had_is_refused_with_its_reason_before_anything,
    it_goes_there_behind_a_backup_and_the_page_stays,
    once_more_it_changes_nothing,
]
