//! The mechanisms of authentication, which know neither the application nor who anybody is.

pub mod client_address;
pub mod credentials;
pub mod passwords;
pub mod rates;
pub mod throttle;
