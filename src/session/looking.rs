//! Items of a run file that only look: each shows what the verb of its name shows.

use serde_json::Value;

use crate::failure::{Exit, Failure};
use crate::plan::playbook::Look;
use crate::play::Event;
use crate::report::{Verbosity, certificates, drift, plan};
use crate::session::machines::Machines;
use crate::session::open::Session;
use crate::session::planned::planned;
use crate::session::{inputs, status};

/// Looks, and shows it; the answer is a line for the item's end.
pub async fn look(session: &Session<'_>, machines: &Machines, what: Look) -> Result<String, Failure> {
    let (text, data, line) = match what {
        Look::Plan => plans(session, machines).await?,
        Look::Status => state(session, machines).await?,
        Look::Certs => certs(session, machines).await?,
        Look::Drift => drift(session, machines).await?,
    };
    session.tell.event(Event::Shown { what: what.verb(), text: format!("{text}\n"), data });
    Ok(line)
}

type Screen = (String, Value, String);

async fn plans(session: &Session<'_>, machines: &Machines) -> Result<Screen, Failure> {
    let console = &session.context.console;
    let plans = planned(console, session.project, machines, &session.skips, &session.tell).await?;
    let verbose = console.verbosity == Verbosity::Verbose;
    let text = plan::text(&plans, &console.out, verbose, "up");
    Ok((text, data(&plan::lines(&plans))?, plan::summary(&plans, "up")))
}

async fn state(session: &Session<'_>, machines: &Machines) -> Result<Screen, Failure> {
    let project = session.project;
    let reached = inputs::reach(project, machines).await?;
    let reached = reached.ok_or_else(|| machines.unreached().unwrap_or_else(|| inputs::nothing_there(project)))?;
    let seen = status::see(project, machines, &reached).await?;
    let line = match seen.problems.len() {
        0 => "no problem was found".to_owned(),
        1 => "1 problem".to_owned(),
        several => format!("{several} problems"),
    };
    Ok((seen.text(&session.context.console.out), data(&seen)?, line))
}

async fn certs(session: &Session<'_>, machines: &Machines) -> Result<Screen, Failure> {
    let seen = crate::session::certificates::see(session.project, machines).await;
    let line = format!("{} certificates seen", seen.seen.certificates.len());
    Ok((certificates::text(&seen, &session.context.console.out), data(&seen)?, line))
}

async fn drift(session: &Session<'_>, machines: &Machines) -> Result<Screen, Failure> {
    let seen = crate::session::drift::see(session.project, machines, &session.tell).await?;
    Ok((drift::text(&seen, &session.context.console.out), data(&seen)?, seen.summary()))
}

fn data(value: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::new(Exit::Bug, error))
}
