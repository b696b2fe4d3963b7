//! The database: connections to SQLite or PostgreSQL, shared by all requests, and what can go wrong with them.

mod connection;
pub(crate) mod error;
pub mod lookups;
pub mod migrations;
pub(crate) mod obstacle;
mod pool;
#[expect(missing_docs, reason = "tables and columns, which the migrations explain")]
pub mod schema;
mod stored_time;
mod transaction;
pub mod url;

pub(crate) use self::connection::BUSY_TIMEOUT;
pub use self::connection::{DbConnection, MultiBackend, connect, lower};
pub use self::error::{DbError, WriteError};
pub(crate) use self::error::{one_line, write_error};
pub use self::pool::Database;
pub(crate) use self::pool::POOL_PATIENCE;
pub use self::stored_time::Stored;
pub use self::transaction::{TransactionId, TransactionState, transaction, wait_for_locks};
pub(crate) use self::transaction::{after_commit, begin};
