//! The outbox: mails that wait to be sent, as rows that are written in the transaction of what they tell (transactional
//! outbox). One thread of each process takes them from it; of several processes each mail is taken by one.
//!
//! This is a long file because a row passes through all of it: put, taken, settled, shown.

use std::collections::HashSet;

use chrono::TimeDelta;
use diesel::dsl::{self, max};
use diesel::prelude::*;

use super::facts::Facts;
use super::kind::MailKind;
use super::wishes::unwanted_by;
use crate::clock::Timestamp;
use crate::db::schema::{mail_switch, mails, users};
use crate::db::{DbConnection, Stored};
use crate::models::people::user::User;
use crate::models::retention::{BATCH, Perishable};

/// What comes up for one person, of one kind, within this time is put together into one mail.
const TOGETHER_WITHIN: TimeDelta = TimeDelta::hours(1);
/// So much of it is told one by one; the rest is counted.
pub const TOLD_SINGLY: i64 = 10;
/// How long a mail that a process has taken is left to it.
const TAKEN_FOR: TimeDelta = TimeDelta::minutes(10);
/// After this time a mail that cannot be sent is given up.
const TRIED_FOR: TimeDelta = TimeDelta::days(2);
/// The pause after the first attempt. Each following one is twice as long, up to the longest.
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(1);
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(4);
/// How long mails are kept that were sent or given up.
pub const KEPT: TimeDelta = TimeDelta::days(30);
/// The most characters that are kept of what a server answers.
const LONGEST_ANSWER: usize = 500;
/// The only row of the switch.
const SWITCH: i64 = 1;

/// How the rows go that are done.
pub const PERISHABLE: Perishable =
    Perishable { table: "mails", key: "id", since: "done_on", older: "<", condition: "done_on IS NOT NULL" };

/// A mail to be put into the outbox.
#[derive(Clone)]
pub struct NewMail<'a> {
    recipient: String,
    person: Option<&'a User>,
    address: Option<&'a str>,
    kind: MailKind,
    facts: &'a Facts,
}

impl<'a> NewMail<'a> {
    /// A mail to a person, at the address that they have when it is sent.
    pub fn to_person(person: &'a User, kind: MailKind, facts: &'a Facts) -> Self {
        Self { recipient: format!("user:{}", person.id), person: Some(person), address: None, kind, facts }
    }

    /// The same, but to this address of theirs.
    pub fn at(self, address: &'a str) -> Self {
        Self { recipient: format!("{}:{address}", self.recipient), address: Some(address), ..self }
    }

    /// A mail to whoever has `login_or_mail`, if anybody has. Whether that is so is found out when it is sent.
    pub fn to_whoever_has(login_or_mail: &'a str, kind: MailKind, facts: &'a Facts) -> Self {
        let recipient = format!("asked:{login_or_mail}");
        Self { recipient, person: None, address: Some(login_or_mail), kind, facts }
    }
}

/// The outbox of a database whose processes send mail. Nothing can be put into any other, as only [`Outbox::open`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Outbox(());

impl Outbox {
    /// The outbox; `None`: no mail is sent.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn open(connection: &mut DbConnection) -> QueryResult<Option<Self>> {
        let is_on = mail_switch::table.find(SWITCH).select(mail_switch::is_on).first(connection).optional()?;
        Ok(is_on.unwrap_or(false).then_some(Self(())))
    }

    /// Puts a mail into the outbox, unless its recipient does without those of its kind.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn put(self, connection: &mut DbConnection, mail: &NewMail<'_>, now: Timestamp) -> QueryResult<()> {
        let NewMail { recipient, person, address, kind, facts } = mail;
        if let Some(person) = person
            && kind.is_optional()
            && unwanted_by(connection, person.id)?.contains(kind)
        {
            return Ok(());
        }
        if kind.is_put_together() {
            // However much of a kind comes up, the outbox does not grow with it.
            let waiting =
                waiting_for(recipient, *kind).order(mails::id.desc()).limit(TOLD_SINGLY + 1).select(mails::id);
            let waiting: Vec<i64> = waiting.load(connection)?;
            if let Some(latest) = waiting.first().filter(|_| waiting.len() as i64 > TOLD_SINGLY) {
                let row = mails::table.find(*latest);
                return diesel::update(row).set(mails::times.eq(mails::times + 1)).execute(connection).map(|_| ());
            }
        }
        let json = serde_json::to_string(facts);
        let json = json.map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
        let values = (
            mails::recipient.eq(recipient),
            mails::user_id.eq(person.map(|person| person.id)),
            mails::address.eq(address),
            mails::kind.eq(kind),
            mails::token_id.eq(facts.key.as_ref().map(|key| key.id)),
            mails::facts.eq(json),
            mails::created_on.eq(now),
            mails::next_try_on.eq(now),
        );
        diesel::insert_into(mails::table).values(values).execute(connection).map(|_| ())
    }
}

