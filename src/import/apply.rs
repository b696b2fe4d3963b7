//! Applies a page of people: finds who is new, compares what was changed in the source and here, and writes the rows.
//!
//! It is a long file because a person, their password and their keys are compared and written in one pass.

use std::collections::{HashMap, HashSet};

use super::hashing::{PasswordPlan, Wrapped};
use super::ids::{RowIds, reserve_token_ids};
use super::options::{Conflicts, ImportError, Mode, Options, Passwords};
use super::redmine::{MovedKey, SourcePassword, SourcePerson};
use super::report::{Kind, Report};
use super::rows::{self, FieldDigests, ImportedToken, ImportedUser, MovedField, TokenRow, UserRow};
use crate::auth::passwords::new_password::Owner;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::models::audit::{KeyThen, MovedIn};
use crate::models::event::{EventAction, NewEvent};
use crate::models::keys::recording::{RecordIf, TokenUse};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::{Profile, UserStatus};
use crate::models::tx::Tx;

/// The prefix of the login and mail address of an imported person who cannot keep their own.
const PLACEHOLDER: &str = "redmine";

/// Applies one page of people.
pub struct Applied<'a> {
    /// The connection, inside the transaction.
    pub connection: &'a mut DbConnection,
    /// The options of the import.
    pub options: Options,
    /// The passwords, hashed once more.
    pub wrapped: &'a Wrapped,
    /// The ids of people who are new here.
    pub ids: &'a mut RowIds,
    /// The report.
    pub report: &'a mut Report,
}

/// Who has which login, or mail address, in lower case.
struct Held(HashMap<String, i64>);

impl Held {
    /// Takes `wanted` for a person. Returns `false` if somebody else has it.
    fn claim(&mut self, wanted: &str, user_id: i64) -> bool {
        *self.0.entry(wanted.to_ascii_lowercase()).or_insert(user_id) == user_id
    }
}

/// A person of the page, and their counterpart here.
struct Arrival {
    person: SourcePerson,
    user_id: i64,
    here: Here,
}

enum Here {
    New,
    Known(Box<Known>),
    Deleted,
}

struct Known {
    row: UserRow,
    moved: FieldDigests,
    imported_on: Timestamp,
}

/// The keys before the page is applied.
struct Keys {
    held: HashMap<i64, Vec<Token>>,
    imported: HashMap<Vec<u8>, ImportedToken>,
    digests_held: HashSet<Vec<u8>>,
}

/// The changes of keys, to be written together.
#[derive(Default)]
struct KeyPlan {
    new: Vec<(i64, i64, MovedKey)>,
    ended: Vec<Token>,
    revoked: Vec<Token>,
    forgotten: Vec<Vec<u8>>,
    uses: Vec<TokenUse>,
}

