//! Nothing is deleted across a mount: real mounts in a namespace of their own, on dash with coreutils and on busybox alone.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use crate::engine::rke::sweep::tests::Node;
use crate::engine::rke::sweep::{SCRIPT, Swept, swept};

/// What the script needs, and what the programs of these tests need.
const TOOLS: &[&str] = &[
    "awk", "cat", "chmod", "cksum", "cp", "find", "grep", "head", "ls", "mkdir", "mount", "mv", "rm", "rmdir", "sed",
    "sort", "tr", "umount", "wc",
];

#[derive(Debug, Clone, Copy)]
enum Shell {
    Dash,
    Busybox,
}

const SHELLS: [Shell; 2] = [Shell::Dash, Shell::Busybox];

fn program(name: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap() + ":/usr/sbin:/sbin";
    let found = path.split(':').map(|folder| PathBuf::from(folder).join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: `tests/lab/lab install --only-tests`"))
}

/// A node on which mounts are made, and what was said and still there when `step` had run.
struct Mounted {
    node: Node,
    shell: Shell,
    lacks: &'static str,
}

impl Mounted {
    fn new(shell: Shell) -> Mounted {
        Mounted { node: Node::new(), shell, lacks: "" }
    }

    /// The shell with its own tools: the system's, or nothing but busybox.
    fn tools(&self) -> (PathBuf, Vec<&'static str>) {
        let folder = self.node.path("tools");
        fs::create_dir_all(&folder).unwrap();
        for tool in TOOLS.iter().filter(|tool| **tool != self.lacks) {
            let target = match self.shell {
                Shell::Dash => program(tool),
                Shell::Busybox => program("busybox"),
            };
            symlink(target, folder.join(tool)).unwrap();
        }
        match self.shell {
            Shell::Dash => (program("dash"), vec![]),
            Shell::Busybox => (program("busybox"), vec!["sh"]),
        }
    }

    /// Runs `setup` with the node's root as $R, the step, and `proof`, which fails when a canary is gone. All in a mount
    /// namespace: root needs only that, others a user namespace as well.
    fn run(&self, setup: &str, step: &str, proof: &str) -> String {
        let (shell, words) = self.tools();
        self.node.write("sweep.sh", SCRIPT);
        let path = |name: &str| self.node.path(name).display().to_string();
        let tools = format!("{}:{}", path("bin"), path("tools"));
        let sweep = format!("{} {}", shell.display(), words.join(" "));
        let script = format!(
            "set -e\nR={root}\n{setup}\nset +e\n\
             PATH={tools} {sweep} {script} {step} 10.42.0.0/16 '' '' $R\n\
             echo \"== ended $?\"\n[ -z \"${{BUSY-}}\" ] || kill $BUSY\nset -e\n{proof}\n",
            root = path("root"),
            script = path("sweep.sh"),
        );
        let root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let mut command = Command::new(program("unshare"));
        command.arg(if root { "-m" } else { "-rm" }).args(["sh", "-xc", &script]);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.contains("== ended 0"), "{:?}: {said}\n{errors}", self.shell);
        said.replace(&path("root"), "").split("== ended").next().unwrap().to_owned()
    }

    fn after(&self, setup: &str, proof: &str) -> Swept {
        swept(&self.run(setup, "after", proof)).unwrap()
    }
}

/// A file system of somebody's at $R and what follows, with a file in it.
fn disk(at: &str) -> String {
    format!("at=$R'{at}'; mkdir -p \"$at\"; mount -t tmpfs disk \"$at\"; touch \"$at/canary\"\n")
}

/// A folder of somebody's at /srv, mounted at $R and what follows: on the same file system.
fn bound(at: &str) -> String {
    format!("at=$R'{at}'; mkdir -p \"$at\" $R/srv; touch $R/srv/canary; mount --bind $R/srv \"$at\"\n")
}

fn there(file: &str) -> String {
    format!("[ -e $R'{file}' ]\n")
}

