//! Hashes everybody's password once more, on all cores, before anything is written.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::options::{Conflicts, ImportError, Mode, Options, PAGE, Passwords};
use super::progress::Progress;
use super::redmine::{Redmine, SourcePassword, SourcePerson};
use super::rows::{FieldDigests, ImportedUser, MovedField, UserRow, imported_users, users_to_change};
use crate::auth::passwords::redmine::RedmineHash;
use crate::db::DbConnection;

/// How many hashes are timed to estimate the duration.
const SAMPLE: usize = 8;

/// The new hashes, by the person's id in the source.
#[derive(Default)]
pub struct Wrapped(HashMap<i64, (u64, Box<str>)>);

impl Wrapped {
    /// The value to store for `hash`, the password of `source_id`. It is hashed now if the password has changed since.
    pub fn of(&self, source_id: i64, hash: &RedmineHash) -> String {
        match self.0.get(&source_id) {
            Some((version, stored)) if *version == version_of(hash) => stored.to_string(),
            _ => hash.wrap(),
        }
    }
}

/// A checksum that tells two hashes apart within this process.
fn version_of(hash: &RedmineHash) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash.hash(&mut hasher);
    hasher.finish()
}

/// What happens to a person's password.
pub enum PasswordPlan {
    /// The password here is kept.
    Keep,
    /// The password here is kept, although the source has another one.
    KeepChanged,
    /// The password of the source is stored.
    Take,
}

impl PasswordPlan {
    /// Decides about the password of `person`. `here` is their row and what was imported of them; `None` if they are
    /// new.
    pub fn of(person: &SourcePerson, here: Option<(&UserRow, &FieldDigests)>, options: Options) -> Self {
        let Some((row, moved)) = here else { return Self::Take };
        let can_take = matches!(person.password, SourcePassword::Hash(_));
        if options.passwords == Passwords::Skip {
            return Self::Keep;
        }
        let changed_there = !moved.is(MovedField::PasswordThere, &person.password_version);
        let changed_here = !moved.is(MovedField::PasswordHere, &MovedField::PasswordHere.of(row));
        match (changed_here, changed_there, options.conflicts) {
            (false, false, _) => Self::Keep,
            (false, true, _) => Self::Take,
            // The source has no password that could replace it.
            (true, ..) if !can_take => Self::Keep,
            (true, _, Conflicts::Overwrite) => Self::Take,
            (true, _, Conflicts::Keep) => Self::KeepChanged,
        }
    }
}

/// Hashes every password that is going to be stored.
///
/// # Errors
/// Returns an error if the source or the database cannot be read.
pub fn wrap_all(
    redmine: &mut Redmine,
    connection: &mut DbConnection,
    options: Options,
    progress: &mut Progress,
) -> Result<Wrapped, ImportError> {
    if options.passwords == Passwords::Skip {
        return Ok(Wrapped::default());
    }
    let (mut count, mut sample) = (0, Vec::new());
    each_to_wrap(redmine, connection, options, |hashes| {
        count += hashes.len();
        sample.extend(hashes.into_iter().map(|(_, hash)| hash).take(SAMPLE - sample.len().min(SAMPLE)));
    })?;
    if count == 0 {
        return Ok(Wrapped::default());
    }
    progress.say(&estimate(count, &sample));
    if options.mode == Mode::DryRun {
        return Ok(Wrapped::default());
    }
    progress.begin("hashing passwords", count as u64);
    let mut all = Wrapped::default();
    each_to_wrap(redmine, connection, options, |hashes| {
        for hashes in hashes.chunks(100) {
            all.0.extend(wrap_in_parallel(hashes));
            progress.advance(hashes.len() as u64);
        }
    })?;
    progress.end();
    Ok(all)
}

fn each_to_wrap(
    redmine: &mut Redmine,
    connection: &mut DbConnection,
    options: Options,
    mut work: impl FnMut(Vec<(i64, RedmineHash)>),
) -> Result<(), ImportError> {
    let mut after = i64::MIN;
    while let Some(page) = redmine.page(after, PAGE)? {
        let people = page.people(options.zone, options.now);
        let first = people.first().map_or(after, |person| person.source_id);
        after = page_end(&people, after);
        let known = imported_users(connection, first, after)?;
        let ids: Vec<i64> = known.values().map(|it| it.user_id).collect();
        let here = users_to_change(connection, &ids)?;
        let taken = people.into_iter().filter_map(|person| {
            // If the source has given the id to somebody else since, the person is new.
            let before = known.get(&person.source_id);
            let before =
                before.filter(|it| FieldDigests::stored(it.digests.clone()).is(MovedField::Identity, &person.identity));
            let plan = match before.map(|ImportedUser { user_id, digests, .. }| (here.get(user_id), digests)) {
                None => PasswordPlan::of(&person, None, options),
                // People who were deleted here stay deleted.
                Some((None, _)) => return None,
                Some((Some(user), digests)) => {
                    let moved = FieldDigests::stored(digests.clone());
                    PasswordPlan::of(&person, Some((user, &moved)), options)
                }
            };
            match (plan, person.password) {
                (PasswordPlan::Take, SourcePassword::Hash(hash)) => Some((person.source_id, hash)),
                _ => None,
            }
        });
        work(taken.collect());
    }
    Ok(())
}

fn page_end(people: &[SourcePerson], after: i64) -> i64 {
    people.last().map_or(after, |person| person.source_id)
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn wrap_in_parallel(hashes: &[(i64, RedmineHash)]) -> Vec<(i64, (u64, Box<str>))> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((id, hash)) = hashes.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((*id, (version_of(hash), hash.wrap().into_boxed_str())));
        }
        done
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores()).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    })
}

/// Estimates how long `count` passwords take from the time that a few of them take.
fn estimate(count: usize, sample: &[RedmineHash]) -> String {
    let numbered: Vec<_> = sample.iter().cloned().enumerate().map(|(at, hash)| (at as i64, hash)).collect();
    let started = Instant::now();
    wrap_in_parallel(&numbered);
    let each = started.elapsed().as_secs_f64() / sample.len().max(1) as f64;
    let span = Duration::from_secs_f64(each * count as f64).as_secs();
    let span = match span {
        0..=90 => format!("{} s", span.max(1)),
        91..=5400 => format!("{} min", span.div_ceil(60)),
        _ => format!("{:.1} h", span as f64 / 3600.0),
    };
    let passwords = if count == 1 { "password" } else { "passwords" };
    format!(
        "{count} {passwords} to hash once more: about {span} on {} cores; --passwords=skip leaves them behind",
        cores()
    )
}
