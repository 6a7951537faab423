//! Commands, their input, output and end; files; long-lived commands.

use std::io::Seek;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use cowhand::failure::Hint;
use cowhand::remote::{Ended, Line, Remote, RemoteError, Stdin, Words};

use crate::world::{Cutter, World, connect};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_its_words_and_gives_its_output() {
    let (_sshd, n1) = World::new().connected().await;
    let words = Words::new("printf").arg("%s|").args(["it's", "$HOME", "a b", "", "\\", "\n", "é"]);
    assert_eq!(n1.text(&words, Stdin::Empty).await.unwrap(), "it's|$HOME|a b||\\|\n|é|");
    assert_eq!(n1.name(), "n1");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_is_told_apart() {
    let (_sshd, n1) = World::new().connected().await;
    let ended = async |script: &str| n1.run(&Words::shell(script), Stdin::Empty).await.unwrap().ended;
    assert_eq!(ended("exit 0").await, Ended::Code(0));
    assert_eq!(ended("exit 3").await, Ended::Code(3));
    // Some login shells would stay in between and make a code of the signal.
    let killed = async |signal: &str| {
        let words = Words::new("exec").args(["sh", "-c", &format!("kill -{signal} $$")]);
        n1.run(&words, Stdin::Empty).await.unwrap().ended
    };
    assert_eq!(killed("TERM").await, Ended::Signal("TERM".into()));
    assert_eq!(killed("KILL").await, Ended::Signal("KILL".into()));
    let output = n1.run(&Words::new("no-such-program"), Stdin::Empty).await.unwrap();
    assert_eq!(output.ended, Ended::Code(127));
    let error = n1.text(&Words::shell("echo out; echo err >&2; exit 4"), Stdin::Empty).await.unwrap_err();
    assert_eq!(error.to_string(), "on n1, `sh -c 'echo out; echo err >&2; exit 4'` ended with exit code 4: err");
}

#[tokio::test(flavor = "multi_thread")]
async fn much_goes_both_ways() {
    let (_sshd, n1) = World::new().connected().await;
    let bytes: Vec<u8> = (0..1_900_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let words = Words::shell("tee /dev/stderr");
    let output = n1.run(&words, Stdin::Bytes(bytes.clone())).await.unwrap();
    assert!(output.stderr == bytes, "stderr differs: {} bytes", output.stderr.len());
    assert!(output.success_bytes(&words, "n1").unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_nobody_reads_does_not_hang() {
    let (_sshd, n1) = World::new().connected().await;
    let output = n1.run(&Words::new("true"), Stdin::Bytes(vec![0; 8_000_000])).await.unwrap();
    assert_eq!(output.ended, Ended::Code(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_by_stdin_and_is_in_no_process_list() {
    let (_sshd, n1) = World::new().connected().await;
    let secret = "hunter2-canary";
    let words = Words::shell("read -r secret; ps -eo args; echo \"length ${#secret}\"");
    let text = n1.text(&words, Stdin::Secret(secret.to_string().into())).await.unwrap();
    assert!(text.contains("length 14") && !text.contains(secret), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_wait_for_one_another() {
    let (sshd, n1) = World::new().connected().await;
    let one = async |n: u32| n1.text(&Words::new("echo").arg(n.to_string()), Stdin::Empty).await.unwrap();
    let said = futures::future::join_all((0..30).map(one)).await;
    assert_eq!(said, (0..30).map(|n| format!("{n}\n")).collect::<Vec<_>>());
    assert_eq!(sshd.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_few_sessions_is_given_few() {
    let world = World::new();
    let sshd = world.unknown_sshd("MaxSessions 2");
    world.know(&sshd.known_line());
    let n1 = connect(world.target("n1", sshd.port)).await.unwrap();
    let one = async |n: u32| n1.text(&Words::shell("sleep 0.1; echo \"$0\"").arg(n.to_string()), Stdin::Empty).await;
    let said = futures::future::join_all((0..12).map(one)).await;
    let said: Vec<_> = said.into_iter().map(Result::unwrap).collect();
    assert_eq!(said, (0..12).map(|n| format!("{n}\n")).collect::<Vec<_>>());

    let held = [n1.start(&Words::new("cat")).await.unwrap(), n1.start(&Words::new("cat")).await.unwrap()];
    let hurried = Words::new("true").within(Duration::from_millis(300));
    let error = n1.run(&hurried, Stdin::Empty).await.unwrap_err();
    assert!(matches!(error, RemoteError::Refused { .. }), "{error}");
    drop(held);
    n1.text(&Words::new("true"), Stdin::Empty).await.unwrap();

    let none = world.unknown_sshd("MaxSessions 0");
    world.know(&none.known_line());
    let n2 = connect(world.target("n2", none.port)).await.unwrap();
    let error = n2.run(&Words::new("true"), Stdin::Empty).await.unwrap_err();
    assert!(matches!(error, RemoteError::Refused { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_without_an_end_is_given_up() {
    let (_sshd, n1) = World::new().connected().await;
    let words = Words::new("sleep").arg("7").within(Duration::from_millis(200));
    let error = n1.run(&words, Stdin::Empty).await.unwrap_err();
    assert_eq!(error.to_string(), "on n1, `sleep 7` did not end within 0.2 s");
    assert_eq!(n1.text(&Words::new("echo").arg("next"), Stdin::Empty).await.unwrap(), "next\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nul_byte_is_refused() {
    let (_sshd, n1) = World::new().connected().await;
    let error = n1.run(&Words::new("echo").arg("a\0b"), Stdin::Empty).await.unwrap_err();
    assert!(matches!(error, RemoteError::Nul { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_not_a_success() {
    let world = World::new();
    let sshd = world.sshd();
    let cutter = Cutter::start(sshd.port);
    world.know(&sshd.known_line_at(cutter.port));
    let n1 = connect(world.target("n1", cutter.port)).await.unwrap();
    let marker = world.path("started");
    let words = Words::shell("echo half; : > \"$1\"; sleep 3").arg("x").arg(marker.to_str().unwrap());
    let both = tokio::join!(n1.run(&words, Stdin::Empty), async {
        tokio::task::spawn_blocking(move || crate::world::eventually("it runs", || marker.exists())).await.unwrap();
        cutter.cut();
    });
    let output = both.0.unwrap();
    assert_eq!(output.ended, Ended::ConnectionLost);
    let error = output.success(&words, "n1").unwrap_err();
    assert!(error.to_string().contains("was cut off: the connection was lost"), "{error}");
    let reason = n1.closed().await;
    assert!(n1.is_closed(), "{reason}");
    let error = n1.run(&words, Stdin::Empty).await.unwrap_err();
    assert!(matches!(&error, RemoteError::Closed { node, .. } if node == "n1"), "{error}");
    assert!(error.hint().unwrap().contains("n1 is up"));
}

#[tokio::test(flavor = "multi_thread")]
async fn goodbye_closes_for_all_clones() {
    let (_sshd, n1) = World::new().connected().await;
    let other = n1.clone();
    n1.disconnect().await;
    other.closed().await;
    assert!(other.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn upload_puts_all_or_nothing() {
    let world = World::new();
    let (_sshd, n1) = world.connected().await;
    let path = world.path("a file");
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
    for (contents, mode) in [(&bytes[..], 0o600), (b"", 0o644), (&bytes[..10], 0o755)] {
        n1.upload(path.to_str().unwrap(), contents, mode).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == contents);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
    }
    let error = n1.upload(world.path("no/folder").to_str().unwrap(), b"x", 0o600).await.unwrap_err();
    assert!(error.to_string().contains("exit code 1"), "{error}");
    let error = n1.upload(world.folder.path().to_str().unwrap(), b"x", 0o600).await.unwrap_err();
    assert!(error.to_string().contains("is a folder"), "{error}");
    let left: Vec<_> = std::fs::read_dir(world.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("a file.")), "{left:?}");
}

/// Where a file stands tells how much of it was read: what nobody has taken over there is not read here either.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_up_in_pieces_and_is_never_in_memory_as_a_whole() {
    const LARGE: u64 = 1 << 30;
    const AT_MOST: u64 = 16 << 20;
    let world = World::new();
    let (_sshd, n1) = world.connected().await;
    let large = std::fs::File::create_new(world.path("large")).unwrap();
    large.set_len(LARGE).unwrap();
    let file = std::sync::Arc::new(std::fs::File::open(world.path("large")).unwrap());
    let waits = Words::shell("sleep 2");
    let (ended, read) = tokio::join!(n1.run(&waits, Stdin::File(file.clone())), async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        (&*file).stream_position().unwrap()
    });
    assert_eq!(ended.unwrap().ended, Ended::Code(0));
    assert!(read > 0 && read <= AT_MOST, "{} MiB were read ahead", read >> 20);
    // What does arrive is the file.
    let bytes: Vec<u8> = (0..9_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(world.path("from"), &bytes).unwrap();
    let file = std::sync::Arc::new(std::fs::File::open(world.path("from")).unwrap());
    let to = world.path("to");
    let words = cowhand::remote::upload(to.to_str().unwrap(), 0o600, bytes.len() as u64);
    n1.text(&words, Stdin::File(file)).await.unwrap();
    assert!(std::fs::read(&to).unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_command_talks_line_by_line() {
    let (_sshd, n1) = World::new().connected().await;
    let script =
        "echo ready; while read -r line; do echo \"got $line\"; echo \"err $line\" >&2; done; printf bye; exit 5";
    let mut running = n1.start(&Words::shell(script)).await.unwrap();
    assert_eq!(running.line().await, Some(Line::Out("ready".into())));
    for word in ["one", "two"] {
        running.write(format!("{word}\n")).await.unwrap();
        let mut lines = [running.line().await.unwrap(), running.line().await.unwrap()];
        lines.sort_by_key(|line| matches!(line, Line::Err(_)));
        assert_eq!(lines, [Line::Out(format!("got {word}")), Line::Err(format!("err {word}"))]);
    }
    assert_eq!(running.finish().await, Ended::Code(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_running_command_ends_its_input_and_frees_its_place() {
    let world = World::new();
    let (_sshd, n1) = world.connected().await;
    for n in 0..12 {
        let done = world.path(&format!("done{n}"));
        let words = Words::shell("echo up; cat; : > \"$1\"").arg("x").arg(done.to_str().unwrap());
        let mut running = n1.start(&words).await.unwrap();
        assert_eq!(running.line().await, Some(Line::Out("up".into())));
        drop(running);
        tokio::task::spawn_blocking(move || crate::world::eventually("input ended", || done.exists())).await.unwrap();
    }
}