#[test]
fn a_disk_in_the_kubelets_folder_stays_also_behind_a_link_or_with_a_blank() {
    for shell in SHELLS {
        for (link, at, real) in [
            (false, "/var/lib/kubelet/disk", "/var/lib/kubelet/disk"),
            (true, "/var/lib/kubelet/disk", "/data/lib/kubelet/disk"),
            (false, "/var/lib/kubelet/my disk", "/var/lib/kubelet/my disk"),
            (false, "/var/lib/kubelet/1\\040 2\\", "/var/lib/kubelet/1\\040 2\\"),
            (false, "/var/lib/kubelet/my 1st", "/var/lib/kubelet/my 1st"),
        ] {
            for mount in [disk(at), bound(at)] {
                let linked = if link { "mkdir -p $R/data/lib $R/var; ln -s ../data/lib $R/var/lib\n" } else { "" };
                let setup = format!("{linked}mkdir -p $R/var/lib/kubelet; touch $R/var/lib/kubelet/other\n{mount}");
                let proof = there(&format!("{at}/canary")) + &there("/var/lib/kubelet/other");
                let left = Mounted::new(shell).after(&setup, &proof).left;
                let mount = format!("mount {real} in /var/lib/kubelet");
                assert_eq!(left, [mount, "files in /var/lib/kubelet".to_owned()], "{shell:?}");
            }
        }
    }
}

#[test]
fn volumes_of_pods_are_unmounted_before_their_folders_go() {
    let volume = "/var/lib/kubelet/pods/a/volumes/kubernetes.io~csi/my disk/mount";
    let inner = format!("{volume}/inner");
    let staged = "/var/lib/kubelet/plugins/kubernetes.io/csi/driver/1/globalmount";
    for shell in SHELLS {
        for linked in ["", "mkdir -p $R/data/lib $R/var; ln -s ../data/lib $R/var/lib\n"] {
            let setup = format!("{linked}{}mkdir $R/srv/inner\n{}{}", bound(volume), disk(&inner), bound(staged));
            let proof = there("/srv/canary") + &there("/srv/inner") + "[ -z \"$(ls -A $R/var/lib/kubelet)\" ]";
            assert_eq!(Mounted::new(shell).after(&setup, &proof).left, [""; 0], "{shell:?}");
        }
    }
}

#[test]
fn a_volume_that_somebody_works_in_stays() {
    let volume = "/var/lib/kubelet/pods/a/volumes/b";
    for shell in SHELLS {
        for mount in [disk(volume), bound(volume)] {
            let busy = format!("{mount}cd $R{volume}; sleep 60 & BUSY=$!; cd /\n");
            let left = Mounted::new(shell).after(&busy, &there(&format!("{volume}/canary"))).left;
            assert_eq!(left[0], format!("mount {volume} in /var/lib/kubelet"), "{shell:?}");
        }
        // Whatever else keeps umount from it.
        let node = Mounted::new(shell);
        node.node.program("umount", "exit 1");
        let left = node.after(&bound(volume), &there("/srv/canary")).left;
        assert_eq!(left[0], format!("mount {volume} in /var/lib/kubelet"), "{shell:?}");
    }
}

#[test]
fn nothing_is_deleted_without_the_tools_to_see_mounts_by() {
    let volume = "/var/lib/kubelet/pods/a/volumes/b";
    for shell in SHELLS {
        for tool in ["awk", "find", "umount"] {
            let node = Mounted { lacks: tool, ..Mounted::new(shell) };
            let setup = disk(volume) + "mkdir -p $R/etc/kubernetes; touch $R/etc/kubernetes/canary\n";
            let proof = there(&format!("{volume}/canary")) + &there("/etc/kubernetes/canary");
            let left = node.after(&setup, &proof).left;
            assert_eq!(
                left,
                [format!("nobody knows what: this node lacks {tool}, so nothing was deleted")],
                "{shell:?}"
            );
        }
    }
}

const FOLDERS: &[&str] = &[
    "/etc/kubernetes",
    "/var/lib/cni",
    "/var/lib/calico",
    "/run/calico",
    "/run/flannel",
    "/var/lib/cri-dockerd",
    "/var/lib/rancher/rke",
    "/var/log/containers",
    "/var/log/pods",
    "/var/log/kube-audit",
    "/opt/rke/etcd-snapshots-restore",
    "/var/lib/etcd",
];

