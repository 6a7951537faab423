//! Which cluster that is there is meant, and whose it is: two played clusters, and a kubeconfig with a context for each.

use std::os::unix::fs::PermissionsExt;

use super::existing::{Asked, HELM, Played, no_names, play, written};
use super::{Said, cowhand};

/// A workspace with a kubeconfig whose contexts `a` and `b` lead to two clusters.
struct Two {
    folder: tempfile::TempDir,
    a: Asked,
    b: Asked,
    ports: (u16, u16),
}

const TRAEFIK: &str = "traefik.io/ingress-controller";
/// Of the Rancher in cluster `a`; the inventory has another one.
const OLD_NAME: &str = "old.example.test";
pub const UID: &str = "0123456789abcdef0123456789abcdef";

/// Cluster `a` may bear a mark; `current` is the current context, and `context` what the inventory says.
fn two(mark: Option<(&'static str, &'static str)>, current: &str, context: &str) -> Two {
    let (first, a) =
        play(Played { controller: TRAEFIK, uid: "u-a", mark, hostname: Some(OLD_NAME), ..Played::default() });
    let (second, b) = play(Played { controller: TRAEFIK, uid: "u-b", ..Played::default() });
    let cluster = |name: &str, port: u16| format!("{{name: {name}, cluster: {{server: 'http://127.0.0.1:{port}'}}}}");
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {current}\nclusters: [{}, {}]\nusers: [{{name: u, user: {{token: x}}}}]\n\
         contexts: [{{name: a, context: {{cluster: a, user: u}}}}, {{name: b, context: {{cluster: b, user: u}}}}]\n",
        cluster("a", first),
        cluster("b", second)
    );
    let names = no_names();
    let inventory = format!(
        "name: shared\nengine: {{existing: {{kubeconfig: ./kubeconfig{context}}}}}\nhelm: ./helm\n\
         rancher: {{hostname: rancher.example.test, version: 2.11.5, tls: {{mode: ingress, issuer: ca}}}}\n\
         dns: {{server: '127.0.0.1:{names}'}}\n"
    );
    let folder = super::folder(&[("kubeconfig", &kubeconfig), ("inventory.yml", &inventory), ("helm", HELM)]);
    std::fs::set_permissions(folder.path().join("helm"), std::fs::Permissions::from_mode(0o700)).unwrap();
    Two { folder, a, b, ports: (first, second) }
}

impl Two {
    fn cow(&self, words: &[&str]) -> Said {
        cowhand(self.folder.path(), words)
    }

    /// As the first `up` would have left it.
    fn pin(&self, context: &str, cluster: &str) {
        self.keep(
            "pin.json",
            &format!(r#"{{"context": "{context}", "server": "https://before:6443", "cluster": "{cluster}"}}"#),
        );
    }

    fn keep(&self, kind: &str, text: &str) {
        let folder = self.folder.path().join(".cowhand/identity");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("shared.{kind}")), text).unwrap();
    }

    fn untouched(&self) {
        for asked in [&self.a, &self.b] {
            assert_eq!(written(&asked.lock().unwrap()), Vec::<String>::new());
        }
    }
}

fn asked(of: &Asked) -> usize {
    of.lock().unwrap().len()
}

#[test]
fn a_context_left_out_is_the_pinned_one_wherever_the_kubeconfig_has_moved_on_to() {
    let two = two(None, "b", "");
    two.pin("a", "u-a");
    for words in [["check"], ["plan"], ["status"], ["verify"]] {
        let before = asked(&two.a);
        let said = two.cow(&words);
        assert!(said.code != 4 && said.code != 5, "{words:?}: {}", said.all());
        assert!(asked(&two.a) > before, "{words:?} did not ask cluster a: {}", said.all());
    }
    assert_eq!(asked(&two.b), 0);
    let said = two.cow(&["check"]);
    assert!(said.out.contains(&format!("http://127.0.0.1:{} (context a)", two.ports.0)), "{}", said.out);
    two.untouched();
}

#[test]
fn a_context_that_leads_to_another_cluster_is_refused_by_every_command() {
    // The kubeconfig's context `a` led to u-former once.
    for context in ["", ", context: a"] {
        let two = two(None, "a", context);
        two.pin("a", "u-former");
        for words in [&["check"][..], &["plan"], &["up"], &["down", "--yes", "shared"], &["verify"], &["status"]] {
            let said = two.cow(words);
            assert_eq!(said.code, 5, "{words:?}: {}", said.all());
            for part in ["u-a", "u-former", "https://before:6443", &two.ports.0.to_string(), "shared.pin.json"] {
                assert!(said.all().contains(part), "{words:?} does not say {part}: {}", said.all());
            }
        }
        two.untouched();
    }
}

#[test]
fn without_a_pin_check_and_plan_name_the_context_that_they_take() {
    let two = two(None, "b", "");
    let current = format!("http://127.0.0.1:{} (context b, the current one)", two.ports.1);
    for words in [["check"], ["plan"]] {
        let said = two.cow(&words);
        assert_eq!(said.code, 0, "{words:?}: {}", said.all());
        assert!(said.out.contains(&current), "{words:?}: {}", said.out);
    }
    let said = two.cow(&["plan"]);
    assert!(said.out.contains("`up` pins that cluster") && said.out.contains("kube-system/cowhand"), "{}", said.out);
    assert!(!two.folder.path().join(".cowhand/identity").exists());
    two.untouched();
}

