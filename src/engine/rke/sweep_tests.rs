use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::remote::scripted::Machine;
use crate::remote::{Ended, Output};

/// A folder in the place of /, and programs that say what a test wrote down and note what they are asked to do.
pub(crate) struct Node {
    folder: tempfile::TempDir,
}

impl Node {
    pub(crate) fn new() -> Node {
        let node = Node { folder: tempfile::tempdir().unwrap() };
        for folder in ["bin", "root/tmp"] {
            fs::create_dir_all(node.path(folder)).unwrap();
        }
        node.program("docker", "case \"$*\" in 'ps -a '*) cat $here/containers ;; esac");
        node.program("ip", "case \"$*\" in 'route show') cat $here/routes ;; '-o link show') cat $here/links ;; esac");
        node.program("iptables-save", "cat $here/rules");
        node.program("iptables-restore", "cat > $here/rules");
        node.program("ip6tables-save", "exit 1");
        for file in ["containers", "routes", "links", "rules", "calls"] {
            node.write(file, "");
        }
        node
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn program(&self, name: &str, text: &str) {
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
        let lists = ["10.42.0.0/16", "192.168.1.1 192.168.1.2", "own/etcd:v1 own/tools:v1"];
        command.arg(script).arg(step).args(lists).arg(self.path("root"));
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

const PODMANS: &str = "root/etc/cni/net.d/87-podman-bridge.conflist";

#[test]
fn what_a_cut_off_run_kept_does_not_come_over_what_is_newer() {
    let node = Node::new();
    node.write(PODMANS, "old");
    node.write("root/opt/cni/bin/bridge", "old");
    node.write("root/etc/cni/net.d/99-other.conflist", "old");
    node.run("before");
    // Cut off after `rke remove`; then podman was installed anew, and `down` begins again.
    for folder in ["etc/cni", "opt/cni"] {
        fs::remove_dir_all(node.path("root").join(folder)).unwrap();
    }
    node.write(PODMANS, "new");
    node.write("root/opt/cni/bin/bridge", "new");
    node.run("before");
    for folder in ["etc/cni", "opt/cni"] {
        fs::remove_dir_all(node.path("root").join(folder)).unwrap();
    }
    assert_eq!(node.sweep().left, [""; 0]);
    let read = |name: &str| fs::read_to_string(node.path(name)).unwrap();
    assert_eq!((read(PODMANS), read("root/opt/cni/bin/bridge")), ("new".into(), "new".into()));
    assert_eq!(read("root/etc/cni/net.d/99-other.conflist"), "old", "nothing came in its place");
    assert!(!node.has("var/lib/cowhand-kept"));
}

#[test]
fn what_came_in_the_place_of_a_kept_file_stays_and_both_are_told() {
    let node = Node::new();
    node.write(PODMANS, "old");
    node.write("root/etc/cni/net.d/99-other.conflist", "same");
    node.run("before");
    node.write(PODMANS, "new");
    let kept = node.sweep().kept;
    assert_eq!(fs::read_to_string(node.path(PODMANS)).unwrap(), "new");
    let older = "root/var/lib/cowhand-kept.older/etc/cni/net.d";
    assert_eq!(fs::read_to_string(node.path(&format!("{older}/87-podman-bridge.conflist"))).unwrap(), "old");
    assert!(!node.path(&format!("{older}/99-other.conflist")).exists(), "the same twice is no second file");
    let told = "/var/lib/cowhand-kept.older: files of another network, in whose place others have come since";
    assert!(kept.contains(&told.to_owned()), "{kept:?}");
}

#[test]
fn a_copy_that_was_cut_off_is_none_and_a_whole_one_is_used() {
    let node = Node::new();
    node.write("root/var/lib/cowhand-kept.new/etc/cni/net.d/half.conflist", "half");
    node.write("root/var/lib/cowhand-kept/etc/cni/net.d/87-podman-bridge.conflist", "first");
    node.write("root/var/lib/cowhand-kept.next/etc/cni/net.d/87-podman-bridge.conflist", "second");
    node.sweep();
    assert_eq!(fs::read_to_string(node.path(PODMANS)).unwrap(), "second");
    node.run("before");
    assert!(!node.path("root/var/lib/cowhand-kept/etc/cni/net.d/half.conflist").exists());
    assert!(!node.has("var/lib/cowhand-kept.next") && !node.has("var/lib/cowhand-kept.new"));
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

/// As `docker ps` is asked for them: id, name, RKE's label, the pod's name, image.
const CONTAINERS: &str = "c1|etcd|etcd||own/etcd:v1\n\
    c2|old-kubelet|kubelet||rancher/hyperkube:v1.32.2-rancher1\n\
    c3|etcd-rolling-snapshots|||mirror.test:5000/rancher/rke-tools:v0.1.111\n\
    c4|cert-deployer|||own/tools:v1\n\
    c5|k8s_POD_x||x|rancher/mirrored-pause:3.7\n\
    c6|nginx-proxy|||nginx:1.27\n\
    c7|rke-port-checker|||somebody/checker:1\n\
    c8|k8s_mine|||somebody/web:1\n\
    c9|copy|etcd||copy-of-etcd:1\n\
    c10|etcd-of-mine||y|somebody/web:1\n\
    c11|rke-docs|||rancher/rke-tools:v0.1.111\n";

#[test]
fn a_container_goes_by_its_label_and_one_without_by_its_name_and_image() {
    let node = Node::new();
    node.write("containers", CONTAINERS);
    let swept = node.sweep();
    let mut removed = node.calls("docker rm -fv ");
    assert_eq!(removed.pop().as_deref(), Some("c5"), "the kubelet would make a pod again");
    removed.sort();
    assert_eq!(removed, ["c1", "c2", "c3", "c4"]);
    let copy = "copy, which bears RKE's label for etcd under another name: if nobody needs it, docker rm -fv copy";
    let left = [copy, "k8s_POD_x", "cert-deployer", "etcd", "etcd-rolling-snapshots", "old-kubelet"];
    let mut told = swept.left;
    told.sort();
    let mut expected = left.map(|name| format!("container {name}"));
    expected.sort();
    assert_eq!(told, expected);
    let kept = ["nginx-proxy of the image nginx:1.27", "rke-port-checker of the image somebody/checker:1"];
    assert_eq!(swept.kept, kept.map(|what| format!("container {what}, which is not RKE's")));
}

#[test]
fn the_script_knows_the_same_names_as_the_checks() {
    let list = |name: &str| {
        let (_, rest) = SCRIPT.split_once(&format!("\n{name}='")).unwrap();
        let words = rest.split('\'').next().unwrap().split_whitespace();
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(list("labelled"), crate::facts::LABELLED);
    assert_eq!(list("unlabelled"), crate::facts::UNLABELLED);
    assert!(SCRIPT.contains(&format!("'{}'", crate::facts::REPOSITORIES.join(" "))));
}

#[test]
fn docker_that_fails_is_no_node_without_containers() {
    let node = Node::new();
    node.program("docker", "echo 'Cannot connect' >&2; exit 1");
    node.write("root/var/lib/kubelet/pods/x", "");
    let left = node.sweep().left;
    assert_eq!(left, ["perhaps containers: docker ps fails: Cannot connect", "files in /var/lib/kubelet"]);
    assert!(node.has("var/lib/kubelet/pods/x"), "what runs there may still need it");
}

fn rke(cluster: serde_json::Value) -> Rke {
    Rke {
        version: "v1.8.0".into(),
        kubernetes: "v1.32.2-rancher1-1".into(),
        binary: crate::inventory::Tool::Search,
        cluster: cluster.as_object().unwrap().clone(),
        bucket_ca: None,
        files: Vec::new(),
        adopted: false,
    }
}

#[tokio::test]
async fn the_networks_are_those_of_the_inventory() {
    let cluster = serde_json::json!({"services": {"kube-controller": {"cluster_cidr": "172.20.0.0/16,2001:cafe::/56"}},
            "system_images": {"alpine": "own/tools:v1"}});
    let sweep = Sweep::new(&rke(cluster), ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()]);
    let machine = Machine::new("n1").answer(|_, _| {
        Some(Output::new(Ended::Code(0), "noise\n== left\nkept /opt/rke/etcd-snapshots\nlink cni0\n", ""))
    });
    let swept = sweep.after(&machine, "n1").await.unwrap();
    assert_eq!(swept, Swept { left: vec!["link cni0".into()], kept: vec!["/opt/rke/etcd-snapshots".into()] });
    assert_eq!(
        machine.lines(),
        ["sudo -n -- sh -s -- after '172.20.0.0/16 2001:cafe::/56' '10.0.0.1 10.0.0.2' own/tools:v1"]
    );
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
    node.write("containers", "c1|nginx-proxy|nginx-proxy||own/tools:v1\nc2|mine|||mine:1\n");
    node.write("root/var/lib/kubelet/pods/x", "");
    let seen = swept(&node.run("look")).unwrap();
    assert_eq!(seen.left, ["container nginx-proxy", "files in /var/lib/kubelet"]);
    assert_eq!((node.calls("docker rm"), node.has("var/lib/kubelet/pods/x")), (Vec::new(), true));
}

#[tokio::test]
async fn what_a_judge_finds_refuses_before_anything_is_changed() {
    let said = |text: &'static str| Machine::new("n1").answer(move |_, _| Some(Output::new(Ended::Code(0), text, "")));
    let sweep = Sweep::new(&rke(serde_json::json!({})), []);
    assert!(sweep.judge(&said("== against\n"), "n1").await.is_ok());
    let error = sweep.judge(&said("== against\n/etc/cni/x is mounted\nthis node lacks awk\n"), "n1").await.unwrap_err();
    assert_eq!(error.to_string(), "n1 must not be cleaned yet: /etc/cni/x is mounted; this node lacks awk");
    assert!(error.hint().unwrap().contains("nothing was touched"));
    assert!(matches!(sweep.judge(&said(""), "n1").await, Err(SweepError::CutOff { .. })));
}
