//! A panic, said in a way that helps and gives nothing away.

use std::io::Write;

/// Replaces the panic message. What the panic itself says is not printed: it may quote data, and data may be a secret.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        // Nobody is left to be told when stderr is gone.
        let _ = std::io::stderr().write_all(text(&place).as_bytes());
    }));
}

fn text(place: &str) -> String {
    format!(
        "error: this is a bug in cowhand {version}, at {place}\n\
         hint: please report it with this line and the command you ran (nothing of yours is in it);\n\
         \x20     running the command again is safe\n",
        version = env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_said_and_nothing_else() {
        assert!(
            text("src/plan/rke.rs:7:3").starts_with("error: this is a bug in cowhand 0.1.0, at src/plan/rke.rs:7:3\n")
        );
    }
}
