//! The pages that people see. Each file is a page: its handlers, and the struct that its template shows.

pub mod account;
pub mod activity;
pub mod audit;
pub mod elsewhere;
pub mod ending;
pub mod error_page;
pub mod everybodys_keys;
pub mod form;
pub mod groups;
pub mod key_revoke;
pub mod keys;
pub mod leak;
pub mod lost_password;
pub mod mail;
pub mod moment;
pub mod networks;
pub mod notices;
pub mod only_https;
pub mod paging;
pub mod password;
pub mod people;
pub mod service_accounts;
pub mod service_uses;
pub mod services;
pub mod shell;
pub mod sign_in;
pub mod suspension;
pub mod tokens;
pub mod verdict;
pub mod way_back;

use crate::spans::count;
