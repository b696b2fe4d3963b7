//! Databases in Redmine's schema: a SQLite file, PostgreSQL and MariaDB.

use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use sha1::{Digest, Sha1};

use super::database::{Db, TestDatabase};
use super::{log, mariadb};

/// The kind of database that a Redmine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    SqliteFile,
    Postgresql,
    Mariadb,
}

/// The versions whose migrations make different tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Version {
    /// The oldest: no `twofa_scheme`, and SQLite's booleans are 't' and 'f'.
    V3_4,
    /// A second factor.
    V5,
    /// Made by a Rails that gives MySQL columns of the type `timestamp`.
    V6_0,
    /// OAuth applications, whose tables refer to users.
    V6_1,
    /// Indexes on logins, and webhooks.
    V7_0,
}

impl Version {
    pub const ALL: [Self; 5] = [Self::V3_4, Self::V5, Self::V6_0, Self::V6_1, Self::V7_0];
}

/// A Redmine's database.
pub struct Redmine {
    kind: From,
    version: Version,
    database: Option<TestDatabase>,
    url: String,
}

/// A person in it. Text goes into SQL as it is.
#[derive(Clone)]
pub struct RedmineUser<'a> {
    pub id: i64,
    pub login: &'a str,
    pub firstname: &'a str,
    pub lastname: &'a str,
    pub password: Option<&'a str>,
    pub admin: bool,
    pub status: i64,
    pub created_on: &'a str,
    pub mail: Option<&'a str>,
}

impl<'a> RedmineUser<'a> {
    pub fn new(id: i64, login: &'a str) -> Self {
        Self {
            id,
            login,
            firstname: "Test",
            lastname: "Person",
            password: None,
            admin: false,
            status: 1,
            created_on: "2020-02-03 04:05:06",
            mail: None,
        }
    }
}

/// The salt of everybody's first password.
pub const SALT: &str = "82090c953c4a0000a7db253b0691a6b4";

/// As Redmine's `User.hash_password("#{salt}#{User.hash_password(password)}")`.
pub fn hashed_password(password: &str, salt: &str) -> String {
    let hex = |text: &str| Sha1::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    hex(&format!("{salt}{}", hex(password)))
}

impl Redmine {
    pub fn new(kind: From) -> Self {
        Self::of_version(kind, Version::V5)
    }

    pub fn of_version(kind: From, version: Version) -> Self {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        let database = match kind {
            From::SqliteFile => Some(TestDatabase::empty(Db::Sqlite)),
            From::Postgresql => Some(TestDatabase::empty(Db::Postgres)),
            From::Mariadb => None,
        };
        let url = match &database {
            Some(database) => database.setting(),
            None => mariadb::create(&format!("redmine_{}", CREATED.fetch_add(1, Ordering::Relaxed))),
        };
        let redmine = Self { kind, version, database, url };
        redmine.execute(&redmine.schema());
        redmine
    }

    /// On a PostgreSQL that looks at no text: it holds whatever bytes it is given.
    pub fn in_sql_ascii() -> Self {
        let database = TestDatabase::empty_in_sql_ascii();
        let url = database.setting();
        let redmine = Self { kind: From::Postgresql, version: Version::V5, database: Some(database), url };
        redmine.execute(&redmine.schema());
        redmine
    }

