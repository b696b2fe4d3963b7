//! Help, and what is said to who gets the command line wrong.

use rstest::rstest;

use crate::support::database::TestDatabase;
use crate::support::*;

fn latchkey() -> CommandLine {
    CommandLine::on(&TestDatabase::empty(Sqlite))
}

#[test]
fn help_names_every_setting_with_its_variable_and_default() {
    let help = latchkey().run(&["--help"]).done().stdout;
    for setting in [
        "DATABASE_URL",
        "LATCHKEY_BIND",
        "LATCHKEY_URL",
        "LATCHKEY_SECRET_KEY",
        "LATCHKEY_SESSION_LIFETIME",
        "LATCHKEY_SESSION_TIMEOUT",
        "LATCHKEY_TRUSTED_PROXIES",
        "LATCHKEY_KEEP_ALIVE",
        "[default: 150s]",
        "LATCHKEY_REALM",
        "LATCHKEY_METRICS_BIND",
        "LATCHKEY_FIRST_USE_PATIENCE",
        "[default: 250ms]",
        "LATCHKEY_LOG",
        "LATCHKEY_API_REQUESTS_PER_MINUTE",
        "[default: 3000]",
        "LATCHKEY_MOST_ACCOUNTS",
        "[default: 100000]",
        "LATCHKEY_ACTIVITY_RETENTION",
        "[default: 365d]",
        "LATCHKEY_EXPIRED_RETENTION",
        "LATCHKEY_IDEMPOTENCY_RETENTION",
        "[default: latchkey.db]",
        "[default: 127.0.0.1:3000]",
        "[default: 30d]",
        "[default: 24h]",
        "[default: \"Redmine API\"]",
        "[default: info]",
    ] {
        assert!(help.contains(setting), "{setting} in {help}");
    }
    for command in ["serve", "demo", "migrate", "user", "key"] {
        assert!(help.contains(&format!("\n  {command}  ")), "{command} in {help}");
        assert!(latchkey().run(&[command, "--help"]).done().stdout.contains("Usage: latchkey"), "{command}");
    }
}

#[test]
fn help_never_shows_the_values_of_secret_settings() {
    let secret = "a-very-secret-key-".repeat(4);
    let help = latchkey().with("LATCHKEY_SECRET_KEY", &secret).with("DATABASE_URL", "postgres://u:hidden@h/d");
    let help = help.run(&["--help"]).done().stdout;
    assert!(!help.contains(&secret) && !help.contains("hidden"));
}

#[test]
fn no_command_at_all_is_told_which_there_are() {
    let line = latchkey().run(&[]).refused(2);
    assert!(line.contains("serve, demo, migrate, user, import, key"), "{line}");
}

#[rstest]
#[case(&["fly"], "fly")]
#[case(&["serve", "--colour"], "--colour")]
#[case(&["user", "add", "alice"], "--mail")]
#[case(&["key", "revoke", "seven"], "seven")]
#[case(&["key", "add", "alice", "--action", "session"], "session")]
#[case(&["key", "add", "alice", "--action", "access", "--scope", "account:read"], "--name")]
#[case(&["key", "add", "alice", "--action", "access", "--name", "deploy"], "--scope")]
#[case(&["key", "add", "alice", "--action", "access", "--name", "x", "--scope", "admin"], "account:read account:write")]
#[case(&["key", "add", "alice", "--action", "access", "--name", "x", "--expires", "soon"], "2027-01-31")]
#[case(&["key", "add", "alice", "--name", "deploy"], "--name is for access tokens only: add --action access")]
#[case(&["key", "add", "alice", "--action", "feeds", "--scope", "account:read"], "--scope is for access tokens only")]
#[case(&["key", "add", "alice", "--note", "x"], "--note is for access tokens only")]
#[case(&["key", "add", "alice", "--expires", "30d"], "--expires is for access tokens only")]
#[case(&["key", "rotate", "7", "--grace", "2h"], "must be 0, 1h, 1d or 7d")]
#[case(&["key", "show", "seven"], "seven")]
#[case(&["serve", "--bind", "nowhere"], "nowhere")]
#[case(&["serve", "--session-timeout", "soon"], "30d, 24h")]
#[case(&["serve", "--secret-key", "hidden"], "openssl rand")]
#[case(&["serve", "--url", "ftp://example.org"], "http://HOST")]
#[case(&["serve", "--trusted-proxies", "10.0.0.0/99"], "10.0.0.0/8")]
#[case(&["serve", "--realm", "a\"b"], "quotes")]
#[case(&["serve", "--api-requests-per-minute", "60/m"], "such as 3000, or off")]
fn misuse_is_told_in_one_line_with_exit_code_2(#[case] arguments: &[&str], #[case] says: &str) {
    let line = latchkey().run(arguments).refused(2);
    assert!(line.starts_with("latchkey: ") && line.contains(says) && line.contains("--help"), "{line}");
    assert!(!line.contains("hidden"), "{line}");
}
