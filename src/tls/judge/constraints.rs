//! What names a CA may sign for (RFC 5280 4.2.1.10), asked before it has signed anything.

use super::super::agent::Names;
use super::rules::NAME;
use super::{Bench, Seen};

/// A CA that will issue the certificate has to be allowed to do so for this name. A certificate that is there already
/// is tried as a whole instead.
pub(super) fn may_name(bench: &mut Bench, seen: &Seen<'_>, hostname: &str) {
    let Some(constraints) = seen.agent.as_ref().ok().and_then(|ca| ca.extensions.constraints.as_ref()) else { return };
    match constraints.against(&Names::only(hostname)) {
        Some(said) => {
            let fix = "take a CA that may sign for this name, or a name that it may sign for";
            bench.fail(&NAME, &seen.subject, said, fix.into());
        }
        None => bench.pass(&NAME, &seen.subject, format!("it may sign for {hostname}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::data;
    use super::super::{Grade, Request, judge};
    use crate::tls::material::Files;

    #[test]
    fn a_ca_that_may_not_sign_for_the_name_is_refused_before_it_does() {
        let key = data("root.key");
        let said = |ca: &str, hostname: &str| -> Vec<(Grade, String)> {
            let ca = data(ca);
            let now = "2026-11-22T12:00:00Z".parse().unwrap();
            let files = Files { ca: Some(&ca), ca_key: Some(&key), ..Files::default() };
            let request = Request { hostname, files, now, ..Request::default() };
            let judged = judge(&request).into_iter().filter(|one| one.rule.id == "tls.name");
            judged.map(|one| (one.grade, one.seen)).collect()
        };
        let refused = "it may sign for internal.example.org only, not for rancher.example.com";
        assert_eq!(said("constrained.pem", "rancher.example.com"), [(Grade::Fail, refused.to_owned())]);
        let allowed = "it may sign for rancher.internal.example.org";
        assert_eq!(said("constrained.pem", "rancher.internal.example.org"), [(Grade::Pass, allowed.to_owned())]);
        let excluded = "it must not sign for rancher.example.com";
        assert_eq!(said("excluded.pem", "rancher.example.com"), [(Grade::Fail, excluded.to_owned())]);
        assert_eq!(said("excluded.pem", "rancher.example.net")[0].0, Grade::Pass);
    }
}
