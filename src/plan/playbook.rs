//! The list of stages `up` plays: data, built into the binary.

use serde::{Deserialize, Serialize};

/// The stages of `up`, in the words of `playbooks/up.yml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Check,
    Cluster,
    Ingress,
    CertManager,
    Rancher,
    Verify,
    /// `down` only.
    Remove,
}

impl Stage {
    /// The stage's word in `playbooks/up.yml`, in lines and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Check => "check",
            Stage::Cluster => "cluster",
            Stage::Ingress => "ingress",
            Stage::CertManager => "cert-manager",
            Stage::Rancher => "rancher",
            Stage::Verify => "verify",
            Stage::Remove => "remove",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Playbook {
    stages: Vec<Stage>,
}

const UP: &str = include_str!("../../playbooks/up.yml");

/// The stages of `cowhand up`, in order.
pub fn up() -> Vec<Stage> {
    parse(UP).unwrap_or_default()
}

fn parse(text: &str) -> Result<Vec<Stage>, serde_yaml::Error> {
    serde_yaml::from_str::<Playbook>(text).map(|playbook| playbook.stages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_playbook_parses_and_names_each_stage_once() {
        let stages = parse(UP).unwrap();
        let expected =
            [Stage::Check, Stage::Cluster, Stage::Ingress, Stage::CertManager, Stage::Rancher, Stage::Verify];
        assert_eq!(stages, expected);
    }

    #[test]
    fn an_unknown_stage_is_refused() {
        assert!(parse("stages: [chekc]").is_err());
    }
}
