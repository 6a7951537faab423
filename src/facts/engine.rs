//! What Docker says of itself, by its command and by its API.

use serde::Deserialize;

use super::sections::{Sections, find};
use super::{Container, ContainerState, Docker, DockerApi, Fact, Unseen};

pub(super) fn docker(sections: &Sections) -> Fact<Docker> {
    sections.first("docker-cli")?;
    let api = api(sections, "docker-version")?;
    let lines = sections.lines("docker-info")?;
    let text = |key: &str| find(&lines, key).unwrap_or_default().to_owned();
    let status = lines.iter().filter_map(|line| line.strip_prefix("status ")?.split_once(": "));
    Ok(Docker {
        api,
        storage_driver: text("driver"),
        storage_status: status.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        root: text("root"),
        log_driver: text("log-driver"),
        security: text("security").trim_matches(['[', ']']).to_owned(),
    })
}

pub(super) fn api(sections: &Sections, section: &str) -> Fact<DockerApi> {
    let read = |key: &str| sections.value(section, key).map(str::to_owned);
    Ok(DockerApi { version: read("version")?, api: read("api")?, minimum_api: read("minimum-api")? })
}

pub(super) fn containers(sections: &Sections) -> Fact<Vec<Container>> {
    sections.first("docker-cli")?;
    let lines = sections.lines("containers")?;
    Ok(lines.iter().filter_map(|line| container(line)).collect())
}

/// `NAME|STATUS|LABEL|IMAGE`; the label is empty where there is none.
pub(super) fn container(line: &str) -> Option<Container> {
    let mut parts = line.splitn(4, '|');
    let (name, status) = (parts.next()?, parts.next()?);
    let label = parts.next().filter(|label| !label.is_empty());
    Some(Container {
        name: name.to_owned(),
        state: state(status),
        status: status.to_owned(),
        label: label.map(str::to_owned),
        image: parts.next().unwrap_or_default().to_owned(),
    })
}

fn state(status: &str) -> ContainerState {
    match status.split_whitespace().next() {
        Some("Up" | "Restarting") => ContainerState::Running,
        Some("Created") => ContainerState::Created,
        Some(_) | None => ContainerState::Stopped,
    }
}

/// The engine's answer to `GET /version` (Docker Engine API, all versions).
#[derive(Deserialize)]
struct Version {
    #[serde(rename = "Version")]
    version: String,
    #[serde(rename = "ApiVersion")]
    api: String,
    #[serde(rename = "MinAPIVersion")]
    minimum_api: Option<String>,
}

/// Reads the body of `GET /version`.
pub(super) fn version_answer(body: &[u8]) -> Fact<DockerApi> {
    let answer: Version = serde_json::from_slice(body)
        .map_err(|error| Unseen(format!("the socket answers, but not as Docker's API does: {error}")))?;
    // engines before API 1.24 did not say it
    let minimum_api = answer.minimum_api.unwrap_or_else(|| answer.api.clone());
    Ok(DockerApi { version: answer.version, api: answer.api, minimum_api })
}

impl DockerApi {
    /// Major and minor of the engine: RKE compares no more than these (rancher/rke v1.8.0, docker/docker.go).
    pub fn release(&self) -> Option<(u32, u32)> {
        two_numbers(&self.version)
    }

    /// The oldest API version that the engine still speaks.
    pub fn oldest_api(&self) -> Option<(u32, u32)> {
        two_numbers(&self.minimum_api)
    }
}

fn two_numbers(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim_start_matches('v').split(['.', '-', '+', '~']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_docker_as_distributions_write_them() {
        let release = |text: &str| two_numbers(text);
        assert_eq!(release("26.1.5+dfsg1"), Some((26, 1)));
        assert_eq!(release("20.10.24~ce"), Some((20, 10)));
        assert_eq!(release("29.0-rc.1"), Some((29, 0)));
        assert_eq!(release("master"), None);
    }

    #[test]
    fn states_as_docker_ps_puts_them() {
        assert_eq!(state("Up 3 hours (unhealthy)"), ContainerState::Running);
        assert_eq!(state("Restarting (1) 2 seconds ago"), ContainerState::Running);
        assert_eq!(state("Created"), ContainerState::Created);
        assert_eq!(state("Exited (137) 2 days ago"), ContainerState::Stopped);
        assert_eq!(state("Dead"), ContainerState::Stopped);
    }

    #[test]
    fn an_answer_that_is_not_dockers_is_a_reason() {
        assert!(version_answer(b"<html>").is_err());
        let podman = version_answer(br#"{"Version":"4.9.4","ApiVersion":"1.41","MinAPIVersion":"1.24","Extra":1}"#);
        assert_eq!(podman.unwrap().oldest_api(), Some((1, 24)));
    }
}
