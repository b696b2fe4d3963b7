//! The thread that sends: it takes mails from the outbox, writes each as a letter, and hands it to the mail server. No
//! request waits for it.

use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::correspondence::{Addressee, Correspondence};
use super::letter::Letter;
use super::links;
use super::transport::{Connection, Matter};
use crate::clock::{Clock, Timestamp};
use crate::config::mail::MailSettings;
use crate::db::{Database, DbConnection, DbError};
use crate::metrics::Mails;
use crate::models::mails::outbox::{self, MailOutcome, TakenMail};
use crate::models::mails::wishes;
use crate::models::people::user::User;
use crate::panics::ThreadPanics;
use crate::secret::random_base62;

/// How often it looks for mails that are due.
const TICK: Duration = Duration::from_secs(1);
/// How often it counts what waits, for the metrics: that takes as long as there is much.
const COUNT_TICK: Duration = Duration::from_secs(30);
/// So many mails are taken at once.
const AT_ONCE: i64 = 100;
/// How long it waits after the server could not be used, at first and at most. Each time it waits twice as long.
const FIRST_REST: Duration = Duration::from_secs(2);
const LONGEST_REST: Duration = Duration::from_secs(300);
/// So long a process that stops waits for the mail that is under way. If the server takes longer, another process, or the
/// next start, sends it again, with the same `Message-ID`.
const GOODBYE: Duration = Duration::from_secs(5);

/// The thread, and how it is stopped.
pub struct Mailer {
    flags: Arc<Flags>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Flags {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stop: bool,
    ended: bool,
}

impl Flags {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `span`. Returns `false` if the thread should stop.
    fn rest(&self, span: Duration) -> bool {
        let waiting = self.changed.wait_timeout_while(self.lock(), span, |state| !state.stop);
        !waiting.unwrap_or_else(PoisonError::into_inner).0.stop
    }

