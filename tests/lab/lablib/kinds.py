"""How artefacts are made: a command of a Go module, a Debian root, a layer of files, a chart, a cargo package."""
import hashlib
import json
import os
import shutil
import stat
import tarfile
import tempfile
from pathlib import Path

from .recipe import Recipe, files_below, remove
from .settings import here
from .shell import Fail, run, run_logged


def go_command(name, module, version, package="", ldflags="", rewrites=()):
    words = {"module": module, "version": version, "package": f"{module}/{package}".rstrip("/"), "ldflags": ldflags, "rewrites": list(rewrites)}
    return Recipe(f"go-{name}", build_go_command, {"name": name, **words})


def build_go_command(out, words, needs):
    """Build a main package of a published module with the replace directives of its own go.mod, which `go install` refuses to
    honour: a throw-away module requires it and copies them. One that points into the source tree (the staging folders of
    k8s.io/kubernetes) becomes the published twin of the same version. Rewrites mend a version whose checksum was never recorded."""
    env = {"GOFLAGS": "-buildvcs=false -mod=mod", "CGO_ENABLED": "0"}
    module, version = words["module"], words["version"]
    with tempfile.TemporaryDirectory() as folder:
        run(["go", "mod", "init", "lab/build"], env=env, cwd=folder)
        theirs = json.loads(run(["go", "mod", "download", "-json", f"{module}@{version}"], env=env, cwd=folder))["GoMod"]
        theirs = json.loads(run(["go", "mod", "edit", "-json", theirs], env=env, cwd=folder))
        lines = ["module lab/build", f"go {theirs['Go']}", f"tool {words['package']}", f"require {module} {version}"]
        for replace in theirs.get("Replace") or []:
            old, new = replace["Old"], replace["New"]
            if "Version" not in new:
                new = {"Path": old["Path"], "Version": "v0." + version.split(".", 1)[1]}
            lines.append(f"replace {old['Path']} {old.get('Version', '')} => {new['Path']} {new['Version']}")
        text = "\n".join(lines) + "\n"
        for was, becomes in words["rewrites"]:
            text = text.replace(was, becomes)
        (Path(folder) / "go.mod").write_text(text)
        run_logged(["go", "build", "-trimpath", "-ldflags", f"-s -w {words['ldflags']}", "-o", out / words["name"], words["package"]],
                   out.parent / "log", env=env, cwd=folder)


def go_sources(name, module, version, folder):
    return Recipe(name, build_go_sources, {"module": module, "version": version, "folder": folder})


def build_go_sources(out, words, needs):
    """A folder of a published module, as files of our own."""
    told = json.loads(run(["go", "mod", "download", "-json", f"{words['module']}@{words['version']}"], cwd="/", env={"GOFLAGS": "-mod=mod"}))
    shutil.copytree(Path(told["Dir"]) / words["folder"], out, dirs_exist_ok=True)
    for path in [out, *out.rglob("*")]:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


def debian_root(name, packages, prepare, expect):
    return Recipe(name, build_debian_root, {"suite": "trixie", "packages": packages, "prepare": prepare, "expect": expect}, inputs=[here / prepare])


def build_debian_root(out, words, needs):
    """A Debian machine's files as the bottom layer of images. The mirror is mmdebstrap's own default."""
    root = out / "root.tar"
    lean = [f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in ("doc", "man", "locale", "info", "lintian")]
    run_logged(["mmdebstrap", "--variant=minbase", "--include=" + ",".join(words["packages"]), *lean,
                f'--customize-hook={here / words["prepare"]} "$1"', words["suite"], root], out.parent / "log")
    with tarfile.open(root) as tar:
        status = tar.extractfile("./var/lib/dpkg/status").read().decode()
    found = {}
    for stanza in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and not line.startswith(" "))
        found[fields.get("Package")] = fields.get("Version", "")
    for package, version in words["expect"].items():
        if not found.get(package, "").split(":")[-1].startswith(version):
            raise Fail(f"Debian {words['suite']} has {package} {found.get(package)}, the lab is written for {version}",
                       "change the recipe in tests/lab/lablib/catalogue.py and try the lab's stories")
    finish_layer(root, out)


