//! The forms of output, and that stdout is data and stderr is talk.

use serde_json::Value;

use super::{cowhand, cowhand_with, folder};

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn the_exit_codes_are_explained() {
    insta::assert_snapshot!("exit_codes", cowhand(folder(&[]).path(), &["explain", "exit-codes"]).all());
}

#[test]
fn as_json_an_answer_is_one_line_on_stdout() {
    let said = cowhand(folder(&[]).path(), &["explain", "exit-codes", "--output", "json"]);
    let lines = json_lines(&said.out);
    assert_eq!((said.code, said.err.as_str(), lines.len()), (0, "", 1));
    let codes: Vec<u64> = lines[0]["value"].as_array().unwrap().iter().map(|it| it["code"].as_u64().unwrap()).collect();
    assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130]);
}

#[test]
fn as_json_a_failure_is_an_event_on_stdout_with_the_exit_code() {
    let said = cowhand(folder(&[]).path(), &["explain", "weather", "--output", "json"]);
    let lines = json_lines(&said.out);
    assert_eq!((said.code, said.err.as_str(), lines.len()), (2, "", 1));
    assert_eq!(lines[0]["event"], "failure");
    assert_eq!(lines[0]["exit"], 2);
    assert_eq!(lines[0]["error"], "there is no check `weather`");
}

#[test]
fn no_terminal_gets_no_escape_whatever_is_asked_for() {
    let empty = folder(&[]);
    for variables in [&[][..], &[("NO_COLOR", "1")], &[("TERM", "xterm-256color")]] {
        for form in ["bars", "plain"] {
            let said = cowhand_with(empty.path(), &["explain", "exit-codes", "--output", form], variables);
            assert!(!said.all().contains('\u{1b}'), "{form} {variables:?}");
        }
    }
}

#[test]
fn a_locale_that_is_not_utf8_gets_ascii() {
    let files = folder(&[("a.yml", "nodes: []"), ("b.yml", "nodes: []")]);
    let said = cowhand_with(files.path(), &["check"], &[("LC_ALL", "C")]);
    assert!(said.err.contains("a.yml") && said.err.is_ascii(), "{}", said.err);
}