    fn should_stop(&self) -> bool {
        self.lock().stop
    }
}

/// Says that the thread has ended, also where it panics.
struct Ending(Arc<Flags>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

impl Mailer {
    /// Starts the thread.
    ///
    /// # Errors
    /// Returns an error if the operating system gives no thread.
    pub fn start(
        database: Database,
        clock: Clock,
        settings: MailSettings,
        (mails, panics): (Mails, ThreadPanics),
    ) -> std::io::Result<Self> {
        let flags = Arc::new(Flags::default());
        let sender =
            Sender { database, clock, settings, mails, panics, flags: flags.clone(), counted: Cell::new(None) };
        let ending = Ending(flags.clone());
        let thread = std::thread::Builder::new().name("mailer".into()).spawn(move || {
            let _ending = ending;
            sender.run();
        })?;
        Ok(Self { flags, thread: Mutex::new(Some(thread)) })
    }

    /// Whether the thread is there.
    pub fn is_running(&self) -> bool {
        !self.flags.lock().ended
    }

    /// Ends the thread, after the mail that is under way, if the server takes it soon.
    pub fn stop(&self) {
        let mut state = self.flags.lock();
        state.stop = true;
        self.flags.changed.notify_all();
        let waited = self.flags.changed.wait_timeout_while(state, GOODBYE, |state| !state.ended);
        if !waited.unwrap_or_else(PoisonError::into_inner).0.ended {
            tracing::warn!("the mail server is slow: the mail that is under way will be sent again by the next start");
            return;
        }
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Mailer {
    fn drop(&mut self) {
        self.flags.lock().stop = true;
        self.flags.changed.notify_all();
    }
}

struct Sender {
    database: Database,
    clock: Clock,
    settings: MailSettings,
    mails: Mails,
    panics: ThreadPanics,
    flags: Arc<Flags>,
    /// When it last counted what waits.
    counted: Cell<Option<Instant>>,
}

/// Why no more mails are sent in this round.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    /// The outbox cannot be read or written.
    #[error("{0}")]
    Database(#[from] DbError),
    /// The mail server cannot be used, in words.
    #[error("{0}")]
    Server(String),
}

impl Sender {
    fn run(&self) {
        let mut rest = FIRST_REST;
        let mut failing = false;
        let mut pause = TICK;
        while self.flags.rest(pause) {
            let round = self.panics.survive(|| self.round());
            pause = match round {
                Ok(Ok(sent)) => {
                    if failing && sent > 0 {
                        tracing::info!("mails are sent again");
                        failing = false;
                    }
                    rest = if sent > 0 { FIRST_REST } else { rest };
                    // There may be more that is due.
                    if sent > 0 { Duration::ZERO } else { TICK }
                }
                Ok(Err(error)) => {
                    if !failing {
                        tracing::warn!(%error, "mails wait until they can be sent");
                    }
                    failing = true;
                    let pause = rest;
                    rest = (rest * 2).min(LONGEST_REST);
                    pause
                }
                Err(_) => LONGEST_REST,
            };
        }
    }

    /// Sends what is due, at most [`AT_ONCE`] mails, and returns how many it has taken.
    fn round(&self) -> Result<usize, Interrupted> {
        let now = self.clock.now();
        if self.counted.get().is_none_or(|at| at.elapsed() >= COUNT_TICK) {
            self.counted.set(Some(Instant::now()));
            self.mails.set_queue(self.database.read_now(outbox::queue)?, now);
        }
        if !self.database.read_now(move |connection| outbox::any_due(connection, now))? {
            return Ok(0);
        }
        // Before anything is taken: while the server is away, each mail keeps its own count of attempts.
        let mut connection = match self.connect() {
            Ok(connection) => Some(connection),
            Err(Interrupted::Server(words)) => {
                self.write(|tx| outbox::keep_waiting(tx, &words, now))?;
                return Err(Interrupted::Server(words));
            }
            Err(error) => return Err(error),
        };
        let domain = self.settings.from.email.domain().to_owned();
        let new_id = || format!("{}@{domain}", random_base62(24));
        let taken = self.write(|tx| outbox::take(tx, now, AT_ONCE, new_id))?;
        let number = taken.len();
        let mut waiting = taken.into_iter();
        let mut failed = None;
        for mail in waiting.by_ref() {
            if self.flags.should_stop() {
                self.write(|tx| outbox::leave(tx, &mail, now))?;
                break;
            }
            let outcome = match self.send(&mail, &mut connection) {
                Ok(outcome) => outcome,
                Err(Interrupted::Server(words)) => {
                    failed = Some(Interrupted::Server(words.clone()));
                    MailOutcome::Failed(words)
                }
                Err(error @ Interrupted::Database(_)) => return Err(error),
            };
            let outcome = self.write(|tx| outbox::settle(tx, &mail, outcome, self.clock.now()))?;
            self.mails.count(mail.kind, outcome.label());
            tell(&mail, &outcome);
            if failed.is_some() {
                break;
            }
        }
        // The others are left for the next round, or for another process.
        for mail in waiting {
            self.write(|tx| outbox::leave(tx, &mail, now))?;
        }
        if let Some(connection) = connection {
            connection.close();
        }
        failed.map_or(Ok(number), Err)
    }

    fn connect(&self) -> Result<Connection, Interrupted> {
        let hello = self.settings.url.host().to_owned();
        Connection::open(&self.settings.server, &hello, |_| {}).map_err(|error| Interrupted::Server(error.to_string()))
    }

    /// Sends one mail, over `connection`, which is opened again where it is closed.
    fn send(&self, mail: &TakenMail, connection: &mut Option<Connection>) -> Result<MailOutcome, Interrupted> {
        let now = self.clock.now();
        let Addressee { person, address, link } = match self.addressee(mail, now)? {
            Ok(addressee) => addressee,
            Err(why) => return Ok(MailOutcome::NotSent(why)),
        };
        let id = person.id;
        let zone = self.database.read_now(move |connection| wishes::zone_of(connection, id))?;
        let about = Correspondence { person: &person, url: &self.settings.url, zone, now };
        let letter = Letter::about(mail.kind, &mail.told, mail.more, &about, link.as_deref());
        let message = match letter.message(&about, (&self.settings.from, &address), &mail.message_id) {
            Ok(message) => message,
            Err(error) => return Ok(MailOutcome::Refused(error.to_string())),
        };
        let mut open = match connection.take() {
            Some(open) => open,
            None => self.connect()?,
        };
        match open.send(message.envelope(), &message.formatted()) {
            Ok(()) => {
                *connection = Some(open);
                Ok(MailOutcome::Sent)
            }
            Err(error) => match error.about {
                Matter::Server => Err(Interrupted::Server(error.words)),
                Matter::Mail => Ok(MailOutcome::Failed(error.words)),
                Matter::Forever => Ok(MailOutcome::Refused(error.words)),
            },
        }
    }

    /// Whom a mail goes to, or why nobody gets it.
    fn addressee(&self, mail: &TakenMail, now: Timestamp) -> Result<Result<Addressee, &'static str>, DbError> {
        if let Some(link) = mail.kind.link() {
            return self.write(|tx| links::issue(tx, (mail, link), now));
        }
        let Some(id) = mail.user_id else { return Ok(Err("it is for nobody")) };
        let person = self.database.read_now(move |connection| User::find(connection, id))?;
        let person = person.filter(|person| person.is_active() || mail.kind.is_for_the_locked());
        let Some(person) = person else { return Ok(Err("the account is locked")) };
        let address = mail.address.clone().unwrap_or_else(|| person.mail.clone());
        if address.is_empty() {
            return Ok(Err("the account has no email address"));
        }
        Ok(Ok(Addressee { person, address, link: None }))
    }

    #[expect(clippy::disallowed_methods, reason = "the mailer acts in nobody's name")]
    fn write<T>(&self, work: impl FnOnce(&mut DbConnection) -> diesel::QueryResult<T>) -> Result<T, DbError> {
        self.database.write_now(|connection| work(connection).map_err(DbError::from))
    }
}

fn tell(mail: &TakenMail, outcome: &MailOutcome) {
    let (kind, message_id, attempt) = (mail.kind.as_str(), mail.message_id.as_str(), mail.attempt);
    match outcome {
        MailOutcome::Sent => tracing::info!(kind, message_id, attempt, "mail sent"),
        MailOutcome::NotSent(why) => tracing::info!(kind, message_id, why, "mail not sent"),
        MailOutcome::Failed(answer) => tracing::warn!(kind, message_id, attempt, answer, "mail not sent yet"),
        MailOutcome::Refused(answer) => tracing::error!(kind, message_id, attempt, answer, "mail given up"),
    }
}
