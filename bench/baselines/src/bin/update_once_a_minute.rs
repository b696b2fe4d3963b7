//! Latchkey with an UPDATE in the path of each request that finds the row a minute old.

use std::process::ExitCode;

use latchkey_baselines::recorder::last_use::{Recording, run};

fn main() -> ExitCode {
    run(Recording::OnceAMinute)
}
