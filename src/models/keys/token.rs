//! The whole life of a token: made, found, used, ended.

use std::collections::HashMap;

use chrono::TimeDelta;
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text, Timestamp as SqlTimestamp};

use super::scope::Scopes;
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::lookups::Batched;
use crate::db::schema::{tokens, users};
use crate::models::people::user::{User, UserStatus};
use crate::models::text_enum::{stored_as_text, text_enum};
use crate::secret::{Digest, Secret};

text_enum! {
    /// Which kind of secret a token is.
    #[derive(AsExpression, FromSqlRow, Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[diesel(sql_type = Text)]
    pub enum TokenAction(as_str, label) {
        /// The API access key: everything its owner may do.
        Api = ("api", "API access key"),
        /// The Atom access key: reads feeds.
        Feeds = ("feeds", "Atom access key"),
        /// An access token: what its scopes say, until it expires.
        Access = ("access", "Access token"),
        /// A browser's session.
        Session = ("session", "Session"),
        /// Signs a browser in again.
        Autologin = ("autologin", "Autologin"),
        /// Sets a new password.
        Recovery = ("recovery", "Password recovery"),
        /// Activates an account.
        Register = ("register", "Activation"),
        /// Stands in for a second factor, once.
        TwofaBackupCode = ("twofa_backup_code", "Backup code"),
        /// A kind that this release does not know.
        Unknown = ("unknown", "Key"),
    }
}

impl TokenAction {
    /// Whether people call it a key, look at its last use, and make and reset it themselves.
    pub fn is_key(self) -> bool {
        Self::KEYS.contains(&self)
    }

    /// The kinds that people call keys.
    pub const KEYS: [Self; 3] = [Self::Api, Self::Feeds, Self::Access];

    /// How many of them a person may hold; making one more ends the one that was unused for longest. Of access tokens
    /// none is ended for another: how many there may be is a setting, and one more is refused.
    pub fn most_per_user(self) -> usize {
        match self {
            Self::Session | Self::Autologin | Self::TwofaBackupCode => 10,
            Self::Api | Self::Feeds | Self::Recovery | Self::Register | Self::Unknown => 1,
            Self::Access => usize::MAX,
        }
    }

    /// How long it is valid since it was made; `None`: it does not age by itself.
    fn lifetime(self) -> Option<TimeDelta> {
        matches!(self, Self::Recovery | Self::Register).then(|| TimeDelta::days(1))
    }
}

// A kind of a newer release, which this one must not let in.
stored_as_text!(TokenAction, otherwise Unknown);

/// A row of `tokens`.
#[derive(Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = tokens)]
pub struct Token {
    /// Never given twice: a pending use of a token that is gone cannot hit another.
    pub id: i64,
    /// Whom it stands for.
    pub user_id: i64,
    /// Which kind it is.
    pub action: TokenAction,
    /// The last four characters of its secret.
    pub hint: String,
    /// When it was made.
    pub created_on: Timestamp,
    /// The last use that is recorded; see [`Token::recorded_use`].
    pub updated_on: Option<Timestamp>,
    /// Since when uses are known, for a key that was moved in; `None`: since it was made.
    pub recorded_since: Option<Timestamp>,
    /// What an access token is called.
    pub name: Option<String>,
    /// What an access token may do; see [`Token::scopes`].
    scopes: Option<Scopes>,
    /// From then on the key is refused; `None`: it does not expire.
    pub expires_on: Option<Timestamp>,
    /// The key that this is a later secret of; see [`Token::key`].
    key_id: Option<i64>,
    /// From then on this secret is refused, because another has taken its place; `None`: it is the current one.
    pub retired_on: Option<Timestamp>,
    /// Of a session: when the password was last given; `None`: when it was made.
    pub confirmed_on: Option<Timestamp>,
}

/// What a secret that was presented turned out to be.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once, and the large one is the usual one")]
pub enum Presented {
    /// A token that lets in its owner.
    Valid(Token, User),
    /// One that would, had it not expired, aged, or been replaced.
    Over(Token),
}

