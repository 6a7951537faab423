//! What a check looks at, why it matters and what to do; and the exit codes.

use clap_complete::{ArgValueCandidates, CompletionCandidate};
use serde::Serialize;

use crate::check;
use crate::failure::{Exit, Failure};
use crate::report::{Look, Tone};
use crate::session::context::candidate;
use crate::session::{Answer, Context};

#[derive(Debug, Clone, clap::Args)]
pub struct Explain {
    /// Id of a check, e.g. `docker.too-new`, or `exit-codes`
    #[arg(value_name = "ID", add = ArgValueCandidates::new(explainable))]
    pub topic: String,
}

/// What is known of one check, in whole sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Explanation {
    id: &'static str,
    what: &'static str,
    why: &'static str,
    fix: &'static str,
}

impl From<check::Listed> for Explanation {
    fn from(one: check::Listed) -> Self {
        Explanation { id: one.id, what: one.what, why: one.why, fix: one.fix }
    }
}

const EXIT_CODES: &str = "exit-codes";

/// What `explain` explains.
fn explainable() -> Vec<CompletionCandidate> {
    let codes = CompletionCandidate::new(EXIT_CODES).help(Some("The exit codes".into()));
    check::listed().into_iter().map(candidate).chain([codes]).collect()
}

/// Explains a check, before or after the installation, or the exit codes.
pub fn run(context: &Context, wanted: &Explain) -> Answer {
    let topic = &wanted.topic.trim().to_ascii_lowercase();
    if topic == EXIT_CODES {
        context.console.data("exit-codes", &exit_codes(), exit_codes_text)?;
        return Ok(Exit::Done);
    }
    let checks: Vec<Explanation> = check::listed().into_iter().map(Explanation::from).collect();
    let check = checks.iter().find(|check| check.id == topic).ok_or_else(|| unknown(topic, &checks))?;
    context.console.data("explanation", check, |look| text(check, look))?;
    Ok(Exit::Done)
}

fn text(check: &Explanation, look: &Look) -> String {
    let mut text = format!("{}\n\n", look.paint(Tone::Strong, check.id));
    for (label, body) in [("what", check.what), ("why", check.why), ("fix", check.fix)] {
        text.push_str(&format!("  {}{}\n", look.paint(Tone::Dim, &format!("{label:<6}")), look.wrap(body, 8)));
    }
    look.letters(&text)
}

fn unknown(topic: &str, checks: &[Explanation]) -> Failure {
    // `docker`, or a word cut short: every check that begins so.
    let within: Vec<&str> =
        checks.iter().map(|check| check.id).filter(|id| !topic.is_empty() && id.starts_with(topic)).collect();
    if !within.is_empty() {
        return Failure::new(Exit::Usage, format!("there is no check `{topic}`, but some begin so"))
            .hint(format!("`cowhand explain` explains each of them: {}", within.join(", ")));
    }
    let ids = checks.iter().map(|check| check.id).chain([EXIT_CODES]);
    let near = ids.map(|id| (strsim::jaro_winkler(topic, id), id)).max_by(|one, other| one.0.total_cmp(&other.0));
    /// Below this, names are no longer alike to a person.
    const ALIKE: f64 = 0.8;
    let hint = match near {
        Some((likeness, id)) if likeness >= ALIKE => format!("did you mean `{id}`?"),
        _ => "`cowhand check --list` lists all checks; `cowhand explain exit-codes` explains the exit codes".to_owned(),
    };
    Failure::new(Exit::Usage, format!("there is no check `{topic}`")).hint(hint)
}

#[derive(Serialize)]
struct Code {
    code: u8,
    meaning: &'static str,
    advice: &'static str,
}

fn exit_codes() -> Vec<Code> {
    let code = |exit: Exit| Code { code: exit.code(), meaning: exit.meaning(), advice: exit.advice() };
    Exit::ALL.map(code).into()
}

fn exit_codes_text(look: &Look) -> String {
    let one = |code: Code| {
        let number = look.paint(Tone::Strong, &format!("{:>5}", code.code));
        let (meaning, advice) = (look.wrap(code.meaning, 7), look.wrap(code.advice, 7));
        format!("{number}  {meaning}\n       {}\n", look.paint(Tone::Dim, &advice))
    };
    look.letters(&exit_codes().into_iter().map(one).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKS: [Explanation; 1] = [Explanation {
        id: "docker.too-new",
        what: "Docker still speaks the API version that this rke speaks.",
        why: "rke v1.8.0 speaks 1.41.",
        fix: "Install Docker 28.",
    }];

    #[test]
    fn a_check_is_explained_in_three_parts() {
        assert_eq!(
            text(&CHECKS[0], &Look::PLAIN),
            "docker.too-new\n\n\
             \x20 what  Docker still speaks the API version that this rke speaks.\n\
             \x20 why   rke v1.8.0 speaks 1.41.\n\
             \x20 fix   Install Docker 28.\n"
        );
    }

    #[test]
    fn a_misspelt_id_gets_the_nearest_one() {
        assert_eq!(unknown("docker.to-new", &CHECKS).hint.as_deref(), Some("did you mean `docker.too-new`?"));
        let group = unknown("docker", &CHECKS);
        assert!(group.hint.as_deref().is_some_and(|hint| hint.ends_with("each of them: docker.too-new")), "{group:?}");
        assert!(unknown("weather", &CHECKS).hint.unwrap().contains("check --list"));
    }
}
