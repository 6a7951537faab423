//! Worlds for tests: an inventory of three nodes, and what was seen on them.

use std::net::IpAddr;
use std::path::Path;

use super::*;
use crate::cluster::NodeSeen;
use crate::facts::cluster::IngressClass;
use crate::facts::controllers::ControllerSeen;
use crate::facts::etcd::{EtcdAnswer, Health, Member};
use crate::facts::existing::{ApiServiceSeen, ClusterObserved, ExistingSeen};
use crate::facts::images::ImagesSeen;
use crate::facts::inhabitants::{CertManagerPlace, CertManagerSeen, FormerRancher, RancherThere, ReleaseSeen};
use crate::facts::kubeconfig::{KubeconfigSeen, Proof, Usable};
use crate::facts::owner::{Claim, Mark};
use crate::facts::rights::{Answered, NEEDED};
use crate::facts::{
    self, CaFingerprint, ClockOffset, Container, ContainerState, EtcdAsked, MembersSeen, NodeFacts, NodeObservation,
    Observed, Outcome, Reached, StateFile, StateNode, StateNodes, WorkspaceFacts,
};
use crate::inventory::*;

pub fn captured(name: &str) -> NodeFacts {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/facts").join(format!("{name}.txt"));
    facts::parse(&std::fs::read_to_string(path).unwrap())
}

pub fn authority() -> CaFingerprint {
    CaFingerprint::from_pem(include_str!("../../tests/data/facts/kube-ca.pem")).unwrap()
}

pub struct World {
    pub inventory: Inventory,
    pub observed: Observed,
    pub workspace: WorkspaceFacts,
    pub kubeconfig: Option<KubeconfigSeen>,
    pub cluster: Option<ClusterObserved>,
    pub members: Option<MembersSeen>,
    pub images: Option<ImagesSeen>,
    pub name: facts::dns::Resolved,
}

/// Of somebody, from the beginning of 1970 on.
pub fn certificate(days: i64) -> Proof {
    Proof::Certificate {
        subject: "CN=admin".into(),
        not_before: jiff::Timestamp::UNIX_EPOCH,
        not_after: jiff::Timestamp::from_second(days * 86_400).unwrap(),
    }
}

/// The inventory's node, as RKE's state names it.
pub fn state_node(node: &Node) -> StateNode {
    let internal = node.internal_address.map_or(node.address.clone(), |address| address.to_string());
    let (name, address) = (node.name.to_lowercase(), node.address.clone());
    StateNode { name, address, internal_address: internal, roles: node.roles }
}

/// What API and etcd say of a cluster of these nodes when all is well.
pub fn members(nodes: &[Node]) -> MembersSeen {
    let api = nodes.iter().map(|node| NodeSeen {
        addresses: vec![("InternalIP".into(), node.address.clone())],
        ..api_node(&node.name.to_lowercase())
    });
    let etcd = || nodes.iter().filter(|node| node.roles.etcd).zip(1..);
    let answer = EtcdAnswer {
        members: etcd()
            .map(|(node, id)| member(id, &format!("etcd-{}", node.name.to_lowercase()), &node.address))
            .collect(),
        health: etcd().map(|(node, _)| health(&node.address, true)).collect(),
    };
    let asked = nodes.iter().map(|node| EtcdAsked {
        node: node.name.clone(),
        containers: Ok(vec![Container {
            name: "etcd".into(),
            state: ContainerState::Running,
            status: "Up 2 hours".into(),
            label: Some("etcd".into()),
            image: String::new(),
        }]),
        answer: Ok(answer.clone()),
    });
    MembersSeen { api: Ok(api.collect()), etcd: asked.collect() }
}

pub fn member(id: u64, name: &str, address: &str) -> Member {
    Member { id, name: name.into(), addresses: vec![address.into()], learner: false }
}

pub fn health(address: &str, healthy: bool) -> Health {
    let error = if healthy { String::new() } else { "context deadline exceeded".into() };
    Health { endpoint: format!("https://{address}:2379"), healthy, error }
}

