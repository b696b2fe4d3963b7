//! The mechanisms of authentication. They know neither the application nor the rows of people.

pub mod client_address;
pub mod credentials;
pub mod known_addresses;
pub mod passwords;
pub mod rates;
pub mod throttle;
