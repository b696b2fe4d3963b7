//! `latchkey user`

use super::output::{print, table, time_or};
use super::{Failure, find_user, make_database, open_database, password_input, write};
use crate::auth::passwords::rules::Owner;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Database, DbError};
use crate::models::event::{EventAction, NewEvent};
use crate::models::keys::token::Token;
use crate::models::people::user::{NewUser, Profile, SaveError, User, UserStatus};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Add a person; asks for the password
    Add {
        /// The login: letters, digits and _ @ . -
        login: String,
        /// The email address
        #[arg(long, value_name = "MAIL")]
        mail: String,
        /// The first name [default: the login]
        #[arg(long, value_name = "NAME")]
        firstname: Option<String>,
        /// The last name
        #[arg(long, value_name = "NAME", default_value = "-")]
        lastname: String,
        /// Make the person an administrator
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// List all people
    List,
    /// Lock an account: its sessions end and its keys stop working at once
    Lock {
        /// The login
        login: String,
    },
    /// Unlock an account: its keys work again, unless they were revoked
    Unlock {
        /// The login
        login: String,
    },
    /// Let an imported person sign in without the second factor that they had in Redmine
    Twofa {
        /// The login
        login: String,
        /// Remove the second factor (required, as a confirmation)
        #[arg(long, required = true)]
        clear: bool,
    },
    /// Set a person's password and end their sessions; asks for the password
    Password {
        /// The login
        login: String,
        #[command(flatten)]
        password: PasswordSource,
    },
}

#[derive(clap::Args)]
pub struct PasswordSource {
    /// Read the password from standard input instead
    #[arg(long)]
    password_stdin: bool,
    /// Require a new password at the first sign-in
    #[arg(long)]
    must_change: bool,
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let database = match command {
        Command::Add { .. } => make_database(config)?,
        _ => open_database(config)?,
    };
    match command {
        Command::Add { login, mail, firstname, lastname, admin, password } => {
            let firstname = firstname.unwrap_or_else(|| login.chars().take(Profile::LONGEST_FIRSTNAME).collect());
            let profile = Profile { firstname, lastname, mail }.normalized();
            add(&database, NewUser { login, profile, password_hash: None, admin }, &password)
        }
        Command::List => list(&database),
        Command::Lock { login } => set_status(&database, &login, UserStatus::Locked),
        Command::Unlock { login } => set_status(&database, &login, UserStatus::Active),
        // `--clear` is required and the only action, so there is nothing to check.
        Command::Twofa { login, clear: _ } => clear_second_factor(&database, &login),
        Command::Password { login, password } => set_password(&database, &login, &password),
    }
}

fn add(database: &Database, mut new: NewUser, password: &PasswordSource) -> Result<(), Failure> {
    // Check the other fields before asking for the password, so that nobody types it in vain.
    let errors = database.read_now(|connection| new.errors(connection))?;
    if !errors.is_empty() {
        return Err(SaveError::Invalid(errors).into());
    }
    let owner = Owner { login: &new.login, profile: &new.profile };
    new.password_hash = Some(password_input::read_hash(password.password_stdin, owner)?);
    let now = Clock::system().now();
    let added: Result<User, SaveError> = write(database, now, |tx| {
        let user = new.insert(tx.connection, tx.now)?;
        if password.must_change {
            User::require_new_password(tx.connection, user.id)?;
        }
        Ok(user)
    });
    let user = added?;
    print(&format!("added {}, id {}\n", user.login, user.id))
}

fn list(database: &Database) -> Result<(), Failure> {
    let users = database.read_now(User::all)?;
    let row = |user: &User| {
        let role = if user.admin { "admin" } else { "" };
        let name = format!("{} {}", user.firstname, user.lastname);
        let last = time_or(user.last_login_on, "never");
        [
            user.id.to_string(),
            user.login.clone(),
            user.status.as_str().into(),
            role.into(),
            name,
            user.mail.clone(),
            last,
        ]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    table(["ID", "LOGIN", "STATUS", "ROLE", "NAME", "MAIL", "LAST SIGN-IN"], &rows)
}

fn set_status(database: &Database, login: &str, to: UserStatus) -> Result<(), Failure> {
    let user = find_user(database, login)?;
    let now = Clock::system().now();
    if user.status == to {
        return print(&format!("{} is {} already\n", user.login, to.as_str()));
    }
    write(database, now, |tx| {
        User::set_status(tx.connection, user.id, to, tx.now)?;
        let action = match to {
            UserStatus::Active => EventAction::Unlocked,
            UserStatus::Registered | UserStatus::Locked => {
                Token::end_sessions(tx.connection, user.id)?;
                EventAction::Locked
            }
        };
        Ok::<_, DbError>(NewEvent::of_person(user.id, action).record(tx)?)
    })?;
    print(&format!("{} is {}\n", user.login, to.as_str()))
}

fn clear_second_factor(database: &Database, login: &str) -> Result<(), Failure> {
    let user = find_user(database, login)?;
    if user.twofa_scheme.is_none() {
        return print(&format!("{} has no second factor\n", user.login));
    }
    let now = Clock::system().now();
    write(database, now, |tx| {
        User::clear_second_factor(tx.connection, user.id, tx.now)?;
        Ok::<_, DbError>(NewEvent::of_person(user.id, EventAction::SecondFactorCleared).record(tx)?)
    })?;
    print(&format!("{} can sign in with only the password\n", user.login))
}

fn set_password(database: &Database, login: &str, password: &PasswordSource) -> Result<(), Failure> {
    let user = find_user(database, login)?;
    let owner = Owner { login: &user.login, profile: &user.profile() };
    let hash = password_input::read_hash(password.password_stdin, owner)?;
    let now = Clock::system().now();
    write(database, now, |tx| {
        User::set_password(tx.connection, user.id, &hash, tx.now)?;
        if password.must_change {
            User::require_new_password(tx.connection, user.id)?;
        }
        Token::end_sessions(tx.connection, user.id)?;
        Ok::<_, DbError>(NewEvent::of_person(user.id, EventAction::PasswordChanged).record(tx)?)
    })?;
    print(&format!("{} has a new password; their sessions have ended\n", user.login))
}