#[test]
fn down_needs_a_pin_or_a_context() {
    let two = two(None, "a", "");
    let said = two.cow(&["down", "--yes", "shared"]);
    assert_eq!(said.code, 5, "{}", said.all());
    assert!(
        said.err.contains("nothing proves which cluster is meant") && said.err.contains("engine.existing.context"),
        "{}",
        said.err
    );
    assert_eq!((asked(&two.a), asked(&two.b)), (0, 0));
}

#[test]
fn a_plan_of_down_touches_nothing_and_is_no_leave_to_remove() {
    let two = two(Some(("shared", UID)), "b", ", context: a");
    let said = two.cow(&["down", "--plan"]);
    assert_eq!(said.code, 2, "{}", said.all());
    assert!(said.err.contains("--plan is for clusters that cowhand builds"), "{}", said.err);
    assert_eq!((asked(&two.a), asked(&two.b)), (0, 0));
    let both = two.cow(&["down", "--plan", "--yes", "shared"]);
    assert_eq!(both.code, 2, "{}", both.all());
    assert!(both.err.contains("cannot be used with"), "{}", both.err);
}

#[test]
fn down_names_server_context_and_host_name_before_it_acts() {
    let two = two(Some(("shared", UID)), "b", ", context: a");
    let said = two.cow(&["down", "--yes", "shared"]);
    // The mark is another workspace's.
    assert_eq!(said.code, 5, "{}", said.all());
    let line = format!("http://127.0.0.1:{} (context a)", two.ports.0);
    let at = said.err.find(&line).unwrap_or_else(|| panic!("{}", said.err));
    assert!(at < said.err.find("error:").unwrap() && said.err[..at].contains("rancher.example.test"), "{}", said.err);
}

#[test]
fn a_mark_of_another_workspace_is_refused_until_its_uid_is_said() {
    // The same name tells nothing.
    let two = two(Some(("shared", UID)), "a", ", context: a");
    for words in [&["check"][..], &["plan"], &["up"], &["down", "--yes", "shared"]] {
        let said = two.cow(words);
        assert_eq!(said.code, 5, "{words:?}: {}", said.all());
        assert!(said.all().contains(&format!("--take-over {UID}")), "{words:?}: {}", said.all());
        assert!(!said.all().contains("cowhand up --take-over"), "{words:?} names another command: {}", said.all());
        let wrong = two.cow(&[words, &["--take-over", "another"]].concat());
        assert_eq!(wrong.code, 5, "{words:?}: {}", wrong.all());
        let told = wrong.all().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("--take-over another is not the UID of the mark"), "{words:?}: {told}");
    }
    let said = two.cow(&["up", "--skip", "existing.mark"]);
    assert_eq!(said.code, 2, "{}", said.all());
    for words in [["check"], ["plan"]] {
        let said = two.cow(&[&words[..], &["--take-over", UID]].concat());
        assert_eq!(said.code, 0, "{words:?}: {}", said.all());
    }
    // Who has the UID needs no flag.
    two.keep("uid", UID);
    assert_eq!(two.cow(&["plan"]).code, 0);
    two.untouched();
}

#[test]
fn a_pinned_context_that_the_kubeconfig_lost_is_named_and_no_other_is_taken() {
    let two = two(None, "b", "");
    two.pin("gone", "u-a");
    for words in [["check"], ["plan"]] {
        let said = two.cow(&words);
        assert_eq!(said.code, 5, "{words:?}: {}", said.all());
        assert!(said.all().contains("the cluster of context gone, https://before:6443"), "{}", said.all());
    }
    assert_eq!((asked(&two.a), asked(&two.b)), (0, 0));
}

#[test]
fn a_broken_pin_is_named_and_no_cluster_is_guessed() {
    let two = two(None, "a", "");
    two.keep("pin.json", "{");
    for words in [&["check"][..], &["plan"], &["up"], &["down", "--yes", "shared"], &["verify"], &["status"]] {
        let said = two.cow(words);
        assert_eq!(said.code, 5, "{words:?}: {}", said.all());
        assert!(said.all().contains("shared.pin.json"), "{words:?}: {}", said.all());
    }
    assert_eq!((asked(&two.a), asked(&two.b)), (0, 0));
}

