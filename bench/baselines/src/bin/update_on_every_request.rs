//! Latchkey with an UPDATE in the path of every request.

use std::process::ExitCode;

use latchkey_baselines::recorder::last_use::{Recording, run};

fn main() -> ExitCode {
    run(Recording::OnEveryRequest)
}