/// A secret that is presented at some time, to stand for one of some kinds of token.
#[derive(Clone, Copy)]
pub struct Claim {
    /// Of the secret.
    pub digest: Digest,
    /// The kinds.
    pub actions: &'static [TokenAction],
    /// The time.
    pub now: Timestamp,
}

impl Claim {
    /// What `token`, whose digest it is, is to it.
    fn decide(&self, token: Token, user: User) -> Option<Presented> {
        self.actions.contains(&token.action).then(|| match token.is_over(self.now) {
            true => Presented::Over(token),
            false => Presented::Valid(token, user),
        })
    }
}

impl Batched for Claim {
    type Answer = Option<Presented>;

    fn answer(&self, connection: &mut DbConnection) -> QueryResult<Self::Answer> {
        Token::find_active(connection, self)
    }

    fn answer_each(connection: &mut DbConnection, all: &[Self]) -> QueryResult<Vec<Self::Answer>> {
        Token::find_each_active(connection, all)
    }
}

/// A use of a token, to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenUse {
    /// Which.
    pub token_id: i64,
    /// When it was used, not when that is written.
    pub used_on: Timestamp,
}

/// On what condition a use is written; whichever it is, last use never moves backwards.
#[derive(Clone, Copy, Debug)]
pub enum RecordIf {
    /// The token was never used before.
    FirstUse,
    /// The use that is recorded stood there for a minute before `now`, the time of the write.
    UnwrittenForAMinute {
        /// The time of the write.
        now: Timestamp,
    },
    /// It is later than the one recorded: at a clean stop.
    Later,
}

/// The least time between two writes of one token's use.
pub const WRITE_INTERVAL: TimeDelta = TimeDelta::minutes(1);

impl Token {
    /// The one way to verify a secret: what `claim` turns out to be, if its owner is active; with the owner, in one
    /// query. Says nothing about why it is none.
    ///
    /// # Errors
    /// Those of the query.
    pub fn find_active(connection: &mut DbConnection, claim: &Claim) -> QueryResult<Option<Presented>> {
        let claimed = of_active_people().filter(tokens::digest.eq(claim.digest.as_bytes()));
        // This is every request: a query of a backend's own is written as text once, not each time it is asked.
        let found = match connection {
            DbConnection::Sqlite(it) => claimed.select((Self::as_select(), User::as_select())).get_result(it),
            DbConnection::Postgres(it) => claimed.select((Self::as_select(), User::as_select())).get_result(it),
        };
        Ok(found.optional()?.and_then(|(token, user)| claim.decide(token, user)))
    }

    /// [`Token::find_active`] for each of `claims`, in their order; on PostgreSQL in one query.
    ///
    /// # Errors
    /// Those of the query.
    pub fn find_each_active(connection: &mut DbConnection, claims: &[Claim]) -> QueryResult<Vec<Option<Presented>>> {
        let DbConnection::Postgres(postgres) = connection else {
            return claims.iter().map(|claim| Self::find_active(connection, claim)).collect();
        };
        let digests: Vec<&[u8]> = claims.iter().map(|claim| claim.digest.as_bytes()).collect();
        let rows: Vec<(Vec<u8>, (Self, User))> = of_active_people()
            .filter(tokens::digest.eq_any(digests))
            .select((tokens::digest, (Self::as_select(), User::as_select())))
            .load(postgres)?;
        let found: HashMap<Vec<u8>, (Self, User)> = rows.into_iter().collect();
        let presented = claims.iter().map(|claim| {
            // A copy: the same secret may be presented twice.
            let (token, user) = found.get(claim.digest.as_bytes())?.clone();
            claim.decide(token, user)
        });
        Ok(presented.collect())
    }

    /// Whether it has aged, expired, or been replaced and had its time of grace.
    pub fn is_over(&self, now: Timestamp) -> bool {
        let has_aged = self.action.lifetime().is_some_and(|lifetime| now - self.created_on >= lifetime);
        has_aged || self.ends_on().is_some_and(|ends_on| ends_on <= now)
    }

