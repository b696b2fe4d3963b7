//! Authentication of callers: the extractors that a handler's signature can ask for.

pub mod api_user;
pub mod confirmation;
pub mod draft;
pub mod leak;
pub mod mail_link;
pub mod mandate;
pub mod posted_form;
pub mod recovery;
pub mod refusals;
pub mod remembered_browser;
pub mod service_account;
mod session_limits;
pub mod session_user;
pub mod verify;
