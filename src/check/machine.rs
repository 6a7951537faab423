//! The machine itself: processor, memory, disks, kernel.

use crate::facts::{Disk, Fact, Place, Reached, SeLinux, Unseen};
use crate::inventory::Node;

use super::context::and_list;
use super::{Answer, Check, Context};

pub const ARCHITECTURE: Check = Check {
    id: "node.architecture",
    what: "the machine is x86_64",
    why: "RKE supports no other architecture: its images would not start",
    fix: "take another machine",
    run: architecture,
    offline: false,
};

fn architecture(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| match reached.facts.architecture.as_deref() {
        Ok("x86_64") => Answer::pass("x86_64"),
        Ok(other) => Answer::fail(format!("`{other}`"), format!("take an x86_64 machine for {}", node.name)),
        Err(unseen) => Answer::unknown("the architecture", unseen, "see what `uname -m` says there"),
    })
}

pub const CPU: Check = Check {
    id: "node.cpu",
    what: "at least 2 processors, better 4",
    why: "Rancher's own requirements name 4 for a small installation; below 2 etcd and the API server starve each other",
    fix: "give the machine more processors",
    run: cpu,
    offline: false,
};

fn cpu(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| match &reached.facts.cpus {
        Ok(cpus) if *cpus >= 4 => Answer::pass(format!("{cpus} processors")),
        Ok(cpus) if *cpus >= 2 => Answer::warn(
            format!("{cpus} processors; Rancher asks for 4 (up to 150 clusters)"),
            format!("give {} 4 processors", node.name),
        ),
        Ok(cpus) => {
            Answer::fail(format!("{cpus} processor"), format!("give {} at least 2, better 4 processors", node.name))
        }
        Err(unseen) => Answer::unknown("the processors", unseen, "see what `nproc` says there"),
    })
}

pub const MEMORY: Check = Check {
    id: "node.memory",
    what: "at least 4 GB of memory, better 16 GB",
    why: "Rancher's own requirements name 16 GB for a small installation; below 4 GB the kernel kills etcd or Rancher",
    fix: "give the machine more memory",
    run: memory,
    offline: false,
};

/// Decimal, because a kernel keeps a part of the nominal size for itself.
const GB: u64 = 1_000_000_000;

fn gigabytes(bytes: u64) -> String {
    format!("{}.{} GB", bytes / GB, bytes % GB / (GB / 10))
}

fn memory(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| match &reached.facts.memory {
        Ok(memory) if memory.total >= 16 * GB => Answer::pass(gigabytes(memory.total)),
        Ok(memory) if memory.total >= 4 * GB => Answer::warn(
            format!("{}; Rancher asks for 16 GB (up to 150 clusters)", gigabytes(memory.total)),
            format!("give {} 16 GB", node.name),
        ),
        Ok(memory) => Answer::fail(gigabytes(memory.total), format!("give {} at least 4 GB, better 16 GB", node.name)),
        Err(unseen) => Answer::unknown("the memory", unseen, "see what /proc/meminfo says there"),
    })
}

pub const SWAP: Check = Check {
    id: "node.swap",
    what: "the machine has no swap",
    why: "with swap the kubelet's memory limits mean little, and a node gets slow instead of evicting; RKE does run with it",
    fix: "sudo swapoff -a, and take the swap lines out of /etc/fstab",
    run: swap,
    offline: false,
};

fn swap(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let fix = format!("on {}, `sudo swapoff -a`, and take its line out of /etc/fstab", node.name);
        match &reached.facts.memory {
            Ok(memory) if memory.swap == 0 => Answer::pass("none"),
            Ok(memory) => Answer::warn(format!("{} of swap", gigabytes(memory.swap)), fix),
            Err(unseen) => Answer::unseen_advice("swap", unseen, fix),
        }
    })
}

pub const DISK_IMAGES: Check = Check {
    id: "disk.images",
    what: "room where Docker's images lie: at least 10 GB and 15 % free, better 20 GB",
    why: "the kubelet evicts pods when less than 15 % is free there (its default imagefs.available)",
    fix: "make room, or put Docker's folder on a larger disk",
    run: disk_images,
    offline: false,
};

fn disk_images(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let fix = |disk: &Disk| {
            format!("on {}, make room on {} (`docker system prune`), or enlarge it", node.name, disk.mount)
        };
        match disk(reached, Place::Images) {
            Ok(disk) if disk.free < 10 * GB || disk.free_percent() < 15 => Answer::fail(free(disk), fix(disk)),
            Ok(disk) if disk.free < 20 * GB => Answer::warn(free(disk), fix(disk)),
            Ok(disk) => Answer::pass(free(disk)),
            Err(unseen) => {
                Answer::unknown("the room for images", &unseen, format!("see what `df` says on {}", node.name))
            }
        }
    })
}

pub const DISK_ETCD: Check = Check {
    id: "disk.etcd",
    what: "room where etcd lies: at least 2 GB, better 10 GB",
    why: "etcd stops writing when its disk is full; its database may grow to 2 GB, and snapshots come on top",
    fix: "make room, or put /var/lib/etcd on a disk of its own",
    run: disk_etcd,
    offline: false,
};

