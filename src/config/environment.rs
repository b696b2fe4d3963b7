//! The environment: an empty variable counts as unset, and one that nothing reads may be a mistake.

use std::env;

use clap::builder::{OsStr, Resettable};
use clap::{Arg, Command};

/// What the names of our variables begin with.
const OURS: &str = "LATCHKEY_";
/// What the names of the variables of this project's own tests begin with.
const OF_TESTS: &str = "LATCHKEY_TEST_";
/// How alike two names are at least, if one is taken for a slip of the other: 1 is the same.
const ALIKE: f64 = 0.75;

/// `arg` without its variable, if that is empty: Compose files and scripts pass a setting on that nobody made as an
/// empty variable. Its help says the same.
pub fn empty_is_unset(arg: Arg) -> Arg {
    let name = arg.get_env().map(|name| name.to_string_lossy().into_owned());
    let Some(name) = name.filter(|name| is_empty(name)) else { return arg };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let shown = if arg.is_hide_env_values_set() { format!("[env: {name}]") } else { format!("[env: {name}=]") };
    arg.help(format!("{help} {shown}")).env(Resettable::<OsStr>::Reset)
}

fn is_empty(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| value.to_str().is_some_and(|value| value.trim().is_empty()))
}

/// A variable whose name begins like ours, but that no setting reads.
#[derive(Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its name.
    pub name: String,
    /// The setting whose name is most like it, if any is.
    pub nearest: Option<String>,
}

/// The variables of this process that look like settings of `command` but are none.
pub fn unread(command: &Command) -> Vec<Unread> {
    let known = variables_of(command);
    let set = env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let set = set.filter(|(_, value)| !value.is_empty()).map(|(name, _)| name);
    let mut unread: Vec<_> = set.filter_map(|name| is_unread(name, &known)).collect();
    unread.sort_by(|one, other| one.name.cmp(&other.name));
    unread
}

/// The variables that the arguments of `command` and its subcommands read.
fn variables_of(command: &Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(Arg::get_env).map(|name| name.to_string_lossy().into_owned());
    own.chain(command.get_subcommands().flat_map(variables_of)).collect()
}

fn is_unread(name: String, known: &[String]) -> Option<Unread> {
    let rest = name.strip_prefix(OURS).filter(|_| !name.starts_with(OF_TESTS))?;
    if known.contains(&name) || is_of_kubernetes(rest) {
        return None;
    }
    let likeness = |other: &&String| strsim::jaro(rest, other.strip_prefix(OURS).unwrap_or(other));
    let nearest = known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let nearest = nearest.filter(|other| likeness(other) >= ALIKE).cloned();
    Some(Unread { name, nearest })
}

/// Whether Kubernetes sets this for a service called `latchkey`, such as `LATCHKEY_PORT_3000_TCP_ADDR`. `rest` is the
/// name without its beginning.
fn is_of_kubernetes(rest: &str) -> bool {
    let of_service = rest == "SERVICE_HOST" || rest.starts_with("SERVICE_PORT");
    let is_number = |part: &str| part.parse::<u16>().is_ok();
    let mut parts = rest.split('_');
    of_service || parts.next() == Some("PORT") && parts.next().is_some_and(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_reads_is_named_with_what_was_meant() {
        let known = ["DATABASE_URL", "LATCHKEY_BIND", "LATCHKEY_TRUSTED_PROXIES", "LATCHKEY_SESSION_LIFETIME"];
        let known = known.map(str::to_owned);
        for (name, nearest) in [
            ("LATCHKEY_TRUSTED_PROXY", Some("LATCHKEY_TRUSTED_PROXIES")),
            ("LATCHKEY_SESSION_LIVETIME", Some("LATCHKEY_SESSION_LIFETIME")),
            ("LATCHKEY_BINDS", Some("LATCHKEY_BIND")),
            ("LATCHKEY_DATABASE_URL", Some("DATABASE_URL")),
            ("LATCHKEY_QUOTA", None),
            ("LATCHKEY_", None),
        ] {
            let unread = Unread { name: name.to_owned(), nearest: nearest.map(str::to_owned) };
            assert_eq!(is_unread(name.to_owned(), &known), Some(unread), "{name}");
        }
        for name in [
            "LATCHKEY_BIND",
            "LATCHKEY_TEST_POSTGRES",
            "LATCHKEY_SERVICE_HOST",
            "LATCHKEY_SERVICE_PORT_HTTP",
            "LATCHKEY_PORT_3000_TCP_ADDR",
            "PATH",
        ] {
            assert_eq!(is_unread(name.to_owned(), &known), None, "{name}");
        }
    }
}
