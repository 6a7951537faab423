//! The list of stages `up` plays: data, built into the binary.

use serde::Deserialize;

use crate::execute::Stage;

/// One entry of a playbook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub stage: Stage,
    /// What the stage is for, in one line.
    pub what: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Playbook {
    stages: Vec<Entry>,
}

const UP: &str = include_str!("../../playbooks/up.yml");

/// The stages of `cowhand up`, in order.
pub fn up() -> Vec<Entry> {
    parse(UP).unwrap_or_default()
}

fn parse(text: &str) -> Result<Vec<Entry>, serde_yaml::Error> {
    serde_yaml::from_str::<Playbook>(text).map(|playbook| playbook.stages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_playbook_parses_and_names_each_stage_once() {
        let stages: Vec<Stage> = parse(UP).unwrap().into_iter().map(|entry| entry.stage).collect();
        let expected =
            [Stage::Check, Stage::Cluster, Stage::Ingress, Stage::CertManager, Stage::Rancher, Stage::Verify];
        assert_eq!(stages, expected);
    }

    #[test]
    fn an_unknown_stage_is_refused() {
        assert!(parse("stages: [{stage: chekc, what: x}]").is_err());
    }
}
