//! Whatever an inventory holds, reading it must not panic, and neither may what is made of one that is taken.
#![no_main]

use std::path::{Path, PathBuf};

use cowhand::inventory::{Engine, Environment, masked_value, parse_bytes};
use cowhand::engine::rke::cluster_yml as rke;
use libfuzzer_sys::fuzz_target;

mod shown;

fuzz_target!(|input: &[u8]| {
    let home = PathBuf::from("/home/somebody");
    let variable = |name: &str| (name == "USER").then(|| "somebody".to_owned());
    let surroundings = Environment { home: Some(home), folder: PathBuf::from("/srv"), variable: &variable };
    let inventory = match parse_bytes(input, Path::new("prod.yml"), &surroundings) {
        Ok(inventory) => inventory,
        Err(mistakes) => {
            assert!(!mistakes.list.is_empty());
            shown::failed(&mistakes);
            return;
        }
    };
    assert!(!inventory.name.contains(char::is_control) && !inventory.rancher.hostname.contains(char::is_control));
    if let Engine::Rke(engine) = &inventory.engine {
        let config = rke::cluster_yml(&inventory, engine, &rke::Additions::default());
        let text = rke::text(&config, &inventory, "prod.yml", &engine.version);
        assert!(text.contains("cluster_name"));
        config.values().for_each(|value| drop(masked_value(value)));
    }
});