pub fn api_node(name: &str) -> NodeSeen {
    NodeSeen {
        name: name.into(),
        ready: true,
        message: "kubelet is posting ready status".into(),
        version: "v1.32.2".into(),
        addresses: vec![],
        roles: vec![],
        unschedulable: false,
        closed_by: None,
        taints: vec![],
    }
}

/// A cluster with everything as it should be, and a cert-manager of somebody else's.
fn seen() -> ExistingSeen {
    let place = CertManagerPlace {
        namespace: "security".into(),
        name: "cert-manager".into(),
        version: "v1.17.4".into(),
        ready: true,
    };
    ExistingSeen {
        version: "v1.32.2".into(),
        uid: Ok("u-prod".into()),
        claim: Ok(Claim::Free),
        built_by_rke: Ok(false),
        rights: Ok(NEEDED.iter().map(|needed| Answered { needed: *needed, denied: vec![] }).collect()),
        nodes: Ok((1..=3).map(|index| api_node(&format!("k{index}"))).collect()),
        classes: Ok(vec![class("nginx", true)]),
        controllers: Ok(vec![serving("k8s.io/ingress-nginx", "ingress-nginx", 3)]),
        releases: Ok(vec![]),
        cert_manager: Ok(CertManagerSeen { crds: true, serves_v1: true, controller: Some(place) }),
        api_services: Ok(vec![ApiServiceSeen { name: "v1beta1.metrics.k8s.io".into(), unavailable: None }]),
        aggregation: Ok(true),
        rancher: Ok(RancherThere::default()),
        former: Ok(FormerRancher::default()),
        storage: Ok(None),
    }
}

pub fn serving(controller: &'static str, namespace: &str, ready: usize) -> ControllerSeen {
    ControllerSeen { controller, namespace: namespace.into(), ready }
}

pub fn class(name: &str, default: bool) -> IngressClass {
    IngressClass { name: name.into(), controller: "k8s.io/ingress-nginx".into(), default }
}

/// A release of `cattle-system/rancher`, `traefik/traefik`…
pub fn release(namespace: &str, name: &str, by_cowhand: bool) -> ReleaseSeen {
    ReleaseSeen { namespace: namespace.into(), name: name.into(), revision: 1, status: "deployed".into(), by_cowhand }
}

/// The mark of this inventory.
pub fn ours() -> Claim {
    Claim::Ours(Mark { inventory: "prod".into(), uid: "u1".into() })
}

pub fn node(index: u8) -> Node {
    Node {
        name: format!("n{index}"),
        address: format!("10.0.0.1{index}"),
        internal_address: None,
        roles: Roles::ALL,
        ssh: Ssh::default(),
        labels: Default::default(),
        taints: vec![],
        docker_socket: "/var/run/docker.sock".into(),
    }
}

pub fn inventory() -> Inventory {
    let chart = |name: &str, version: &str| Chart {
        source: ChartSource::Repository { url: "https://charts.example.com".into(), name: name.into() },
        version: version.into(),
    };
    Inventory {
        backup: Default::default(),
        name: "prod".into(),
        nodes: (1..=3).map(node).collect(),
        engine: Engine::Rke(Rke {
            version: "v1.8.0".into(),
            kubernetes: "v1.32.2-rancher1-1".into(),
            binary: Tool::Search,
            cluster: Values::new(),
            bucket_ca: None,
            files: Vec::new(),
            adopted: false,
        }),
        ingress: Ingress {
            provider: IngressProvider::Nginx,
            class: "nginx".into(),
            controller: None,
            chart: chart("traefik", "37.0.0"),
            values: Values::new(),
        },
        cert_manager: CertManager {
            install: CertManagerInstall::Auto,
            chart: chart("cert-manager", "v1.18.2"),
            values: Values::new(),
        },
        rancher: Rancher {
            hostname: "rancher.example.com".into(),
            version: semver::Version::new(2, 11, 3),
            replicas: 3,
            delivery: Delivery::Addon,
            chart: chart("rancher", "2.11.3"),
            values: Values::new(),
            bootstrap_password: None,
            tls: Tls {
                mode: TlsMode::Ingress,
                issuer: TlsIssuer::Ca,
                certificate: None,
                key: None,
                ca: None,
                ca_key: None,
                also_trust: None,
                acme: None,
                passthrough: false,
                agent_tls_mode: None,
            },
        },
        load_balancers: vec![],
        dns_server: None,
        helm: Tool::Search,
        skip_checks: vec![],
    }
}

