//! A node that is to leave, looked at from all sides: state, API, etcd, its machine, and those that stay.

use crate::check;
use crate::engine::member_rule;
use crate::engine::rke::{Sweep, SweepError};
use crate::facts::etcd::{self, Member};
use crate::facts::{ContainerState, Fact, StateNode, WorkspaceFacts};
use crate::failure::{Exit, Failure};
use crate::inventory::{Node, Roles};
use crate::plan::drain::Agreed;
use crate::plan::leave::{LeaveFound, MachineFound};
use crate::remote::ConnectError;
use crate::report::Pauser;
use crate::session::cluster_api::{ClusterApi, unseen};
use crate::session::machines::{Machine, Machines};
use crate::session::project::Project;
use crate::session::{Connect, Context, drain, members, removal};

/// RKE's containers that are a node's control plane, the API server first.
const API: [&str; 3] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// The node, and the project without it: what stays is reached through the nodes that stay.
pub struct Leaving {
    /// Lower case.
    pub name: String,
    pub agreed: Agreed,
    /// As the file has it; no run goes by this one.
    whole: Project,
    pub project: Project,
}

impl Leaving {
    /// # Errors
    /// When cowhand did not build the cluster, or it is protected.
    pub fn of(whole: Project, name: &str, agreed: Agreed) -> Result<Leaving, Failure> {
        let name = name.to_lowercase();
        if !whole.inventory.engine.builds_nodes() {
            return Err(Failure::new(
                Exit::Usage,
                "the nodes of a cluster that was there before are not cowhand's to remove",
            )
            .hint("remove it with what the cluster was built with; `cowhand node drain` empties it before"));
        }
        crate::session::adoption::refuse(&whole.inventory, &whole.workspace, "made smaller")?;
        let project = whole.without_node(&name);
        Ok(Leaving { name, agreed, whole, project })
    }

    fn listed(&self) -> Option<&Node> {
        self.whole.inventory.nodes.iter().find(|node| node.name == self.name)
    }

    fn in_state(&self) -> Result<Option<StateNode>, Failure> {
        let state = self.whole.workspace_facts()?.state;
        Ok(state.nodes().into_iter().flat_map(|nodes| nodes.all()).find(|node| node.name == self.name).cloned())
    }

    /// How its machine is reached: as the inventory says, or, where that no longer has it, as the others are.
    ///
    /// # Errors
    /// When the inventory means another machine by that name.
    pub async fn node(&self, reached: &ClusterApi) -> Result<Option<Node>, Failure> {
        let state = self.in_state()?;
        if let Some(listed) = self.listed() {
            return match &state {
                Some(state) if state.address != listed.address => Err(Failure::new(
                    Exit::ChecksFailed,
                    format!(
                        "{} is at {} in the cluster, and at {} in the inventory",
                        self.name, state.address, listed.address
                    ),
                )
                .hint("call the new machine otherwise: a node is removed by its name; nothing was changed")),
                Some(_) | None => Ok(Some(listed.clone())),
            };
        }
        let api = reached.cluster.nodes().await.map_err(unseen)?;
        let of_api = api.iter().find(|node| node.name == self.name).and_then(|node| node.addresses.first().cloned());
        let address = state.as_ref().map(|node| node.address.clone()).or(of_api.map(|(_, address)| address));
        let roles = state.as_ref().map_or(Roles::ALL, |node| node.roles);
        let internal = state.as_ref().and_then(|node| node.internal_address.parse().ok());
        let like = self.project.inventory.nodes.first();
        Ok(address.zip(like).map(|(address, like)| Node {
            name: self.name.clone(),
            internal_address: internal.filter(|internal: &std::net::IpAddr| internal.to_string() != address),
            address,
            roles,
            ssh: crate::inventory::Ssh { host: None, ..like.ssh.clone() },
            ..like.clone()
        }))
    }

    /// The machine, or why it is not reached.
    pub async fn machine(
        &self,
        reached: &ClusterApi,
        how: &Connect,
        context: &Context,
        screen: Option<Pauser>,
    ) -> Result<Result<Machine, String>, Failure> {
        let Some(node) = self.node(reached).await? else {
            return Ok(Err("nothing says where it is: put its line back into the inventory".into()));
        };
        let said = |error: ConnectError| {
            let Failure { error, because, .. } = Failure::of(Exit::Unreachable, &error);
            std::iter::once(error).chain(because).collect::<Vec<_>>().join(": ")
        };
        let connected = Machines::connect_again(&node, how, context, screen).await;
        Ok(connected.map(|connection| Machine { node, connection }).map_err(said))
    }