/// Stores whether mail is sent by the processes of this database: commands, which do not send any, ask for it.
///
/// # Errors
/// Returns an error if a query fails.
pub fn switch(connection: &mut DbConnection, on: bool, now: Timestamp) -> QueryResult<()> {
    let row = mail_switch::table.find(SWITCH);
    if diesel::update(row).set(mail_switch::is_on.eq(on)).execute(connection)? == 0 {
        let values = (mail_switch::id.eq(SWITCH), mail_switch::is_on.eq(on), mail_switch::weekly_on.eq(now));
        diesel::insert_into(mail_switch::table).values(values).execute(connection)?;
    }
    Ok(())
}

/// What waits for one recipient, of one kind, and is in no mail yet.
#[dsl::auto_type]
fn waiting_for<'a>(recipient: &'a str, kind: MailKind) -> _ {
    mails::table
        .filter(mails::recipient.eq(recipient))
        .filter(mails::kind.eq(kind))
        .filter(mails::done_on.is_null())
        .filter(mails::message_id.is_null())
}

/// A row of `mails`.
#[derive(Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = mails)]
struct Mail {
    id: i64,
    recipient: String,
    /// The person whom it is for; `None`: whoever has `address`, as login or mail address.
    user_id: Option<i64>,
    /// The address that it is sent to; `None`: the one that the person has then.
    address: Option<String>,
    kind: MailKind,
    facts: String,
    /// How many things it tells: more than one, if there was too much to tell one by one.
    times: i64,
    #[diesel(deserialize_as = Stored<Timestamp>)]
    created_on: Timestamp,
    message_id: Option<String>,
    #[diesel(deserialize_as = Stored<Option<Timestamp>>)]
    taken_on: Option<Timestamp>,
    attempts: i64,
    /// What the server said last, in words; `None`: nothing yet.
    answer: Option<String>,
}

impl Mail {
    /// The facts. What cannot be read was written by a newer release, and is left out.
    fn facts(&self) -> Facts {
        serde_json::from_str(&self.facts).unwrap_or_default()
    }
}

/// A mail that a process has taken to send it: one row of the outbox, or several that are put together.
#[derive(Clone, Debug)]
pub struct TakenMail {
    /// The `Message-ID`, without brackets: the same at each attempt.
    pub message_id: String,
    /// What it tells.
    pub kind: MailKind,
    /// The person; `None`: whoever has `address`.
    pub user_id: Option<i64>,
    /// The address, where it is not the person's.
    pub address: Option<String>,
    /// The facts, oldest first.
    pub told: Vec<Facts>,
    /// How many more things it is about.
    pub more: i64,
    /// When it was taken first.
    pub since: Timestamp,
    /// Which attempt this is, from 1.
    pub attempt: i64,
}

/// Whether anything is due.
///
/// # Errors
/// Returns an error if the query fails.
pub fn any_due(connection: &mut DbConnection, now: Timestamp) -> QueryResult<bool> {
    let due = mails::table.filter(mails::done_on.is_null()).filter(mails::next_try_on.le(now));
    Ok(due.select(mails::id).first::<i64>(connection).optional()?.is_some())
}

