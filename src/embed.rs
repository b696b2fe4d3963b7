//! What another application uses that has Latchkey inside: `examples/embed.rs` is one. The other modules are public for
//! this project's own tests, and change without notice.
//!
//! An application reads a [`Config`], applies the migrations with [`migrate`], makes an [`App`] and puts Latchkey's pages
//! and API among its own routes with [`mount`]. A handler of its own that takes an [`ApiUser`] is called only for people
//! who present a key, or login and password, with the scope that the type names, and each use is recorded. [`at`] makes a
//! route whose errors are told as Latchkey tells its own. At its end the application calls [`Recorder::stop`], which
//! writes what is still in memory.

pub use crate::app::App;
pub use crate::callers::api_user::{
    AccountRead, AccountWrite, AdminUser, ApiUser, AskedScope, ServicesRead, ServicesWrite, TokensRead, TokensWrite,
    UsersRead, UsersWrite,
};
pub use crate::clock::Clock;
pub use crate::config::Config;
pub use crate::config::secret_key::SecretKey;
pub use crate::db::migrations::run as migrate;
pub use crate::logging::start as start_log;
pub use crate::recorder::Recorder;
pub use crate::server::mount;
pub use crate::server::route::at;
