"""Image archives as `docker load` reads them, put together from layers without an engine."""
import hashlib
import io
import json
import subprocess
import tarfile

from .shell import Fail


def write_archive(stream, images):
    """`images`: name -> (paths of layer artefacts, config). A layer that several images share is written once."""
    written, manifest = set(), []
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT, bufsize=1 << 20) as tar:
        def add_bytes(name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, (layers, config) in images.items():
            digests = [(path / "digest").read_text() for path in layers]
            told = {"architecture": "amd64", "os": "linux", "created": "2025-01-01T00:00:00Z", "config": config,
                    "rootfs": {"type": "layers", "diff_ids": [f"sha256:{d}" for d in digests]},
                    "history": [{"created": "2025-01-01T00:00:00Z", "created_by": path.parent.name} for path in layers]}
            data = json.dumps(told, sort_keys=True).encode()
            config_name = hashlib.sha256(data).hexdigest() + ".json"
            for path, digest in zip(layers, digests):
                if digest not in written:
                    written.add(digest)
                    tar.add(path / "layer.tar", f"{digest}/layer.tar")
            if config_name not in written:
                written.add(config_name)
                add_bytes(config_name, data)
            manifest.append({"Config": config_name, "RepoTags": [name], "Layers": [f"{d}/layer.tar" for d in digests]})
        add_bytes("manifest.json", json.dumps(manifest).encode())


def load_into(words, images):
    """Pour an archive into the stdin of a `docker load`."""
    loading = subprocess.Popen([str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    broken = None
    try:
        write_archive(loading.stdin, images)
        loading.stdin.close()
    except BrokenPipeError as error:
        broken = error
    said = loading.stdout.read().decode(errors="replace")
    if loading.wait() != 0 or broken:
        raise Fail(f"`{' '.join(map(str, words))}` did not take the images: {said.strip()[-500:]}")
