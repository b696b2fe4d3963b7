//! What is written behind: requests leave it in memory, and one thread writes it to the database.

pub mod bell;
pub mod last_use;
pub mod service_uses;
pub mod sign_ins;
mod thread;
mod write;

pub use self::thread::Recorder;