#[test]
fn quiet_still_says_errors() {
    let said = cowhand(folder(&[]).path(), &["explain", "weather", "-q"]);
    assert!(said.err.starts_with("error: "), "{}", said.err);
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let cowhand = assert_cmd::cargo::cargo_bin("cowhand");
    let script = format!("set -o pipefail; '{}' completions bash | head -n 1 >/dev/null", cowhand.display());
    let bash = assert_cmd::Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!((bash.status.code(), String::from_utf8_lossy(&bash.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_full_disk_is_a_failure() {
    let cowhand = assert_cmd::cargo::cargo_bin("cowhand");
    let folder = folder(&[(
        "inventory.yml",
        "name: prod\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\nengine: {rke: {version: v1.8.0, kubernetes: v1.32.2-rancher1-1}}\n\
         rancher: {hostname: r.example.com, version: 2.11.3, tls: {mode: ingress, issuer: ca}}\n",
    )]);
    // In JSON a failure goes to stdout too, so there it must be said elsewhere.
    for words in ["completions bash", "check --offline --output json"] {
        let script = format!("'{}' {words} >/dev/full", cowhand.display());
        let bash = assert_cmd::Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
        // No check has failed: the code says that it is this machine.
        assert_eq!(bash.status.code(), Some(8), "{words}");
        let said = String::from_utf8_lossy(&bash.stderr).into_owned();
        assert!(said.starts_with("error: the answer cannot be written to standard output\n  because: "), "{said}");
    }
}

#[test]
fn a_closed_standard_output_is_a_failure_and_nothing_is_done() {
    let cowhand = assert_cmd::cargo::cargo_bin("cowhand");
    let folder = folder(&[]);
    for words in ["completions bash", "--version", "schema", "init --node 10.0.0.1", "explain exit-codes --output json"]
    {
        let script = format!("'{}' {words} >&-", cowhand.display());
        let bash = assert_cmd::Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
        assert_eq!(bash.status.code(), Some(8), "{words}");
        let said = String::from_utf8_lossy(&bash.stderr).into_owned();
        assert!(said.starts_with("error: standard output is closed, so no answer can be given\n"), "{words}: {said}");
    }
    assert!(super::files(folder.path()).is_empty());
    // Where the answer is not wanted, that is said otherwise.
    let script = format!("'{}' schema >/dev/null", cowhand.display());
    let bash = assert_cmd::Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    assert_eq!(bash.status.code(), Some(0));
}

#[test]
fn quiet_still_says_what_blocks_and_nothing_when_all_is_well() {
    let inventory = |rke: &str| {
        format!(
            "name: prod\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\nengine: {{rke: {{version: {rke}, kubernetes: v1.32.2-rancher1-1}}}}\n\
             rancher: {{hostname: r.example.com, version: 2.11.3, tls: {{mode: ingress, issuer: ca}}}}\n"
        )
    };
    let good = folder(&[("inventory.yml", &inventory("v1.8.0"))]);
    let said = cowhand(good.path(), &["check", "--offline", "-q"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "", ""));
    let bad = folder(&[("inventory.yml", &inventory("v1.5.0"))]);
    let said = cowhand(bad.path(), &["check", "--offline", "-q"]);
    assert_eq!(said.code, 5, "{}", said.all());
    assert!(said.out.contains("versions.rke-kubernetes") && !said.out.contains("end-of-life"), "{}", said.all());
}

#[test]
fn what_streams_events_ends_with_the_exit_code() {
    let inventory = "name: prod\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\nengine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n\
        rancher: {hostname: r.example.com, version: 2.11.3, tls: {mode: ingress, issuer: ca}}\n";
    let folder = folder(&[("inventory.yml", inventory)]);
    let said = cowhand(folder.path(), &["check", "--offline", "--output", "json"]);
    let lines = json_lines(&said.out);
    let names: Vec<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(names[names.len() - 2..], ["checked", "run-finished"]);
    let last = &lines[lines.len() - 1];
    assert_eq!((&last["ok"], &last["exit"], last["seconds"].is_number()), (&true.into(), &0.into(), true), "{last}");
}

#[test]
fn a_wrong_level_of_the_log_is_named() {
    let said = cowhand_with(folder(&[]).path(), &["check"], &[("COWHAND_LOG", "loud")]);
    assert_eq!(said.code, 2);
    assert!(said.err.starts_with("error: COWHAND_LOG=loud is no level of a log\n"), "{}", said.err);
}

#[test]
fn a_failed_up_names_its_log_and_every_stage_that_began_has_ended() {
    // A port where nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let inventory = format!(
        "name: prod\nssh: {{port: {free}, connect_timeout: 1s}}\nnodes:\n{}engine: {{rke: {{kubernetes: v1.32.2-rancher1-1}}}}\n\
         rancher: {{hostname: r.example.com, version: 2.11.3, values: {{proxy: \"http://me:CANARY@p.test\"}}, \
         tls: {{mode: ingress, issuer: ca}}}}\n",
        (1..4).map(|n| format!("- {{address: 10.0.0.{n}, ssh: {{host: 127.0.0.1}}}}\n")).collect::<String>()
    );
    let folder = folder(&[("inventory.yml", &inventory)]);
    let said = cowhand(folder.path(), &["up", "--output", "json"]);
    let lines = json_lines(&said.out);
    let names: Vec<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(names[names.len() - 3..], ["stage-finished", "failure", "run-finished"], "{}", said.all());
    assert_eq!((said.code, &lines[lines.len() - 1]["exit"]), (4, &4.into()));
    let failure = &lines[lines.len() - 2];
    assert_eq!(failure["because"].as_array().map(Vec::len), Some(3), "{failure}");
    let log = std::fs::read_to_string(failure["log"].as_str().unwrap()).unwrap();
    assert!(log.contains("run started") && log.contains("not connected") && log.contains("run finished"), "{log}");
    assert!(!(log + &said.all()).contains("CANARY"));
}

#[test]
fn a_kubeconfig_that_is_cut_off_is_written_again_and_the_journal_tells() {
    let pem = |what: &str| format!("-----BEGIN {what}-----\nQUJD\n-----END {what}-----\n");
    let base64 = |what: &str| serde_json::to_value(k8s_openapi::ByteString(pem(what).into_bytes())).unwrap();
    let kubeconfig = format!(
        "clusters: [{{name: c, cluster: {{server: 'https://10.0.0.1:6443', certificate-authority-data: {ca}}}}}]\n\
         contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\ncurrent-context: c\n\
         users: [{{name: u, user: {{client-certificate-data: {ca}, client-key-data: {key}}}}}]\n",
        ca = base64("CERTIFICATE"),
        key = base64("PRIVATE KEY"),
    );
    let bundle = serde_json::json!({
        "kube-ca": {"certificatePEM": "PEM", "keyPEM": "KEY"}, "kube-admin": {"config": kubeconfig},
    });
    let state = serde_json::json!({"desiredState": {"certificatesBundle": bundle}, "currentState": {}}).to_string();
    let folder = folder(&[
        (
            "inventory.yml",
            "name: prod\nnodes: [10.0.0.1, 10.0.0.2, 10.0.0.3]\nengine: {rke: {kubernetes: v1.32.2-rancher1-1}}\n\
             rancher: {hostname: r.example.com, version: 2.11.5, bootstrap_password: ./password, tls: {mode: rancher, issuer: blank}}\n",
        ),
        ("password", "a password that is long enough\n"),
        ("cluster.rkestate", &state),
        ("kube_config_cluster.yml", &kubeconfig[..kubeconfig.len() - 40]),
    ]);
    let said = cowhand(folder.path(), &["kubeconfig", "--print"]);
    assert_eq!((said.code, said.err.contains("is cut off")), (5, true), "{}", said.all());
    let said = cowhand(folder.path(), &["recover-state"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let file = folder.path().join("kube_config_cluster.yml");
    assert_eq!(std::fs::read_to_string(file).unwrap(), kubeconfig);
    let journal = std::fs::read_to_string(folder.path().join(".cowhand/journal.jsonl")).unwrap();
    let events: Vec<String> =
        json_lines(&journal).iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(events, ["run-started", "stage-started", "stage-finished", "run-finished"]);
    assert_eq!(cowhand(folder.path(), &["recover-state"]).code, 5, "nothing is missing any more");
}
