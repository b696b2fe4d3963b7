//! `latchkey mail`

use std::net::SocketAddr;

use clap::Subcommand;
use lettre::Address;

use super::Failure;
use crate::clock::Clock;
use crate::config::Config;
use crate::mail::letter;
use crate::mail::transport::{Connection, NotSent};

#[derive(Subcommand)]
pub enum Command {
    /// Send a mail to ADDRESS, and say what happens at each step
    Test {
        /// The mail address
        #[arg(value_name = "ADDRESS")]
        address: Address,
    },
}

pub fn run(config: &Config, command: &Command) -> Result<(), Failure> {
    let Command::Test { address } = command;
    // Without LATCHKEY_URL, only its host is of interest here, and it is the one that is listened on.
    let Some(settings) = config.mail(config.public_url(SocketAddr::from(([127, 0, 0, 1], 80)))) else {
        return Err(Failure("no mail server is set: set LATCHKEY_SMTP_URL and LATCHKEY_MAIL_FROM".to_owned()));
    };
    let message = letter::test_message(&settings, address.clone(), Clock::system().now());
    let message = message.map_err(|error| Failure(error.to_string()))?;
    let failed = |error: NotSent| Failure(error.to_string());
    let tell = |step: String| println!("{step}");
    let mut connection = Connection::open(&settings.server, settings.url.host(), tell).map_err(failed)?;
    connection.send(message.envelope(), &message.formatted()).map_err(|error| {
        Failure(format!("{} did not take the mail from {}: {error}", settings.server, settings.from.email))
    })?;
    println!("{} took the mail for {address}; it should arrive soon", settings.server);
    connection.close();
    Ok(())
}
