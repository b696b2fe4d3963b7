//! The client of a request, as the activity shows it: its address, its program, and what it authenticated with.

use std::net::IpAddr;

use super::visible::is_invisible;

/// The address and program of whoever did something, and what they authenticated with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    pub(super) address: String,
    pub(super) agent: String,
    pub(super) credential: Option<String>,
    administrator: Option<String>,
}

/// Who sends a request, for as long as it lasts.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The address.
    pub address: IpAddr,
    /// The user agent as it was sent; may be empty.
    pub agent: &'a [u8],
}

/// Who used something last, in memory until that is written.
#[derive(Clone, Debug)]
pub struct LatestCaller {
    address: IpAddr,
    agent: String,
}

impl LatestCaller {
    /// So far it is `caller`.
    pub fn new(caller: Caller<'_>) -> Self {
        let mut latest = Self { address: caller.address, agent: String::new() };
        latest.see(caller);
        latest
    }

    /// Now it is `caller`. Nothing is allocated if that is the same as before.
    pub fn see(&mut self, caller: Caller<'_>) {
        self.address = caller.address;
        // Compare with what was sent: if all of it was kept, it is still the same.
        if self.agent.as_bytes() != caller.agent {
            self.agent.clear();
            self.agent.extend(Client::kept_of_agent(caller.agent));
        }
    }

    /// The address, as it is stored.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The user agent, as it is stored.
    pub fn agent(&self) -> &str {
        &self.agent
    }
}

impl Client {
    /// The most characters that are kept of a user agent.
    const LONGEST_AGENT: usize = 255;
    /// What stands for an address where Latchkey did something by itself. It is stored, so it is for ever.
    pub(crate) const AUTOMATIC: &str = "Latchkey itself";

    /// The client that sends a request.
    pub fn of(caller: Caller<'_>) -> Self {
        let agent = Self::kept_of_agent(caller.agent).collect();
        Self { address: caller.address.to_string(), agent, credential: None, administrator: None }
    }

    /// A client at `address`, with its user agent: cut to a sensible length, and without invisible characters.
    pub fn new(address: impl ToString, agent: &str) -> Self {
        let agent = Self::kept_of_agent(agent.as_bytes()).collect();
        Self { address: address.to_string(), agent, credential: None, administrator: None }
    }

    /// The part of a user agent that is kept. Invalid UTF-8 is replaced, and invisible characters are left out.
    pub fn kept_of_agent(agent: &[u8]) -> impl Iterator<Item = char> {
        let read = agent.utf8_chunks().flat_map(|chunk| {
            let unreadable = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
            chunk.valid().chars().chain(unreadable)
        });
        read.filter(|c| !is_invisible(*c)).take(Self::LONGEST_AGENT)
    }

    /// The client of a command: somebody on the machine itself.
    pub fn command_line() -> Self {
        Self::new("", "")
    }

    /// The client of what happens automatically, such as a key that expires.
    pub fn latchkey() -> Self {
        Self::new(Self::AUTOMATIC, "")
    }

    /// The address for the audit log, which says by the actor that there was none.
    pub(super) fn audited_address(&self) -> &str {
        if self.is_latchkey() { "" } else { &self.address }
    }

    /// Whether it happened automatically.
    pub(super) fn is_latchkey(&self) -> bool {
        self.address == Self::AUTOMATIC
    }

    /// Whether it is somebody on the machine itself.
    pub(super) fn is_command_line(&self) -> bool {
        self.address.is_empty()
    }

    /// The same client, authenticated with `credential`, a description of a key or a session.
    pub fn with_credential(self, credential: impl Into<String>) -> Self {
        Self { credential: Some(credential.into()), ..self }
    }

    /// The same client, on which the administrator with this login acts as somebody else.
    pub fn acting_for(self, login: impl Into<String>) -> Self {
        Self { administrator: Some(login.into()), ..self }
    }

    /// The address; empty where there was none.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The user agent; may be empty.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// The login of the administrator who acts as somebody else; `None`: nobody does.
    pub fn administrator(&self) -> Option<&str> {
        self.administrator.as_deref()
    }
}
