//! The rooms that run other programs, against the real ones: helm, rke, and a Kubernetes API of etcd, kube-apiserver
//! and kube-controller-manager on loopback (no kubelet: pods stay pending, which is what the waits are tested with).
//!
//! Each program is found by an environment variable or in PATH; one that is missing fails the tests that need it.

mod api;
mod applying;
mod backup;
mod balancers;
mod charts;
mod draining;
mod engine;
mod existing;
mod leaving;
mod living;
mod reaching;
mod rke_judges;
mod waiting;

use std::path::PathBuf;

/// The path of a real program, from `COWHAND_TEST_<NAME>` or PATH.
fn program(name: &str) -> PathBuf {
    let variable = format!("COWHAND_TEST_{}", name.to_uppercase().replace('-', "_"));
    if let Some(path) = std::env::var_os(&variable) {
        return path.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("this test needs the real {name}: put it into PATH or name it in {variable}"))
}