/// Takes at most `most` mails that are due: nobody else takes them for a while. `new_id` makes a `Message-ID`.
///
/// # Errors
/// Returns an error if a query fails.
pub fn take(
    connection: &mut DbConnection,
    now: Timestamp,
    most: i64,
    new_id: impl Fn() -> String,
) -> QueryResult<Vec<TakenMail>> {
    if let DbConnection::Postgres(postgres) = connection {
        // An advisory lock: of several processes, one after the other takes. Its number is arbitrary.
        diesel::sql_query("SELECT pg_advisory_xact_lock(7305808869229540)").execute(postgres)?;
    }
    let due: Vec<Mail> = mails::table
        .filter(mails::done_on.is_null())
        .filter(mails::next_try_on.le(now))
        .order((mails::next_try_on, mails::id))
        .limit(most)
        .select(Mail::as_select())
        .load(connection)?;
    let (mut taken, mut seen) = (Vec::new(), HashSet::new());
    for mail in due {
        if mail.kind == MailKind::Unknown {
            // A newer release knows it, and may be there again by then.
            let row = mails::table.find(mail.id);
            diesel::update(row).set(mails::next_try_on.eq(now + LONGEST_PAUSE)).execute(connection)?;
        } else if !seen.contains(&mail.id) {
            let rows = together_with(connection, mail)?;
            seen.extend(rows.iter().map(|row| row.id));
            taken.extend(take_rows(connection, rows, now, &new_id)?);
        }
    }
    Ok(taken)
}

/// The rows that belong into one mail with `mail`.
fn together_with(connection: &mut DbConnection, mail: Mail) -> QueryResult<Vec<Mail>> {
    if let Some(message_id) = &mail.message_id {
        let rows = mails::table.filter(mails::message_id.eq(message_id)).filter(mails::done_on.is_null());
        return rows.order(mails::id).select(Mail::as_select()).load(connection);
    }
    if !mail.kind.is_put_together() {
        return Ok(vec![mail]);
    }
    waiting_for(&mail.recipient, mail.kind).order(mails::id).select(Mail::as_select()).load(connection)
}

/// Takes these rows as one mail; `None`: it has to wait for its hour.
fn take_rows(
    connection: &mut DbConnection,
    rows: Vec<Mail>,
    now: Timestamp,
    new_id: &impl Fn() -> String,
) -> QueryResult<Option<TakenMail>> {
    let Some(first) = rows.first() else { return Ok(None) };
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let these = mails::table.filter(mails::id.eq_any(&ids));
    if first.message_id.is_none() && first.kind.is_put_together() {
        let before = mails::table.filter(mails::recipient.eq(&first.recipient)).filter(mails::kind.eq(first.kind));
        let before: Option<Timestamp> =
            before.filter(mails::taken_on.gt(now - TOGETHER_WITHIN)).select(max(mails::taken_on)).first(connection)?;
        // One that lies in the future was taken while a clock was ahead.
        if let Some(before) = before.filter(|before| *before <= now) {
            let then = mails::next_try_on.eq(before + TOGETHER_WITHIN);
            diesel::update(these).set(then).execute(connection)?;
            return Ok(None);
        }
    }
    let message_id = first.message_id.clone().unwrap_or_else(new_id);
    let (since, attempt) = (first.taken_on.unwrap_or(now), first.attempts + 1);
    let values = (
        mails::message_id.eq(&message_id),
        mails::taken_on.eq(since),
        mails::attempts.eq(attempt),
        mails::next_try_on.eq(now + TAKEN_FOR),
    );
    diesel::update(these).set(values).execute(connection)?;
    let told: Vec<Facts> = rows.iter().take(TOLD_SINGLY as usize).map(Mail::facts).collect();
    let all: i64 = rows.iter().map(|row| row.times).sum();
    Ok(Some(TakenMail {
        message_id,
        kind: first.kind,
        user_id: first.user_id,
        address: first.address.clone(),
        more: all - told.len() as i64,
        told,
        since,
        attempt,
    }))
}

/// What became of a mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailOutcome {
    /// The server took it.
    Sent,
    /// It was not sent, as there is nobody to send it to, or no more reason to.
    NotSent(&'static str),
    /// It could not be sent yet. In the server's words, or in ours.
    Failed(String),
    /// The server will never take it, in its words.
    Refused(String),
}

impl MailOutcome {
    /// How it is stored, and counted.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::NotSent(_) => "not_sent",
            Self::Failed(_) => "failed",
            Self::Refused(_) => GIVEN_UP,
        }
    }
}

/// The outcome of what is given up.
pub(super) const GIVEN_UP: &str = "given_up";

