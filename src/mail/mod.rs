//! Mail: what the outbox holds becomes letters, which one thread hands to the mail server.

pub mod correspondence;
pub mod letter;
pub mod links;
pub mod mailer;
pub mod transport;
mod words;
