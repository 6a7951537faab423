use super::*;

fn shell(script: &str) -> Program {
    Program::new("/bin/sh").words(["-c", script])
}

#[tokio::test]
async fn stdout_is_only_for_success() {
    let good = capture(&shell("cat; echo oops >&2"), Some(b"words"), Duration::from_secs(20)).await.unwrap();
    assert_eq!(good.stderr(), "oops\n");
    assert_eq!(good.success().unwrap(), b"words");
    let bad = capture(&shell("echo half; echo no >&2; exit 3"), None, Duration::from_secs(20)).await.unwrap();
    assert_eq!(bad.success().unwrap_err(), (Ended::Code(3), "no\n".into()));
    let killed = capture(&shell("kill -TERM $$"), None, Duration::from_secs(20)).await.unwrap();
    assert_eq!(killed.success().unwrap_err().0, Ended::Signal(15));
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_does_not_hold_us() {
    let held = capture(&shell("sleep 600 & echo $!"), None, Duration::from_secs(60)).await.unwrap();
    let grandchild = String::from_utf8(held.success().unwrap()).unwrap();
    let pid = Pid::from_raw(grandchild.trim().parse().unwrap()).unwrap();
    // Killed with its group, which takes the kernel a moment; what may be left is a zombie until init reaps it.
    let gone = async {
        while rustix::process::test_kill_process(pid).is_ok() && !is_zombie(pid) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the grandchild lives on");
}

#[tokio::test]
async fn a_limit_kills_the_whole_group() {
    let error = capture(&shell("sleep 600 & wait"), None, Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(error, ProgramError::Limit { .. }));
}

#[tokio::test]
async fn who_floods_is_ended_with_its_whole_group() {
    for script in ["exec yes", "yes >&2", "head -c 70000000 /dev/zero"] {
        let error = capture(&shell(script), None, Duration::from_secs(60)).await.unwrap_err();
        assert_eq!(error.to_string(), "/bin/sh printed more than 64 MiB and was ended", "{script}");
    }
}

/// Its number stays taken as long as somebody may still signal it.
#[tokio::test]
async fn a_child_that_has_ended_is_reaped_only_with_its_group() {
    let mut child = spawn(shell("exit 3").command()).await.unwrap();
    let group = Group::of(&child);
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    group.ended().await;
    group.signal(Signal::KILL);
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    assert!(stat.contains(") Z "), "{stat}");
    assert_eq!(Ended::from(group.reap(&mut child).await.unwrap()), Ended::Code(3));
    assert!(rustix::process::test_kill_process(pid).is_err());
}

#[tokio::test]
async fn the_environment_is_clean() {
    let program = shell("env").with("GIVEN", "yes");
    let printed = capture(&program, None, Duration::from_secs(20)).await.unwrap().success().unwrap();
    let printed = String::from_utf8(printed).unwrap();
    assert!(printed.contains("GIVEN=yes"));
    assert!(!printed.contains("CARGO_"), "cargo's own variables came through:\n{printed}");
}

fn is_zombie(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}
