//! `latchkey user`

use super::confirmation::Confirmation;
use super::output::{print, print_json, table, time_or};
use super::{Failure, find_user, make_database, open_database, password_input, write};
use crate::auth::passwords::new_password::Owner;
use crate::clock::Clock;
use crate::config::{Config, parse_switch};
use crate::db::{Database, DbError};
use crate::documents::person::Person;
use crate::models::event::{EventAction, NewEvent};
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::administration::{self, PersonChanges};
use crate::models::people::ownership::{NewServiceAccount, set_owners};
use crate::models::people::refusal::PersonRefusal;
use crate::models::people::search::{Criterion, PeopleSearch};
use crate::models::people::service_account::{kept_in, logins_of, owners_of};
use crate::models::people::user::{AccountKind, NewUser, Profile, SaveError, User, UserStatus, normalized_mail};

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
    /// Add a service account, which programs use and nobody signs in to
    #[command(after_help = "Example:\n  latchkey user add-service backup --name 'Nightly backup' --owner alice")]
    AddService {
        /// The login: letters, digits and _ @ . -
        login: String,
        /// What it is for [default: the login]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// The login of a person who looks after its keys; can be repeated
        #[arg(long = "owner", value_name = "LOGIN", required = true)]
        owners: Vec<String>,
    },
    /// Give a service account to other people, in place of those who own it
    Owners {
        /// The login of the service account
        login: String,
        /// The login of a person who looks after its keys from now on; can be repeated. Without one, the owners are shown
        #[arg(long = "owner", value_name = "LOGIN")]
        owners: Vec<String>,
    },
    /// List people and service accounts, by login
    List {
        /// Only accounts of this kind: person or service
        #[arg(long, value_name = "KIND", value_parser = kind)]
        kind: Option<AccountKind>,
        /// Only people with this status: active, registered or locked
        #[arg(long, value_name = "STATUS", value_parser = status)]
        status: Option<UserStatus>,
        /// Only administrators
        #[arg(long)]
        admin: bool,
        /// Only people with this text in their login or mail address, or these words in their names
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// Print an array of JSON
        #[arg(long)]
        json: bool,
    },
    /// Change a person's login, names or mail address, or whether they are an administrator
    #[command(after_help = "Examples:\n  latchkey user change alice --mail alice@example.net\n  \
                            latchkey user change alice --admin on")]
    Change {
        /// The login
        login: String,
        #[command(flatten)]
        said: Said,
    },
    /// Delete a person with their sessions, keys and activity, for good; asks first
    Delete {
        /// The login
        login: String,
        #[command(flatten)]
        confirmation: Confirmation,
    },
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

/// What is to be changed about a person.
#[derive(clap::Args)]
#[group(required = true, multiple = true)]
pub struct Said {
    /// What they sign in as from now on
    #[arg(long = "login", value_name = "LOGIN")]
    new_login: Option<String>,
    /// Their mail address
    #[arg(long, value_name = "MAIL")]
    mail: Option<String>,
    /// Their first name
    #[arg(long, value_name = "NAME")]
    firstname: Option<String>,
    /// Their last name
    #[arg(long, value_name = "NAME")]
    lastname: Option<String>,
    /// Whether they are an administrator: on or off
    #[arg(long, value_name = "on|off", value_parser = parse_switch)]
    admin: Option<bool>,
}

impl Said {
    fn changes(self) -> PersonChanges {
        let trimmed = |text: Option<String>| text.map(|text| text.trim().to_owned());
        PersonChanges {
            login: trimmed(self.new_login),
            firstname: trimmed(self.firstname),
            lastname: trimmed(self.lastname),
            mail: self.mail.map(|mail| normalized_mail(&mail)),
            admin: self.admin,
            ..PersonChanges::default()
        }
    }
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

fn kind(text: &str) -> Result<AccountKind, String> {
    AccountKind::of_text(text).ok_or_else(|| "use person or service".to_owned())
}

fn status(text: &str) -> Result<UserStatus, String> {
    UserStatus::of_text(text)
        .ok_or_else(|| format!("use {}", UserStatus::ALL.map(|status| status.as_str()).join(" or ")))
}

pub fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let database = match command {
        Command::Add { .. } | Command::AddService { .. } => make_database(config)?,
        _ => open_database(config)?,
    };
    match command {
        Command::Add { login, mail, firstname, lastname, admin, password } => {
            let firstname = firstname.unwrap_or_else(|| login.chars().take(Profile::LONGEST_FIRSTNAME).collect());
            let profile = Profile { firstname, lastname, mail }.normalized();
            add(&database, NewUser { login, profile, password_hash: None, admin, kind: AccountKind::Person }, &password)
        }
        Command::AddService { login, name, owners } => {
            let name = name.unwrap_or_else(|| login.clone()).trim().to_owned();
            add_service(&database, &NewServiceAccount { login, name, owners })
        }
        Command::Owners { login, owners } => change_owners(&database, &login, &owners),
        Command::List { kind, status, admin, name, json } => {
            let statuses = status.map_or_else(|| UserStatus::ALL.to_vec(), |status| vec![status]);
            let mut search = PeopleSearch::new(statuses, &name.unwrap_or_default())
                .map_err(|too_long| Failure(format!("--name {too_long}")))?;
            search.criteria.extend(admin.then_some(Criterion::Admin(true)));
            search.criteria.extend(kind.and_then(|kind| Criterion::of_kind(kind.as_str())));
            let users = database.read_now(|connection| search.find(connection, 0, i64::MAX))?.users;
            if json {
                return print_json(&users.into_iter().map(Person::for_administrators).collect::<Vec<_>>());
            }
            list(&users)
        }
        Command::Change { login, said } => change(&database, &login, said),
        Command::Delete { login, confirmation } => delete(&database, &login, &confirmation),
        Command::Lock { login } => set_status(&database, &login, UserStatus::Locked),
        Command::Unlock { login } => set_status(&database, &login, UserStatus::Active),
        // `--clear` is required and the only action, so there is nothing to check.
        Command::Twofa { login, clear: _ } => clear_second_factor(&database, &login),
        Command::Password { login, password } => set_password(&database, &login, &password),
    }
}

