//! Inventories, good and bad, as files: what a person sees.

mod bad;
mod full;
mod good;
mod init;
mod properties;
mod rke;
mod table;

use std::path::Path;

use cowhand::inventory::{Environment, Inventory, Mistakes, parse_bytes};

/// Reads as on a laptop where `/home/me` is home and the inventory lies in `/srv/prod`.
pub fn read(bytes: &[u8]) -> Result<Inventory, Mistakes> {
    let variable = |name: &str| match name {
        "LAB_RUN" => Some("/run/lab".to_owned()),
        "LAB_CHARTS" => Some("/cache/charts".to_owned()),
        _ => None,
    };
    let environment = Environment { home: Some("/home/me".into()), folder: "/srv/prod".into(), variable: &variable };
    parse_bytes(bytes, Path::new("inventory.yml"), &environment)
}

/// A file of the repository.
pub fn file(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
