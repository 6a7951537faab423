//! The proof from outside against real servers on loopback, each with one fault.

mod checksum;
mod server;

use std::time::Duration;

use cowhand::check::outside::{Cacerts, Expected, judge};
use cowhand::check::{Finding, Verdict};
use cowhand::facts::outside::{AgentTrust, Entrance, Origin, Path, Questions, probe};
use cowhand::inventory::AgentTlsMode;
use cowhand::tls::ca_checksum;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use server::{Ca, Fault, NAME, Rancher};

fn path(entrance: Entrance) -> Path {
    Path { name: "n1".into(), origin: Origin::Laptop, address: "n1".into(), entrance, by_name: true }
}

fn roots(ca: &Ca) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem.as_bytes()).unwrap()).unwrap();
    roots
}

fn expected(ca: &Ca) -> Expected {
    Expected {
        hostname: NAME.into(),
        trust: "the test's CA".into(),
        public: false,
        cacerts: Cacerts::Checksum(ca_checksum(&ca.pem)),
        plain: Verdict::Fail,
        old_tls: Verdict::Fail,
        balancers: vec![],
        agents: AgentTlsMode::Strict,
        thorough: false,
    }
}

/// Everything that is found along a path to this server by a client that trusts `ca`.
async fn walk(rancher: &Rancher, ca: &Ca, silence: Option<Duration>) -> Vec<Finding> {
    let roots = roots(ca);
    let questions = Questions { hostname: NAME, roots: &roots, agent: AgentTrust::Strict, other: None, silence };
    let seen = probe(rancher, &path(Entrance::Tls), &questions).await;
    judge(&Expected { thorough: silence.is_some(), ..expected(ca) }, &[seen])
}

/// What is no pass, with its evidence.
fn loud(findings: &[Finding]) -> Vec<(&'static str, Verdict, &str)> {
    let loud = findings.iter().filter(|finding| finding.verdict != Verdict::Pass);
    loud.map(|finding| (finding.check, finding.verdict, finding.seen.as_str())).collect()
}

/// The checks that are no pass against a server with this fault.
async fn failing(fault: Fault) -> Vec<&'static str> {
    let ca = Ca::make();
    let rancher = Rancher::start(fault, &ca, NAME, &ca.pem).await;
    let findings = walk(&rancher, &ca, None).await;
    loud(&findings).into_iter().map(|(id, _, _)| id).collect()
}

#[tokio::test]
async fn a_good_server_passes_everything() {
    let ca = Ca::make();
    let rancher = Rancher::start(Fault::None, &ca, NAME, &ca.pem).await;
    let findings = walk(&rancher, &ca, Some(Duration::from_millis(300))).await;
    assert_eq!(loud(&findings), []);
    for id in ["outside.no-loop", "outside.websocket", "outside.websocket-silence", "agent.trust", "agent.connect"] {
        assert!(findings.iter().any(|finding| finding.check == id), "{id} was not asked");
    }
}

#[tokio::test]
async fn a_redirect_loop_is_told_hop_by_hop() {
    let ca = Ca::make();
    let rancher = Rancher::start(Fault::Loops, &ca, NAME, &ca.pem).await;
    let findings = walk(&rancher, &ca, None).await;
    let evidence = |id: &str| findings.iter().find(|one| one.check == id).map(|one| one.seen.clone()).unwrap();
    assert_eq!(evidence("outside.no-loop"), format!("a loop: https://{NAME}/ → https://{NAME}/"));
    assert_eq!(evidence("outside.redirect"), format!("a loop: http://{NAME}/ → https://{NAME}/ → https://{NAME}/"));
}

#[tokio::test]
async fn two_hops_are_one_too_many() {
    assert_eq!(failing(Fault::TwoHops).await, ["outside.redirect"]);
    assert_eq!(failing(Fault::NoPlain).await, ["outside.redirect"]);
}

#[tokio::test]
async fn another_ca_than_the_expected_one() {
    let (ca, other) = (Ca::make(), Ca::make());
    let rancher = Rancher::start(Fault::None, &other, NAME, &ca.pem).await;
    let findings = walk(&rancher, &ca, None).await;
    let ids: Vec<_> = loud(&findings).iter().map(|one| one.0).collect();
    // an agent fetches the CA that was registered, and does not trust what is served; so its tunnel is not tried
    assert_eq!(ids, ["outside.trusted", "agent.trust", "agent.connect"], "{findings:#?}");
    // and with the other CA in /cacerts, too, the handshake is good and the checksum is not
    let rancher = Rancher::start(Fault::None, &other, NAME, &other.pem).await;
    let findings = walk(&rancher, &ca, None).await;
    let ids: Vec<_> = loud(&findings).iter().map(|one| one.0).collect();
    assert_eq!(ids, ["outside.trusted", "outside.cacerts", "agent.cacerts-checksum"], "{findings:#?}");
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let ca = Ca::make();
    let rancher = Rancher::start(Fault::None, &ca, "other.example.com", &ca.pem).await;
    let findings = walk(&rancher, &ca, None).await;
    let found = loud(&findings);
    assert_eq!(found.iter().map(|one| one.0).collect::<Vec<_>>(), ["outside.trusted", "agent.trust", "agent.connect"]);
    assert!(found[0].2.contains("not valid for name") || found[0].2.contains("NotValidForName"), "{}", found[0].2);
}

