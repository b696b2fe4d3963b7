//! Latchkey with an UPDATE in every request.

use std::process::ExitCode;

use latchkey_baselines::recorder::last_use::{Recording, run};

fn main() -> ExitCode {
    run(Recording::OnEveryRequest)
}
