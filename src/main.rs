//! The door.

fn main() -> std::process::ExitCode {
    cowhand::cli::main()
}