/// Stores what became of `mail`. Returns it as it is stored: what was tried for too long is given up.
///
/// # Errors
/// Returns an error if a query fails.
pub fn settle(
    connection: &mut DbConnection,
    mail: &TakenMail,
    outcome: MailOutcome,
    now: Timestamp,
) -> QueryResult<MailOutcome> {
    let outcome = match outcome {
        MailOutcome::Failed(answer) if now - mail.since >= TRIED_FOR => MailOutcome::Refused(answer),
        outcome => outcome,
    };
    let rows = mails::table.filter(mails::message_id.eq(&mail.message_id)).filter(mails::done_on.is_null());
    let answer: Option<String> = match &outcome {
        MailOutcome::Sent | MailOutcome::NotSent(_) => None,
        MailOutcome::Failed(answer) | MailOutcome::Refused(answer) => {
            Some(answer.chars().take(LONGEST_ANSWER).collect())
        }
    };
    match &outcome {
        MailOutcome::Failed(_) => {
            let next = now + pause_after(mail.attempt);
            diesel::update(rows).set((mails::answer.eq(answer), mails::next_try_on.eq(next))).execute(connection)?;
        }
        // Nobody misses it, and strangers can cause it: it is not kept.
        MailOutcome::NotSent(_) => {
            diesel::delete(rows).execute(connection)?;
        }
        MailOutcome::Sent | MailOutcome::Refused(_) => {
            let done = (mails::answer.eq(answer), mails::outcome.eq(outcome.label()), mails::done_on.eq(now));
            diesel::update(rows).set(done).execute(connection)?;
        }
    }
    Ok(outcome)
}

/// Leaves a mail that was taken, and not tried, to be taken again.
///
/// # Errors
/// Returns an error if the query fails.
pub fn leave(connection: &mut DbConnection, mail: &TakenMail, next: Timestamp) -> QueryResult<()> {
    let rows = mails::table.filter(mails::message_id.eq(&mail.message_id)).filter(mails::done_on.is_null());
    let values = (mails::next_try_on.eq(next), mails::attempts.eq(mail.attempt - 1));
    diesel::update(rows).set(values).execute(connection).map(|_| ())
}

/// Says of what is due why the mail server cannot be used, a batch at a time, and gives up what has waited for too long.
///
/// # Errors
/// Returns an error if a query fails.
pub fn keep_waiting(connection: &mut DbConnection, words: &str, now: Timestamp) -> QueryResult<()> {
    let due = mails::table.filter(mails::done_on.is_null()).filter(mails::next_try_on.le(now));
    let due = due.filter(mails::answer.is_null().or(mails::created_on.le(now - TRIED_FOR)));
    let due: Vec<i64> = due.order(mails::id).limit(BATCH).select(mails::id).load(connection)?;
    let answer: String = words.chars().take(LONGEST_ANSWER).collect();
    let these = mails::table.filter(mails::id.eq_any(due)).filter(mails::done_on.is_null());
    diesel::update(these.clone()).set(mails::answer.eq(answer)).execute(connection)?;
    let too_long = these.filter(mails::created_on.le(now - TRIED_FOR));
    let given_up = (mails::outcome.eq(GIVEN_UP), mails::done_on.eq(now));
    diesel::update(too_long).set(given_up).execute(connection).map(|_| ())
}

/// How long to wait after an attempt has failed.
fn pause_after(attempt: i64) -> TimeDelta {
    let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(16);
    FIRST_PAUSE.checked_mul(1 << doublings).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)
}

/// How many mails wait, and since when the oldest does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// How many rows wait.
    pub length: i64,
    /// When the oldest of them was written; `None`: there is none.
    pub oldest: Option<Timestamp>,
}

/// What waits.
///
/// # Errors
/// Returns an error if the query fails.
pub fn queue(connection: &mut DbConnection) -> QueryResult<Queue> {
    let waiting = mails::table.filter(mails::done_on.is_null());
    let (length, oldest) =
        waiting.select((diesel::dsl::count_star(), diesel::dsl::min(mails::created_on))).first(connection)?;
    Ok(Queue { length, oldest })
}

/// Which mails administrators look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Troubled {
    /// Those that were given up.
    GivenUp,
    /// Those that wait after an attempt.
    Waiting,
}

/// A mail that administrators should know of.
#[derive(Clone, Debug)]
pub struct Undelivered {
    /// The id. It is never used again.
    pub id: i64,
    /// The address, and the login of the person.
    pub to: String,
    /// What it tells.
    pub kind: MailKind,
    /// When it was put into the outbox.
    pub created_on: Timestamp,
    /// How often it was tried.
    pub attempts: i64,
    /// What the mail server said last.
    pub answer: String,
}

