//! Rancher goes forward only.

use semver::Version;

use crate::failure::{Exit, Failure};
use crate::session::inputs::Inputs;

/// Refuses a Rancher that is older than the one that runs in the cluster.
///
/// # Errors
/// The refusal.
pub fn refuse_older(inputs: &Inputs<'_>, running: Option<&Version>) -> Result<(), Failure> {
    older(running, &inputs.project.inventory.rancher.version)
}

/// ranchermanager.docs.rancher.com, "Rollbacks": an older Rancher comes back only together with a backup of its time.
fn older(running: Option<&Version>, wanted: &Version) -> Result<(), Failure> {
    let Some(running) = running.filter(|running| wanted.cmp_precedence(running).is_lt()) else { return Ok(()) };
    let error = format!("Rancher {running} runs here, and rancher.version asks for {wanted}, which is older");
    Err(Failure::new(Exit::ChecksFailed, error)
        .because("a newer Rancher has migrated its data in the cluster forward, and an older one does not read them back")
        .hint(format!(
            "set rancher.version (and the chart, if it comes from a path) to {running} or newer; back to {wanted} leads only a \
             backup of that time, restored with the rancher-backup operator (ranchermanager.docs.rancher.com: Rollbacks)"
        )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_older_rancher_is_refused() {
        let version = |text: &str| Version::parse(text).unwrap();
        let running = version("2.11.5");
        for wanted in ["2.11.5", "2.11.6", "2.12.0", "2.11.5+up1"] {
            assert!(older(Some(&running), &version(wanted)).is_ok(), "{wanted}");
        }
        assert!(older(None, &version("2.9.0")).is_ok(), "nothing runs yet");
        let refused = older(Some(&running), &version("2.11.3")).unwrap_err();
        assert_eq!(refused.exit, Exit::ChecksFailed);
        assert_eq!(refused.error, "Rancher 2.11.5 runs here, and rancher.version asks for 2.11.3, which is older");
        let hint = refused.hint.unwrap();
        assert!(
            hint.contains("2.11.5 or newer") && hint.contains("rancher-backup") && !hint.contains("down"),
            "{hint}"
        );
    }
}
