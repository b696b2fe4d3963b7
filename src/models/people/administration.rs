//! What administrators do about people: find them, add, change, lock and delete them. Each change stands in the
//! person's activity, with who made it.

use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::user::{NewUser, User, UserStatus};
use crate::clock::Timestamp;
use crate::db::schema::users;
use crate::db::{DbConnection, MultiBackend, lower};
use crate::models::event::{Client, Event, EventAction};
use crate::models::keys::token::Token;

/// Which people are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleFilter {
    /// Whose status is one of these.
    pub statuses: Vec<UserStatus>,
    /// A part of the login or mail, or words that each are a part of the first or last name; in any case (on SQLite
    /// that of ASCII letters). Empty: everybody.
    pub name: String,
}

/// Some of the people who were found.
pub struct People {
    /// Those, by login.
    pub users: Vec<User>,
    /// How many there are altogether.
    pub total: i64,
}

type Condition = Box<dyn BoxableExpression<users::table, MultiBackend, SqlType = Bool>>;

impl PeopleFilter {
    /// The people who were found: `most` of them, after the first `skip`.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn find(&self, connection: &mut DbConnection, skip: i64, most: i64) -> QueryResult<People> {
        let found = || users::table.filter(users::status.eq_any(&self.statuses)).filter(self.is_named());
        let total = found().count().get_result(connection)?;
        let page = found().order(lower(users::login)).offset(skip).limit(most).select(User::as_select());
        Ok(People { users: page.load(connection)?, total })
    }

    fn is_named(&self) -> Condition {
        // Logins and mail are folded as their columns are, names as the database folds them: both sides by itself.
        let whole = pattern(&self.name.trim().to_ascii_lowercase());
        let login_or_mail =
            lower(users::login).like(whole.clone()).escape('\\').or(lower(users::mail).like(whole).escape('\\'));
        let words = self.name.split_whitespace().map(|word| {
            let word = pattern(word);
            let first = lower(users::firstname).like(lower(word.clone())).escape('\\');
            Box::new(first.or(lower(users::lastname).like(lower(word)).escape('\\'))) as Condition
        });
        match words.reduce(|all, word| Box::new(all.and(word))) {
            Some(words) => Box::new(login_or_mail.or(words)),
            None => Box::new(diesel::dsl::sql::<Bool>("1 = 1")),
        }
    }
}

/// What LIKE takes for "holds `text`", whatever stands in it.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    // PostgreSQL takes no NUL, and nobody's name holds one.
    for c in text.chars().filter(|c| *c != '\0') {
        if ['%', '_', '\\'].contains(&c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "%"
}

/// An administrator who does something about people, and from where.
#[derive(Clone, Debug)]
pub struct Administrator {
    id: i64,
    login: String,
    client: Client,
}

/// A person to be made.
pub struct Addition {
    /// Who.
    pub new: NewUser,
    /// Whether they are let in.
    pub status: UserStatus,
    /// Whether the first thing to do is to choose another password.
    pub must_change_password: bool,
}

/// What is to change about a person; `None` stays as it is.
#[derive(AsChangeset, Clone, Default, PartialEq, Eq)]
#[diesel(table_name = users)]
pub struct Changes {
    /// A login that breaks no rule.
    pub login: Option<String>,
    /// A first name that breaks no rule.
    pub firstname: Option<String>,
    /// A last name that breaks no rule.
    pub lastname: Option<String>,
    /// A mail address that breaks no rule.
    pub mail: Option<String>,
    /// Whether they look after the others.
    pub admin: Option<bool>,
    /// Whether they may do anything.
    pub status: Option<UserStatus>,
    /// The hash of a new password. It ends their sessions.
    pub password_hash: Option<String>,
    /// Whether the next thing to do is to choose another password.
    pub must_change_password: Option<bool>,
}

/// Why nothing was done about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is nobody with this id.
    #[error("There is nobody with this id")]
    Gone,
    /// Administrators do not shut themselves out.
    #[error("You cannot lock or delete your own account: ask another administrator")]
    OwnAccount,
    /// Nobody would be left to look after the others.
    #[error("Nobody else is an active administrator: make somebody else one first")]
    LastAdministrator,
}

/// What a change takes away from a person.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// They are an administrator no more.
    Administration,
    /// They are shut out.
    Everything,
}

impl Administrator {
    /// `user`, who acts at `client`. That they are an administrator is the extractors' to see to.
    pub fn new(user: &User, client: Client) -> Self {
        let login = match client.administrator() {
            Some(administrator) => format!("{administrator} as {}", user.login),
            None => user.login.clone(),
        };
        Self { id: user.id, login, client }
    }

    /// Their id.
    pub(in crate::models) fn id(&self) -> i64 {
        self.id
    }

    /// What others are told that they are called: with Switch-User, both logins.
    pub(in crate::models) fn login(&self) -> &str {
        &self.login
    }

    /// Where they are.
    pub(in crate::models) fn client(&self) -> &Client {
        &self.client
    }

    /// Makes a person.
    ///
    /// # Errors
    /// Those of the queries; a login or mail that another has is a unique violation.
    pub fn add(&self, connection: &mut DbConnection, addition: &Addition, now: Timestamp) -> QueryResult<User> {
        let user = addition.new.insert(connection, now)?;
        let rest = Changes {
            status: Some(addition.status),
            must_change_password: Some(addition.must_change_password),
            ..Changes::default()
        };
        diesel::update(users::table.find(user.id)).set(&rest).execute(connection)?;
        self.record(connection, user.id, EventAction::AccountCreated, now)?;
        users::table.find(user.id).select(User::as_select()).first(connection)
    }

