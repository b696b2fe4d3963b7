//! Mail: what people are told, that none of it is lost or sent twice, and what they choose.

mod expiring;
mod letters;
mod lost_password;
mod new_address;
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

/// The path and query of an address of the site.
fn path_of<'a>(site: &Site, link: &'a str) -> &'a str {
    link.strip_prefix(&site.url).unwrap_or_else(|| panic!("{link} is elsewhere"))
}

/// Waits until all that was put into the outbox is done with.
async fn until_done(site: &Site) {
    eventually("all is done", || {
        site.database.number("SELECT count(*) AS number FROM mails WHERE done_on IS NULL") == 0
    })
    .await;
}

/// The mails of `server` to this address.
fn to<'a>(mails: &'a [smtp::ReceivedMail], address: &str) -> Vec<&'a smtp::ReceivedMail> {
    mails.iter().filter(|mail| mail.to.iter().any(|to| to == address)).collect()
}
