//! Keys. Each secret is a row of `tokens`; a key, as its owner sees it, is one or several of these rows.

pub mod account_lookup;
pub mod authority;
pub mod census;
pub mod ending;
pub mod few_keys;
pub mod idempotency;
pub mod key;
pub mod key_request;
pub mod key_search;
pub mod list;
pub mod list_order;
pub mod list_query;
mod list_rows;
pub mod networks;
pub mod notice;
pub mod recording;
pub mod refused_use;
pub mod scope;
pub mod scope_group;
pub mod subject;
pub mod suspending;
pub mod suspension;
pub mod token;
pub mod unused;
pub mod verdict;
