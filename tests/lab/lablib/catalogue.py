"""All artefacts of the lab and all images of its cluster, as data. This is the file to change for another version."""
from .kinds import c_program, cargo_program, charts, debian_root, go_command, go_sources, layer

kubernetes = "v1.32.2"
rke = "v1.8.0"
helm = "v3.18.6"
cert_manager = "v1.11.5"
traefik = "v3.6.0"
rancher = "v2.11.5"

_stamp = "k8s.io/component-base/version k8s.io/client-go/pkg/version".split()
_kubernetes_flags = " ".join(f"-X {p}.gitVersion={kubernetes} -X {p}.gitMajor=1 -X {p}.gitMinor=32" for p in _stamp)
# the Kubernetes that helm renders for where there is no cluster, as its own release stamps it
_helm_flags = " ".join([f"-X helm.sh/helm/v3/internal/version.version={helm}",
                        *[f"-X helm.sh/helm/v3/pkg/{p}.k8sVersion{m}" for p in ("lint/rules", "chartutil") for m in ("Major=1", "Minor=33")]])
_kube_commands = ["kubelet", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"]
_cert_manager_commands = ["controller", "webhook", "cainjector", "acmesolver", "ctl"]

_base_packages = ["etcd-server", "etcd-client", "kubernetes-client", "docker-cli", "ncat", "socat", "conntrack", "iptables", "ipset", "iproute2",
                  "ethtool", "kmod", "procps", "jq", "curl", "ca-certificates", "zip", "unzip", "haproxy", "acl", "containernetworking-plugins"]
_node_packages = ["systemd", "systemd-sysv", "dbus", "openssh-server", "openssh-client", "docker.io", "docker-cli", "iptables", "nftables", "sudo",
                  "iproute2", "iputils-ping", "procps", "conntrack", "ipset", "kmod", "jq", "ca-certificates", "curl"]

recipes = [
    go_command("rke", "github.com/rancher/rke", rke, ldflags=f"-X main.VERSION={rke}"),
    go_command("helm", "helm.sh/helm/v3", helm, "cmd/helm", _helm_flags),
    *[go_command(c, "k8s.io/kubernetes", kubernetes, f"cmd/{c}", _kubernetes_flags) for c in [*_kube_commands, "kubectl"]],
    # the checksum of its 0.29.10 was never recorded; 0.29.15 is the same minor version
    go_command("cri-dockerd", "github.com/Mirantis/cri-dockerd", "v0.3.17", rewrites=[["0.29.10", "0.29.15"], ["1.29.10", "1.29.15"]]),
    go_command("coredns", "github.com/coredns/coredns", "v1.11.3"),
    go_command("flannel", "github.com/containernetworking/plugins", "v0.9.1", "plugins/meta/flannel"),
    go_command("traefik", "github.com/traefik/traefik/v3", traefik, "cmd/traefik", f"-X github.com/traefik/traefik/v3/pkg/version.Version={traefik}"),
    *[go_command(f"cm-{c}", "github.com/cert-manager/cert-manager", cert_manager, f"cmd/{c}",
                 f"-X github.com/cert-manager/cert-manager/pkg/util.AppVersion={cert_manager}") for c in _cert_manager_commands],
    go_command("pebble", "github.com/letsencrypt/pebble/v2", "v2.10.1", "cmd/pebble"),
    c_program("pause", "images/pause/pause.c"),
    cargo_program("lab-rancher", "rancher"),
    go_sources("cert-manager-source", "github.com/cert-manager/cert-manager", cert_manager, "deploy"),
    go_sources("traefik-definitions", "github.com/traefik/traefik/v3", traefik, "docs/content/reference/dynamic-configuration"),
    charts("charts", "charts", cert_manager),

    debian_root("base-root", _base_packages, "images/base/prepare", {"etcd-server": "3.5.16", "kubernetes-client": "1.32."}),
    debian_root("node-root", _node_packages, "node/prepare", {"docker.io": "26.1.5"}),
    layer("layer-base", {"usr/local/bin/nc": "images/base/nc"}),
    layer("layer-tools", {
        "opt/rke-tools/entrypoint.sh": "images/tools/entrypoint.sh", "opt/rke-tools/rke-etcd-backup": "images/tools/rke-etcd-backup",
        "opt/rke-tools/bin/cri-dockerd": "go-cri-dockerd:cri-dockerd",
        "usr/local/bin/cert-deployer": "images/tools/cert-deployer", "usr/local/bin/nginx-proxy": "images/tools/nginx-proxy",
    }, {"opt/rke-tools/bin/docker": "/usr/bin/docker"}),
    layer("layer-kubernetes", {f"usr/local/bin/{c}": f"go-{c}:{c}" for c in _kube_commands}),
    layer("layer-flannel", {"install-cni.sh": "images/net/install-cni.sh", "opt/bin/flanneld": "images/net/flanneld", "opt/plugins/flannel": "go-flannel:flannel"}),
    layer("layer-autoscaler", {"cluster-proportional-autoscaler": "images/cluster-proportional-autoscaler"}),
    layer("layer-pause", {"pause": "pause:pause"}),
    layer("layer-coredns", {"coredns": "go-coredns:coredns"}),
    layer("layer-traefik", {"traefik": "go-traefik:traefik"}),
    *[layer(f"layer-cm-{c}", {"app": f"go-cm-{c}:cm-{c}"}) for c in _cert_manager_commands],
    layer("layer-rancher", {"usr/bin/rancher": "cargo-lab-rancher:lab-rancher"}),
    layer("layer-node", {"": "node/files"}),
]

_base = ["base-root", "layer-base"]
_shell = {"Cmd": ["bash"]}

# the images every node has, by the names that inventory/lab.yml gives to rke
images = {
    "lab/etcd:v3.5.16": (_base, _shell),
    "lab/tools:v0.1.111": ([*_base, "layer-tools"], {**_shell, "Volumes": {"/opt/rke-tools": {}}}),
    f"lab/hyperkube:{kubernetes}-lab1": ([*_base, "layer-kubernetes"], _shell),
    "lab/pause:3.9": (["layer-pause"], {"User": "65535:65535", "Entrypoint": ["/pause"]}),
    "lab/flannel:v0.26.4": ([*_base, "layer-flannel"], _shell),
    "lab/flannel-cni:v1.4.1": ([*_base, "layer-flannel"], _shell),
    "lab/coredns:1.11.3": (["layer-coredns"], {"Entrypoint": ["/coredns"]}),
    "lab/autoscaler:1.8.9": ([*_base, "layer-autoscaler"], _shell),
    f"lab/traefik:{traefik}": (["layer-traefik"], {"Entrypoint": ["/traefik"]}),
    # a numeric user, or the kubelet cannot see that it is not root
    **{f"lab/cert-manager-{c}:{cert_manager}": ([f"layer-cm-{c}"], {"User": "1000", "Entrypoint": ["/app"]}) for c in _cert_manager_commands},
    f"lab/rancher:{rancher}": ([*_base, "layer-rancher"], {"Entrypoint": ["/usr/bin/rancher"]}),
}

# the machine itself, an image of the outer engine
node_image = (["node-root", "layer-node"], {
    "Env": ["container=docker", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    "Cmd": ["/lib/systemd/systemd"], "StopSignal": "SIGRTMIN+3", "Volumes": {"/var/lib/docker": {}, "/var/lib/etcd": {}, "/var/lib/kubelet": {}},
})

# what lies on the PATH of a test
programs = {"rke": "go-rke", "helm": "go-helm", "kubectl": "go-kubectl", "pebble": "go-pebble",
            # for tests that need an API and no nodes
            "kube-apiserver": "go-kube-apiserver", "kube-controller-manager": "go-kube-controller-manager"}