impl Applied<'_> {
    /// Applies the page.
    ///
    /// # Errors
    /// Returns an error if a query fails, or if the source is not the Redmine that was imported before.
    pub fn page(&mut self, people: Vec<SourcePerson>) -> Result<(), ImportError> {
        let Some((first, last)) =
            people.first().zip(people.last()).map(|(one, other)| (one.source_id, other.source_id))
        else {
            return Ok(());
        };
        let mut arrivals = self.arrivals(people, first, last)?;
        let (mut logins, mut mails) = self.held(&arrivals)?;
        let (mut new, mut imported, mut rewritten) = (Vec::new(), Vec::new(), Vec::new());
        let mut changed: HashSet<i64> = HashSet::new();
        for arrival in &mut arrivals {
            self.report.totals.people.found += 1;
            let wanted = match arrival.here {
                Here::Deleted => {
                    self.report.totals.people.deleted_here += 1;
                    arrival.person.note(Kind::PersonDeleted, "was deleted in Latchkey", "left out, with their keys");
                    continue;
                }
                Here::New | Here::Known(_) => self.row(arrival, &mut logins, &mut mails),
            };
            let (person, user_id) = (&mut arrival.person, arrival.user_id);
            match &arrival.here {
                Here::Known(known) => {
                    let (row, digests) = self.merge(person, known, wanted)?;
                    note_administrator(person, row.admin && !known.row.admin);
                    if row != known.row {
                        changed.insert(user_id);
                        self.follow_up(&known.row, &row)?;
                        rows::update_user(self.connection, &row)?;
                    }
                    if digests != known.moved {
                        rewritten.push(person.source_id);
                        imported.push(ImportedUser {
                            source_id: person.source_id,
                            user_id,
                            digests: digests.into_bytes(),
                            imported_on: known.imported_on,
                        });
                    }
                }
                Here::New | Here::Deleted => {
                    let version = if self.options.passwords == Passwords::Skip { "" } else { &person.password_version };
                    let digests = FieldDigests::of(&wanted, version, &person.identity).into_bytes();
                    let imported_on = self.options.now;
                    imported.push(ImportedUser { source_id: person.source_id, user_id, digests, imported_on });
                    self.report.totals.people.passwords += u64::from(wanted.password_hash.is_some());
                    note_administrator(person, wanted.admin);
                    new.push(wanted);
                }
            }
        }
        rows::insert_users(self.connection, &new)?;
        self.tell_moved_in(new.iter().map(|row| MovedIn { user_id: row.id, key: None }))?;
        rows::store_imported_users(self.connection, &imported, &rewritten)?;
        let new: HashSet<i64> = new.iter().map(|row| row.id).collect();
        self.keys(&mut arrivals, first, last, &mut changed)?;
        for arrival in &mut arrivals {
            let people = &mut self.report.totals.people;
            match &arrival.here {
                Here::Deleted => {}
                _ if new.contains(&arrival.user_id) => people.added += 1,
                _ if changed.contains(&arrival.user_id) => people.changed += 1,
                _ => people.unchanged += 1,
            }
            self.report.totals.keys.found += arrival.person.unusable_keys;
            self.report.totals.keys.left_out += arrival.person.unusable_keys;
            arrival.person.entries().for_each(|entry| self.report.note(entry));
        }
        Ok(())
    }

    /// Matches each person with their counterpart here, and gives an id to each new one.
    fn arrivals(&mut self, people: Vec<SourcePerson>, first: i64, last: i64) -> Result<Vec<Arrival>, ImportError> {
        let mut imported = rows::imported_users(self.connection, first, last)?;
        self.forget_reused_ids(&people, &mut imported)?;
        let ids: Vec<i64> = imported.values().map(|it| it.user_id).collect();
        let mut here = rows::users_to_change(self.connection, &ids)?;
        let new = people.iter().map(|person| person.source_id).filter(|id| !imported.contains_key(id));
        let mut new_ids = self.ids.give(self.connection, &new.collect::<Vec<_>>())?.into_iter();
        let mut arrivals = Vec::with_capacity(people.len());
        for person in people {
            let Some(ImportedUser { user_id, digests, imported_on, .. }) = imported.remove(&person.source_id) else {
                arrivals.extend(new_ids.next().map(|user_id| Arrival { person, user_id, here: Here::New }));
                continue;
            };
            let moved = FieldDigests::stored(digests);
            let here = match here.remove(&user_id) {
                Some(user) => Here::Known(Box::new(Known { row: user, moved, imported_on })),
                None => Here::Deleted,
            };
            arrivals.push(Arrival { person, user_id, here });
        }
        for Arrival { person, user_id, here } in &mut arrivals {
            if person.source_id != *user_id && !matches!(here, Here::Deleted) {
                let found = format!("cannot keep the id {}", person.source_id);
                person.note(Kind::Id, found, format!("has the id {user_id} in Latchkey"));
            }
        }
        Ok(arrivals)
    }

    /// Handles ids that the source has given to somebody else: SQLite and older versions of MySQL reuse the last id
    /// after its row was deleted. If the person who has the id now was created after it was first imported, they are
    /// new. If they were created before that, the source is another Redmine.
    fn forget_reused_ids(
        &mut self,
        people: &[SourcePerson],
        imported: &mut HashMap<i64, ImportedUser>,
    ) -> Result<(), ImportError> {
        let mut reused = Vec::new();
        for person in people {
            let Some(before) = imported.get(&person.source_id) else { continue };
            let moved = FieldDigests::stored(before.digests.clone());
            if !moved.is(MovedField::Identity, &person.identity) {
                if person.created_on <= before.imported_on {
                    return Err(ImportError::OtherSource(person.source_id));
                }
                reused.push(person.source_id);
            }
        }
        if !reused.is_empty() {
            rows::forget(self.connection, &reused)?;
            imported.retain(|source_id, _| !reused.contains(source_id));
        }
        Ok(())
    }

    /// Who has the logins and mail addresses of these people, and the substitutes for them.
    fn held(&mut self, arrivals: &[Arrival]) -> Result<(Held, Held), ImportError> {
        let (mut logins, mut mails) = (Vec::new(), Vec::new());
        for SourcePerson { source_id, login, mail, .. } in arrivals.iter().map(|it| &it.person) {
            logins.extend(login.as_ref().map(|login| login.to_ascii_lowercase()));
            logins.push(substitute_login(*source_id));
            mails.extend(mail.as_ref().map(|mail| mail.to_ascii_lowercase()));
            mails.push(substitute_mail(*source_id));
        }
        let logins = rows::logins_held(self.connection, &logins)?;
        let mails = rows::mails_held(self.connection, &mails)?;
        Ok((Held(logins.into_iter().collect()), Held(mails.into_iter().collect())))
    }

    /// The row as the source has it.
    fn row(&mut self, arrival: &mut Arrival, logins: &mut Held, mails: &mut Held) -> UserRow {
        let user_id = arrival.user_id;
        let takes_password = wants_password(arrival, self.options);
        let person = &mut arrival.person;
        let login = person.login.clone().filter(|login| {
            let free = logins.claim(login, user_id);
            if !free {
                person.notes_taken(Kind::LoginTaken, "login", login, "imported with another login");
            }
            free
        });
        let mail = person.mail.clone().filter(|mail| {
            let free = mails.claim(mail, user_id);
            if !free {
                person.notes_taken(Kind::MailTaken, "mail address", mail, "imported with a placeholder");
            }
            free
        });
        let login = login.unwrap_or_else(|| claim_substitute(logins, user_id, &substitute_login(person.source_id)));
        let mail = mail.unwrap_or_else(|| claim_substitute(mails, user_id, &substitute_mail(person.source_id)));
        if person.login.as_ref() != Some(&login) {
            person.note(Kind::Login, "has another login in Latchkey", format!("signs in as {login}"));
        }
        let password_hash = match (&person.password, self.options) {
            (_, Options { passwords: Passwords::Skip, .. }) => None,
            (SourcePassword::Hash(_), Options { mode: Mode::DryRun, .. }) => takes_password.then(String::new),
            (SourcePassword::Hash(hash), _) if takes_password => Some(self.wrapped.of(person.source_id, hash)),
            _ => None,
        };
        if takes_password && self.options.passwords == Passwords::Move {
            note_simple_password(person, &login, &mail);
        }
        UserRow {
            id: user_id,
            login,
            firstname: person.firstname.clone(),
            lastname: person.lastname.clone(),
            mail,
            admin: person.admin,
            status: person.status,
            must_change_password: person.must_change_password,
            twofa_scheme: person.twofa_scheme.clone(),
            language: person.language.clone(),
            time_zone: person.time_zone.clone().unwrap_or_default(),
            created_on: person.created_on,
            updated_on: person.updated_on,
            last_login_on: person.last_login_on,
            passwd_changed_on: person.passwd_changed_on.filter(|_| password_hash.is_some()),
            password_hash,
        }
    }

    /// Merges the changes from the source into the row here, and returns the row with the digests to store.
    fn merge(
        &mut self,
        person: &mut SourcePerson,
        known: &Known,
        mut wanted: UserRow,
    ) -> Result<(UserRow, FieldDigests), ImportError> {
        let (mut row, mut digests) = (known.row.clone(), known.moved.clone());
        if !self.is_known(wanted.created_on) {
            wanted.created_on = row.created_on;
        }
        if person.time_zone.is_none() {
            wanted.time_zone.clone_from(&row.time_zone);
        }
        let mut taken = Vec::new();
        for field in MovedField::PLAIN {
            let (is, asked) = (field.of(&row), field.of(&wanted));
            let changed_here = !digests.is(field, &is);
            if is == asked {
                digests.set(field, &asked);
            } else if !changed_here || self.options.conflicts == Conflicts::Overwrite {
                field.copy(&wanted, &mut row);
                digests.set(field, &asked);
                taken.push(field.label());
            } else {
                person.note(
                    Kind::Conflict,
                    format!("{} was changed in Latchkey", field.label()),
                    "kept; use --overwrite to take Redmine's",
                );
            }
        }
        match PasswordPlan::of(person, Some((&known.row, &known.moved)), self.options) {
            PasswordPlan::Keep => {}
            PasswordPlan::KeepChanged => {
                person.note(
                    Kind::Conflict,
                    "password was changed in Latchkey",
                    "kept; use --overwrite to take Redmine's",
                );
            }
            PasswordPlan::Take => {
                MovedField::PasswordHere.copy(&wanted, &mut row);
                digests.set(MovedField::PasswordHere, &MovedField::PasswordHere.of(&row));
                digests.set(MovedField::PasswordThere, &person.password_version);
                self.report.totals.people.passwords += u64::from(row.password_hash.is_some());
                taken.push(MovedField::PasswordThere.label());
            }
        }
        // Neither time moves backwards.
        row.last_login_on = row.last_login_on.max(wanted.last_login_on.filter(|time| self.is_known(*time)));
        if self.is_known(wanted.updated_on) {
            row.updated_on = row.updated_on.max(wanted.updated_on);
        }
        if !taken.is_empty() {
            person.note(Kind::Changed, format!("{} changed", taken.join(", ")), "updated");
        }
        Ok((row, digests))
    }

    /// Whether the source has this time. Missing times were replaced by the time of the import, which must not count as
    /// a change at the next import.
    fn is_known(&self, time: Timestamp) -> bool {
        time != self.options.now
    }

    /// Records events of what has changed, and ends the person's sessions if it is the password or status.
    fn follow_up(&mut self, before: &UserRow, after: &UserRow) -> Result<(), ImportError> {
        let mut events = Vec::new();
        if before.password_hash != after.password_hash {
            events.push(EventAction::PasswordChanged);
        }
        if before.status != after.status {
            events.push(if after.status == UserStatus::Active { EventAction::Unlocked } else { EventAction::Locked });
        }
        if !events.is_empty() {
            Token::end_sessions(self.connection, after.id)?;
        }
        let is_renamed = (&before.login, &before.firstname, &before.lastname, &before.mail)
            != (&after.login, &after.firstname, &after.lastname, &after.mail);
        events.extend(is_renamed.then_some(EventAction::AccountChanged));
        if before.admin != after.admin {
            events.push(if after.admin { EventAction::AdminGranted } else { EventAction::AdminRevoked });
        }
        for event in events {
            let tx = &mut Tx::of_command_line(self.connection, self.options.now);
            // Nobody has done this to them in particular.
            NewEvent::of_person(after.id, event).without_mail().record(tx)?;
        }
        Ok(())
    }

    fn keys(
        &mut self,
        arrivals: &mut [Arrival],
        first: i64,
        last: i64,
        changed: &mut HashSet<i64>,
    ) -> Result<(), ImportError> {
        let mut keys = self.keys_before(arrivals, first, last)?;
        let mut changes = KeyPlan::default();
        let mut seen: HashSet<Vec<u8>> = HashSet::new();
        for arrival in arrivals {
            let moved = std::mem::take(&mut arrival.person.keys);
            self.report.totals.keys.found += moved.len() as u64;
            if let Here::Deleted = arrival.here {
                self.report.totals.keys.left_out += moved.len() as u64;
                continue;
            }
            let (fit, weak): (Vec<MovedKey>, Vec<MovedKey>) = moved.into_iter().partition(|key| key.weakness.is_none());
            for key in weak {
                if self.refuse_weak(arrival, &key, &mut keys, &mut changes) {
                    changed.insert(arrival.user_id);
                }
            }
            let there: HashSet<Vec<u8>> = fit.iter().map(|key| key.secret.digest().as_bytes().to_vec()).collect();
            for key in fit {
                if !seen.insert(key.secret.digest().as_bytes().to_vec()) {
                    self.leave_out(&mut arrival.person, &key, Kind::Key, "is also the key of somebody else");
                    continue;
                }
                if self.key(arrival, key, &there, &keys, &mut changes)? {
                    changed.insert(arrival.user_id);
                }
            }
        }
        self.write_keys(changes)
    }

    fn keys_before(&mut self, arrivals: &[Arrival], first: i64, last: i64) -> Result<Keys, ImportError> {
        let digests: Vec<_> = arrivals.iter().flat_map(|it| &it.person.keys).map(|key| key.secret.digest()).collect();
        let digests: Vec<&[u8]> = digests.iter().map(crate::secret::Digest::as_bytes).collect();
        let known: Vec<i64> =
            arrivals.iter().filter(|it| matches!(it.here, Here::Known(_))).map(|it| it.user_id).collect();
        let mut held: HashMap<i64, Vec<Token>> = HashMap::new();
        for token in rows::keys_of(self.connection, &known)? {
            held.entry(token.user_id).or_default().push(token);
        }
        let imported = rows::imported_tokens(self.connection, &digests, first, last)?;
        let imported = imported.into_iter().map(|it| (it.digest.clone(), it)).collect();
        let digests_held = rows::digests_held(self.connection, &digests)?.into_iter().collect();
        Ok(Keys { held, imported, digests_held })
    }

    /// Decides about one key. Returns `true` if this changes something for an owner who was already here.
    fn key(
        &mut self,
        arrival: &mut Arrival,
        key: MovedKey,
        there: &HashSet<Vec<u8>>,
        keys: &Keys,
        changes: &mut KeyPlan,
    ) -> Result<bool, ImportError> {
        let digest = key.secret.digest().as_bytes().to_vec();
        let held = keys.held.get(&arrival.user_id).map(Vec::as_slice).unwrap_or_default();
        let held = held.iter().filter(|token| token.action == key.action && !changes.ends(token.id));
        let held: Vec<&Token> = held.collect();
        let (source_id, user_id) = (arrival.person.source_id, arrival.user_id);
        if let Some(before) = keys.imported.get(&digest) {
            let Some(token) = held.iter().find(|token| token.id == before.token_id) else {
                self.leave_out(&mut arrival.person, &key, Kind::KeyEnded, "was revoked or reset in Latchkey");
                return Ok(false);
            };
            let used = key.last_use.filter(|used| token.recorded_use().is_none_or(|recorded| recorded < *used));
            let used = used
                .filter(|used| *used > token.created_on && (self.is_known(*used) || token.recorded_use().is_none()));
            match used {
                Some(used_on) => {
                    changes.uses.push(TokenUse { token_id: token.id, used_on, by: None });
                    self.report.totals.keys.used_since += 1;
                }
                None => self.report.totals.keys.unchanged += 1,
            }
            return Ok(used.is_some());
        }
        if keys.digests_held.contains(&digest) {
            self.leave_out(&mut arrival.person, &key, Kind::Key, "is also the key of somebody else");
            return Ok(false);
        }
        let came_before: Vec<&ImportedToken> =
            keys.imported.values().filter(|it| it.source_user_id == source_id && it.action == key.action).collect();
        let imported_as = |token: &Token| came_before.iter().find(|it| it.token_id == token.id);
        let made_here = held.iter().any(|token| imported_as(token).is_none());
        let ended_here = came_before.iter().any(|it| !held.iter().any(|token| token.id == it.token_id))
            && !changes.replaced(user_id, key.action);
        if (made_here || (ended_here && held.is_empty())) && self.options.conflicts == Conflicts::Keep {
            self.leave_out(
                &mut arrival.person,
                &key,
                Kind::Conflict,
                "is new in Redmine, but was reset or revoked in Latchkey",
            );
            return Ok(false);
        }
        // A key that is gone from the source was reset there. A key that was created here is only replaced with
        // --overwrite.
        let replaced: Vec<Token> = held
            .iter()
            .filter(|token| imported_as(token).is_none_or(|it| !there.contains(&it.digest)))
            .map(|token| (*token).clone())
            .collect();
        let named = key.name();
        match (&arrival.here, replaced.is_empty()) {
            (Here::Known(_), false) => {
                self.report.totals.keys.replaced += 1;
                arrival.person.note(Kind::Changed, format!("{named} is new in Redmine"), "replaced the old one");
            }
            (Here::Known(_), true) => {
                self.report.totals.keys.added += 1;
                arrival.person.note(Kind::Changed, format!("{named} is new in Redmine"), "added");
            }
            _ => self.report.totals.keys.added += 1,
        }
        changes.ended.extend(replaced);
        changes.new.push((source_id, user_id, key));
        Ok(true)
    }

    /// Leaves out a key that could be guessed. Returns `true` if an earlier release had moved it in, and it is revoked.
    /// It is then as if it had never come in, so that a better one can.
    fn refuse_weak(&mut self, arrival: &mut Arrival, key: &MovedKey, keys: &mut Keys, changes: &mut KeyPlan) -> bool {
        let before = keys.imported.remove(key.secret.digest().as_bytes());
        let held = keys.held.get(&arrival.user_id).into_iter().flatten();
        let token = held.into_iter().find(|token| before.as_ref().is_some_and(|before| before.token_id == token.id));
        self.report.totals.keys.left_out += 1;
        let found = format!("{} {}", key.name(), key.weakness.as_deref().unwrap_or_default());
        let done = if token.is_some() { "revoked" } else { "left out" };
        arrival.person.note(Kind::WeakKey, found, done);
        changes.revoked.extend(token.cloned());
        changes.forgotten.extend(before.map(|before| before.digest));
        token.is_some()
    }

    fn leave_out(&mut self, person: &mut SourcePerson, key: &MovedKey, kind: Kind, why: &str) {
        self.report.totals.keys.left_out += 1;
        person.note(kind, format!("{} {why}", key.name()), "left out");
    }

    /// Tells of new accounts and keys, in the audit log.
    fn tell_moved_in(&mut self, moved: impl Iterator<Item = MovedIn>) -> Result<(), ImportError> {
        let actions = (EventAction::AccountCreated.as_str(), EventAction::KeyCreated.as_str());
        Ok(MovedIn::write(&moved.collect::<Vec<_>>(), self.connection, self.options.now, actions)?)
    }

    fn write_keys(&mut self, changes: KeyPlan) -> Result<(), ImportError> {
        let KeyPlan { new, ended, revoked, forgotten, mut uses } = changes;
        rows::forget_tokens(self.connection, &forgotten)?;
        let ended = ended.into_iter().map(|token| (token, EventAction::KeyReset));
        for (token, event) in ended.chain(revoked.into_iter().map(|token| (token, EventAction::KeyRevoked))) {
            Token::delete(self.connection, token.id)?;
            let tx = &mut Tx::of_command_line(self.connection, self.options.now);
            NewEvent::of_key(&token, event).record(tx)?;
        }
        uses.sort_unstable();
        Token::record_uses(self.connection, &uses, RecordIf::Later)?;
        let ids = reserve_token_ids(self.connection, new.len())?;
        let (mut tokens, mut imported) = (Vec::with_capacity(new.len()), Vec::with_capacity(new.len()));
        for ((source_user_id, user_id, key), id) in new.into_iter().zip(ids) {
            let digest = key.secret.digest().as_bytes().to_vec();
            imported.push(ImportedToken { digest: digest.clone(), source_user_id, token_id: id, action: key.action });
            tokens.push(TokenRow {
                id,
                user_id,
                action: key.action,
                digest,
                hint: key.secret.hint(),
                created_on: key.created_on,
                updated_on: key.last_use,
                recorded_since: Some(self.options.now),
            });
        }
        rows::insert_tokens(self.connection, &tokens)?;
        self.tell_moved_in(tokens.iter().map(|row| {
            let key = KeyThen { id: row.id, action: row.action.as_str(), name: None, hint: row.hint.clone() };
            MovedIn { user_id: row.user_id, key: Some(key) }
        }))?;
        Ok(rows::store_imported_tokens(self.connection, &imported)?)
    }
}

