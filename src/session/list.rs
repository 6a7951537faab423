//! A run file, played: its items in order, each on what was confirmed, up to the first that fails.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::cluster::Condition;
use crate::failure::{Exit, Failure};
use crate::plan::Stage;
use crate::plan::playbook::{Awaited, Doing, Drain, Item, Reboot, Run, Selector, Turn, Upload};
use crate::play::{Done, Event, Outcome, conditions, done};
use crate::session::confirm::Asking;
use crate::session::ground::Ground;
use crate::session::machines::Machine;
use crate::session::on_nodes::{self, Given, chosen, on_each};
use crate::session::open::Session;
use crate::session::player::{Said, play};
use crate::session::project::Project;
use crate::session::reboot::reboot;
use crate::session::run::guarded;
use crate::session::run_file::RunFile;
use crate::session::{Answer, drain, inputs, looking, removal, wellbeing};

/// What was said on the command line.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Names that confirm: the run file's, and the cluster's where it is removed.
    pub yes: Vec<String>,
    /// From the first item, whatever an earlier run has done.
    pub anew: bool,
}

/// # Errors
/// When something will have to be confirmed that nobody can confirm, or a cluster is to go that may not. Nothing is touched.
pub fn refuse_unasked(run_file: &RunFile, words: &Words, project: &Project) -> Result<(), Failure> {
    for item in &run_file.playbook.items {
        match &item.doing {
            Doing::Confirm(text) => asking(run_file, text, &remedy(run_file)).can_be_asked(&words.yes)?,
            Doing::Stages(stages) if stages.contains(&Stage::Remove) => {
                removal::refuse(project)?;
                let cluster = project.inventory.name.as_str();
                let (question, what) = (item.doing.to_string(), "removing a cluster");
                let unasked = removal::NOBODY;
                Asking { name: cluster, question, what, another: unasked, unasked }.can_be_asked(&words.yes)?;
            }
            Doing::Stages(_)
            | Doing::Run(_)
            | Doing::Upload(_)
            | Doing::Drain(_)
            | Doing::Uncordon(_)
            | Doing::Reboot(_)
            | Doing::Wait(_)
            | Doing::Look(_)
            | Doing::Note(_) => {}
        }
    }
    Ok(())
}

fn remedy(run_file: &RunFile) -> String {
    format!("`--yes '{}'` confirms it; `--plan` shows what it is", run_file.playbook.name)
}

fn asking<'a>(run_file: &'a RunFile, text: &str, remedy: &'a str) -> Asking<'a> {
    Asking {
        name: &run_file.playbook.name,
        question: text.to_owned(),
        what: "this run",
        another: remedy,
        unasked: remedy,
    }
}

/// One run of a run file.
pub async fn play_list(session: &Session<'_>, run_file: &RunFile, words: &Words) -> Answer {
    let mut list = List::begin(session, run_file, words).await?;
    let mut ended: Answer = Ok(Exit::Done);
    let mut turn: Option<&Turn> = None;
    for (number, item) in run_file.playbook.items.iter().enumerate() {
        let begun = item.turn.is_none() || item.turn.as_ref() == turn;
        if ended.is_ok() || (item.always && begun && session.is_alone()) {
            turn = item.turn.as_ref();
            let played = list.item(number, item, ended.is_err()).await;
            // The first failure is the run's; what is done always may fail as well, and has said so.
            ended = ended.and(played.map(|()| Exit::Done));
        }
    }
    ended
}

struct List<'l> {
    session: &'l Session<'l>,
    run_file: &'l RunFile,
    words: &'l Words,
    /// By an earlier run that was cut off.
    done: Done,
    /// The files as they were read, the rest as it was when the last item had ended.
    ground: Ground,
}