#[test]
fn a_program_that_proves_who_the_user_is_runs_once_a_command() {
    let two = two(None, "a", "");
    let path = two.folder.path().join("kubeconfig");
    let plugin = "#!/bin/sh\necho asked >>\"$(dirname \"$0\")/plugin.log\"\n\
        echo '{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \"status\": {\"token\": \"x\"}}'\n";
    std::fs::write(two.folder.path().join("plugin"), plugin).unwrap();
    std::fs::set_permissions(two.folder.path().join("plugin"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let program = two.folder.path().join("plugin").display().to_string();
    let user = format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {program}, interactiveMode: Never}}}}"
    );
    let text = std::fs::read_to_string(&path).unwrap().replace("{token: x}", &user);
    std::fs::write(&path, text).unwrap();
    let keeping = HELM.replacen("case", "for word; do case \"$word\" in */kubeconfig-*) cp \"$word\" \"$(dirname \"$0\")/helm.kubeconfig\" ;; esac; done\ncase", 1);
    std::fs::write(two.folder.path().join("helm"), keeping).unwrap();
    let said = two.cow(&["plan"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let log = std::fs::read_to_string(two.folder.path().join("plugin.log")).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    // helm would run the program at each call.
    let given = std::fs::read_to_string(two.folder.path().join("helm.kubeconfig")).unwrap();
    assert!(given.contains("token: x") && !given.contains("plugin"), "{given}");
}

#[test]
fn a_mark_of_another_is_said_by_whoever_only_looks() {
    let two = two(Some(("shared", UID)), "a", ", context: a");
    for words in [["status"], ["certs"]] {
        let said = two.cow(&words);
        assert_eq!(said.code, 0, "{words:?}: {}", said.all());
        assert!(said.out.contains("the cluster bears the mark of another workspace"), "{words:?}: {}", said.all());
    }
    for words in [["status", "--fail"], ["certs", "--fail-within=0"]] {
        let said = two.cow(&words);
        assert_eq!(said.code, 5, "{words:?}: {}", said.all());
        let quiet = two.cow(&[&words[..], &["-q"]].concat());
        assert!(quiet.code == 5 && quiet.out.is_empty(), "{words:?}: {}", quiet.all());
        assert!(quiet.err.contains("the mark of another workspace"), "{words:?}: {}", quiet.err);
    }
    two.keep("uid", UID);
    for words in [["status"], ["certs"]] {
        let said = two.cow(&words);
        assert!(!said.all().contains("mark of another"), "{words:?}: {}", said.all());
    }
    two.untouched();
}

/// Somebody's kubeconfig has other clusters in it, and the keys to them.
#[test]
fn only_the_context_of_the_inventory_is_given_away() {
    let file = |two: &Two| two.folder.path().join("kubeconfig");
    for (context, pinned) in [(", context: a", false), ("", true)] {
        let two = two(None, "b", context);
        if pinned {
            two.pin("a", "u-a");
        }
        let text = std::fs::read_to_string(file(&two)).unwrap();
        let text = text.replace("users: [", "users: [{name: other, user: {token: CANARY}}, ");
        std::fs::write(
            file(&two),
            text.replace("name: b, context: {cluster: b, user: u}", "name: b, context: {cluster: b, user: other}"),
        )
        .unwrap();
        let printed = two.cow(&["kubeconfig", "--print"]);
        assert_eq!(printed.code, 0, "{}", printed.all());
        for word in ["CANARY", "name: b", "cluster: b"] {
            assert!(!printed.out.contains(word), "{word}: {}", printed.out);
        }
        assert!(printed.out.contains(&format!("http://127.0.0.1:{}", two.ports.0)), "{}", printed.out);
        assert!(printed.out.contains("current-context: a"), "{}", printed.out);
        // The file itself leads to b.
        let path = two.cow(&["kubeconfig", "--path"]);
        assert_eq!(path.code, 0, "{}", path.all());
        let copy = std::path::PathBuf::from(path.out.trim_end());
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), printed.out);
        assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(path.err.contains("the current context of") && path.err.contains("context a alone"), "{}", path.err);
    }
    let same = two(None, "a", ", context: a");
    let said = same.cow(&["kubeconfig", "--path"]);
    assert_eq!(said.out.trim_end(), file(&same).to_str().unwrap());
}

#[test]
fn a_refused_down_does_not_tell_how_to_remove_this_folders_cluster() {
    let two = two(None, "a", ", context: a");
    for words in [&["down", "--yes", "other"][..], &["down"]] {
        let said = two.cow(words);
        assert_eq!(said.code, 2, "{words:?}: {}", said.all());
        assert!(!said.err.contains("--yes shared"), "{words:?}: {}", said.err);
    }
    let said = two.cow(&["down", "--yes", "other"]);
    assert!(
        said.err.contains("inventory.yml is the inventory of `shared`") && said.err.contains("-i FILE"),
        "{}",
        said.err
    );
    // Nobody is asked, but what would go is said.
    assert!(two.cow(&["down"]).err.contains("this removes Rancher rancher.example.test"), "{}", two.cow(&["down"]).err);
    two.untouched();
}

#[test]
fn another_host_name_is_said_with_what_it_does() {
    let two = two(Some(("shared", UID)), "a", ", context: a");
    two.keep("uid", UID);
    let said = two.cow(&["plan"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let change = format!("Rancher's host name changes from {OLD_NAME} to rancher.example.test");
    for told in [&change, &format!("nothing answers at https://{OLD_NAME}"), "host name, Ingress", "host name, DNS"] {
        assert!(said.out.contains(told), "{told}: {}", said.all());
    }
    two.untouched();
}
