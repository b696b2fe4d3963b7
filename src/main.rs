//! The command line.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request allocates some hundred small blocks, on which the C library's allocator spends more of the processor's time
/// (docs/decisions/0055-another-allocator.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    latchkey::commands::run()
}
