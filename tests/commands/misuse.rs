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
        "LATCHKEY_STATE_DIR",
        "LATCHKEY_SECURITY_CONTACT",
        "[default: 250ms]",
        "LATCHKEY_LOG",
        "LATCHKEY_API_REQUESTS_PER_MINUTE",
        "[default: 3000]",
        "LATCHKEY_MOST_ACCOUNTS",
        "[default: 100000]",
        "LATCHKEY_ACTIVITY_RETENTION",
        "[default: 365d]",
        "LATCHKEY_AUDIT_KEPT",
        "[default: 400d]",
        "LATCHKEY_EXPIRED_RETENTION",
        "LATCHKEY_UNUSED_KEYS",
        "[default: off]",
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
    for command in ["serve", "demo", "migrate", "user", "key", "audit"] {
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

#[test]
fn help_is_a_command_too() {
    let help = |arguments: &[&str]| latchkey().run(arguments).done().stdout;
    assert_eq!(help(&["help"]), help(&["--help"]));
    assert_eq!(help(&["help", "key", "add"]), help(&["key", "add", "--help"]));
}

/// Whoever set the variable has never seen the flag.
#[test]
fn a_wrong_variable_is_named() {
    for (variable, value, says) in [
        ("LATCHKEY_LOG", "shout", "use error, warn, info, debug, trace or off"),
        ("LATCHKEY_BIND", "3000", "use ADDRESS:PORT, such as 127.0.0.1:3000"),
        ("LATCHKEY_API_ACCESS_KEYS", "maybe", "use on or off"),
        ("LATCHKEY_SECRET_KEY", "hidden", "openssl rand"),
    ] {
        let line = latchkey().with(variable, value).run(&["serve"]).refused(2);
        assert!(line.contains(says) && line.contains(&format!("({variable})")), "{line}");
        assert!(!line.contains("hidden"), "{line}");
    }
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
#[case(&["serve", "--bind", "localhost:port"], "localhost:3000")]
#[case(&["serve", "--log", "shout"], "use error, warn, info, debug, trace or off, or a filter such as latchkey=debug,info")]
#[case(&["serve", "--log", "loud=noise"], "use error, warn")]
#[case(&["serve", "--log", "lachkey=debug"], "use error, warn")]
#[case(&["serve", "--api-access-keys", "maybe"], "use on or off")]
#[case(&["service", "change", "wiki", "--classic-keys=maybe"], "use on or off")]
#[case(&["serve", "--session-timeout", "soon"], "30d, 24h")]
#[case(&["serve", "--session-timeout", "1s"], "use a span from 1m to 36525d, or 0")]
#[case(&["serve", "--access-token-lifetime", "4294967295d"], "use a span from 1m to 36525d, or 0")]
#[case(&["serve", "--security-contact", "me"], "use a mail address")]
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