fn add(database: &Database, mut new: NewUser, password: &PasswordSource) -> Result<(), Failure> {
    let errors = database.read_now(|connection| new.errors(connection))?;
    let right = || if errors.is_empty() { Ok(()) } else { Err(SaveError::Invalid(errors.clone())) };
    // Nobody types a password in vain.
    if !password.password_stdin {
        right()?;
    }
    let owner = Owner { login: &new.login, profile: &new.profile };
    let hash = password_input::read_hash(password.password_stdin, owner)?;
    right()?;
    new.password_hash = Some(hash);
    let now = Clock::system().now();
    let added: Result<User, SaveError> = write(database, now, |tx| {
        let user = new.insert(tx.connection, tx.now)?;
        if password.must_change {
            User::require_new_password(tx.connection, user.id)?;
        }
        NewEvent::of_person(user.id, EventAction::AccountCreated).record(tx).map_err(DbError::from)?;
        Ok(user)
    });
    let user = added?;
    print(&format!("added {}, id {}\n", user.login, user.id))
}

fn add_service(database: &Database, new: &NewServiceAccount) -> Result<(), Failure> {
    // Whoever can start commands decides how many accounts there may be.
    let account = write(database, Clock::system().now(), |tx| new.make(tx, 0))?;
    print(&format!("added the service account {}, id {}\n", account.login, account.id))
}

fn change_owners(database: &Database, login: &str, owners: &[String]) -> Result<(), Failure> {
    let account = find_user(database, login)?;
    if !owners.is_empty() {
        write(database, Clock::system().now(), |tx| set_owners(tx, account.id, owners))?;
    } else if !account.is_service_account() {
        return Err(PersonRefusal::NoServiceAccount.into());
    }
    let owners = database.read_now(|connection| owners_of(connection, account.id))?;
    print(&format!("{} is owned by {}\n", account.login, logins_of(&owners)))
}

fn list(users: &[User]) -> Result<(), Failure> {
    let row = |user: &User| {
        let roles = [(user.admin, "admin"), (user.is_service_account(), "service")];
        let roles: Vec<&str> = roles.into_iter().filter(|(is, _)| *is).map(|(_, role)| role).collect();
        let name = format!("{} {}", user.firstname, user.lastname).trim().to_owned();
        let last = time_or(user.last_login_on, "never");
        [
            user.id.to_string(),
            user.login.clone(),
            user.status.as_str().into(),
            roles.join(" "),
            name,
            user.mail.clone(),
            last,
        ]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    table(["ID", "LOGIN", "STATUS", "ROLE", "NAME", "MAIL", "LAST SIGN-IN"], &rows)
}

fn change(database: &Database, login: &str, said: Said) -> Result<(), Failure> {
    let user = find_user(database, login)?;
    let changes = said.changes();
    let errors = database.read_now(|connection| changes.errors(connection, &user))?;
    if !errors.is_empty() {
        return Err(SaveError::Invalid(errors).into());
    }
    write(database, Clock::system().now(), |tx| changes.apply(tx, user.id))?;
    match changes.login.filter(|login| *login != user.login) {
        Some(login) => print(&format!("changed {}, whose login is {login} now\n", user.login)),
        None => print(&format!("changed {}\n", user.login)),
    }
}

fn delete(database: &Database, login: &str, confirmation: &Confirmation) -> Result<(), Failure> {
    let user = find_user(database, login)?;
    let keys = database.read_now(|connection| Token::of_user(connection, user.id, &TokenAction::KEYS))?.len();
    let name = format!("{} {}", user.firstname, user.lastname);
    let what = format!("{} ({}) and their keys ({keys}), sessions and activity", user.login, name.trim());
    confirmation.obtain(&what, &user.login)?;
    write(database, Clock::system().now(), |tx| administration::delete(tx, user.id))?;
    print(&format!("deleted {}, id {}\n", user.login, user.id))
}

fn set_status(database: &Database, login: &str, to: UserStatus) -> Result<(), Failure> {
    let user = find_user(database, login)?;
    if user.status == to {
        return print(&format!("{} is {} already\n", user.login, to.as_str()));
    }
    write(database, Clock::system().now(), |tx| {
        if kept_in(tx.connection, user.id)?.is_closed() {
            return Err(PersonRefusal::LeftFile(user.login.clone()));
        }
        User::set_status(tx.connection, user.id, to, tx.now)?;
        let action = match to {
            UserStatus::Active => EventAction::Unlocked,
            // Whoever is at the machine can lock the last administrator, too.
            UserStatus::Registered | UserStatus::Locked => {
                Token::end_sessions(tx.connection, user.id)?;
                EventAction::Locked
            }
        };
        Ok(NewEvent::of_person(user.id, action).record(tx)?)
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
    if user.is_service_account() {
        return Err(PersonRefusal::NoPassword.into());
    }
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
