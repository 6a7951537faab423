"""The images inside the nodes. Loading them takes an engine half a minute, and three engines on two processors more than a minute;
so they are loaded once, into an engine in a throw-away machine, and every new node gets a copy of that engine's image folder.
The layers' files are hard links: an engine never writes to the layers of an image, only above them."""
import hashlib
import shutil
import zlib

from . import catalogue
from .archive import load_into
from .recipe import Recipe, remove
from .shell import Fail, run, wait_until, works

needs = sorted({layer for layers, _ in [*catalogue.images.values(), catalogue.node_image] for layer in layers})


def recipe(engine):
    def build_seed(out, words, needs):
        """Load the images in a throw-away machine and keep its engine's image folder."""
        image, name, held = load_node_image(engine, needs), f"cowhand-lab-seed-{zlib.crc32(str(out).encode()):08x}", out / "docker"
        held.mkdir()
        engine.works("rm", "-fv", name)
        try:
            engine.docker("run", "-d", "--name", name, "--label", "cowhand.lab=", "--network", "none", *machine_options, "-v", f"{held}:/var/lib/docker", image)
            wait_until("an engine in the machine that loads the images", 90, lambda: engine.works("exec", name, "docker", "info"))
            load_into(engine.words("exec", "-i", name, "docker", "load", "-q"), {n: ([needs[l] for l in ls], c) for n, (ls, c) in words["images"].items()})
            engine.docker("exec", name, "systemctl", "stop", "docker.socket", "docker.service", "containerd.service")
        finally:
            engine.works("rm", "-fv", name)
        for path in held.iterdir():
            if path.name not in ("image", "overlay2"):   # the rest is each engine's own: its id, its networks, its volumes
                remove(path)
    return Recipe("seed", build_seed, {"images": catalogue.images}, needs=needs)


# what a machine in a container needs to be one: every device, cgroups of its own, places that are no overlay
machine_options = ["--privileged", "--cgroupns=private", "--tmpfs", "/run", "--tmpfs", "/tmp:exec,mode=1777"]


def load_node_image(engine, paths):
    """The machine's own image, by a name that is the digest of what it is made of, in the outer engine."""
    layers, config = catalogue.node_image
    told = repr(([(paths[l] / "digest").read_text() for l in layers], config))
    image = "lab/node:" + hashlib.sha256(told.encode()).hexdigest()[:12]
    if not engine.works("image", "inspect", image):
        load_into(engine.words("load", "-q"), {image: ([paths[l] for l in layers], config)})
        for old in engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}", "lab/node").split():
            if old != image:
                engine.works("rmi", old)   # refused while another lab runs on it, and that is right
    return image


def plant(seed, place):
    """A node's /var/lib/docker, with every image in it and nothing else."""
    remove(place)
    place.mkdir(parents=True)
    shutil.copytree(seed / "docker" / "image", place / "image", symlinks=True)
    if not works(["cp", "-al", seed / "docker" / "overlay2", place / "overlay2"]):
        remove(place / "overlay2")
        run(["cp", "-a", "--reflink=auto", seed / "docker" / "overlay2", place / "overlay2"])
    if not (place / "image" / "overlay2" / "repositories.json").exists():
        raise Fail(f"the images in {seed} are not whole", f"rm -r {seed.parent}, then tests/lab/lab up")