def layer(name, files, links=None):
    """`files`: place in the image -> file of this folder, or `artefact:file`. `links`: place -> what it points to."""
    inputs = [here / source for source in files.values() if ":" not in source]
    needs = sorted({source.split(":")[0] for source in files.values() if ":" in source})
    return Recipe(name, build_layer, {"files": files, "links": links or {}}, inputs, needs)


def build_layer(out, words, needs):
    """Files on top of a root: the same bytes for the same input, wherever and whenever they are packed."""
    def plain(info):
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = "root"
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info
    files = {}
    for place, source in words["files"].items():
        artefact, _, file = source.rpartition(":")
        path = needs[artefact] / file if artefact else here / source
        files.update({name: inner for name, inner in files_below(path)} if place == "" else {place: path})
    folders = {str(above) for place in [*files, *words["links"]] for above in Path(place).parents} - {"."}
    with tarfile.open(out / "root.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        for place in sorted(folders):   # named, or an engine makes them so that only root may enter
            folder = tarfile.TarInfo(place)
            folder.type = tarfile.DIRTYPE
            tar.addfile(plain(folder))
        for place, path in sorted(files.items()):
            tar.add(path, place, filter=plain)
        for place, target in sorted(words["links"].items()):
            link = tarfile.TarInfo(place)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
    finish_layer(out / "root.tar", out)


def finish_layer(tar, out):
    """A layer lies in the cache as `layer.tar` with its digest beside it."""
    total = hashlib.sha256()
    with open(tar, "rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    (out / "digest").write_text(total.hexdigest())
    tar.rename(out / "layer.tar")


def c_program(name, source):
    return Recipe(name, build_c_program, {"name": name, "source": source}, inputs=[here / source])


def build_c_program(out, words, needs):
    run(["gcc", "-O2", "-static", "-o", out / words["name"], here / words["source"]])


def cargo_program(name, package):
    return Recipe(f"cargo-{name}", build_cargo_program, {"name": name, "package": package}, inputs=[here / package / p for p in ("Cargo.toml", "Cargo.lock", "src")])


def build_cargo_program(out, words, needs):
    """The stand-in is a package of its own; its build folder stays in the cache, so that a small change costs seconds."""
    manifest = here / words["package"] / "Cargo.toml"
    if not manifest.exists():
        raise Fail(f"{manifest} is not there: the stand-in for Rancher's image is built from it", "take the whole checkout")
    target = out.parent / "target"
    run_logged(["cargo", "build", "--release", "--locked", "--manifest-path", manifest, "--target-dir", target], out.parent / "log")
    shutil.copy(target / "release" / words["name"], out / words["name"])


def charts(name, folder, cert_manager):
    return Recipe(name, build_charts, {"folder": folder, "cert_manager": cert_manager}, inputs=[here / folder], needs=["cert-manager-source", "traefik-definitions"])


def build_charts(out, words, needs):
    """The charts a test installs: our stand-ins, Traefik's with the definitions of its own source; and cert-manager's own, whose
    published form differs from its source by two things its release adds: the version in Chart.yaml, and the CRDs among the templates."""
    for chart in sorted((here / words["folder"]).iterdir()):
        if (chart / "Chart.yaml").exists():
            shutil.copytree(chart, out / chart.name)
    (out / "traefik" / "crds").mkdir()
    shutil.copy(needs["traefik-definitions"] / "kubernetes-crd-definition-v1.yml", out / "traefik" / "crds" / "traefik.yaml")
    source, chart, version = needs["cert-manager-source"], out / "cert-manager", words["cert_manager"]
    shutil.copytree(source / "charts" / "cert-manager", chart)
    template = chart / "Chart.template.yaml"
    about = (template if template.exists() else chart / "Chart.yaml").read_text().replace("{{IS_PRERELEASE}}", "false")
    lines = [l for l in about.splitlines() if not l.startswith(("version:", "appVersion:"))]
    (chart / "Chart.yaml").write_text("\n".join([*lines, f"version: {version}", f"appVersion: {version}"]) + "\n")
    remove(template)
    parts = [crd.read_text().strip() for crd in sorted((source / "crds").glob("crd-*.yaml"))]
    (chart / "templates" / "crds.yaml").write_text("{{- if .Values.installCRDs }}\n" + "\n---\n".join(parts) + "\n{{- end }}\n")