    /// Changes a person. A lock ends their sessions, as a new password does; their keys stop, and work again when they
    /// are unlocked.
    ///
    /// # Errors
    /// Those of the queries; a login or mail that another has is a unique violation.
    pub fn change(
        &self,
        connection: &mut DbConnection,
        user_id: i64,
        changes: &Changes,
        now: Timestamp,
    ) -> QueryResult<Result<(), Refusal>> {
        let before = match self.lock_and_find(connection, user_id, changes.take())? {
            Ok(before) => before,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if *changes == Changes::default() {
            return Ok(Ok(()));
        }
        let has_new_password = changes.password_hash.as_ref().map(|_| users::passwd_changed_on.eq(now));
        diesel::update(users::table.find(user_id))
            .set((changes, users::updated_on.eq(now), has_new_password))
            .execute(connection)?;
        let actions = changes.actions(&before);
        if actions.iter().any(|action| matches!(action, EventAction::Locked | EventAction::PasswordChanged)) {
            Token::end_sessions(connection, user_id)?;
        }
        actions.into_iter().try_for_each(|action| self.record(connection, user_id, action, now))?;
        Ok(Ok(()))
    }

    /// Deletes a person, with everything of theirs: sessions, keys, activity. It stands in the activity of who did it.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn delete(
        &self,
        connection: &mut DbConnection,
        user_id: i64,
        now: Timestamp,
    ) -> QueryResult<Result<(), Refusal>> {
        let user = match self.lock_and_find(connection, user_id, Takes::Everything)? {
            Ok(user) => user,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // The tokens first: whoever records their uses holds them and then needs the person's row.
        Token::delete_all_of(connection, user_id)?;
        diesel::delete(users::table.find(user_id)).execute(connection)?;
        Event::record_with(connection, self.id, EventAction::AccountDeleted, &user.login, &self.client, now)?;
        Ok(Ok(()))
    }

    /// The person, whose row is locked until the transaction ends, if what is to be taken from them may be.
    fn lock_and_find(
        &self,
        connection: &mut DbConnection,
        user_id: i64,
        takes: Takes,
    ) -> QueryResult<Result<User, Refusal>> {
        let administrators = lock_rows(connection, user_id, takes)?;
        let Some(user) = User::find(connection, user_id)? else { return Ok(Err(Refusal::Gone)) };
        Ok(match takes {
            Takes::Everything if user_id == self.id => Err(Refusal::OwnAccount),
            Takes::Administration | Takes::Everything if administrators == [user_id] => Err(Refusal::LastAdministrator),
            _ => Ok(user),
        })
    }

    fn record(
        &self,
        connection: &mut DbConnection,
        user_id: i64,
        action: EventAction,
        now: Timestamp,
    ) -> QueryResult<()> {
        if user_id == self.id {
            Event::record(connection, user_id, action, None, &self.client, now)
        } else {
            Event::record_with(connection, user_id, action, &self.login, &self.client, now)
        }
    }
}

impl Changes {
    fn take(&self) -> Takes {
        match (self.status, self.admin) {
            (Some(UserStatus::Registered | UserStatus::Locked), _) => Takes::Everything,
            (_, Some(false)) => Takes::Administration,
            _ => Takes::Nothing,
        }
    }

    /// What happened to the person that was as in `before`.
    fn actions(&self, before: &User) -> Vec<EventAction> {
        let differs = |new: &Option<String>, old: &str| new.as_ref().is_some_and(|new| new != old);
        let changed = differs(&self.login, &before.login)
            || differs(&self.firstname, &before.firstname)
            || differs(&self.lastname, &before.lastname)
            || differs(&self.mail, &before.mail);
        let mut actions = Vec::new();
        actions.extend(changed.then_some(EventAction::AccountChanged));
        actions.extend(match self.admin {
            Some(true) if !before.admin => Some(EventAction::AdminGranted),
            Some(false) if before.admin => Some(EventAction::AdminRevoked),
            _ => None,
        });
        actions.extend(self.password_hash.as_ref().map(|_| EventAction::PasswordChanged));
        actions.extend(match (before.status, self.status) {
            (UserStatus::Active, Some(UserStatus::Registered | UserStatus::Locked)) => Some(EventAction::Locked),
            (UserStatus::Registered | UserStatus::Locked, Some(UserStatus::Active)) => Some(EventAction::Unlocked),
            _ => None,
        });
        actions
    }
}

/// Locks a person's row, and where something is taken from them those of all administrators, so that two who shut each
/// other out at the same time do not both succeed. In the order of ids, so that they do not deadlock. SQLite has one
/// writer anyway. Gives the ids of the administrators who are active.
fn lock_rows(connection: &mut DbConnection, user_id: i64, takes: Takes) -> QueryResult<Vec<i64>> {
    let active_admin = users::admin.and(users::status.eq(UserStatus::Active));
    if let DbConnection::Postgres(postgres) = connection {
        let rows = users::table.select(users::id).order(users::id).for_no_key_update();
        let person = users::id.eq(user_id);
        let _: Vec<i64> = match takes {
            Takes::Nothing => rows.filter(person).load(postgres),
            Takes::Administration | Takes::Everything => rows.filter(person.or(active_admin)).load(postgres),
        }?;
    }
    // Asked again: another may have changed them while the lock was waited for.
    users::table.filter(active_admin).select(users::id).load(connection)
}
