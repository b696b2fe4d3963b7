//! The words of each kind of mail.

use chrono::{TimeZone, Timelike, Utc};
use chrono_tz::Tz;

use super::correspondence::{Correspondence, Item};
use crate::clock::{Timestamp, day, ends_with_a_day, last_day};
use crate::models::mails::facts::{Facts, KeyFacts};
use crate::models::mails::kind::MailKind;

/// The words of a kind of mail.
pub(super) struct Words<'a> {
    /// What it tells.
    pub kind: MailKind,
    /// The first of the things that it tells.
    pub first: &'a Facts,
    /// How many there are.
    pub all: i64,
    /// Whom it is for.
    pub about: &'a Correspondence<'a>,
}

impl Words<'_> {
    /// The key that it is about, or how many keys.
    fn key(&self) -> String {
        let title = self.first.key.as_ref().map_or("key", |key| key.title.as_str());
        let of = self.first.account.as_ref().map(|account| format!(" of {}", account.login)).unwrap_or_default();
        match self.all {
            1 => format!("{title}{of}"),
            all => format!("{all} keys"),
        }
    }

    /// `has` or `have`, for [`Words::key`].
    fn has(&self) -> &'static str {
        if self.all == 1 { "has" } else { "have" }
    }

    fn was(&self) -> &'static str {
        if self.all == 1 { "was" } else { "were" }
    }

    /// The subject.
    pub fn subject(&self) -> String {
        let (key, was) = (self.key(), self.was());
        let host = self.about.url.host();
        match self.kind {
            MailKind::KeyMade => format!("{key} {was} created"),
            MailKind::KeyReset => format!("{key} {was} reset"),
            MailKind::KeyRotated => format!("{key} {was} rotated"),
            MailKind::KeyWidened => format!("{key} may do more now"),
            MailKind::KeyLeaked => format!("{key} {was} reported as leaked and revoked"),
            MailKind::KeySuspended => format!("{key} {was} suspended"),
            MailKind::KeyToEnd => format!("{key} will be suspended: nobody uses {}", self.it()),
            MailKind::KeyExpiring if self.all == 1 => format!("{key} expires {}", self.in_days()),
            MailKind::KeyExpiring => format!("{key} expire soon"),
            MailKind::KeyMissed => format!("{key} {} expired, and something still uses {}", self.has(), self.it()),
            MailKind::PasswordChanged => format!("Your password on {host} was changed"),
            MailKind::MailChanged => format!("Your email address on {host} was changed"),
            MailKind::NewAddressAsked => format!("Another email address is asked for on {host}"),
            MailKind::NewAddress => format!("Confirm your email address for {host}"),
            MailKind::SecondFactorChanged => format!("Your second factor on {host} was changed"),
            MailKind::Locked => format!("Your account on {host} was locked"),
            MailKind::NewSignIn => format!("New sign-in to your account on {host}"),
            MailKind::Recovery => format!("Choose a new password for {host}"),
            MailKind::AccountMade => format!("Your account on {host}"),
            MailKind::Weekly => format!("Keys to look at on {host}"),
            MailKind::Unknown => String::new(),
        }
    }

    fn it(&self) -> &'static str {
        if self.all == 1 { "it" } else { "them" }
    }

    /// When the key expires, counted in days: `in 3 days`.
    fn in_days(&self) -> String {
        let Some(expires_on) = self.first.expires_on else { return "soon".to_owned() };
        let hours = (expires_on - self.about.now).num_hours().max(0);
        match (hours + 12) / 24 {
            0 => "today".to_owned(),
            1 => "in 1 day".to_owned(),
            days => format!("in {days} days"),
        }
    }

    /// What has happened.
    pub fn intro(&self) -> Vec<String> {
        let said = match self.kind {
            MailKind::KeyMade if self.all == 1 => "A key was created for your account:",
            MailKind::KeyMade => "Keys were created for your account:",
            MailKind::KeyReset => "A new key took the place of an older one, which no longer works:",
            MailKind::KeyRotated => "A key has a new secret. The old one stops working after its grace period:",
            MailKind::KeyWidened => "A key was changed so that it may do more, from more places or for longer:",
            MailKind::KeyLeaked => {
                "Somebody reported the secret of a key. Whoever has the secret can prove it, so the key was revoked at once:"
            }
            MailKind::KeySuspended => "A key is switched off for now. Requests with it are refused:",
            MailKind::KeyToEnd => "Nobody has used this key for long. It will be suspended, and later revoked:",
            MailKind::KeyExpiring if self.first.unused && self.all == 1 => {
                "This key expires, and nobody has used it in the last 30 days. You can let it expire:"
            }
            MailKind::KeyExpiring => "What uses this key will stop working when it expires:",
            MailKind::KeyMissed => "Requests with this key are refused because it has expired:",
            MailKind::PasswordChanged => "The password of your account was changed. All earlier sessions have ended:",
            MailKind::MailChanged => "The email address of your account was changed:",
            MailKind::NewAddressAsked => {
                "Somebody who is signed in as you wants your mail to go to another address. It does so once the link is \
                 opened that was sent there:"
            }
            MailKind::NewAddress => {
                "Somebody, probably you, wants mail about this account to go to this address. Open this link within a day \
                 to confirm that it is yours."
            }
            MailKind::SecondFactorChanged => "Your second factor was cleared. A password alone is enough to sign in:",
            MailKind::Locked => "Your account was locked. You cannot sign in, and your keys do not work:",
            MailKind::NewSignIn => {
                "Somebody signed in to your account with a program or from a network that was not used for it in the last \
                 90 days:"
            }
            MailKind::Recovery => {
                "Somebody, probably you, asked for a new password for your account. Open this link within a day to choose \
                 one. The link works once."
            }
            MailKind::AccountMade => {
                "An administrator has set up your account. Open the link within a day to choose your password. Later, use \
                 “Forgotten your password?” on the page where you sign in."
            }
            MailKind::Weekly => "These things are worth a look this week:",
            MailKind::Unknown => "",
        };
        vec![said.to_owned()]
    }

    /// What to do.
    pub fn advice(&self) -> Vec<String> {
        let said: &[&str] = match self.kind {
            MailKind::KeyMade | MailKind::KeyReset | MailKind::KeyRotated | MailKind::KeyWidened => {
                &["If you do not know of this, revoke the key and change your password."]
            }
            MailKind::KeyLeaked => &["Create a new key for what used this one, and find out how the secret got out."],
            MailKind::KeySuspended => &["If something needs the key, switch it on again."],
            MailKind::KeyToEnd => &["If it is still needed, use it once before then."],
            MailKind::KeyExpiring if self.first.unused && self.all == 1 => &["You will get no more mails about it."],
            MailKind::KeyExpiring => &["Rotate the key, or give it a later expiry, before then."],
            MailKind::KeyMissed => &["Create a new key for what uses this one, or switch that off."],
            MailKind::PasswordChanged | MailKind::NewSignIn => &[
                "If this was you, there is nothing to do.",
                "If not, choose a new password at once, and look through your keys and your activity.",
            ],
            MailKind::NewAddressAsked => &[
                "If this was you, there is nothing to do.",
                "If not, choose a new password at once: that ends all sessions, and nobody can use the link any more.",
            ],
            MailKind::NewAddress => {
                &["If you do not know of this, ignore this mail: nothing changes without the link."]
            }
            MailKind::MailChanged | MailKind::SecondFactorChanged => {
                &["If you do not know of this, tell an administrator at once."]
            }
            MailKind::Locked => &["Ask an administrator if you do not know why."],
            MailKind::Recovery => &["If you did not ask for it, ignore this mail: your password stays as it is."],
            MailKind::AccountMade | MailKind::Weekly | MailKind::Unknown => &[],
        };
        said.iter().map(|text| (*text).to_owned()).collect()
    }

    /// The words of the link, and the path of the page where one acts.
    pub fn link(&self) -> (String, String) {
        let (text, path) = match self.kind {
            MailKind::PasswordChanged | MailKind::MailChanged | MailKind::SecondFactorChanged | MailKind::NewSignIn => {
                ("Look at your activity", "/activity".to_owned())
            }
            MailKind::NewAddressAsked => ("Change your password", "/my/password".to_owned()),
            MailKind::NewAddress => ("Confirm your email address", String::new()),
            MailKind::Locked => ("Sign in", "/login".to_owned()),
            MailKind::Recovery => ("Choose a new password", String::new()),
            MailKind::AccountMade => ("Choose your password", String::new()),
            MailKind::KeyMade
            | MailKind::KeyReset
            | MailKind::KeyRotated
            | MailKind::KeyWidened
            | MailKind::KeyLeaked
            | MailKind::KeySuspended
            | MailKind::KeyToEnd
            | MailKind::KeyExpiring
            | MailKind::KeyMissed
            | MailKind::Weekly
            | MailKind::Unknown => return self.link_to_keys(),
        };
        (text.to_owned(), path)
    }

    fn link_to_keys(&self) -> (String, String) {
        let gone = self.kind == MailKind::KeyLeaked;
        let whose = self.first.account.as_ref();
        let below = whose.map_or_else(|| "/my".to_owned(), |account| format!("/my/service-accounts/{}", account.id));
        match &self.first.key {
            Some(KeyFacts { id, has_page: true, .. }) if self.all == 1 && !gone => {
                ("Look at the key".to_owned(), format!("{below}/tokens/{id}"))
            }
            Some(KeyFacts { has_page: false, .. }) if whose.is_none() => {
                ("Look at your keys".to_owned(), "/my/account".to_owned())
            }
            _ => ("Look at the keys".to_owned(), format!("{below}/tokens")),
        }
    }

    /// One of the things that it tells.
    pub fn item(&self, facts: &Facts) -> Item {
        let mut said: Vec<(&'static str, String)> = Vec::new();
        if self.kind.link().is_some() {
            said.push(("Login", self.about.person.login.clone()));
        }
        if let Some(KeyFacts { title, hint, .. }) = &facts.key {
            said.push(("Key", if hint.is_empty() { title.clone() } else { format!("{title} ····{hint}") }));
        }
        said.extend(facts.account.as_ref().map(|account| ("Service account", account.login.clone())));
        let expires = matches!(self.kind, MailKind::KeyExpiring | MailKind::KeyMissed);
        if let Some(expires_on) = facts.expires_on.filter(|_| expires) {
            let name = if expires_on <= self.about.now { "Expired" } else { "Expires" };
            said.push((name, self.end(expires_on)));
        }
        let detail_is = if self.kind == MailKind::NewAddressAsked { "New address" } else { "Details" };
        said.extend(facts.detail.clone().map(|detail| (detail_is, detail)));
        said.extend(facts.by.clone().map(|by| ("By", by)));
        said.extend(facts.at.map(|at| ("When", self.time(at))));
        said.extend(facts.address.clone().map(|address| ("From", address)));
        said.extend(facts.agent.clone().map(|agent| ("With", agent)));
        let pages = facts.lines.iter().map(|(text, path)| (text.clone(), self.about.url.join(path)));
        Item { facts: said, pages: pages.collect() }
    }

    /// Why the person gets it.
    pub fn reason(&self) -> String {
        let login = &self.about.person.login;
        let where_to_choose = match self.kind.is_optional() {
            true => format!(" You choose on {} which mails you get.", self.about.url.join("/my/mail")),
            false => " Mails that protect an account cannot be switched off.".to_owned(),
        };
        let whose = match self.kind {
            MailKind::Weekly => format!("You get this mail because {login} is an administrator."),
            _ if self.first.account.is_some() => format!("You get this mail because {login} owns the service account."),
            _ => format!("You get this mail because it is about the account {login}."),
        };
        whose + &where_to_choose
    }

    /// A time as the person reads it, in their time zone.
    fn time(&self, time: Timestamp) -> String {
        match self.about.zone {
            Some(zone) => in_zone(time, zone),
            None => format!("{}, {:02}:{:02} UTC", day(time.date()), time.hour(), time.minute()),
        }
    }

    /// The end of something that lasts to that time.
    fn end(&self, end: Timestamp) -> String {
        if ends_with_a_day(end) { format!("at the end of {} (UTC)", day(last_day(end))) } else { self.time(end) }
    }
}

fn in_zone(time: Timestamp, zone: Tz) -> String {
    let local = Utc.from_utc_datetime(&time).with_timezone(&zone);
    format!("{}, {:02}:{:02} ({zone})", day(local.date_naive()), local.hour(), local.minute())
}
