//! A Latchkey in a process of its own, for tests that kill it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

use super::command_line::CommandLine;
use super::{Answer, Visitor, log};

/// `latchkey serve` on a free port.
pub struct Process {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    /// Where its metrics are, if it was told to have some.
    pub metrics: Option<String>,
    child: Child,
    log: Option<JoinHandle<String>>,
}

impl Process {
    /// Starts it, and waits until it says that it serves. `flags` follow `serve`.
    pub fn serve(command_line: &CommandLine, flags: &[&str]) -> Self {
        Self::serve_on(0, command_line, flags)
    }

    /// The same, on a port that is known before.
    pub fn serve_on(port: u16, command_line: &CommandLine, flags: &[&str]) -> Self {
        Self::serve_by(&[], port, command_line, flags)
    }

    /// The same, started by another program, which takes the command as its arguments.
    pub fn serve_by(program: &[&str], port: u16, command_line: &CommandLine, flags: &[&str]) -> Self {
        let bind = format!("--bind=127.0.0.1:{port}");
        let arguments = [&["serve", &bind, "--log=debug"], flags].concat();
        let mut command = command_line.command_by(program, &arguments);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary");
        let mut lines = BufReader::new(child.stderr.take().expect("its log"));
        let mut kept = log::file("processes");
        let (mut said, mut metrics) = (String::new(), None);
        let address = loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).expect("its log") > 0, "it ended without serving:\n{said}");
            said += &line;
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            let address = entry["address"].as_str().map(str::to_owned);
            match entry["message"].as_str() {
                Some("serving") => break address.expect("an address"),
                Some("metrics are at /metrics") => metrics = address,
                _ => {}
            }
        };
        kept.write_all(said.as_bytes()).expect("a log");
        let log = std::thread::spawn(move || {
            let mut rest = String::new();
            let _ = lines.read_to_string(&mut rest);
            kept.write_all(rest.as_bytes()).expect("a log");
            said + &rest
        });
        Self { url: format!("http://{address}"), metrics, child, log: Some(log) }
    }

    pub fn visitor(&self) -> Visitor {
        Visitor::new(&self.url)
    }

    pub async fn get_with_key(&self, path: &str, secret: &str) -> Answer {
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        Answer::of(http.get(format!("{}{path}", self.url)).header("X-Redmine-API-Key", secret)).await
    }

    /// SIGKILL: it gets no chance to do anything more. Gives all that it logged.
    pub fn kill(mut self) -> String {
        self.child.kill().expect("to kill it");
        self.log()
    }

    /// SIGTERM; does not wait for the end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends it a signal; does not wait for what that does.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("to signal it");
    }

    /// Waits for its end, and gives its exit code.
    pub fn ended(mut self) -> Option<i32> {
        self.child.wait().expect("its end").code()
    }

    /// Waits for its end, and gives all that it logged.
    pub fn log(mut self) -> String {
        self.child.wait().expect("its end");
        self.log.take().expect("its log").join().expect("its log")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What it logged has to be kept before the test ends.
        let _ = self.log.take().map(JoinHandle::join);
    }
}