fn disk_etcd(context: &Context) -> Vec<Answer> {
    let answers = context.each_node(|node, reached| {
        let fix = format!("on {}, make room on the disk of /var/lib/etcd, or give it one of its own", node.name);
        match disk(reached, Place::Etcd) {
            Ok(disk) if disk.free < 2 * GB => Answer::fail(free(disk), fix),
            Ok(disk) if disk.free < 10 * GB => Answer::warn(free(disk), fix),
            Ok(disk) => Answer::pass(free(disk)),
            Err(unseen) => Answer::unknown("the room for etcd", &unseen, fix),
        }
    });
    let without_etcd = |name: &str| context.inventory.nodes.iter().any(|node| node.name == name && !node.roles.etcd);
    answers.into_iter().filter(|answer| !answer.subject.as_deref().is_some_and(without_etcd)).collect()
}

fn disk(reached: &Reached, place: Place) -> Fact<&Disk> {
    reached.facts.disks.as_ref().map_err(Clone::clone)?;
    reached.facts.disk(place).ok_or_else(|| Unseen("df did not show its file system".into()))
}

fn free(disk: &Disk) -> String {
    format!("{} ({} %) free on {}, for {}", gigabytes(disk.free), disk.free_percent(), disk.mount, disk.path)
}

pub const MOUNT_PROPAGATION: Check = Check {
    id: "mount.propagation",
    what: "the mount that holds /var/lib/kubelet is shared",
    why: "Docker refuses the kubelet otherwise: `path /var/lib/kubelet is mounted on / but it is not a shared mount`",
    fix: "sudo mount --make-rshared /",
    run: mount_propagation,
    offline: false,
};

fn mount_propagation(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| match &reached.facts.kubelet_mount {
        Ok(mount) if mount.shared => Answer::pass(format!("{} is shared", mount.point)),
        Ok(mount) => Answer::fail(
            format!("{} is private", mount.point),
            format!("on {}, `sudo mount --make-rshared {}`, and let it happen at every boot", node.name, mount.point),
        ),
        Err(unseen) => Answer::unknown("the mount", unseen, format!("on {}, `sudo mount --make-rshared /`", node.name)),
    })
}

pub const KERNEL_MODULES: Check = Check {
    id: "node.kernel-modules",
    what: "the kernel has overlay, vxlan, br_netfilter, nf_conntrack and ip_set, loaded or to be loaded",
    why: "Docker, the pod network and kube-proxy each need one; minimal kernels leave them out",
    fix: "install the distribution's full kernel modules package",
    run: kernel_modules,
    offline: false,
};

fn kernel_modules(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let modules = &reached.facts.kernel_modules;
        // built into the kernel it has no folder below /sys/module, but its setting is there
        let built_in = |name: &str| name == "br_netfilter" && reached.facts.kernel_settings.bridge_iptables.is_ok();
        let there = |name: &str| modules.loaded.iter().chain(&modules.available).any(|module| module == name);
        let wanted = ["overlay", "vxlan", "br_netfilter", "nf_conntrack", "ip_set"];
        let missing: Vec<&str> = wanted.into_iter().filter(|name| !there(name) && !built_in(name)).collect();
        if missing.is_empty() {
            return Answer::pass("all there");
        }
        Answer::warn(
            format!("{} neither loaded nor below /lib/modules", and_list(&missing)),
            format!(
                "on {}, `sudo modprobe -a {}`; if that fails, install the full modules package (RHEL: kernel-modules-extra, Ubuntu: linux-modules-extra)",
                node.name,
                missing.join(" ")
            ),
        )
    })
}

pub const SELINUX: Check = Check {
    id: "node.selinux",
    what: "SELinux does not enforce, or the user knows that RKE needs its policy",
    why: "with SELinux in Docker RKE's containers need the package rancher-selinux; rke checks it and stops",
    fix: "install rancher-selinux, or let Docker run without SELinux",
    run: selinux,
    offline: false,
};

fn selinux(context: &Context) -> Vec<Answer> {
    context.each_node(|node, reached| {
        let in_docker = reached.facts.docker.as_ref().is_ok_and(|docker| docker.security.contains("name=selinux"));
        match reached.facts.selinux {
            Some(SeLinux::Enforcing) if in_docker => Answer::warn(
                "SELinux enforces, and Docker uses it",
                format!("on {}, install the package rancher-selinux", node.name),
            ),
            Some(SeLinux::Enforcing) => Answer::pass("SELinux enforces, but Docker does not use it"),
            Some(SeLinux::Permissive) => Answer::pass("SELinux only warns"),
            None => Answer::pass("no SELinux"),
        }
    })
}

pub const CLOUD_NETWORK_SETUP: Check = Check {
    id: "node.nm-cloud-setup",
    what: "nm-cloud-setup is off",
    why: "on RHEL 8.4 and later in clouds it rewrites routing rules behind Kubernetes' back, and pods lose their network",
    fix: "sudo systemctl disable --now nm-cloud-setup.service nm-cloud-setup.timer, then reboot",
    run: cloud_network_setup,
    offline: false,
};

fn cloud_network_setup(context: &Context) -> Vec<Answer> {
    let judge = |node: &Node, reached: &Reached| {
        if !reached.facts.services.nm_cloud_setup {
            return Answer::pass("off");
        }
        Answer::warn(
            "its timer is enabled",
            format!(
                "on {}, `sudo systemctl disable --now nm-cloud-setup.service nm-cloud-setup.timer`, then reboot it",
                node.name
            ),
        )
    };
    context.each_node(judge)
}