    /// From when on this secret is refused: that of the key's expiry and of its own retirement which comes first.
    pub fn ends_on(&self) -> Option<Timestamp> {
        self.expires_on.into_iter().chain(self.retired_on).min()
    }

    /// The id of the key that this is a secret of: that of its first secret.
    pub fn key(&self) -> i64 {
        self.key_id.unwrap_or(self.id)
    }

    /// What whoever presents it may do.
    pub fn scopes(&self) -> Scopes {
        match self.action {
            TokenAction::Api => Scopes::ALL,
            TokenAction::Access => self.scopes.unwrap_or(Scopes::NONE),
            _ => Scopes::NONE,
        }
    }

    /// What people call it, to recognise it by.
    pub fn title(&self) -> String {
        let label = self.action.label();
        self.name.as_ref().map_or_else(|| label.to_owned(), |name| format!("{label} “{name}”"))
    }

    /// The last use that the row knows. A row that Rails wrote was never used while `updated_on` is `created_on`.
    pub fn recorded_use(&self) -> Option<Timestamp> {
        self.updated_on.filter(|updated_on| *updated_on > self.created_on)
    }

    /// Makes a token of `action` for a person, and ends the longest unused ones that are too many.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn issue(
        connection: &mut DbConnection,
        user_id: i64,
        action: TokenAction,
        now: Timestamp,
    ) -> QueryResult<(Self, Secret)> {
        User::lock_row(connection, user_id)?;
        let mut held = Self::of_user(connection, user_id, &[action])?;
        held.sort_by_key(|token| (token.updated_on.unwrap_or(token.created_on), token.id));
        let too_many = (held.len() + 1).saturating_sub(action.most_per_user());
        for token in &held[..too_many] {
            Self::delete(connection, token.id)?;
        }
        let secret = Secret::generate();
        let token = Self::insert(connection, user_id, action, &secret, now)?;
        Ok((token, secret))
    }

    /// Makes a key in place of `replaces`, which must be the one that the person has (`None`: has none), so that the
    /// same wish sent twice is granted once. `None`: the key is another by now, and nothing was done.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn issue_in_place_of(
        connection: &mut DbConnection,
        user_id: i64,
        action: TokenAction,
        replaces: Option<i64>,
        now: Timestamp,
    ) -> QueryResult<Option<(Self, Secret)>> {
        User::lock_row(connection, user_id)?;
        let held = Self::of_user(connection, user_id, &[action])?.first().map(|token| token.id);
        if held != replaces {
            return Ok(None);
        }
        Self::issue(connection, user_id, action, now).map(Some)
    }

    /// Stores a token with a secret that is already known. The row is read back by its digest, as both databases can.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn insert(
        connection: &mut DbConnection,
        user_id: i64,
        action: TokenAction,
        secret: &Secret,
        created_on: Timestamp,
    ) -> QueryResult<Self> {
        let digest = secret.digest();
        let values = (
            tokens::user_id.eq(user_id),
            tokens::action.eq(action),
            tokens::digest.eq(digest.as_bytes()),
            tokens::hint.eq(secret.hint()),
            tokens::created_on.eq(created_on),
        );
        diesel::insert_into(tokens::table).values(values).execute(connection)?;
        tokens::table.filter(tokens::digest.eq(digest.as_bytes())).select(Self::as_select()).first(connection)
    }

    /// The tokens of a person that are of one of `actions`, oldest first.
    ///
    /// # Errors
    /// Those of the query.
    pub fn of_user(connection: &mut DbConnection, user_id: i64, actions: &[TokenAction]) -> QueryResult<Vec<Self>> {
        let theirs = tokens::table.filter(tokens::user_id.eq(user_id)).order(tokens::id);
        // As in find_active: My account asks this each time it is looked at.
        let all: Vec<Self> = match connection {
            DbConnection::Sqlite(it) => theirs.select(Self::as_select()).load(it),
            DbConnection::Postgres(it) => theirs.select(Self::as_select()).load(it),
        }?;
        Ok(all.into_iter().filter(|token| actions.contains(&token.action)).collect())
    }

    /// The keys of several people, oldest first; of an access token each of its secrets.
    ///
    /// # Errors
    /// Those of the query.
    pub fn keys_of(connection: &mut DbConnection, user_ids: &[i64]) -> QueryResult<Vec<Self>> {
        tokens::table
            .filter(tokens::user_id.eq_any(user_ids))
            .filter(tokens::action.eq_any(TokenAction::KEYS))
            .order(tokens::id)
            .select(Self::as_select())
            .load(connection)
    }

    /// The token with this id.
    ///
    /// # Errors
    /// Those of the query.
    pub fn find(connection: &mut DbConnection, id: i64) -> QueryResult<Option<Self>> {
        tokens::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// The token with this id, which nobody removes until the transaction ends. Its uses are recorded meanwhile all the
    /// same: their lock does not conflict with this one.
    ///
    /// # Errors
    /// Those of the query.
    pub fn hold(connection: &mut DbConnection, id: i64) -> QueryResult<Option<Self>> {
        let row = tokens::table.find(id);
        let found = match connection {
            DbConnection::Sqlite(it) => row.select(Self::as_select()).first(it),
            DbConnection::Postgres(it) => row.select(Self::as_select()).for_key_share().first(it),
        };
        found.optional()
    }

    /// The key that a secret is, whether it still works or not, and whoever its owner is; other kinds of token are not
    /// looked for.
    ///
    /// # Errors
    /// Those of the query.
    pub fn find_key(connection: &mut DbConnection, digest: &Digest) -> QueryResult<Option<Self>> {
        tokens::table
            .filter(tokens::digest.eq(digest.as_bytes()))
            .filter(tokens::action.eq_any(TokenAction::KEYS))
            .select(Self::as_select())
            .first(connection)
            .optional()
    }

    /// When whoever has this session last gave the password.
    pub fn password_given_on(&self) -> Timestamp {
        self.confirmed_on.unwrap_or(self.created_on)
    }

    /// Notes that the password was given in a session; `false`: the session has ended.
    ///
    /// # Errors
    /// Those of the query.
    pub fn confirm(connection: &mut DbConnection, id: i64, now: Timestamp) -> QueryResult<bool> {
        diesel::update(tokens::table.find(id))
            .set(tokens::confirmed_on.eq(now))
            .execute(connection)
            .map(|rows| rows > 0)
    }

    /// Ends a token; `false`: there was none.
    ///
    /// # Errors
    /// Those of the query.
    pub fn delete(connection: &mut DbConnection, id: i64) -> QueryResult<bool> {
        diesel::delete(tokens::table.find(id)).execute(connection).map(|rows| rows > 0)
    }

    /// Ends everything of a person that stands for a sign-in by password. Keys go on.
    ///
    /// # Errors
    /// Those of the query.
    pub fn end_sessions(connection: &mut DbConnection, user_id: i64) -> QueryResult<()> {
        let signed_in = [TokenAction::Session, TokenAction::Autologin, TokenAction::Recovery];
        for token in Self::of_user(connection, user_id, &signed_in)? {
            Self::delete(connection, token.id)?;
        }
        Ok(())
    }

    /// Ends everything of a person.
    ///
    /// # Errors
    /// Those of the query.
    pub fn delete_all_of(connection: &mut DbConnection, user_id: i64) -> QueryResult<()> {
        diesel::delete(tokens::table.filter(tokens::user_id.eq(user_id))).execute(connection).map(|_| ())
    }

    /// Records uses, in the order of their ids, and returns the tokens whose row was written.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn record_uses(connection: &mut DbConnection, uses: &[TokenUse], record_if: RecordIf) -> QueryResult<Vec<i64>> {
        match connection {
            _ if uses.is_empty() => Ok(Vec::new()),
            DbConnection::Sqlite(sqlite) => record_sqlite(sqlite, uses, record_if),
            DbConnection::Postgres(postgres) => record_postgres(postgres, uses, record_if),
        }
    }

    /// What the rows of `ids` say of the last use. Those that are missing are gone.
    ///
    /// # Errors
    /// Those of the query.
    pub fn recorded_uses(connection: &mut DbConnection, ids: &[i64]) -> QueryResult<HashMap<i64, Option<Timestamp>>> {
        let rows: Vec<Self> =
            tokens::table.filter(tokens::id.eq_any(ids)).select(Self::as_select()).load(connection)?;
        Ok(rows.into_iter().map(|token| (token.id, token.recorded_use())).collect())
    }
}

