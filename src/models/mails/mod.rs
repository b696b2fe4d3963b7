//! Mail: what people are told, the outbox that it waits in, and what they do not want to be told.

pub mod expiring;
pub mod facts;
pub mod kind;
pub mod link;
pub mod outbox;
pub mod told;
pub mod weekly;
pub mod wishes;
