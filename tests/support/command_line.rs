//! Somebody at a terminal, without one: the binary's subcommands.

use std::io::Write;
use std::process::{Command, Stdio};

use super::database::TestDatabase;
use super::log;

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// The same, of a command that must have been done.
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self
    }

    /// The one line on standard error, of a command that must have ended with `code`.
    pub fn refused(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stderr.trim_end().lines().count(), 1, "one line: {}", self.stderr);
        self.stderr.trim_end().to_owned()
    }
}

/// A shell whose environment names the database.
pub struct CommandLine {
    environment: Vec<(String, String)>,
}

impl CommandLine {
    pub fn on(database: &TestDatabase) -> Self {
        Self { environment: vec![("DATABASE_URL".into(), database.setting())] }
    }

    /// With one more variable in its environment.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The binary with these arguments and this environment, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_by(&[], arguments)
    }

    /// The same, started by another program, which takes the command as its arguments.
    pub fn command_by(&self, program: &[&str], arguments: &[&str]) -> Command {
        let mut command = match program {
            [] => without_settings(env!("CARGO_BIN_EXE_latchkey")),
            [name, rest @ ..] => {
                let mut command = without_settings(name);
                command.args(rest).arg(env!("CARGO_BIN_EXE_latchkey"));
                command
            }
        };
        command.args(arguments).envs(self.environment.iter().cloned());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_input(arguments, "")
    }

    /// With `input` on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the binary");
        // A command that does not read its input may be gone already.
        let _ = child.stdin.take().expect("its input").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("its output");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        log::file("commands").write_all(stderr.as_bytes()).expect("a log");
        Output { code: output.status.code().expect("an exit code"), stdout, stderr }
    }

    /// Adds a person with this password.
    pub fn add_user(&self, login: &str, password: &str) {
        log::note_secret(password);
        let mail = format!("{login}@example.org");
        self.run_with_input(&["user", "add", login, "--mail", &mail, "--password-stdin"], password).done();
    }

    /// Makes an API access key and gives its secret.
    pub fn add_key(&self, login: &str) -> String {
        let secret = self.run(&["key", "add", login]).done().stdout.trim_end().to_owned();
        log::note_secret(&secret);
        secret
    }
}

/// The binary, with nothing of the environment that it would take for a setting.
pub fn binary() -> Command {
    without_settings(env!("CARGO_BIN_EXE_latchkey"))
}

fn without_settings(program: &str) -> Command {
    let mut command = Command::new(program);
    let settings = std::env::vars().map(|(name, _)| name);
    for name in settings.filter(|name| name.starts_with("LATCHKEY_") || name == "DATABASE_URL") {
        command.env_remove(name);
    }
    command
}
