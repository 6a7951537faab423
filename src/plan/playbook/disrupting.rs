//! Which commands may take a node, or what runs on it, away for a while. Wrong only to the careful side: whatever is found
//! here is done on one node at a time, and that is all.

/// Words that stop, restart or replace something, wherever in a command or a script they stand.
const STOPPING: [&str; 34] = [
    "reboot",
    "shutdown",
    "poweroff",
    "halt",
    "kexec",
    "telinit",
    "init",
    "suspend",
    "hibernate",
    "isolate",
    "stop",
    "restart",
    "kill",
    "pkill",
    "killall",
    "pause",
    "drain",
    "cordon",
    "evict",
    "upgrade",
    "update",
    "install",
    "remove",
    "purge",
    "autoremove",
    "erase",
    "rm",
    "prune",
    "umount",
    "down",
    "off",
    "disable",
    "mask",
    "flush",
];

/// The first word of them that takes something away, if any.
pub(super) fn disrupting(words: &[&str]) -> Option<&'static str> {
    let letters = |letter: char| !letter.is_ascii_alphanumeric();
    let mut parts = words.iter().flat_map(|word| word.split(letters));
    parts.find_map(|part| STOPPING.into_iter().find(|word| part.eq_ignore_ascii_case(word)))
}

/// Commands after which the node itself goes away, and with it this run's connection and the lock that it holds there.
const LEAVING: [&str; 5] = ["reboot", "shutdown", "poweroff", "halt", "kexec"];

/// The command that takes the whole node away, if it is one: by its own name, or as what systemctl is told.
pub(super) fn leaving(words: &[&str]) -> Option<&'static str> {
    let name = |word: &str| {
        let name = word.rsplit('/').next().unwrap_or(word);
        LEAVING.into_iter().find(|leaving| *leaving == name)
    };
    let (first, rest) = words.split_first()?;
    match first.rsplit('/').next() {
        Some("systemctl" | "sudo" | "env" | "nohup") => rest.iter().find_map(|word| name(word)),
        Some(_) | None => name(first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_may_take_a_node_away_is_found() {
        for line in [
            "reboot",
            "systemctl reboot",
            "/sbin/shutdown -r +1",
            "systemctl restart docker",
            "docker stop etcd",
            "apt-get -y upgrade",
            "sh -c sleep_5;docker_restart",
            "kubectl drain n1",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(disrupting(&words).is_some(), "{line}");
        }
        for line in ["uptime", "docker ps", "cat /etc/os-release", "sleep 5", "kubectl uncordon n1"] {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(disrupting(&words), None, "{line}");
        }
        assert_eq!(leaving(&["systemctl", "reboot"]), Some("reboot"));
        assert_eq!(leaving(&["/sbin/shutdown", "-r"]), Some("shutdown"));
        assert_eq!(leaving(&["test", "-f", "/var/run/reboot-required"]), None);
        assert_eq!(leaving(&["systemctl", "restart", "docker"]), None);
    }
}
