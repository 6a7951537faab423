//! What can be said to cowhand on a command line.

/// Parses the command line, runs the command and returns its exit code.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
