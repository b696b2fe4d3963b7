//! Who sends a request: what it presents, how that is verified, and what handlers get of it.

pub mod api_user;
pub mod client_address;
pub mod confirmation;
pub mod cookies;
pub mod credentials;
pub mod deleted;
pub mod leak;
pub mod passwords;
pub mod posted_form;
pub mod question;
pub mod rates;
pub mod redmine_password;
pub mod secret;
pub mod session_user;
pub mod throttle;
pub mod verify;
