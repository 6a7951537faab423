//! `node remove`: a node leaves the cluster, in the one order in which nothing is lost on the way.

use std::time::Duration;

use secrecy::zeroize::Zeroizing;

use crate::cluster::ObjectRef;
use crate::engine::member_rule::{self, MemberChange};
use crate::engine::rke::etcd_member;
use crate::engine::rke::forget_node::without_node;
use crate::facts::{ContainerState, etcd};
use crate::failure::{Exit, Failure};
use crate::local::Secrecy;
use crate::plan::Stage;
use crate::plan::leave::{Leave, LeaveStep, allowed, leave};
use crate::remote::RemoteError;
use crate::session::begin::late;
use crate::session::cluster_api::ClusterApi;
use crate::session::confirm::{Asking, Confirmed};
use crate::session::leaving::{Leaving, swept};
use crate::session::machines::{Machine, Machines};
use crate::session::open::Session;
use crate::session::player::{Said, play};
use crate::session::run::{guarded, interrupted, untouched};
use crate::session::{Connect, away, drain, members};

/// What was said to `node remove`.
pub struct Wanted<'a> {
    pub leaving: &'a Leaving,
    pub connect: &'a Connect,
    /// How long its pods have to go.
    pub limit: Duration,
    /// Its machine is given up.
    pub unreachable: bool,
    pub yes: &'a [String],
}

/// Everything that is at hand while the node leaves.
struct Scene<'a> {
    session: &'a Session<'a>,
    wanted: &'a Wanted<'a>,
    machines: &'a Machines,
    reached: ClusterApi,
    machine: Result<Machine, String>,
}

/// What would be done; nothing is changed.
///
/// # Errors
/// When it may not leave.
pub async fn plan(
    wanted: &Wanted<'_>,
    machines: &Machines,
    context: &crate::session::Context,
) -> Result<Leave, Failure> {
    away::go_on(&wanted.leaving.project, machines)?;
    let reached = drain::api(&wanted.leaving.project, machines).await?;
    let machine = wanted.leaving.machine(&reached, wanted.connect, context, None).await?;
    let found = wanted.leaving.look(machines, &reached, &machine).await;
    if let Ok(machine) = &machine {
        machine.connection.disconnect().await;
    }
    leave(&found?, wanted.unreachable)
}

/// The session is one of [`Leaving::project`].
///
/// # Errors
/// When it may not leave, or a step fails: what is done stays done, and the same command goes on.
pub async fn remove(session: &Session<'_>, wanted: &Wanted<'_>) -> Result<String, Failure> {
    let scene = Scene::see(session, wanted).await?;
    let removed = scene.remove().await;
    if let Ok(machine) = &scene.machine {
        machine.connection.disconnect().await;
    }
    let goes_on = removed?;
    let name = &wanted.leaving.name;
    if goes_on {
        play(session, &[Stage::Check, Stage::Cluster], &Said::default()).await.map_err(|failure| {
            late(failure).because(format!("{name} has left; only rke has not gone over the others yet"))
        })?;
    }
    Ok(format!("{name} has left the cluster"))
}

