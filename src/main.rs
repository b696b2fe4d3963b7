//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    latchkey::commands::run()
}