/// The mails that are in such trouble, latest first. Rows that are put together are one.
///
/// # Errors
/// Returns an error if the query fails.
pub fn undelivered(connection: &mut DbConnection, troubled: Troubled, most: i64) -> QueryResult<Vec<Undelivered>> {
    let all = mails::table.left_join(users::table).order(mails::id.desc()).limit(most).select((
        Mail::as_select(),
        users::login.nullable(),
        users::mail.nullable(),
    ));
    let rows: Vec<(Mail, Option<String>, Option<String>)> = match troubled {
        Troubled::GivenUp => all.filter(mails::outcome.eq(GIVEN_UP)).load(connection),
        Troubled::Waiting => all.filter(mails::done_on.is_null()).filter(mails::answer.is_not_null()).load(connection),
    }?;
    let mut seen = HashSet::new();
    // What no process could take yet has none.
    let is_first = |(mail, ..): &(Mail, Option<String>, Option<String>)| {
        mail.message_id.is_none() || seen.insert(mail.message_id.clone())
    };
    let shown = rows.into_iter().filter(is_first).map(|(mail, login, own)| {
        let address = mail.address.or(own).unwrap_or_default();
        let to = login.map_or_else(|| address.clone(), |login| format!("{login} <{address}>"));
        let answer = mail.answer.unwrap_or_default();
        Undelivered { id: mail.id, to, kind: mail.kind, created_on: mail.created_on, attempts: mail.attempts, answer }
    });
    Ok(shown.collect())
}

/// How many mails of a kind that has a link a person was sent since then.
///
/// # Errors
/// Returns an error if the query fails.
pub fn sent_with_links(
    connection: &mut DbConnection,
    (person, kind): (&User, MailKind),
    since: Timestamp,
) -> QueryResult<i64> {
    mails::table
        .filter(mails::user_id.eq(person.id))
        .filter(mails::kind.eq(kind))
        .filter(mails::done_on.gt(since))
        .count()
        .get_result(connection)
}

/// How many mails of a kind were put into the outbox for a person since then, sent or not.
///
/// # Errors
/// Returns an error if the query fails.
pub fn put_since(
    connection: &mut DbConnection,
    (person, kind): (&User, MailKind),
    since: Timestamp,
) -> QueryResult<i64> {
    let theirs = mails::table.filter(mails::user_id.eq(person.id)).filter(mails::kind.eq(kind));
    theirs.filter(mails::created_on.gt(since)).count().get_result(connection)
}

/// Says whom a mail is for that was put into the outbox for whoever has a login or address.
///
/// # Errors
/// Returns an error if the query fails.
pub fn is_for(connection: &mut DbConnection, mail: &TakenMail, user_id: i64) -> QueryResult<()> {
    let rows = mails::table.filter(mails::message_id.eq(&mail.message_id));
    diesel::update(rows).set(mails::user_id.eq(user_id)).execute(connection).map(|_| ())
}

/// Has a mail that was given up tried again. Returns `false` if there is none with this id.
///
/// # Errors
/// Returns an error if the query fails.
pub fn try_again(connection: &mut DbConnection, id: i64, now: Timestamp) -> QueryResult<bool> {
    let given_up = mails::table.filter(mails::outcome.eq(GIVEN_UP));
    let message_id: Option<Option<String>> =
        given_up.filter(mails::id.eq(id)).select(mails::message_id).first(connection).optional()?;
    let Some(message_id) = message_id else { return Ok(false) };
    let values = (
        mails::done_on.eq(None::<Timestamp>),
        mails::outcome.eq(None::<String>),
        mails::attempts.eq(0),
        mails::created_on.eq(now),
        mails::next_try_on.eq(now),
    );
    let given_up = mails::table.filter(mails::outcome.eq(GIVEN_UP));
    let tried = match message_id {
        // It has two more days.
        Some(id) => {
            let rows = given_up.filter(mails::message_id.eq(id));
            diesel::update(rows).set((values, mails::taken_on.eq(now))).execute(connection)?
        }
        None => diesel::update(given_up.filter(mails::id.eq(id))).set(values).execute(connection)?,
    };
    Ok(tried > 0)
}
