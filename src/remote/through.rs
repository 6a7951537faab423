//! The machines that a route passes through on its way.

use super::route::Route;
use super::target::Target;

/// Options of ssh(1) that take a value.
const WITH_VALUE: &str = "BbcDEeFIiJLlmOoPpQRSWw";

impl Route {
    /// Names or addresses of the machines in between: jump hosts, and the one that a proxy command of the kind
    /// `ssh -W %h:%p bastion` logs in to. Other proxy commands say none.
    pub fn passes_through(&self) -> Vec<String> {
        let host = |spec: &String| Target::default().jump_host(spec, &[]).ok().map(|jump| jump.host);
        let jumps = self.jumps.iter().filter_map(host);
        let proxy = self.proxy_command.as_deref().and_then(destination).and_then(|spec| host(&spec));
        jumps.chain(proxy).collect()
    }
}

/// The destination of an ssh command line.
fn destination(command: &str) -> Option<String> {
    let mut words = command.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    let program = words.find(|word| *word != "exec")?;
    if program.rsplit('/').next() != Some("ssh") {
        return None;
    }
    while let Some(word) = words.next() {
        let Some(options) = word.strip_prefix('-') else { return Some(word.to_owned()) };
        // `-qW host:port` and `-i file` take the next word, `-p22` brings its own.
        let with_value = options.find(|letter| WITH_VALUE.contains(letter));
        if with_value.is_some_and(|at| at + 1 == options.len()) {
            words.next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_destination_of_a_proxy_command_is_found() {
        for command in [
            "ssh -W 10.0.0.1:22 me@bastion",
            "/usr/bin/ssh -qW 10.0.0.1:22 -i ~/.ssh/key -p22 me@bastion",
            "exec ssh me@bastion -W 10.0.0.1:22",
            "ssh \"me@bastion\" nc 10.0.0.1 22",
        ] {
            assert_eq!(destination(command).as_deref(), Some("me@bastion"), "{command}");
        }
        assert_eq!(destination("nc 10.0.0.1 22"), None);
        assert_eq!(destination("ssh -W"), None);
    }
}
