//! A node that says without an end whatever it is asked: it is given up, and the others go on.

use std::time::{Duration, Instant};

use cowhand::failure::Hint;
use cowhand::remote::{LockError, NodeLock, Remote, RemoteError, Stdin, Words};

use crate::binary::{REST, cowhand};
use crate::world::{Sshd, World, connect, public, user};

/// Far above what any of it takes on a slow machine, far below the limits of commands (60 s).
const SOON: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn an_output_without_an_end_is_an_error_with_node_command_and_limit() {
    for flood in ["yes", "yes >&2", "cat /dev/zero"] {
        let world = World::new();
        let sshd = world.unknown_sshd(&format!("ForceCommand {flood}"));
        world.know(&sshd.known_line());
        let n1 = connect(world.target("n1", sshd.port)).await.unwrap();
        let begun = Instant::now();
        let error = n1.text(&Words::new("docker").arg("ps"), Stdin::Empty).await.unwrap_err();
        assert_eq!(error.to_string(), "on n1, `docker ps` printed more than 4 MiB and was ended", "{flood}");
        assert!(matches!(error, RemoteError::TooMuch { .. }) && error.hint().unwrap().contains("ForceCommand"));
        // The lock is asked for line by line.
        let error = NodeLock::take(&n1, "/no/such/lock", "somebody").await.unwrap_err();
        assert!(matches!(error, LockError::Remote { .. }), "{error}");
        assert!(error.to_string().len() < 1000, "{error}");
        assert!(begun.elapsed() < SOON, "{flood}: {:?}", begun.elapsed());
    }
}

/// The most memory that a process has had so far (MiB), as the kernel counts it; nothing when it has ended.
fn peak(process: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024)
}

#[test]
fn check_judges_the_others_and_its_memory_stays_small() {
    const MOST: usize = 300;
    let world = World::new();
    let servers = ["", "ForceCommand yes", ""].map(|more| Sshd::start(&public(&world.key), more));
    servers.iter().for_each(|sshd| world.know(&sshd.known_line()));
    let nodes: String = (1..)
        .zip(&servers)
        .map(|(n, sshd)| format!("- {{address: 10.0.0.{n}, ssh: {{host: 127.0.0.1, port: {}}}}}\n", sshd.port))
        .collect();
    let [config, known] = ["config", "known_hosts"].map(|name| world.path(name).display().to_string());
    let key = world.key.display();
    let ssh = format!("ssh: {{user: {}, identity_file: {key}, known_hosts: {known}, config: {config}}}\n", user());
    world.write("inventory.yml", &format!("name: prod\n{ssh}nodes:\n{nodes}{REST}"));

    let mut command = cowhand(&world, &["check", "--output", "plain", "-v"]);
    let open = |name| std::fs::File::create(world.path(name)).unwrap();
    let mut child = command.stdout(open("out")).stderr(open("err")).spawn().unwrap();
    let mut most = 0;
    let status = loop {
        most = peak(child.id()).map_or(most, |now| most.max(now));
        if most > MOST {
            child.kill().unwrap();
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(most > 5 && most <= MOST, "{most} MiB");
    let said = world.read("out") + &world.read("err");
    assert_eq!(status.code(), Some(4), "{said}");
    assert!(said.contains("on n2, `sh -s -- r.example.com /var/run/docker.sock` printed more than 4 MiB"), "{said}");
    assert!(said.contains("n1, n3") && said.contains("machine-id"), "the others were looked at: {said}");
}