    /// What `latchkey import redmine` is given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The tables about accounts, as its migrations make them, and a row of those that are nobody.
    fn schema(&self) -> String {
        let (id, boolean, time) = match self.kind {
            From::SqliteFile => ("integer PRIMARY KEY AUTOINCREMENT NOT NULL", "boolean", "datetime"),
            From::Postgresql => ("serial PRIMARY KEY", "boolean", "timestamp without time zone"),
            From::Mariadb => ("int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY", "tinyint(1)", "datetime"),
        };
        let stamp = match self.kind {
            From::Mariadb if self.version >= Version::V6_0 => "timestamp NULL DEFAULT NULL",
            _ => time,
        };
        let (no, yes) = (self.boolean(false), self.boolean(true));
        let second_factor = format!(
            "twofa_scheme varchar(255), twofa_totp_key varchar(255), twofa_totp_last_used_at integer,
                 twofa_required {boolean} DEFAULT {no}"
        );
        let rest = if self.version == Version::V3_4 { "identity_url varchar(255)" } else { second_factor.as_str() };
        let accounts = format!(
            "CREATE TABLE users (
                 id {id}, login varchar(255) DEFAULT '' NOT NULL, hashed_password varchar(40) DEFAULT '' NOT NULL,
                 firstname varchar(255) DEFAULT '' NOT NULL, lastname varchar(255) DEFAULT '' NOT NULL,
                 admin {boolean} DEFAULT {no} NOT NULL, status integer DEFAULT 1 NOT NULL, last_login_on {time},
                 language varchar(5) DEFAULT '', auth_source_id integer, created_on {stamp}, updated_on {stamp},
                 type varchar(255), mail_notification varchar(255) DEFAULT '' NOT NULL, salt varchar(64),
                 must_change_passwd {boolean} DEFAULT {no} NOT NULL, passwd_changed_on {time}, {rest});
             CREATE INDEX index_users_on_id_and_type ON users (id, type);
             CREATE INDEX index_users_on_auth_source_id ON users (auth_source_id);
             CREATE TABLE email_addresses (
                 id {id}, user_id integer NOT NULL, address varchar(255) NOT NULL,
                 is_default {boolean} DEFAULT {no} NOT NULL, notify {boolean} DEFAULT {yes} NOT NULL,
                 created_on {time} NOT NULL, updated_on {time} NOT NULL);
             CREATE INDEX index_email_addresses_on_user_id ON email_addresses (user_id);
             CREATE TABLE tokens (
                 id {id}, user_id integer DEFAULT 0 NOT NULL, action varchar(30) DEFAULT '' NOT NULL,
                 value varchar(40) DEFAULT '' NOT NULL, created_on {time} NOT NULL, updated_on {stamp});
             CREATE UNIQUE INDEX tokens_value ON tokens (value);
             CREATE INDEX index_tokens_on_user_id ON tokens (user_id);
             CREATE TABLE user_preferences (
                 id {id}, user_id integer DEFAULT 0 NOT NULL, others text, hide_mail {boolean} DEFAULT {yes},
                 time_zone varchar(255));
             CREATE INDEX index_user_preferences_on_user_id ON user_preferences (user_id);
             CREATE TABLE groups_users (group_id integer NOT NULL, user_id integer NOT NULL);
             CREATE UNIQUE INDEX groups_users_ids ON groups_users (group_id, user_id);
             CREATE TABLE auth_sources (
                 id {id}, type varchar(30) DEFAULT '' NOT NULL, name varchar(60) DEFAULT '' NOT NULL, host varchar(60),
                 port integer, account varchar(255), account_password varchar(255) DEFAULT '', base_dn varchar(255),
                 attr_login varchar(30), onthefly_register {boolean} DEFAULT {no} NOT NULL,
                 tls {boolean} DEFAULT {no} NOT NULL, filter text, timeout integer);
             CREATE TABLE settings (
                 id {id}, name varchar(255) DEFAULT '' NOT NULL, value text, updated_on {stamp});
             INSERT INTO users (id, login, lastname, status, type) VALUES
                 (900001, '', 'Anonymous', 0, 'AnonymousUser'), (900003, '', 'Anonymous users', 1, 'GroupAnonymous'),
                 (900004, '', 'Non member users', 1, 'GroupNonMember');
             "
        );
        let (oauth, webhooks) = (self.oauth(id, boolean, time), self.webhooks(id, boolean, time));
        (accounts + &oauth + &webhooks).replace(";\n             ", ";\n")
    }

    /// From 6.1 on: what refers to people and is no key of theirs.
    fn oauth(&self, id: &str, boolean: &str, time: &str) -> String {
        if self.version < Version::V6_1 {
            return String::new();
        }
        format!(
            "CREATE TABLE oauth_applications (
                 id {id}, name varchar(255) NOT NULL, uid varchar(255) NOT NULL, secret varchar(255) NOT NULL,
                 redirect_uri text NOT NULL, scopes text NOT NULL, confidential {boolean} NOT NULL,
                 created_at {time} NOT NULL, updated_at {time} NOT NULL);
             CREATE TABLE oauth_access_tokens (
                 id {id}, resource_owner_id integer, application_id integer, token varchar(255) NOT NULL,
                 refresh_token varchar(255), expires_in integer, revoked_at {time}, created_at {time} NOT NULL,
                 scopes text, previous_refresh_token varchar(255) DEFAULT '' NOT NULL,
                 FOREIGN KEY (resource_owner_id) REFERENCES users (id));
             CREATE UNIQUE INDEX index_oauth_access_tokens_on_token ON oauth_access_tokens (token);
             INSERT INTO oauth_access_tokens (resource_owner_id, token, created_at) VALUES
                 (900001, 'an-oauth-token', '2026-01-02 03:04:05');
             "
        )
    }

    /// From 7.0 on.
    fn webhooks(&self, id: &str, boolean: &str, time: &str) -> String {
        if self.version < Version::V7_0 {
            return String::new();
        }
        let lower = match self.kind {
            From::Mariadb => "",
            From::SqliteFile | From::Postgresql => "CREATE INDEX index_users_on_lower_login ON users (lower(login));\n",
        };
        format!(
            "{lower}CREATE INDEX index_users_on_login ON users (login);
             CREATE TABLE webhooks (
                 id {id}, url varchar(2000) NOT NULL, secret varchar(255), events text, user_id integer NOT NULL,
                 active {boolean} NOT NULL, created_at {time} NOT NULL, updated_at {time} NOT NULL);
             "
        )
    }

    pub fn boolean(&self, value: bool) -> &'static str {
        match (self.kind, self.version, value) {
            (From::Postgresql, _, true) => "true",
            (From::Postgresql, _, false) => "false",
            (From::SqliteFile, Version::V3_4, true) => "'t'",
            (From::SqliteFile, Version::V3_4, false) => "'f'",
            (_, _, true) => "1",
            (_, _, false) => "0",
        }
    }

    /// Runs statements, each ended by a semicolon and a new line.
    pub fn execute(&self, statements: &str) {
        match &self.database {
            // Not by a connection of ours, which would change the file's journal.
            Some(database) if self.kind == From::SqliteFile => {
                let mut file = SqliteConnection::establish(&database.setting()).expect("a file");
                file.batch_execute(statements).unwrap_or_else(|error| panic!("{error} in {statements}"));
            }
            Some(database) => database.execute(statements),
            None => mariadb::execute(&self.url, statements),
        }
    }

    /// Adds a person, with a default address: `LOGIN@example.org`, unless they say otherwise.
    pub fn add_user(&self, user: &RedmineUser) {
        let RedmineUser { id, login, firstname, lastname, password, admin, status, created_on, mail } = user;
        let (hash, salt) = match password {
            Some(password) => {
                log::note_secret(password);
                (hashed_password(password, SALT), format!("'{SALT}'"))
            }
            None => (String::new(), "NULL".to_owned()),
        };
        let admin = self.boolean(*admin);
        self.execute(&format!(
            "INSERT INTO users (id, login, firstname, lastname, hashed_password, salt, admin, status, language, type, \
                 created_on, updated_on, passwd_changed_on)
             VALUES ({id}, '{login}', '{firstname}', '{lastname}', '{hash}', {salt}, {admin}, {status}, 'de', 'User',
                 '{created_on}', '{created_on}', '{created_on}')"
        ));
        let mail = mail.map_or_else(|| format!("{login}@example.org"), str::to_owned);
        if !mail.is_empty() {
            self.add_mail(*id, &mail, true);
        }
    }

    /// Adds a group with these members.
    pub fn add_group(&self, id: i64, name: &str, members: &[i64]) {
        self.execute(&format!(
            "INSERT INTO users (id, login, lastname, type, created_on, updated_on)
             VALUES ({id}, '', '{name}', 'Group', '2020-02-03 04:05:06', '2020-02-03 04:05:06')"
        ));
        for member in members {
            self.execute(&format!("INSERT INTO groups_users (group_id, user_id) VALUES ({id}, {member})"));
        }
    }

    pub fn add_mail(&self, user_id: i64, address: &str, default: bool) {
        let default = self.boolean(default);
        self.execute(&format!(
            "INSERT INTO email_addresses (user_id, address, is_default, created_on, updated_on)
             VALUES ({user_id}, '{address}', {default}, '2020-02-03 04:05:06', '2020-02-03 04:05:06')"
        ));
    }

    /// Chooses a time zone for a person, as they do on their account's page.
    pub fn choose_time_zone(&self, user_id: i64, name: &str) {
        self.execute(&format!("DELETE FROM user_preferences WHERE user_id = {user_id}"));
        self.execute(&format!("INSERT INTO user_preferences (user_id, time_zone) VALUES ({user_id}, '{name}')"));
    }

    /// Adds a token; `used` goes into `updated_on`.
    pub fn add_token(&self, user_id: i64, action: &str, value: &str, created: &str, used: &str) {
        log::note_secret(value);
        self.execute(&format!(
            "INSERT INTO tokens (user_id, action, value, created_on, updated_on)
             VALUES ({user_id}, '{action}', '{value}', '{created}', '{used}')"
        ));
    }
}

/// A key as Redmine makes them: 40 hexadecimal digits, the same for the same `seed`.
pub fn key(seed: &str) -> String {
    Sha1::digest(format!("key {seed}").as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
