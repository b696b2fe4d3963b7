//! Mail: what people are told, that none of it is lost or sent twice, and what they choose.

mod expiring;
mod lost_password;
mod outbox;
mod settings;
mod told;
mod wishes;

use crate::support::*;

/// A site that sends mail, and its mail server.
async fn site_with_mail(db: Db) -> (Site, MailServer) {
    let server = MailServer::start();
    let from = "--mail-from=Keys <keys@example.org>";
    (Site::start_with(db, &[&server.flag(), from]).await, server)
}

/// The mails of `server` to this address.
fn to<'a>(mails: &'a [smtp::ReceivedMail], address: &str) -> Vec<&'a smtp::ReceivedMail> {
    mails.iter().filter(|mail| mail.to.iter().any(|to| to == address)).collect()
}
