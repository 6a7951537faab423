//! The probe's output to [`NodeFacts`]. Pure, and never fails: what cannot be read is a fact not seen.

use super::sections::{Sections, find};
use super::{
    CaFingerprint, Disk, Fact, FolderState, InputPolicy, KernelModules, KernelSettings, Leftover, Memory, NodeClock,
    NodeFacts, OperatingSystem, Place, SeLinux, Services, SshServer, Trace, Unseen, User, engine, network,
};

/// Reads what `probe.sh` printed.
pub fn parse(output: &str) -> NodeFacts {
    let sections = &Sections::cut(output);
    let kernel = sections.first("kernel").map(|line| line.split_whitespace().collect::<Vec<_>>());
    let word = |index: usize| -> Fact<String> {
        let words = kernel.as_ref().map_err(Clone::clone)?;
        words.get(index).map(|word| (*word).to_owned()).ok_or_else(|| Unseen("uname gave too little".into()))
    };
    NodeFacts {
        clock: clock(sections),
        hostname: sections.value("name", "hostname").map(str::to_owned),
        machine_id: sections.value("name", "machine-id").map(str::to_owned),
        os: operating_system(sections),
        kernel: word(0),
        architecture: word(1),
        cpus: sections.first("cpu").and_then(number),
        memory: memory(sections),
        disks: disks(sections),
        kubelet_mount: network::mount_of(sections, "/var/lib/kubelet"),
        addresses: network::addresses(sections),
        ssh_address: ssh_address(sections),
        user: user(sections),
        root: sections.lines("sudo").map(|_| ()),
        listening: network::listening(sections),
        docker_command: sections.first("docker-cli").map(str::to_owned),
        docker: engine::docker(sections),
        docker_as_root: engine::api(sections, "docker-version-root"),
        containers: engine::containers(sections),
        leftovers: leftovers(sections),
        traces: traces(sections),
        authority: authority(sections),
        resolver: network::resolver(sections),
        rancher_addresses: network::resolved(sections),
        time_synchronised: time_synchronised(sections),
        kernel_settings: kernel_settings(sections),
        kernel_modules: kernel_modules(sections),
        sshd: ssh_server(sections),
        services: services(sections),
        input_policy: input_policy(sections),
        selinux: selinux(sections),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Fact<T> {
    text.trim().parse().map_err(|_| Unseen(format!("`{text}` is not a number")))
}

fn clock(sections: &Sections) -> Fact<NodeClock> {
    NodeClock::read(sections.value("clock", "start")?, sections.value("clock", "end")?)
}

/// `KEY=value` and `KEY="value"` (man 5 os-release).
fn operating_system(sections: &Sections) -> Fact<OperatingSystem> {
    let lines = sections.lines("os")?;
    let value = |key: &str| -> String {
        let found = lines.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned()
    };
    let id = value("ID");
    if id.is_empty() {
        return Err(Unseen("os-release has no ID".into()));
    }
    let like = value("ID_LIKE").split_whitespace().map(str::to_owned).collect();
    Ok(OperatingSystem { id, like, version: value("VERSION_ID"), name: value("PRETTY_NAME") })
}

/// `MemTotal:       24684096 kB`; kB are 1024 bytes here (man 5 proc).
fn memory(sections: &Sections) -> Fact<Memory> {
    let lines = sections.lines("memory")?;
    let bytes = |key: &str| -> Option<u64> {
        find(&lines, key)?.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let total = bytes("MemTotal:").ok_or_else(|| Unseen("/proc/meminfo has no MemTotal".into()))?;
    Ok(Memory { total, swap: bytes("SwapTotal:").unwrap_or(0) })
}

/// Lines `at PLACE PATH`, then one line of `df -Pk` for each of them, in the same order.
fn disks(sections: &Sections) -> Fact<Vec<Disk>> {
    let mut found = disks_in(&sections.lines("disk")?);
    found.extend(disks_in(&sections.lines("disk-images").unwrap_or_default()));
    if found.is_empty() { Err(Unseen("df gave nothing".into())) } else { Ok(found) }
}

fn disks_in(lines: &[&str]) -> Vec<Disk> {
    let wanted: Vec<(&str, &str)> = lines.iter().filter_map(|line| line.strip_prefix("at ")?.split_once(' ')).collect();
    let answers: Vec<&&str> =
        lines.iter().filter(|line| !line.starts_with("at ") && !line.starts_with("Filesystem")).collect();
    // with a line missing nobody knows which one it is
    if wanted.len() != answers.len() {
        return Vec::new();
    }
    wanted.iter().zip(answers).filter_map(|((place, path), answer)| disk(place, path, answer)).collect()
}

fn disk(place: &str, path: &str, answer: &str) -> Option<Disk> {
    let place = match place {
        "images" => Place::Images,
        "etcd" => Place::Etcd,
        "kubelet" => Place::Kubelet,
        "root" => Place::Root,
        _ => return None,
    };
    let words: Vec<&str> = answer.split_whitespace().collect();
    // the device's name may have blanks in it, so the capacity's `%` is the place to count from
    let capacity = words.iter().position(|word| word.ends_with('%'))?;
    let kilobytes = |back: usize| words.get(capacity.checked_sub(back)?)?.parse::<u64>().ok()?.checked_mul(1024);
    let mount = words.get(capacity + 1..)?.join(" ");
    Some(Disk { place, path: path.to_owned(), mount, total: kilobytes(3)?, free: kilobytes(1)? })
}

/// SSH_CONNECTION: client address and port, server address and port.
fn ssh_address(sections: &Sections) -> Fact<std::net::IpAddr> {
    let line = sections.first("ssh")?;
    let address = line.split_whitespace().nth(2).and_then(|word| word.split('%').next()?.parse().ok());
    address.ok_or_else(|| Unseen(format!("SSH_CONNECTION is `{line}`")))
}

/// `uid=1000(rancher) gid=1000(rancher) groups=1000(rancher),998(docker)`; names may have blanks in them.
fn user(sections: &Sections) -> Fact<User> {
    let line = sections.first("user")?;
    let wrong = || Unseen(format!("id gave `{line}`"));
    let rest = line.strip_prefix("uid=").ok_or_else(wrong)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let name = rest[digits.len()..].strip_prefix('(').and_then(|rest| rest.split(')').next());
    // busybox leaves the groups out where there is only the first one
    let groups = line.split_once("groups=").or_else(|| line.split_once("gid=")).map(|(_, groups)| groups);
    let groups = groups.unwrap_or_default();
    let groups = groups.split(',').filter_map(|group| group.split_once('(')?.1.split(')').next());
    Ok(User {
        name: name.unwrap_or(&digits).to_owned(),
        id: digits.parse().map_err(|_| wrong())?,
        groups: groups.map(str::to_owned).collect(),
    })
}

fn leftovers(sections: &Sections) -> Fact<Vec<Leftover>> {
    let lines = sections.lines("leftovers")?;
    let pairs = lines.iter().filter_map(|line| line.split_once(' '));
    let known = pairs.filter_map(|(state, path)| {
        let state = match state {
            "absent" => FolderState::Absent,
            "empty" => FolderState::Empty,
            "full" => FolderState::Full,
            "unreadable" => FolderState::Unreadable,
            _ => return None,
        };
        Some(Leftover { path: path.to_owned(), state })
    });
    Ok(known.collect())
}

fn traces(sections: &Sections) -> Fact<Vec<Trace>> {
    let lines = sections.lines("traces")?;
    let trace = |line: &&str| match line.strip_prefix("running ") {
        Some(path) => Trace { path: path.to_owned(), running: true },
        None => Trace { path: (*line).to_owned(), running: false },
    };
    Ok(lines.iter().map(trace).collect())
}

/// No certificate is a fact only where /etc/kubernetes could be looked into, or is not there.
fn authority(sections: &Sections) -> Fact<Option<CaFingerprint>> {
    if sections.has("ca") {
        let pem = sections.lines("ca")?.join("\n") + "\n";
        if pem.contains("BEGIN") {
            return CaFingerprint::from_pem(&pem).map(Some);
        }
    }
    let folder = leftovers(sections)?.into_iter().find(|leftover| leftover.path == "/etc/kubernetes");
    match folder.map(|folder| folder.state) {
        Some(FolderState::Absent | FolderState::Empty) => Ok(None),
        Some(FolderState::Full) if sections.lines("sudo").is_ok() => Ok(None),
        Some(FolderState::Full | FolderState::Unreadable) => {
            Err(Unseen("the login user may not read /etc/kubernetes/ssl/kube-ca.pem".into()))
        }
        None => Err(Unseen("/etc/kubernetes was not looked at".into())),
    }
}

/// systemd: `NTPSynchronized=yes`; chrony: `Leap status     : Normal`; busybox adjtimex: `status: 64 (UNSYNC)`.
fn time_synchronised(sections: &Sections) -> Fact<bool> {
    let line = sections.first("ntp")?;
    if let Some(answer) = line.strip_prefix("NTPSynchronized=") {
        return Ok(answer == "yes");
    }
    if line.starts_with("Leap status") {
        return Ok(!line.contains("Not synchronised"));
    }
    if line.contains("status:") {
        return Ok(!line.contains("UNSYNC"));
    }
    Err(Unseen(format!("the time service says `{line}`")))
}

/// `/proc/sys/net/ipv4/ip_forward:1`, as grep puts it.
fn kernel_settings(sections: &Sections) -> KernelSettings {
    let read = |path: &str| -> Fact<u64> {
        let lines = sections.lines("sysctl")?;
        let value =
            lines.iter().find_map(|line| line.strip_prefix("/proc/sys/")?.strip_prefix(path)?.strip_prefix(':'));
        value.ok_or_else(|| Unseen(format!("/proc/sys/{path} is not there"))).and_then(number)
    };
    KernelSettings {
        ip_forward: read("net/ipv4/ip_forward").map(|value| value != 0),
        bridge_iptables: read("net/bridge/bridge-nf-call-iptables").map(|value| value != 0),
    }
}

/// `loaded vxlan`, and lines of modules.dep and modules.builtin: `/vxlan.ko.xz:`.
fn kernel_modules(sections: &Sections) -> KernelModules {
    let lines = sections.lines("modules").unwrap_or_default();
    let loaded = lines.iter().filter_map(|line| line.strip_prefix("loaded "));
    let available = lines.iter().filter_map(|line| line.rsplit('/').next()?.split_once(".ko")).map(|(name, _)| name);
    KernelModules { loaded: loaded.map(str::to_owned).collect(), available: available.map(str::to_owned).collect() }
}

fn ssh_server(sections: &Sections) -> Fact<SshServer> {
    let lines = as_root(sections, "sshd")?;
    let text = |key: &str| find(&lines, key).map(str::to_owned);
    Ok(SshServer {
        allow_tcp_forwarding: text("allowtcpforwarding"),
        allow_stream_local_forwarding: text("allowstreamlocalforwarding"),
        disable_forwarding: text("disableforwarding"),
        max_sessions: find(&lines, "maxsessions").and_then(|value| value.parse().ok()),
        permit_open: text("permitopen"),
    })
}

fn as_root<'a>(sections: &Sections<'a>, section: &str) -> Fact<Vec<&'a str>> {
    if sections.complete && !sections.has(section) {
        return Err(Unseen("only root sees it".into()));
    }
    sections.lines(section)
}

fn services(sections: &Sections) -> Services {
    let active = |unit: &str| sections.value("services", unit).map(|state| state == "active");
    let lines = sections.lines("services").unwrap_or_default();
    let ufw = lines.iter().find_map(|line| line.strip_prefix("ENABLED="));
    Services {
        firewalld: active("firewalld"),
        ufw_enabled: ufw.map(|value| value.trim_matches('"').eq_ignore_ascii_case("yes")),
        nm_cloud_setup: lines.contains(&"nm-cloud-setup enabled"),
    }
}

/// nft: `type filter hook input priority filter; policy drop;`, iptables: `-P INPUT DROP`; last, `asked nft`: without
/// that line nobody answered.
fn input_policy(sections: &Sections) -> Fact<InputPolicy> {
    let lines = as_root(sections, "input-policy")?;
    let drops = |line: &&&str| line.contains("policy drop") || line.trim() == "-P INPUT DROP";
    Ok(match lines.iter().find(drops) {
        Some(line) => InputPolicy::Drop(line.trim().to_owned()),
        None if lines.iter().any(|line| line.starts_with("asked ")) => InputPolicy::Accept,
        None => return Err(Unseen("no packet filter answered".into())),
    })
}

fn selinux(sections: &Sections) -> Option<SeLinux> {
    match sections.value("kind", "selinux").ok()? {
        "1" => Some(SeLinux::Enforcing),
        _ => Some(SeLinux::Permissive),
    }
}
