//! The HTTP vocabulary that every handler and extractor shares: required credentials, ids in addresses, formats and
//! errors.

pub mod address;
pub mod asks;
pub mod entity_tag;
pub mod error;
pub mod format;
pub mod problem;
pub mod request_id;
pub mod streamed;