/// Tokens with their owners, if these may do anything at all.
#[diesel::dsl::auto_type]
fn of_active_people() -> _ {
    let active: UserStatus = UserStatus::Active;
    tokens::table.inner_join(users::table).filter(users::status.eq(active))
}

#[derive(QueryableByName)]
struct Written {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// When a use is written to a row that has one already; `since` is how the minute's parameter is written.
fn is_written_over(record_if: RecordIf, since: &str) -> String {
    match record_if {
        RecordIf::FirstUse => "tokens.updated_on <= tokens.created_on".to_owned(),
        RecordIf::UnwrittenForAMinute { .. } => {
            format!("tokens.updated_on < used.used_on AND tokens.updated_on <= {since}")
        }
        RecordIf::Later => "tokens.updated_on < used.used_on".to_owned(),
    }
}

/// In SQLite a batch is one statement, too: to find it among the prepared ones takes longer than to run it for a token.
fn record_sqlite(connection: &mut SqliteConnection, uses: &[TokenUse], record_if: RecordIf) -> QueryResult<Vec<i64>> {
    let (condition, values) = (is_written_over(record_if, "?"), vec!["(?, ?)"; uses.len()].join(", "));
    let mut statement = diesel::sql_query(format!(
        "WITH used (id, used_on) AS (VALUES {values})
         UPDATE tokens SET updated_on = used.used_on FROM used
         WHERE tokens.id = used.id AND (tokens.updated_on IS NULL OR ({condition}))
         RETURNING tokens.id"
    ))
    .into_boxed();
    for TokenUse { token_id, used_on } in uses.iter().copied() {
        statement = statement.bind::<BigInt, _>(token_id).bind::<SqlTimestamp, _>(used_on);
    }
    if let RecordIf::UnwrittenForAMinute { now } = record_if {
        statement = statement.bind::<SqlTimestamp, _>(now - WRITE_INTERVAL);
    }
    let written: Vec<Written> = statement.load(connection)?;
    Ok(written.into_iter().map(|row| row.id).collect())
}

/// In PostgreSQL the statement locks its rows in the order of their ids first: batches of several processes that overlap
/// would deadlock otherwise. The condition stands in it twice, once to lock no row in vain, and once for what another
/// has written meanwhile.
fn record_postgres(connection: &mut PgConnection, uses: &[TokenUse], record_if: RecordIf) -> QueryResult<Vec<i64>> {
    let condition = is_written_over(record_if, "$3");
    let now = match record_if {
        RecordIf::UnwrittenForAMinute { now } => now,
        RecordIf::FirstUse | RecordIf::Later => Timestamp::default(),
    };
    let statement = format!(
        "WITH due AS (
             SELECT tokens.id, used.used_on
             FROM tokens JOIN unnest($1, $2) AS used (id, used_on) ON used.id = tokens.id
             WHERE tokens.updated_on IS NULL OR ({condition})
             ORDER BY tokens.id FOR UPDATE OF tokens
         )
         UPDATE tokens SET updated_on = used.used_on FROM due AS used
         WHERE tokens.id = used.id AND (tokens.updated_on IS NULL OR ({condition}))
         RETURNING tokens.id"
    );
    let (ids, times): (Vec<i64>, Vec<Timestamp>) = uses.iter().map(|it| (it.token_id, it.used_on)).unzip();
    let written: Vec<Written> = diesel::sql_query(statement)
        .bind::<Array<BigInt>, _>(ids)
        .bind::<Array<SqlTimestamp>, _>(times)
        .bind::<SqlTimestamp, _>(now - WRITE_INTERVAL)
        .load(connection)?;
    Ok(written.into_iter().map(|row| row.id).collect())
}