    /// Everything that the plan goes by; nothing is changed.
    ///
    /// # Errors
    /// When something cannot be seen, or its machine is not this cluster's.
    pub async fn look(
        &self,
        machines: &Machines,
        reached: &ClusterApi,
        machine: &Result<Machine, String>,
    ) -> Result<LeaveFound, Failure> {
        let asked = members::asked(machines).await;
        let state = self.in_state()?;
        let all = self.whole.workspace_facts()?.state;
        let all: Vec<StateNode> = all.nodes().into_iter().flat_map(|nodes| nodes.all()).cloned().collect();
        let wanted = &self.project.inventory.nodes;
        let staying = all.iter().filter(|node| wanted.iter().any(|one| one.address == node.address));
        let joining = wanted.iter().filter(|one| !all.iter().any(|node| node.address == one.address));
        let nodes = reached.cluster.nodes().await.map_err(unseen)?;
        let node = nodes.into_iter().find(|node| node.name == self.name);
        let rule = |unseen: &dyn std::fmt::Display| {
            Failure::new(Exit::ChecksFailed, "it cannot be seen who is a member of etcd").because(unseen.to_string())
        };
        let listed: Fact<Vec<&Member>> = etcd::members(&asked);
        let listed = listed.map_err(|why| rule(&why))?;
        let member = listed.into_iter().find(|member| self.is_its(member, state.as_ref()));
        let pods = match &node {
            Some(node) if node.ready => Some(drain::look(&reached.cluster, &self.name, self.agreed).await?),
            Some(_) | None => None,
        };
        Ok(LeaveFound {
            name: self.name.clone(),
            cluster: self.project.inventory.name.clone(),
            member: member.map(|member| (member.id, member.node())),
            etcd: member_rule::seen(&asked).map_err(|why| rule(&why))?,
            machine: match machine {
                Ok(machine) => self.on_machine(machine).await?,
                Err(why) => MachineFound::Away { why: why.clone() },
            },
            staying: staying.filter(|node| node.name != self.name).cloned().collect(),
            wanted: wanted.iter().map(|node| node.roles).collect(),
            listed: self.listed().is_some(),
            adopted: self.project.inventory.is_adopted(),
            joining: joining.map(|node| node.name.clone()).collect(),
            state,
            node,
            pods,
        })
    }

    /// By the name of its node, or, where it never started, by its address.
    fn is_its(&self, member: &Member, state: Option<&StateNode>) -> bool {
        let at = |address: &str| {
            let listed = self.listed().is_some_and(|node| {
                node.address == address || node.internal_address.is_some_and(|one| one.to_string() == address)
            });
            listed || state.is_some_and(|node| node.is_at(address))
        };
        member.node() == self.name || (member.name.is_empty() && member.addresses.iter().any(|address| at(address)))
    }

    /// What is on the machine, once all of it is seen to be this workspace's own.
    async fn on_machine(&self, machine: &Machine) -> Result<MachineFound, Failure> {
        let mut inventory = self.project.inventory.clone();
        inventory.nodes = vec![machine.node.clone()];
        let answers = [(machine.node.name.clone(), Ok(machine.connection.clone()))];
        let observed = crate::facts::gather(&inventory.nodes, &inventory.rancher.hostname, &answers).await;
        let workspace = WorkspaceFacts { broken: None, ..self.whole.workspace_facts()? };
        let context = check::Context {
            inventory: &inventory,
            observed: Some(&observed),
            kubeconfig: None,
            cluster: None,
            members: None,
            images: None,
            now: jiff::Timestamp::now(),
            workspace: &workspace,
            certificates: &[],
            name: None,
        };
        if let Some(failure) = removal::refusal(&check::leaving(&context)) {
            return Err(failure);
        }
        let sweep = self.sweep()?;
        let name = &machine.node.name;
        sweep.judge(&machine.connection, name).await.map_err(swept)?;
        let there = sweep.look(&machine.connection, name).await.map_err(swept)?;
        let asked = etcd::ask(&machine.connection, &machine.node.docker_socket).await;
        let runs = |container: &str| asked.container(container).is_some_and(|one| one.state == ContainerState::Running);
        let api = API.into_iter().filter(|name| runs(name)).map(str::to_owned).collect();
        Ok(MachineFound::Reached { api, etcd: runs("etcd"), left: there.left, kept: there.kept })
    }

    /// What takes away the cluster's things from its machine.
    pub fn sweep(&self) -> Result<Sweep, Failure> {
        let Some(rke) = self.project.inventory.engine.rke_settings() else {
            return Err(Failure::new(Exit::Bug, "a node is swept without an engine rke"));
        };
        let nodes = &self.whole.inventory.nodes;
        let addresses =
            nodes.iter().flat_map(|node| node.address.parse().ok().into_iter().chain(node.internal_address));
        Ok(Sweep::new(rke, addresses))
    }
}

pub fn swept(error: SweepError) -> Failure {
    let exit = match &error {
        SweepError::Against { .. } => Exit::ChecksFailed,
        SweepError::Remote { .. } | SweepError::CutOff { .. } => Exit::StepFailed,
    };
    Failure::of(exit, &error)
}
