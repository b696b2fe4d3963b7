//! What is written behind: requests leave it in memory, and one thread writes it to the database.

pub mod last_use;
mod pending;
pub mod service_uses;
pub mod sign_ins;
mod thread;
pub mod unrecorded;
mod unwritten;
pub mod wake_up;
mod write;

pub use self::thread::Recorder;