impl<'l> List<'l> {
    async fn begin(session: &'l Session<'l>, run_file: &'l RunFile, words: &'l Words) -> Result<List<'l>, Failure> {
        let machines = session.machines().await?;
        for on in run_file.playbook.items.iter().filter_map(|item| item.doing.on()) {
            chosen(machines, on)?;
        }
        let RunFile { playbook, hash, file } = run_file;
        let done = if words.anew { Done::new() } else { done(&session.project.workspace.journal(), hash) };
        let (name, hash, items, anew) = (playbook.name.clone(), hash.clone(), playbook.items.len(), words.anew);
        session.tell.event(Event::PlaybookStarted { name, hash, items, anew });
        if !done.is_empty() {
            session
                .tell
                .note("an earlier run of this file was cut off: it goes on from what is done; --anew begins it anew");
        }
        let ground = Ground::see(session.project, machines, file).await?;
        Ok(List { session, run_file, words, done, ground })
    }

    /// Tells the beginning and the end of an item around its work. `late`: the run has failed already.
    async fn item(&mut self, number: usize, item: &Item, late: bool) -> Result<(), Failure> {
        let began = Instant::now();
        let (of, text) = (self.run_file.playbook.items.len(), item.doing.to_string());
        self.session.tell.event(Event::ItemStarted { item: number, of, text });
        let ended = self.played(number, item, late).await;
        let (outcome, text) = match &ended {
            Ok((outcome, text)) => (*outcome, text.clone()),
            Err(failure) => (Outcome::Failed, failure.error.clone()),
        };
        let seconds = began.elapsed().as_secs_f64();
        self.session.tell.event(Event::ItemFinished { item: number, of, outcome, text, seconds });
        ended.map(drop)
    }

    async fn played(&mut self, number: usize, item: &Item, late: bool) -> Result<(Outcome, String), Failure> {
        let whole = (number, None);
        if self.done.contains(&whole) {
            self.is_done(whole);
            return Ok((Outcome::Unchanged, "done by the run that was cut off".into()));
        }
        if item.doing.changes() && !late {
            self.ground.holds(self.session.project, self.session.machines().await?).await?;
        }
        // What is done always is done also when the run was asked to stop.
        let never = CancellationToken::new();
        let stop = if late { &never } else { self.session.stop() };
        let ended = self.doing(number, item, (stop, late)).await?;
        if item.doing.changes() {
            self.ground.done(self.session.project, self.session.machines().await?).await?;
        }
        if !item.doing.is_repeated() && item.doing.on().is_none() {
            self.is_done(whole);
        }
        Ok(ended)
    }

    fn is_done(&self, (item, node): (usize, Option<String>)) {
        self.session.tell.event(Event::ItemDone { item, node });
    }

    async fn doing(
        &self,
        number: usize,
        item: &Item,
        (stop, late): (&CancellationToken, bool),
    ) -> Result<(Outcome, String), Failure> {
        match &item.doing {
            Doing::Stages(stages) => self.stages(stages).await,
            Doing::Run(run) => self.run(number, run, stop).await,
            Doing::Upload(upload) => self.upload(upload, stop).await,
            Doing::Drain(drain) => self.drain(number, drain, stop).await,
            Doing::Uncordon(on) => self.uncordon(number, on, (stop, late)).await,
            Doing::Reboot(reboot) => self.reboot(number, reboot, stop).await,
            Doing::Wait(awaited) => self.wait(number, awaited, stop).await,
            Doing::Look(what) => {
                let machines = self.session.machines().await?;
                let looked = guarded(stop, looking::look(self.session, machines, *what)).await?;
                Ok((Outcome::Passed, looked))
            }
            Doing::Confirm(text) => {
                let remedy = remedy(self.run_file);
                let asking = asking(self.run_file, text, &remedy);
                asking.ask(self.session.context, Some(self.session.screen.clone()), &self.words.yes).await?;
                Ok((Outcome::Passed, "confirmed".into()))
            }
            Doing::Note(_) => Ok((Outcome::Passed, String::new())),
        }
    }

    async fn stages(&self, stages: &[Stage]) -> Result<(Outcome, String), Failure> {
        let session = self.session;
        if stages.contains(&Stage::Remove) {
            removal::refuse(session.project)?;
            let screen = Some(session.screen.clone());
            removal::confirm(session.context, session.project, &self.words.yes, screen).await?;
        }
        play(session, stages, &Said::default()).await?;
        Ok((Outcome::Passed, String::new()))
    }

    async fn run(&self, number: usize, run: &Run, stop: &CancellationToken) -> Result<(Outcome, String), Failure> {
        let session = self.session;
        let given = Given::read(run)?;
        self.once_on_each(number, &run.on, async |machine| {
            let node = &machine.node.name;
            guarded(stop, async {
                if run.disrupts {
                    wellbeing::before(session, node).await?;
                }
                on_nodes::run(&machine.connection, run, &given, &session.tell).await
            })
            .await?;
            self.is_done((number, Some(node.clone())));
            match run.disrupts {
                true => guarded(stop, wellbeing::after(session, node)).await,
                false => Ok(()),
            }
        })
        .await
    }

    async fn reboot(
        &self,
        number: usize,
        wanted: &Reboot,
        stop: &CancellationToken,
    ) -> Result<(Outcome, String), Failure> {
        let session = self.session;
        self.once_on_each(number, &wanted.on, async |machine| {
            let node = &machine.node.name;
            let progress = |text: &str| self.progress(number, format!("{node}: {text}"));
            guarded(stop, reboot(session, node, wanted.limit, &progress)).await?;
            self.is_done((number, Some(node.clone())));
            guarded(stop, wellbeing::after(session, node)).await
        })
        .await
    }

    /// Also when an earlier run did it: until the node was opened again in its turn, it has to be empty.
    async fn drain(
        &self,
        number: usize,
        wanted: &Drain,
        stop: &CancellationToken,
    ) -> Result<(Outcome, String), Failure> {
        let mut told = Vec::new();
        for node in &wanted.on.nodes {
            if self.is_over(number, node) {
                told.push(format!("{node} before"));
                continue;
            }
            let name = node.to_lowercase();
            let drained = drain::drain(self.session, &name, wanted.agreed, wanted.limit);
            told.push(guarded(stop, drained).await?);
        }
        Ok((Outcome::Changed, told.join("; ")))
    }

    /// Whether the node was drained by this item and opened again, by a run that was cut off later.
    fn is_over(&self, number: usize, node: &str) -> bool {
        let mut later = self.run_file.playbook.items.iter().enumerate().skip(number + 1);
        let opens = |item: &Item| matches!(&item.doing, Doing::Uncordon(on) if on.nodes.iter().any(|one| one == node));
        let opened = later.find(|(_, item)| opens(item));
        opened.is_some_and(|(opened, _)| self.done.contains(&(opened, Some(node.to_owned()))))
    }

    /// One that was opened because something before it had failed is drained again by the run that goes on.
    async fn uncordon(
        &self,
        number: usize,
        on: &Selector,
        (stop, late): (&CancellationToken, bool),
    ) -> Result<(Outcome, String), Failure> {
        self.once_on_each(number, on, async |machine| {
            let node = &machine.node.name;
            let text = guarded(stop, drain::open_again(self.session, &node.to_lowercase())).await?;
            self.progress(number, text);
            if !late {
                self.is_done((number, Some(node.clone())));
            }
            Ok(())
        })
        .await
    }

    /// Work that is not done twice on a node, whichever run did it.
    async fn once_on_each(
        &self,
        number: usize,
        on: &Selector,
        work: impl AsyncFn(&Machine) -> Result<(), Failure>,
    ) -> Result<(Outcome, String), Failure> {
        self.session.alone().await?;
        let machines = chosen(self.session.machines().await?, on)?;
        let (done, left): (Vec<&Machine>, Vec<&Machine>) =
            machines.into_iter().partition(|machine| self.done.contains(&(number, Some(machine.node.name.clone()))));
        for machine in &done {
            self.is_done((number, Some(machine.node.name.clone())));
        }
        on_each(&left, on.each, async |machine: &&Machine| work(machine).await).await?;
        let names = |machines: &[&Machine]| {
            machines.iter().map(|machine| machine.node.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let before = if done.is_empty() { String::new() } else { format!("{} before", names(&done)) };
        let parts: Vec<String> = [names(&left), before].into_iter().filter(|part| !part.is_empty()).collect();
        Ok((if left.is_empty() { Outcome::Unchanged } else { Outcome::Changed }, parts.join("; ")))
    }

    fn progress(&self, item: usize, text: String) {
        self.session.tell.event(Event::ItemProgress { item, of: self.run_file.playbook.items.len(), text });
    }

    async fn upload(&self, wanted: &Upload, stop: &CancellationToken) -> Result<(Outcome, String), Failure> {
        self.session.alone().await?;
        let machines = chosen(self.session.machines().await?, &wanted.on)?;
        let put = async |machine: &&Machine| guarded(stop, on_nodes::put(&machine.connection, wanted)).await;
        on_each(&machines, wanted.on.each, put).await?;
        Ok((Outcome::Changed, wanted.on.nodes.join(", ")))
    }

    /// What is seen is told when it changes, with what is left of the limit.
    async fn wait(
        &self,
        number: usize,
        awaited: &Awaited,
        stop: &CancellationToken,
    ) -> Result<(Outcome, String), Failure> {
        let began = Instant::now();
        let project = self.session.project;
        let machines = self.session.machines().await?;
        let all: Vec<Condition> = conditions(&awaited.what);
        let waited = async {
            let reached = inputs::reach(project, machines).await?.ok_or_else(|| inputs::nothing_there(project))?;
            let mut last = String::new();
            let progress = |seen: &str| {
                if last != seen {
                    last = seen.to_owned();
                    self.progress(number, left(seen, began.elapsed(), awaited.limit));
                }
            };
            reached.cluster.wait_all(&all, awaited.limit, progress).await.map_err(|error| {
                Failure::of(Exit::StepFailed, &error).hint("`cowhand status` shows the cluster as it is")
            })
        };
        let text = awaited.what.to_string();
        guarded(stop, waited).await?;
        Ok((Outcome::Passed, text))
    }
}

/// `deployment a/b: 2 of 3 ready; 4m10s of 5m left`.
fn left(seen: &str, gone: Duration, limit: Duration) -> String {
    let whole = |time: Duration| crate::cluster::duration(Duration::from_secs(time.as_secs()));
    format!("{seen}; {} of {} left", whole(limit.saturating_sub(gone)), whole(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_told_with_what_is_left_of_the_limit() {
        let told = |gone| left("nodes n1: not Ready", Duration::from_millis(gone), Duration::from_secs(300));
        assert_eq!(told(60_900), "nodes n1: not Ready; 3m59s of 5m left");
        assert_eq!(told(400_000), "nodes n1: not Ready; 0s of 5m left");
    }
}