#[tokio::test]
async fn strict_agents_need_a_ca_to_be_strict_about() {
    let ca = Ca::make();
    let rancher = Rancher::start(Fault::NoCacerts, &ca, NAME, &ca.pem).await;
    let findings = walk(&rancher, &ca, None).await;
    let trust = findings.iter().find(|one| one.check == "agent.trust").unwrap();
    assert_eq!(trust.verdict, Verdict::Fail);
    assert!(trust.seen.contains("no CA in /cacerts"), "{}", trust.seen);
}

#[tokio::test]
async fn agents_that_go_by_a_system_that_knows_the_ca() {
    let (ca, roots) = (Ca::make(), RootCertStore::empty());
    let rancher = Rancher::start(Fault::None, &ca, NAME, &ca.pem).await;
    let (knowing, strange) = (self::roots(&ca), self::roots(&Ca::make()));
    for (system, verdict) in [(&knowing, Verdict::Pass), (&strange, Verdict::Warn)] {
        let agent = AgentTrust::SystemStore(system);
        let other = Some(AgentTrust::Strict);
        let questions = Questions { hostname: NAME, roots: &knowing, agent, other, silence: None };
        let seen = probe(&rancher, &path(Entrance::Tls), &questions).await;
        let expected = Expected { agents: AgentTlsMode::SystemStore, ..expected(&ca) };
        let found = judge(&expected, &[seen]);
        let of = |id: &str| found.iter().find(|one| one.check == id).unwrap();
        assert_eq!(of("agent.trust").verdict, verdict, "{found:#?}");
        assert!(of("agent.trust-other-mode").seen.contains("strict: would be trusted"), "{found:#?}");
    }
    let nobody =
        Questions { hostname: NAME, roots: &roots, agent: AgentTrust::SystemStore(&roots), other: None, silence: None };
    let seen = probe(&rancher, &path(Entrance::Tls), &nobody).await;
    assert!(judge(&expected(&ca), &[seen]).iter().any(|one| one.check == "outside.trusted" && one.blocks()));
}

#[tokio::test]
async fn websockets_that_die_in_silence_do_not_answer_or_do_not_open() {
    let ca = Ca::make();
    let rancher = Rancher::start(Fault::CutsSilence(200), &ca, NAME, &ca.pem).await;
    let findings = walk(&rancher, &ca, Some(Duration::from_secs(20))).await;
    let found = loud(&findings);
    assert_eq!(
        found.iter().map(|one| (one.0, one.1)).collect::<Vec<_>>(),
        [("outside.websocket-silence", Verdict::Fail)]
    );
    assert!(found[0].2.contains("of silence"), "{}", found[0].2);
    assert_eq!(failing(Fault::NoUpgrade).await, ["outside.websocket", "agent.connect"]);
    assert_eq!(failing(Fault::Deaf).await, ["outside.websocket", "agent.connect"]);
}

#[tokio::test]
async fn a_rancher_that_wants_a_token_is_neither_pass_nor_failure() {
    let ca = Ca::make();
    let rancher = Rancher::start(Fault::WantsToken, &ca, NAME, &ca.pem).await;
    let findings = walk(&rancher, &ca, None).await;
    let found: Vec<_> = loud(&findings).iter().map(|one| (one.0, one.1)).collect();
    assert_eq!(found, [("outside.websocket", Verdict::Warn), ("agent.connect", Verdict::Warn)]);
}

#[tokio::test]
async fn tls_of_old_times() {
    assert_eq!(failing(Fault::AlsoAncient).await, ["outside.protocol"]);
}

#[tokio::test]
async fn a_node_in_mode_external_speaks_plain_http_and_believes_the_balancer() {
    let ca = Ca::make();
    let rancher = Rancher::start(Fault::None, &ca, NAME, &ca.pem).await;
    let roots = roots(&ca);
    let questions = Questions { hostname: NAME, roots: &roots, agent: AgentTrust::Strict, other: None, silence: None };
    let seen = probe(&rancher, &path(Entrance::Plain), &questions).await;
    let balancers = vec!["127.0.0.1".parse().unwrap()];
    let found = judge(&Expected { balancers, ..expected(&ca) }, std::slice::from_ref(&seen));
    assert_eq!(loud(&found), []);
    let ids: Vec<_> = found.iter().map(|one| one.check).collect();
    assert_eq!(ids, ["outside.reached", "outside.ping", "outside.redirect", "outside.forwarded"]);
    // the same answer to somebody who is no balancer
    let found = judge(&expected(&ca), &[seen]);
    assert_eq!(
        loud(&found).iter().map(|one| (one.0, one.1)).collect::<Vec<_>>(),
        [("outside.forwarded", Verdict::Warn)]
    );
}