#[test]
fn no_folder_is_deleted_in_while_something_is_mounted_below() {
    for shell in SHELLS {
        for make in [disk as fn(&str) -> String, bound] {
            let mounts = FOLDERS.iter().map(|folder| make(&format!("{folder}/deep/er")));
            let proof = FOLDERS.iter().map(|folder| there(&format!("{folder}/deep/er/canary"))).collect::<String>();
            let left = Mounted::new(shell).after(&mounts.collect::<String>(), &proof).left;
            for folder in FOLDERS {
                let mount = format!("mount {folder}/deep/er in {folder}");
                assert!(left.contains(&mount) && left.contains(&format!("files in {folder}")), "{shell:?}: {left:?}");
            }
        }
    }
}

#[test]
fn files_of_rkes_plugins_stay_in_a_folder_that_somebody_mounted() {
    for shell in SHELLS {
        let setup = bound("/etc/cni/net.d") + &bound("/opt/cni/bin") + "touch $R/srv/10-canal.conflist $R/srv/bridge\n";
        let left = Mounted::new(shell).after(&setup, &(there("/srv/10-canal.conflist") + &there("/srv/bridge"))).left;
        let expected = ["mount /etc/cni/net.d in /etc/cni", "mount /opt/cni/bin in /opt/cni"];
        assert_eq!(left, expected, "{shell:?}");
    }
}

#[test]
fn a_mount_that_comes_while_it_is_deleted_is_not_entered() {
    for shell in SHELLS {
        let node = Mounted::new(shell);
        let find = match shell {
            Shell::Dash => program("find").display().to_string(),
            Shell::Busybox => format!("{} find", program("busybox").display()),
        };
        let late = "$here/root/var/lib/etcd/late";
        let come = format!("mount -t tmpfs late {late}; mkdir {late}/folder; echo x > {late}/canary");
        node.node.program("find", &format!("[ -e {late}/canary ] || {{ {come}; }}\nexec {find} \"$@\""));
        let setup = "mkdir -p $R/var/lib/etcd/late $R/var/lib/etcd/member/snap; touch $R/var/lib/etcd/member/snap/db\n";
        let proof = there("/var/lib/etcd/late/canary") + &there("/var/lib/etcd/late/folder");
        let left = node.after(setup, &proof).left;
        assert!(left.contains(&"mount /var/lib/etcd/late in /var/lib/etcd".to_owned()), "{shell:?}: {left:?}");
    }
}

#[test]
fn a_folder_on_a_disk_of_its_own_is_emptied_and_a_link_is_not_followed() {
    for shell in SHELLS {
        let setup = disk("/var/lib/etcd") + "mkdir -p $R/var/lib/etcd/a/b/c; touch $R/var/lib/etcd/a/b/c/d\n";
        let proof = "[ -z \"$(ls -A $R/var/lib/etcd)\" ]; grep -q ' /[^ ]*/var/lib/etcd ' /proc/self/mountinfo";
        assert_eq!(Mounted::new(shell).after(&setup, proof).left, [""; 0], "{shell:?}");

        let setup = "mkdir -p $R/data/all $R/var/lib; touch $R/data/all/canary; ln -s $R/data/all $R/var/lib/kubelet\n";
        let left = Mounted::new(shell).after(setup, &there("/data/all/canary")).left;
        let told = "files in /var/lib/kubelet, which is a link to /data/all: if they are the cluster's alone, delete them by hand";
        assert_eq!(left, [told], "{shell:?}");
    }
}

#[test]
fn what_rke_remove_would_delete_with_its_folders_is_seen_before() {
    let volume = "/var/lib/kubelet/pods/a/volumes/b";
    for shell in SHELLS {
        let said = Mounted::new(shell).run(
            &(disk("/var/lib/etcd") + &disk(volume) + &disk("/run/calico/cgroup")),
            "judge",
            "",
        );
        assert_eq!(said, "== against\n", "{shell:?}: a disk of its own, and what the cluster mounted");
        let setup = disk("/var/lib/etcd/my backup") + &bound("/opt/cni/bin");
        let said = Mounted::new(shell).run(&setup, "judge", "");
        let against = |mount: &str, folder: &str| {
            format!("{mount} is mounted in {folder}, which would be emptied with it: unmount it first\n")
        };
        let expected = against("/opt/cni/bin", "/opt/cni") + &against("/var/lib/etcd/my backup", "/var/lib/etcd");
        assert_eq!(said, format!("== against\n{expected}"), "{shell:?}");
        let said = Mounted { lacks: "awk", ..Mounted::new(shell) }.run("", "judge", "");
        assert!(said.contains("this node lacks awk, without which"), "{shell:?}: {said}");
    }
}
