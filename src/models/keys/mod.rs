//! Keys: each secret is a row of `tokens`, and a key is what its owner sees of one or several of them.

pub mod authority;
pub mod idempotency;
pub mod key;
pub mod key_request;
pub mod notice;
pub mod scope;
pub mod token;
