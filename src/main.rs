//! The door.

// Shipped code ends in an error that says what to do, speaks through the report alone, and has short functions.
#![cfg_attr(
    not(test),
    deny(
        clippy::cognitive_complexity,
        clippy::exit,
        clippy::mem_forget,
        clippy::panic,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::too_many_lines,
        clippy::unwrap_used
    )
)]

fn main() -> std::process::ExitCode {
    cowhand::cli::main()
}
