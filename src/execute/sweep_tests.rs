use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::remote::scripted::Machine;
use crate::remote::{Ended, Output};

/// A folder in the place of /, and programs that say what a test wrote down and note what they are asked to do.
struct Node {
    folder: tempfile::TempDir,
}

impl Node {
    fn new() -> Node {
        let node = Node { folder: tempfile::tempdir().unwrap() };
        for folder in ["bin", "root/proc", "root/tmp"] {
            fs::create_dir_all(node.path(folder)).unwrap();
        }
        node.write("root/proc/mounts", "");
        node.program("docker", "case \"$*\" in *--filter*) ;; 'ps -a '*) cat $here/containers ;; esac");
        node.program("ip", "case \"$*\" in 'route show') cat $here/routes ;; '-o link show') cat $here/links ;; esac");
        node.program("iptables-save", "cat $here/rules");
        node.program("iptables-restore", "cat > $here/rules");
        node.program("ip6tables-save", "exit 1");
        for file in ["containers", "routes", "links", "rules", "calls"] {
            node.write(file, "");
        }
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        let here = self.folder.path().display();
        fs::write(&path, format!("#!/bin/sh\nhere={here}\necho \"{name} $*\" >> $here/calls\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, step: &str) -> String {
        let mut path = self.path("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        let script = self.path("sweep.sh");
        fs::write(&script, SCRIPT).unwrap();
        let mut command = Command::new("/bin/sh");
        command.arg(script).args([step, "10.42.0.0/16", "192.168.1.1 192.168.1.2"]).arg(self.path("root"));
        let output = command.env("PATH", path).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && errors.is_empty(), "{errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn sweep(&self) -> Swept {
        swept(&self.run("after")).unwrap()
    }

    /// What a program was asked to do, by how the call begins.
    fn calls(&self, begin: &str) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap();
        calls.lines().filter_map(|call| call.strip_prefix(begin)).map(str::to_owned).collect()
    }

    fn has(&self, path: &str) -> bool {
        Path::new(&self.path("root")).join(path).exists()
    }
}

#[test]
fn only_routes_to_pods_go_wherever_the_machine_lies() {
    let node = Node::new();
    node.write(
        "routes",
        "default via 10.42.7.1 dev eth0 proto dhcp src 10.42.7.9\n\
         10.42.7.0/24 dev eth0 proto kernel scope link src 10.42.7.9\n\
         10.42.0.0/16 via 10.42.7.1 dev eth0\n\
         10.42.8.0/24 via 10.42.7.1 dev eth0 proto static\n\
         10.42.1.0/24 via 192.168.1.2 dev eth0\n\
         10.42.2.0/24 via 10.42.2.0 dev flannel.1 onlink\n\
         10.42.3.0/24 dev cni0 proto kernel scope link src 10.42.3.1\n\
         blackhole 10.42.4.64/26 proto 80\n\
         10.42.4.66 dev cali0123456789a scope link\n\
         10.142.1.0/24 via 192.168.1.2 dev eth0\n\
         10.43.1.0/24 via 192.168.1.2 dev eth0\n",
    );
    let left = node.sweep().left;
    let expected =
        ["10.42.1.0/24", "10.42.2.0/24", "10.42.3.0/24", "blackhole 10.42.4.64/26", "10.42.4.66"].map(str::to_owned);
    assert_eq!(node.calls("ip route delete "), expected);
    assert_eq!(left, expected.map(|route| format!("route {route}")), "what did not go is told");
}

#[test]
fn only_links_of_the_cluster_go() {
    let node = Node::new();
    node.write(
        "links",
        "1: lo: <LOOPBACK,UP> mtu 65536\n2: eth0@if7: <UP> mtu 1500\n3: docker0: <UP> mtu 1500\n\
         4: cni0: <UP> mtu 1450\n5: flannel.1: <UP> mtu 1450\n6: cali0123456789a@if2: <UP> mtu 1450\n\
         7: california: <UP> mtu 1500\n8: veth0a1b2c3d@if2: <UP> mtu 1500\n9: cni-podman0: <UP> mtu 1500\n",
    );
    let left = node.sweep().left;
    assert_eq!(node.calls("ip link delete "), ["cni0", "flannel.1", "cali0123456789a"]);
    assert_eq!(left, ["link cni0", "link flannel.1", "link cali0123456789a"]);
}

const RULES: &str = "*filter\n\
    :INPUT ACCEPT [0:0]\n\
    :KUBE-FORWARD - [0:0]\n\
    :FLANNEL-FWD - [0:0]\n\
    :cali-INPUT - [0:0]\n\
    :CNI-FORWARD - [0:0]\n\
    :MY-KUBE-LIKE - [0:0]\n\
    -A INPUT -m comment --comment \"see -j KUBE-FORWARD in the manual\" -j ACCEPT\n\
    -A INPUT -s 10.42.0.0/16 -p tcp -m tcp --dport 22 -j ACCEPT\n\
    -A INPUT -i cali+ -j ACCEPT\n\
    -A INPUT -j KUBE-FORWARD\n\
    -A FORWARD -s 10.42.0.0/16 -m comment --comment \"flanneld forward\" -j ACCEPT\n\
    -A FORWARD -m comment --comment \"CNI firewall plugin rules\" -j CNI-FORWARD\n\
    -A KUBE-FORWARD -j ACCEPT\n\
    COMMIT\n";

#[test]
fn rules_of_the_machine_stay_also_where_they_name_the_pods_network() {
    let node = Node::new();
    node.write("rules", RULES);
    assert_eq!(node.sweep().left, Vec::<String>::new());
    let left = "*filter\n:INPUT ACCEPT [0:0]\n:MY-KUBE-LIKE - [0:0]\n\
        -A INPUT -m comment --comment \"see -j KUBE-FORWARD in the manual\" -j ACCEPT\n\
        -A INPUT -s 10.42.0.0/16 -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";
    assert_eq!(fs::read_to_string(node.path("rules")).unwrap(), left);
    node.write("calls", "");
    node.sweep();
    assert_eq!(node.calls("iptables-restore"), Vec::<String>::new(), "what is clean is not written again");
}

#[test]
fn chains_that_stay_are_told() {
    let node = Node::new();
    node.write("rules", RULES);
    node.program("iptables-restore", "cat > /dev/null");
    assert_eq!(node.sweep().left, ["iptables 1 chains KUBE-*"]);
}

#[test]
fn a_network_of_somebody_else_outlives_rke_remove_and_the_sweep() {
    let node = Node::new();
    for file in [
        "etc/cni/net.d/87-podman-bridge.conflist",
        "etc/cni/net.d/10-canal.conflist",
        "opt/cni/bin/bridge",
        "var/lib/cni/networks/podman/10.88.0.5",
        "var/lib/cni/networks/k8s-pod-network/10.42.0.5",
    ] {
        node.write(&format!("root/{file}"), "x");
    }
    node.run("before");
    // As kube-cleaner does: find FOLDERS -mindepth 1 -delete.
    for folder in ["etc/cni", "opt/cni", "var/lib/cni"] {
        fs::remove_dir_all(node.path("root").join(folder)).unwrap();
    }
    node.write("rules", RULES);
    let swept = node.sweep();
    assert_eq!(swept.left, Vec::<String>::new());
    assert!(
        swept.kept.contains(&"/etc/cni/net.d/87-podman-bridge.conflist, which is not RKE's".to_owned()),
        "{swept:?}"
    );
    assert!(node.has("etc/cni/net.d/87-podman-bridge.conflist") && node.has("opt/cni/bin/bridge"));
    assert!(node.has("var/lib/cni/networks/podman/10.88.0.5"));
    assert!(!node.has("etc/cni/net.d/10-canal.conflist") && !node.has("var/lib/cni/networks/k8s-pod-network"));
    assert!(!node.has("var/lib/cowhand-kept"));
    assert!(fs::read_to_string(node.path("rules")).unwrap().contains(":CNI-FORWARD"), "they are podman's, too");
}

#[test]
fn what_rke_and_its_plugins_made_goes() {
    let node = Node::new();
    for file in [
        "etc/cni/net.d/10-flannel.conflist",
        "opt/cni/bin/flannel",
        "opt/cni/bin/mine",
        "var/lib/cni/networks/cbr0/10.42.0.5",
        "var/lib/calico/nodename",
        "etc/kubernetes/ssl/kube-ca.pem",
        "var/lib/etcd/member/snap/db",
        "var/lib/kubelet/pods/x",
        "opt/rke/etcd-snapshots/old.zip",
        "tmp/cowhand-node.lock",
    ] {
        node.write(&format!("root/{file}"), "x");
    }
    node.run("before");
    assert!(!node.has("var/lib/cowhand-kept"), "nobody else's network is there");
    let swept = node.sweep();
    assert_eq!(swept.left, Vec::<String>::new());
    assert_eq!(swept.kept, ["/opt/cni/bin/mine, which is not RKE's", "/opt/rke/etcd-snapshots"]);
    for gone in
        ["etc/cni", "opt/cni/bin/flannel", "var/lib/cni", "var/lib/calico", "etc/kubernetes", "var/lib/etcd/member"]
    {
        assert!(!node.has(gone), "{gone}");
    }
}

#[test]
fn what_would_not_go_is_named() {
    let node = Node::new();
    node.write("root/proc/mounts", "tmpfs /var/lib/kubelet/pods/a/volumes/b tmpfs rw 0 0\ntmpfs /mnt tmpfs rw 0 0\n");
    node.program("umount", "exit 1");
    node.write("containers", "etcd\netcd-of-mine\nkubernetes-dashboard\nk8s_POD_x\nkube-proxy\nrke-docs\n");
    let left = node.sweep().left;
    assert_eq!(
        left,
        ["container etcd", "container k8s_POD_x", "container kube-proxy", "mount /var/lib/kubelet/pods/a/volumes/b"]
    );
}

#[test]
fn docker_that_fails_is_no_node_without_containers() {
    let node = Node::new();
    node.program("docker", "case \"$*\" in *--filter*) exit 1 ;; 'ps -a'*) echo 'Cannot connect' >&2; exit 1 ;; esac");
    assert_eq!(node.sweep().left, ["perhaps containers: docker ps fails: Cannot connect"]);
}

fn rke(cluster: serde_json::Value) -> Rke {
    Rke {
        version: "v1.8.0".into(),
        kubernetes: "v1.32.2-rancher1-1".into(),
        binary: crate::inventory::Tool::Search,
        cluster: cluster.as_object().unwrap().clone(),
    }
}

#[tokio::test]
async fn the_networks_are_those_of_the_inventory() {
    let cluster =
        serde_json::json!({"services": {"kube-controller": {"cluster_cidr": "172.20.0.0/16,2001:cafe::/56"}}});
    let sweep = Sweep::new(&rke(cluster), ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()]);
    let machine = Machine::new("n1").answer(|_, _| {
        Some(Output::new(Ended::Code(0), "noise\n== left\nkept /opt/rke/etcd-snapshots\nlink cni0\n", ""))
    });
    let swept = sweep.after(&machine, "n1").await.unwrap();
    assert_eq!(swept, Swept { left: vec!["link cni0".into()], kept: vec!["/opt/rke/etcd-snapshots".into()] });
    assert_eq!(machine.lines(), ["sudo -n -- sh -s -- after '172.20.0.0/16 2001:cafe::/56' '10.0.0.1 10.0.0.2'"]);
    assert_eq!(Sweep::new(&rke(serde_json::json!({})), []).pods, ["10.42.0.0/16"]);
}

#[tokio::test]
async fn a_sweep_that_was_cut_off_is_no_clean_node() {
    let machine = Machine::new("n1").answer(|_, _| Some(Output::new(Ended::Code(0), "", "")));
    let error = Sweep::new(&rke(serde_json::json!({})), []).after(&machine, "n1").await.unwrap_err();
    assert!(error.to_string().contains("n1") && error.hint().is_some(), "{error}");
}

#[test]
fn a_look_names_what_would_go_and_takes_nothing() {
    let node = Node::new();
    node.write("containers", "nginx-proxy\nmine\n");
    node.write("root/var/lib/kubelet/pods/x", "");
    node.write("root/tmp/cowhand-node.lock", "");
    let seen = swept(&node.run("look")).unwrap();
    assert_eq!(seen.left, ["container nginx-proxy", "files in /var/lib/kubelet"]);
    assert_eq!((node.calls("docker rm"), node.has("var/lib/kubelet/pods/x")), (Vec::new(), true));
}
