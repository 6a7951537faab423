//! The texts of the checks that are run on what came from outside.

/// Of one check.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    pub id: &'static str,
    pub what: &'static str,
    pub why: &'static str,
    pub fix: &'static str,
}

pub const NAME: Text = Text {
    id: "outside.name",
    what: "Rancher's name leads to the nodes or the load balancers, asked from this machine and from every node",
    why: "users type the name, agents are registered with it, and both go wherever it leads",
    fix: "let DNS answer with the nodes' (or the load balancer's) addresses; `dns: {server: …}` names another DNS server to ask",
};
pub const REACHED: Text = Text {
    id: "outside.reached",
    what: "every way to Rancher can be connected to",
    why: "users and agents come by each of these addresses; DNS round robin gives any of them to anybody",
    fix: "look whether the ingress controller runs on that node and whether a firewall drops the port",
};
pub const TRUSTED: Text = Text {
    id: "outside.trusted",
    what: "the certificate chain leads to the expected root and covers Rancher's name",
    why: "a client that knows only that root must be able to connect; agents in strict mode refuse anything else",
    fix: "compare the served chain with the files in the inventory; a chain without its intermediates is the usual cause",
};
pub const PROTOCOL: Text = Text {
    id: "outside.protocol",
    what: "TLS 1.2 or newer is spoken, and nothing older",
    why: "older protocols are broken; browsers and agents refuse them, and audits complain",
    fix: "configure the ingress controller or load balancer for TLS 1.2 and 1.3 only",
};
pub const PING: Text = Text {
    id: "outside.ping",
    what: "/ping answers `pong`",
    why: "it is Rancher itself that answers it: an ingress's default page or another program does not",
    fix: "look at `kubectl -n cattle-system get ingress,pods`; a 404 comes from an ingress that does not know the name",
};
pub const CACERTS: Text = Text {
    id: "outside.cacerts",
    what: "/cacerts has the predicted checksum",
    why: "agents compare this checksum with the one in their registration command and refuse to start when it differs",
    fix: "compare secret cattle-system/tls-ca with the CA file; Rancher's pods read it only when they start",
};
pub const REDIRECT: Text = Text {
    id: "outside.redirect",
    what: "plain http is redirected to https once, and that ends somewhere",
    why: "people type the bare name; a redirect to itself is a loop that no browser ends well",
    fix: "look at the ingress's ssl-redirect and at the forwarded headers a load balancer sets",
};
pub const NO_LOOP: Text = Text {
    id: "outside.no-loop",
    what: "over https the front page is answered, and never redirected back to itself",
    why: "where TLS ends before Rancher, it goes by X-Forwarded-Proto; a proxy that drops or rewrites it makes an endless redirect",
    fix: "let the balancer set `X-Forwarded-Proto: https`, and the ingress trust it from the addresses in `load_balancers`",
};
pub const FORWARDED: Text = Text {
    id: "outside.forwarded",
    what: "in mode external a node believes `X-Forwarded-Proto: https` from the balancers, and from nobody else",
    why: "not believed it is an endless redirect for everybody; believed from all, whoever reaches port 80 passes for https",
    fix: "see that `load_balancers` has the addresses which the nodes see the balancers come from, and let nobody else reach port 80",
};
pub const WEBSOCKET: Text = Text {
    id: "outside.websocket",
    what: "a WebSocket opens and answers",
    why: "Rancher's pages and all agents live on WebSockets; a proxy that does not know the upgrade leaves them without clusters",
    fix: "let every proxy between pass on Upgrade and Connection, in HTTP/1.1",
};
pub const SILENCE: Text = Text {
    id: "outside.websocket-silence",
    what: "a WebSocket is still open after more than the 60 seconds of silence that proxies usually allow",
    why: "an idle timeout of 60 seconds cuts agents and shells off again and again; only `verify --thorough` waits that long",
    fix: "raise the idle timeout of the balancer or ingress (1800 s is Rancher's own advice)",
};
pub const REPLICAS: Text = Text {
    id: "outside.replicas",
    what: "as many replicas of Rancher are ready as asked for, each on a node of its own",
    why: "a replica beside another goes with the same node; that is no high availability",
    fix: "look at `kubectl -n cattle-system get pods -o wide`; a pod that was moved stays where it is until it is made anew",
};
pub const AGENT_PING: Text = Text {
    id: "agent.ping-insecure",
    what: "an agent's first step: /ping answers, whatever the certificate is",
    why: "without it the agent's script ends at once with `is not accessible`",
    fix: "make Rancher's name lead to Rancher from where agents stand",
};
pub const AGENT_CACERTS: Text = Text {
    id: "agent.cacerts-checksum",
    what: "an agent's second step: the CA that it fetches has the checksum that it was registered with",
    why: "the registration command carries the checksum; an agent that fetches another CA refuses to start",
    fix: "register agents anew when the CA was changed on purpose; else put secret cattle-system/tls-ca right and restart Rancher's pods",
};
pub const AGENT_TRUST: Text = Text {
    id: "agent.trust",
    what: "an agent's third step: it trusts the certificate by its agent TLS mode",
    why: "strict agents know only what /cacerts holds, the others only their system's roots; neither asks anybody",
    fix: "strict: give the CA (`tls.ca`) that signed what is served; system-store: put the CA into the store of every machine that joins",
};
pub const AGENT_CONNECT: Text = Text {
    id: "agent.connect",
    what: "an agent's fourth step: its tunnel opens over a connection that it trusts",
    why: "everything that Rancher does on a cluster goes through this WebSocket",
    fix: "let every proxy between pass on Upgrade and Connection, in HTTP/1.1",
};
pub const AGENT_OTHER: Text = Text {
    id: "agent.trust-other-mode",
    what: "how an agent in the other TLS mode would fare; told, and never a failure",
    why: "who changes the agents' TLS mode wants to know it before",
    fix: "nothing need be done",
};

/// All of them, for `check --list` and `explain`.
pub const TEXTS: &[Text] = &[
    NAME,
    REACHED,
    TRUSTED,
    PROTOCOL,
    PING,
    CACERTS,
    REDIRECT,
    NO_LOOP,
    FORWARDED,
    WEBSOCKET,
    SILENCE,
    AGENT_PING,
    AGENT_CACERTS,
    AGENT_TRUST,
    AGENT_CONNECT,
    AGENT_OTHER,
    REPLICAS,
];
