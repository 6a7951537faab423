//! The charts that the inventory takes from this disk: looked at before anything is changed, not when their stage comes.

use std::fs::File;
use std::io::{Error, Read, Result};
use std::path::{Component, Path};

use semver::Version;
use serde::Deserialize;

use crate::inventory::{Chart, ChartSource, Inventory};
use crate::plan::cert_manager::CERT_MANAGER;
use crate::plan::ingress::TRAEFIK;
use crate::plan::rancher::RANCHER;

/// No chart, unpacked, comes near the first, and no Chart.yaml near the second.
const LARGEST: u64 = 256 * 1024 * 1024;
const LARGEST_ABOUT: u64 = 1024 * 1024;

/// Key and reason of each that cannot be installed.
pub fn unfit(inventory: &Inventory) -> Vec<(String, String)> {
    let charts = [
        ("ingress", TRAEFIK, &inventory.ingress.chart, None),
        ("cert_manager", CERT_MANAGER, &inventory.cert_manager.chart, None),
        ("rancher", RANCHER, &inventory.rancher.chart, Some(&inventory.rancher.version)),
    ];
    let one = |(key, name, chart, version): (&str, &str, &Chart, Option<&Version>)| match &chart.source {
        ChartSource::Repository { .. } => None,
        ChartSource::Path(path) => Some((format!("{key}.chart.path"), fault(path, name, version)?)),
    };
    charts.into_iter().filter_map(one).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    name: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    app_version: Option<String>,
}

impl About {
    /// What it says of itself that is not this version. Rancher's chart has the version of the Rancher in it.
    fn other_version(&self, wanted: &Version) -> Option<String> {
        let other = |text: &&String| {
            let own = Version::parse(text.trim_start_matches('v'));
            !own.is_ok_and(|own| own.cmp_precedence(wanted).is_eq())
        };
        let said = [("version", &self.version), ("appVersion", &self.app_version)];
        said.into_iter().find_map(|(key, text)| Some(format!("{key} {}", text.as_ref().filter(other)?)))
    }
}

fn fault(path: &Path, wanted: &str, version: Option<&Version>) -> Option<String> {
    let shown = path.display();
    let helps = format!("`helm pull {wanted} --repo URL` fetches the .tgz, with --untar the folder");
    let text = match about(path) {
        Ok(Some(text)) => text,
        Ok(None) => return Some(format!("{shown} is no chart, it has no Chart.yaml: {helps}")),
        Err(error) => return Some(format!("{shown} cannot be read as a chart: {error}")),
    };
    match serde_yaml::from_str::<About>(&text) {
        Ok(about) if about.name != wanted => {
            Some(format!("{shown} is the chart {:?}, not {wanted}: {helps}", about.name))
        }
        Ok(about) => {
            let version = version?;
            about.other_version(version).map(|other| {
                format!(
                    "{shown} has {other} in its Chart.yaml, and rancher.version is {version}; what is in the chart is what \
                     would run: make the two the same"
                )
            })
        }
        Err(_) => Some(format!("{shown} is no chart, its Chart.yaml names none: {helps}")),
    }
}

/// The text of its Chart.yaml, when it has one.
fn about(path: &Path) -> Result<Option<String>> {
    let found = std::fs::metadata(path)?;
    if found.is_dir() {
        let about = path.join("Chart.yaml");
        return if about.is_file() { text(File::open(about)?).map(Some) } else { Ok(None) };
    }
    if !found.is_file() {
        return Err(Error::other("it is neither a folder nor a regular file"));
    }
    packed(File::open(path)?).map_err(|_| Error::other("it is neither a chart's folder nor a whole .tgz"))
}

/// The one of the chart itself: those of the charts in it lie deeper.
fn packed(file: File) -> Result<Option<String>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file).take(LARGEST));
    for entry in archive.entries()? {
        let entry = entry?;
        let place = entry.path()?.into_owned();
        let mut parts = place.components().filter(|part| *part != Component::CurDir).skip(1);
        if parts.next().is_some_and(|part| part.as_os_str() == "Chart.yaml") && parts.next().is_none() {
            return text(entry).map(Some);
        }
    }
    Ok(None)
}

fn text(from: impl Read) -> Result<String> {
    let mut text = String::new();
    from.take(LARGEST_ABOUT).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tgz(folder: &Path, files: &[(&str, &str)]) -> std::path::PathBuf {
        let path = folder.join("chart.tgz");
        let packer = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(packer);
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            archive.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
        path
    }

    #[test]
    fn a_packed_chart_is_told_by_its_own_file_not_by_those_of_the_charts_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let inner = ("rancher/charts/fleet/Chart.yaml", "name: fleet\n");
        let whole = tgz(folder.path(), &[inner, ("rancher/Chart.yaml", "apiVersion: v2\nname: rancher\n")]);
        assert_eq!(fault(&whole, RANCHER, None), None);
        assert!(fault(&whole, TRAEFIK, None).unwrap().contains("is the chart \"rancher\", not traefik"));
        let none = tgz(folder.path(), &[inner]);
        assert!(fault(&none, RANCHER, None).unwrap().contains("it has no Chart.yaml"));
        let bytes = std::fs::read(tgz(folder.path(), &[("a", &"x".repeat(9000)), inner])).unwrap();
        std::fs::write(&none, &bytes[..bytes.len() / 2]).unwrap();
        assert!(fault(&none, RANCHER, None).unwrap().contains("nor a whole .tgz"));
    }

    #[test]
    fn a_chart_of_another_rancher_is_refused_with_both_versions() {
        let folder = tempfile::tempdir().unwrap();
        let judged = |about: &str| {
            let whole = tgz(folder.path(), &[("rancher/Chart.yaml", &format!("name: rancher\n{about}"))]);
            fault(&whole, RANCHER, Some(&Version::new(2, 11, 3)))
        };
        for same in ["version: 2.11.3\nappVersion: v2.11.3\n", "version: 2.11.3+up1\n"] {
            assert_eq!(judged(same), None, "{same}");
        }
        let older = judged("version: 2.11.2\nappVersion: v2.11.2\n").unwrap();
        assert!(older.contains("has version 2.11.2 in its Chart.yaml, and rancher.version is 2.11.3"), "{older}");
        let inside = judged("version: 2.11.3\nappVersion: v2.11.4\n").unwrap();
        assert!(inside.contains("has appVersion v2.11.4 "), "{inside}");
    }
}
