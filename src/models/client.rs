//! Where something was done from, by which program, and as whom.

use super::rules::unprintable;

/// Where something was done from, and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    pub(super) address: String,
    pub(super) agent: String,
    pub(super) credential: Option<String>,
    administrator: Option<String>,
}

impl Client {
    /// The longest agent that is kept, in characters.
    const LONGEST_AGENT: usize = 255;

    /// A client at `address`, with what it says it is: cut to what is worth keeping, and printable.
    pub fn new(address: impl ToString, agent: &str) -> Self {
        let agent = Self::kept_of_agent(agent.as_bytes()).collect();
        Self { address: address.to_string(), agent, credential: None, administrator: None }
    }

    /// What is worth keeping of what a client says it is, and printable.
    pub fn kept_of_agent(agent: &[u8]) -> impl Iterator<Item = char> {
        let read = agent.utf8_chunks().flat_map(|chunk| {
            let unreadable = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
            chunk.valid().chars().chain(unreadable)
        });
        read.filter(|c| !unprintable(*c)).take(Self::LONGEST_AGENT)
    }

    /// Somebody at the machine itself.
    pub fn command_line() -> Self {
        Self::new("", "")
    }

    /// Nobody: time has passed.
    pub fn latchkey() -> Self {
        Self::new("Latchkey itself", "")
    }

    /// The same, authenticated with `credential`, which is a key or session in words.
    pub fn with_credential(self, credential: impl Into<String>) -> Self {
        Self { credential: Some(credential.into()), ..self }
    }

    /// The same, an administrator whose login is `login`, who acts as somebody else.
    pub fn acting_for(self, login: impl Into<String>) -> Self {
        Self { administrator: Some(login.into()), ..self }
    }

    /// The administrator who acts as whoever this seems to be, if one does.
    pub fn administrator(&self) -> Option<&str> {
        self.administrator.as_deref()
    }
}
