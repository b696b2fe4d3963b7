//! Latchkey with an UPDATE in each request that finds the use in the row at least a minute old.

use std::process::ExitCode;

use latchkey_baselines::recorder::last_use::{Recording, run};

fn main() -> ExitCode {
    run(Recording::OnceAMinute)
}
