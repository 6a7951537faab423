//! The inventory, read: what is wanted.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::Context;
use crate::inventory::{self, Environment, Inventory, Mistakes};
use crate::report::{Exit, Failure};

/// No inventory comes near this; a device or a disk image does.
const LARGEST: u64 = 4 * 1024 * 1024;

/// The inventory of this run and where it lies.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub file: PathBuf,
    /// The workspace: the folder of the file, absolute.
    pub folder: PathBuf,
    pub inventory: Inventory,
}

impl Context {
    /// Finds and reads the inventory; every mistake in it is in the failure, each with its line.
    pub fn wanted(&self) -> Result<Wanted, Failure> {
        let file = self.inventory()?;
        let unreadable = |error: std::io::Error| {
            Failure::with_cause(Exit::Inventory, format!("the inventory {} cannot be read", file.display()), &error)
                .hint("name an inventory with -i FILE, or let `cowhand init` write one")
        };
        let bytes = read(&file).map_err(unreadable)?;
        let absolute = std::path::absolute(&file).map_err(unreadable)?;
        let folder = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        let variable = |name: &str| std::env::var(name).ok();
        let surroundings = environment(&variable).map_err(unreadable)?;
        let inventory = inventory::parse_bytes(&bytes, &file, &surroundings).map_err(|mistakes| failure(&mistakes))?;
        Ok(Wanted { file, folder, inventory })
    }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(std::io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    Ok(bytes)
}

/// What paths in an inventory may refer to.
pub(super) fn environment(variable: &dyn Fn(&str) -> Option<String>) -> std::io::Result<Environment<'_>> {
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    Ok(Environment { home, folder: std::env::current_dir()?, variable })
}

fn failure(mistakes: &Mistakes) -> Failure {
    let number = match mistakes.list.len() {
        1 => "a mistake".to_owned(),
        several => format!("{several} mistakes"),
    };
    Failure::new(Exit::Inventory, format!("{number} in the inventory; nothing was touched"))
        .because(mistakes)
        .maybe_hint(mistakes.hint())
}
