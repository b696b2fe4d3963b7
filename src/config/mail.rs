//! How mail is sent, if the settings say so.

use lettre::message::Mailbox;

use super::public_url::PublicUrl;
use super::smtp_url::SmtpUrl;

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The mail server.
    pub server: SmtpUrl,
    /// Whom mails are from.
    pub from: Mailbox,
    /// The address of the installation, for links.
    pub url: PublicUrl,
}
