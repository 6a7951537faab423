//! The detailed log: it says how machines were reached and what ran there, and nothing that is secret.

use cowhand::remote::{Remote, Stdin, Target, Words};

use crate::world::{Person, World, asking, connect_with};

const PASSPHRASE: &str = "CANARY-opensesame";
const INPUT: &str = "CANARY-stdin";
const OUTPUT: &str = "CANARY-output";

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_the_way_and_no_secret() {
    let world = World::new();
    let key = world.key("logged", &["-t", "ed25519", "-N", PASSPHRASE, "-a", "1"]);
    let sshd = crate::world::Sshd::start(&crate::world::public(&key), "");
    world.know(&sshd.known_line());
    let file = tempfile::NamedTempFile::new().unwrap();
    cowhand::report::log::start(Some(file.reopen().unwrap()), None);

    let target = Target { identity_file: Some(key.clone()), ..world.target("logged-node", sshd.port) };
    let connection = connect_with(target, asking(&Person::with(&[PASSPHRASE]))).await.unwrap();
    let words = Words::new("sh").args(["-c", "cat >/dev/null; printf CANARY-; printf output"]);
    assert_eq!(connection.text(&words, Stdin::Text(INPUT.into())).await.unwrap(), OUTPUT);

    let log = std::fs::read_to_string(file.path()).unwrap();
    for told in [
        "node{name=logged-node}",
        "key exchange",
        "method=\"publickey\"",
        "logged in",
        "channel opened",
        "command ended",
    ] {
        assert!(log.contains(told), "{told} is not in\n{log}");
    }
    let private = std::fs::read_to_string(&key).unwrap();
    let body = private.lines().nth(1).unwrap();
    for canary in [PASSPHRASE, INPUT, OUTPUT, body] {
        assert!(!log.contains(canary), "{canary} is in\n{log}");
    }
}
