//! What every handler and extractor may know: what a handler asks for, how an address names an id, and how errors are told.

pub mod address;
pub mod asks;
pub mod error;
pub mod format;
pub mod problem;
pub mod request_id;