/// What the probe would say on node `index`: the same capture, with a name, an id and an address of its own.
pub fn facts_of(capture: &str, index: u8) -> NodeFacts {
    let mut facts = captured(capture);
    facts.hostname = Ok(format!("n{index}"));
    facts.machine_id = Ok(format!("{index:032x}"));
    let own: IpAddr = format!("10.0.0.1{index}").parse().unwrap();
    for address in facts.addresses.as_mut().unwrap() {
        if address.ip.to_string() == "10.0.0.11" {
            address.ip = own;
        }
    }
    facts.ssh_address = Ok(own);
    facts
}

impl World {
    pub fn on(capture: &str) -> World {
        let reached = |index: u8| {
            let facts = facts_of(capture, index);
            let docker_through_ssh = facts.docker.as_ref().map(|docker| docker.api.clone()).map_err(Clone::clone);
            let clock = Ok(ClockOffset { seconds: 0.1 * f64::from(index), uncertainty: 0.05 });
            Reached { facts, clock, docker_through_ssh, tcp_forwarding: Ok(()) }
        };
        let nodes = (1..=3).map(|index| NodeObservation {
            name: format!("n{index}"),
            address: format!("10.0.0.1{index}"),
            outcome: Outcome::Reached(Box::new(reached(index))),
        });
        World {
            inventory: inventory(),
            observed: Observed { nodes: nodes.collect() },
            workspace: WorkspaceFacts {
                state: StateFile::Absent,
                broken: None,
                first_leaf: Some(("kube-proxy".into(), "1979-12-30T00:00:00Z".parse().unwrap())),
                pinned: None,
            },
            name: Ok((1..=3).map(|index| IpAddr::from([10, 0, 0, 10 + index])).collect()),
            kubeconfig: None,
            cluster: None,
            members: None,
            images: Some(ImagesSeen { nodes: vec![("n1".into(), Ok(Vec::new()))], ..ImagesSeen::default() }),
        }
    }

    /// A cluster that is there, without nodes in the inventory, with everything as it should be.
    pub fn existing() -> World {
        let mut world = World::good();
        world.inventory.engine = Engine::Existing(Existing { kubeconfig: "kubeconfig".into(), context: None });
        world.inventory.nodes.clear();
        world.name = Ok(vec![IpAddr::from([10, 0, 0, 11])]);
        world.observed.nodes.clear();
        world.inventory.ingress.provider = IngressProvider::Existing;
        world.inventory.ingress.class = String::new();
        world.inventory.rancher.delivery = Delivery::Helm;
        let usable =
            Usable { context: "prod".into(), server: "https://10.0.0.11:6443".into(), proof: certificate(365) };
        world.kubeconfig = Some(KubeconfigSeen { path: "kubeconfig".into(), usable: Ok(usable) });
        world.cluster = Some(ClusterObserved::Reached(Box::new(seen())));
        world
    }

    pub fn cluster(&mut self) -> &mut ExistingSeen {
        match &mut self.cluster {
            Some(ClusterObserved::Reached(seen)) => seen,
            Some(ClusterObserved::Unreachable { .. }) | None => panic!("no cluster is reached"),
        }
    }

    pub fn prove(&mut self, proof: Proof) {
        self.kubeconfig.as_mut().unwrap().usable.as_mut().unwrap().proof = proof;
    }

    pub fn good() -> World {
        World::on("debian-13")
    }

