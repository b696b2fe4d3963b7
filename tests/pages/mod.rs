//! Pages, as people see them.

mod account;
mod account_form;
mod activity;
mod activity_agents;
mod alive;
mod base_path;
mod copied;
mod drafts;
mod elsewhere;
mod errors;
mod groups;
mod keys;
mod keys_revoked;
mod left_open;
mod must_change;
mod networks;
mod password;
mod people;
mod people_changed;
mod people_listed;
mod proxy_settings;
mod services;
mod session_ends;
mod session_spans;
mod sign_in;
mod suspended;
pub(crate) mod tokens;
mod trials;

use crate::support::*;

/// The part of a form that is about one field: from its label to the end of its input.
fn field<'a>(page: &'a Page, id: &str) -> &'a str {
    let from = page.html.find(&format!("<label for=\"{id}\"")).unwrap_or_else(|| panic!("no {id} in {}", page.html));
    let input = page.html[from..].find("<input").map(|at| from + at).expect("an input");
    let end = page.html[input..].find('>').map(|at| input + at).expect("its end");
    &page.html[from..end]
}
