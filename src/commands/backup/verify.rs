//! Proves a backup from level 0 up.

use std::path::{Path, PathBuf};

use super::words::Opens;
use crate::backup::{self, Proof, Verdict, Verified};
use crate::failure::{Exit, Failure};
use crate::session::{Answer, Context};

/// What was said to `backup verify`.
#[derive(Debug, clap::Args)]
pub struct Verify {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub opens: Opens,
}

pub fn run(context: &Context, wanted: &Verify) -> Answer {
    let keys = wanted.opens.keys()?;
    let found = tokio::task::block_in_place(|| backup::verify(&wanted.file, keys.as_ref()));
    context.console.data("backup-verified", &found, |_| text(&wanted.file, &found, keys.is_some()))?;
    found.flaw.as_ref().map_or(Ok(Exit::Done), |flaw| Err(refused(&wanted.file, flaw)))
}

pub(super) fn refused(file: &Path, flaw: &backup::Flaw) -> Failure {
    let error = format!("{} is not proved: it stops before {}", file.display(), flaw.level);
    Failure::with_cause(Exit::ChecksFailed, error, flaw)
}

fn text(file: &Path, found: &Verified, with_key: bool) -> String {
    let mut text = proofs(&found.proofs);
    let Some(level) = found.level else { return text };
    text += &format!("{}: {level}", file.display());
    if let (Some(label), false) = (&found.label, with_key) {
        text += &format!("; when it was taken: {}. A key proves more: --identity KEYFILE", label.level);
    }
    text + "\n"
}

/// A line for each question.
pub(super) fn proofs(proofs: &[Proof]) -> String {
    let line = |proof: &Proof| {
        let word = match proof.verdict {
            Verdict::Proved => "proved",
            Verdict::Open => "open",
            Verdict::Contradicted => "WRONG",
        };
        format!("{word:<8}{}: {}\n", proof.what, proof.seen)
    };
    proofs.iter().map(line).collect()
}
