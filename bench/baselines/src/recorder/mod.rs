//! The recorder of the product with another [`last_use`].

pub mod last_use;
#[path = "../../../../src/recorder/service_uses.rs"]
pub mod service_uses;
#[path = "../../../../src/recorder/sign_ins.rs"]
pub mod sign_ins;
#[path = "../../../../src/recorder/thread.rs"]
mod thread;
// No baseline keeps anything there.
#[allow(dead_code)]
#[path = "../../../../src/recorder/unrecorded.rs"]
pub mod unrecorded;
#[path = "../../../../src/recorder/unwritten.rs"]
mod unwritten;
#[path = "../../../../src/recorder/wake_up.rs"]
pub mod wake_up;
#[path = "../../../../src/recorder/write.rs"]
mod write;

pub use self::thread::Recorder;