impl MovedKey {
    /// The key as the report names it.
    fn name(&self) -> String {
        format!("{} ····{}", self.action.label(), self.secret.hint())
    }
}

impl KeyPlan {
    fn ends(&self, token_id: i64) -> bool {
        self.ended.iter().chain(&self.revoked).any(|token| token.id == token_id)
    }

    fn replaced(&self, user_id: i64, action: TokenAction) -> bool {
        self.ended.iter().any(|token| token.user_id == user_id && token.action == action)
    }
}

fn note_administrator(person: &mut SourcePerson, becomes_one: bool) {
    if becomes_one {
        person.note(Kind::Administrator, "is an administrator", "imported as one: check that this is right");
    }
}

/// Names a password that could not be set here. It is imported all the same: programs may use it.
fn note_simple_password(person: &mut SourcePerson, login: &str, mail: &str) {
    let SourcePassword::Hash(hash) = &person.password else { return };
    let (firstname, lastname) = (person.firstname.clone(), person.lastname.clone());
    let profile = Profile { firstname, lastname, mail: mail.to_owned() };
    if (Owner { login, profile: &profile }).has_simple(hash) {
        person.note(Kind::SimplePassword, "the password is too simple", "imported: ask them to change it");
    }
}

fn wants_password(arrival: &Arrival, options: Options) -> bool {
    let here = match &arrival.here {
        Here::Known(known) => Some((&known.row, &known.moved)),
        Here::New | Here::Deleted => None,
    };
    matches!(PasswordPlan::of(&arrival.person, here, options), PasswordPlan::Take)
}

fn substitute_login(source_id: i64) -> String {
    format!("{PLACEHOLDER}-{source_id}")
}

/// The domain `.invalid` can never exist (RFC 2606).
fn substitute_mail(source_id: i64) -> String {
    format!("{PLACEHOLDER}-{source_id}@moved.invalid")
}

/// Claims `substitute`, with a number in front if somebody has it already.
fn claim_substitute(held: &mut Held, user_id: i64, substitute: &str) -> String {
    let mut numbered = (2..).map(|number| format!("{number}-{substitute}"));
    let mut candidate = substitute.to_owned();
    while !held.claim(&candidate, user_id) {
        candidate = numbered.next().unwrap_or_default();
    }
    candidate
}

impl SourcePerson {
    fn notes_taken(&mut self, kind: Kind, what: &str, wanted: &str, done: &str) {
        self.note(kind, format!("another account has the {what} {wanted}"), done);
    }
}