impl<'a> Scene<'a> {
    async fn see(session: &'a Session<'a>, wanted: &'a Wanted<'a>) -> Result<Scene<'a>, Failure> {
        let machines = session.machines().await?;
        let seen = async {
            away::go_on(session.project, machines)?;
            let reached = drain::api(session.project, machines).await?;
            let screen = Some(session.screen.clone());
            let machine = wanted.leaving.machine(&reached, wanted.connect, session.context, screen).await?;
            Ok(Scene { session, wanted, machines, reached, machine })
        };
        guarded(&session.context.stop, seen).await.map_err(untouched)
    }

    fn name(&self) -> &str {
        &self.wanted.leaving.name
    }

    /// As it would be done now.
    async fn plan(&self) -> Result<Leave, Failure> {
        let found = self.wanted.leaving.look(self.machines, &self.reached, &self.machine).await?;
        leave(&found, self.wanted.unreachable)
    }

    /// Whether rke has to go over the others.
    async fn remove(&self) -> Result<bool, Failure> {
        let session = self.session;
        let shown = guarded(session.stop(), self.plan()).await.map_err(untouched)?;
        self.confirm(&shown).await?;
        let alone = session.alone().await?;
        let holder =
            format!("{}, for cluster {}", crate::local::holder(session.command), session.project.inventory.name);
        let lock = match &self.machine {
            Ok(machine) => Some(guarded(alone.stop(), machine.lock(&holder)).await.map_err(untouched)?),
            Err(_) => None,
        };
        // Behind the lock everything is looked at again; what is done is planned from that.
        let plan = guarded(alone.stop(), self.plan()).await.map_err(untouched)?;
        for step in plan.steps.iter().filter(|step| **step != LeaveStep::RkeUp) {
            if !guarded(alone.stop(), async { Ok(alone.confirmed().await) }).await? {
                return Err(interrupted());
            }
            session.tell.detail(step.to_string());
            let again = || format!("`cowhand node remove {}` again goes on from here", self.name());
            let goes_on = |failure: Failure| {
                let failure = late(failure);
                if failure.hint.is_none() { failure.hint(again()) } else { failure }
            };
            guarded(alone.stop(), self.carry_out(step)).await.map_err(goes_on)?;
        }
        drop(lock);
        guarded(alone.stop(), self.gone()).await?;
        Ok(plan.steps.contains(&LeaveStep::RkeUp) && guarded(alone.stop(), self.may_restart()).await?)
    }

    /// rke starts each etcd that stays again, one after the other, without a member that is gone in its list (rancher/rke
    /// v1.8.0: services/etcd.go, RunEtcdPlane). Where one of them is down, that has to wait.
    async fn may_restart(&self) -> Result<bool, Failure> {
        let members = members::for_rule(self.machines).await?;
        let restarts = members.iter().map(|one| MemberChange::Restart { node: one.node.clone() });
        let answers = restarts.map(|change| member_rule::judge(&members, &change));
        match answers.into_iter().find(|answer| !answer.lets_up_go()) {
            None => Ok(true),
            Some(answer) => {
                self.session.tell.warning(format!("rke does not go over the nodes that stay yet: {answer}"));
                Ok(false)
            }
        }
    }

    async fn confirm(&self, plan: &Leave) -> Result<(), Failure> {
        let name = self.name();
        let another = format!("this command removes {name}; nothing else");
        let asking = Asking {
            name,
            question: plan.text().trim_end().to_owned(),
            what: "removing a node",
            another: &another,
            unasked: "without a terminal, `--yes` with the name of the node confirms it; `--plan` shows what it would do",
        };
        match asking.ask(self.session.context, Some(self.session.screen.clone()), self.wanted.yes).await? {
            Confirmed::Typed => {}
            Confirmed::Given => asking.question.lines().for_each(|line| self.session.tell.note(line.trim_end())),
        }
        Ok(())
    }

    async fn carry_out(&self, step: &LeaveStep) -> Result<(), Failure> {
        let cluster = &self.reached.cluster;
        match step {
            LeaveStep::Close => drain::close(self.session, cluster, self.name()).await,
            LeaveStep::Drain { .. } => {
                let (name, agreed) = (self.name(), self.wanted.leaving.agreed);
                drain::emptied(self.session, cluster, (name, agreed), self.wanted.limit).await.map(drop)
            }
            LeaveStep::Stop { containers } => self.stop(containers).await,
            LeaveStep::RemoveMember { id, member } => self.remove_member(*id, member).await,
            LeaveStep::Clean { .. } => self.clean().await,
            LeaveStep::DeleteNode => {
                let object = ObjectRef::new("v1", "Node", None, self.name());
                let deleted = cluster.delete(&object).await;
                deleted.map_err(|error| Failure::of(Exit::StepFailed, &error))?;
                self.note("is no Node of the API any more");
                Ok(())
            }
            LeaveStep::Forget { address } => self.forget(address),
            LeaveStep::RkeUp => Ok(()),
        }
    }

    fn note(&self, text: &str) {
        self.session.tell.note(format!("{} {text}", self.name()));
    }

    /// Its machine, where a step needs it.
    fn its_machine(&self) -> Result<&Machine, Failure> {
        self.machine.as_ref().map_err(|why| Failure::new(Exit::Bug, "a step needs a machine that is away").because(why))
    }

    /// Ends the containers, and sees that they have ended.
    async fn stop(&self, containers: &[String]) -> Result<(), Failure> {
        let Machine { node, connection } = self.its_machine()?;
        etcd_member::stop(connection, &node.docker_socket, containers).await.map_err(step)?;
        let asked = etcd::ask(connection, &node.docker_socket).await;
        let all = asked.containers.as_ref().map_err(|why| self.unseen(&why.to_string()))?;
        let running =
            |one: &&crate::facts::Container| containers.contains(&one.name) && one.state == ContainerState::Running;
        match all.iter().find(running) {
            Some(one) => Err(Failure::new(Exit::StepFailed, format!("{} on {} runs again", one.name, self.name()))
                .hint("see who starts it there")),
            None => {
                self.note(&format!("has ended {}", containers.join(", ")));
                Ok(())
            }
        }
    }

    fn unseen(&self, why: &str) -> Failure {
        Failure::new(Exit::StepFailed, format!("{} cannot be looked at", self.name())).because(why)
    }

    /// The rule is asked right before, and what it said is seen to be so right after.
    async fn remove_member(&self, id: u64, member: &str) -> Result<(), Failure> {
        let now = members::for_rule(self.machines).await?;
        allowed(&now, member)?;
        let asked = members::asked(self.machines).await;
        let pairs = self.machines.reached.iter().zip(&asked);
        let answering = pairs.filter(|(_, asked)| asked.answer.is_ok()).map(|(machine, _)| machine).next();
        let from = answering.ok_or_else(|| self.unseen("no etcd on a node that stays can be asked"))?;
        self.leadership_away(id, &asked).await?;
        etcd_member::remove(&from.connection, &from.node.docker_socket, id).await.map_err(step)?;
        let after = members::asked(self.machines).await;
        let list = etcd::members(&after).map_err(|why| self.unseen(&why.to_string()))?;
        if list.iter().any(|one| one.id == id) {
            return Err(Failure::new(Exit::StepFailed, format!("{member} is still a member of etcd ({id:x})")));
        }
        self.note(&format!("is no member of etcd any more ({id:x})"));
        Ok(())
    }

    /// A leader that stops leaves the others without one for as long as an election takes.
    async fn leadership_away(&self, id: u64, asked: &[crate::facts::EtcdAsked]) -> Result<(), Failure> {
        let Ok(machine) = &self.machine else { return Ok(()) };
        let votes = |member: &&&etcd::Member| member.id != id && !member.learner && !member.name.is_empty();
        let list = etcd::members(asked).map_err(|why| self.unseen(&why.to_string()))?;
        let Some(to) = list.iter().find(votes) else { return Ok(()) };
        match etcd_member::give_leadership_away(&machine.connection, &machine.node.docker_socket, id, to.id).await {
            Ok(true) => self.note(&format!("gave etcd's leadership to {}", to.node())),
            Ok(false) => {}
            // An etcd that does not answer leads nobody.
            Err(error) => self.session.tell.detail(format!("{}: {error}", self.name())),
        }
        Ok(())
    }

    /// Takes away what is of the cluster, and sees that it is gone.
    async fn clean(&self) -> Result<(), Failure> {
        let machine = self.its_machine()?;
        let sweep = self.wanted.leaving.sweep()?;
        let (connection, name) = (&machine.connection, &machine.node.name);
        sweep.judge(connection, name).await.map_err(swept)?;
        let there = sweep.after(connection, name).await.map_err(swept)?;
        if there.left.is_empty() {
            self.note("is clean: no container, no data and no key of the cluster is left there");
            return Ok(());
        }
        Err(Failure::new(Exit::StepFailed, format!("something of the cluster is still on {name}"))
            .because(there.left.join("\n"))
            .hint(format!("a reboot of {name} ends what holds it")))
    }

    /// The state is kept aside before.
    fn forget(&self, address: &str) -> Result<(), Failure> {
        let workspace = &self.session.project.workspace;
        let failed = |error: crate::local::WorkspaceError| Failure::of(Exit::StepFailed, &error);
        if let Some(note) = workspace.mend_state().map_err(failed)? {
            self.session.tell.warning(note);
        }
        let bytes = workspace.state_bytes().map_err(failed)?;
        let without = bytes.and_then(|bytes| without_node(std::str::from_utf8(&bytes).ok()?, address));
        let Some(without) = without.map(Zeroizing::new) else { return Ok(()) };
        workspace.keep_state_aside().map_err(failed)?;
        workspace.write(&workspace.cluster_state(), without.as_bytes(), Secrecy::Private).map_err(failed)?;
        self.note("is out of cluster.rkestate");
        Ok(())
    }

    /// State, API and etcd are asked again: none has it.
    async fn gone(&self) -> Result<(), Failure> {
        let machine = Err("it has left".to_owned());
        let found = self.wanted.leaving.look(self.machines, &self.reached, &machine).await?;
        let seen = [
            (found.state.is_some(), "cluster.rkestate"),
            (found.node.is_some(), "the API"),
            (found.member.is_some(), "etcd"),
        ];
        match seen.iter().find(|(there, _)| *there) {
            None => Ok(()),
            Some((_, place)) => Err(Failure::new(Exit::StepFailed, format!("{} is in {place} again", self.name()))
                .hint("see that its machine is down or clean, then the same command again")),
        }
    }
}

fn step(error: RemoteError) -> Failure {
    Failure::of(Exit::StepFailed, &error)
}