    /// n2 is another machine.
    pub fn with(capture: &str) -> World {
        let mut world = World::good();
        let facts = facts_of(capture, 2);
        let reached = world.n2();
        reached.docker_through_ssh = facts.docker.as_ref().map(|docker| docker.api.clone()).map_err(Clone::clone);
        reached.facts = facts;
        world
    }

    pub fn n2(&mut self) -> &mut Reached {
        match &mut self.observed.nodes[1].outcome {
            Outcome::Reached(reached) => reached,
            Outcome::Unreachable { .. } => panic!("n2 is not reached"),
        }
    }

    pub fn rke(&mut self) -> &mut Rke {
        match &mut self.inventory.engine {
            Engine::Rke(rke) => rke,
            Engine::Existing(_) => panic!("no rke"),
        }
    }

    /// The state of a cluster with these CAs on the inventory's nodes, all of them Ready and healthy.
    pub fn know(&mut self, authorities: Vec<CaFingerprint>) {
        let nodes: Vec<StateNode> = self.inventory.nodes.iter().map(state_node).collect();
        let nodes = StateNodes { applied: Some(nodes.clone()), desired: nodes };
        self.workspace.state = StateFile::Present { path: "cluster.rkestate".into(), authorities, nodes };
        self.members = Some(members(&self.inventory.nodes));
    }

    pub fn context(&self) -> Context<'_> {
        Context {
            inventory: &self.inventory,
            observed: Some(&self.observed),
            kubeconfig: self.kubeconfig.as_ref(),
            cluster: self.cluster.as_ref(),
            members: self.members.as_ref(),
            images: self.images.as_ref(),
            now: jiff::Timestamp::UNIX_EPOCH,
            workspace: &self.workspace,
            certificates: &[],
            name: Some(&self.name),
        }
    }

    pub fn report(&self) -> Report {
        run_all(&self.context(), &Skips::default())
    }

    /// What one check says, worst first.
    pub fn say(&self, id: &str) -> Vec<Finding> {
        let check = ALL.iter().find(|check| check.id == id).unwrap_or_else(|| panic!("no check {id}"));
        let mut findings = check.findings(&self.context());
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
        findings
    }
}

/// A check of engine existing alone.
pub fn is_for_existing(id: &str) -> bool {
    id.starts_with("existing.") || id.starts_with("kubeconfig.")
}

pub fn set_free(reached: &mut Reached, place: facts::Place, free: u64) {
    let disks = reached.facts.disks.as_mut().unwrap();
    disks.iter_mut().find(|disk| disk.place == place).unwrap().free = free;
}

pub fn each_clock(world: &mut World, seconds: f64) {
    for node in &mut world.observed.nodes {
        if let Outcome::Reached(reached) = &mut node.outcome {
            reached.clock = Ok(ClockOffset { seconds, uncertainty: 0.1 });
        }
    }
}

pub fn listen(reached: &mut Reached, port: u16, process: Option<&str>) {
    let process = process.map(str::to_owned);
    let listener = facts::Listener { protocol: facts::Protocol::Tcp, address: None, port, process };
    reached.facts.listening.as_mut().unwrap().push(listener);
}

/// A container of RKE's, as rke makes it.
pub fn contain(reached: &mut Reached, name: &str, state: facts::ContainerState) {
    let label = facts::LABELLED.contains(&name).then(|| name.to_owned());
    let image = "rancher/rke-tools:v0.1.111".into();
    let container = facts::Container { name: name.into(), state, status: "as Docker says".into(), label, image };
    reached.facts.containers.as_mut().unwrap().push(container);
}

/// Somebody else's, under a name that RKE gives as well.
pub fn contain_foreign(reached: &mut Reached, name: &str, state: facts::ContainerState) {
    contain(reached, name, state);
    let container = reached.facts.containers.as_mut().unwrap().last_mut().unwrap();
    (container.label, container.image) = (None, "somebody/web:1".into());
}

pub fn leave(reached: &mut Reached, path: &str) {
    let leftovers = reached.facts.leftovers.as_mut().unwrap();
    leftovers.iter_mut().find(|leftover| leftover.path == path).unwrap().state = facts::FolderState::Full;
}
