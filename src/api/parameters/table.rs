//! Every parameter of Redmine's accounts, and what becomes of it here: it does the same, it is refused with a reason, or
//! it has no effect. `docs/api.md` shows this table to people, and the tests go through it.
//!
//! A parameter that would change whom an answer is about, or what becomes of somebody, is never passed over: a script
//! would take everybody for a group. Names that Redmine does not know either are ignored, as there.

use super::parameter::Value;
use Effect::{ByMail, NoEffect, Refused, Same};
use Operation::{
    ChangePassword, Create, Delete, List, ListGroups, Show, ShowAccount, ShowCurrent, ShowGroup, SignIn, Update,
    UpdateAccount,
};

/// What Redmine does with accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `GET /users/current`
    ShowCurrent,
    /// `GET /users`
    List,
    /// `POST /users`
    Create,
    /// `GET /users/ID`
    Show,
    /// `PUT /users/ID`
    Update,
    /// `DELETE /users/ID`
    Delete,
    /// `GET /groups`
    ListGroups,
    /// `GET /groups/ID`
    ShowGroup,
    /// `GET /my/account`
    ShowAccount,
    /// `PUT /my/account`
    UpdateAccount,
    /// The form of `/login`
    SignIn,
    /// The form of `/my/password`
    ChangePassword,
}

impl Operation {
    /// Each operation of the API.
    pub const OF_API: [Self; 10] =
        [ShowCurrent, List, Create, Show, Update, Delete, ListGroups, ShowGroup, ShowAccount, UpdateAccount];

    /// The method and the address without its ending.
    pub fn route(self) -> &'static str {
        match self {
            ShowCurrent => "GET /users/current",
            List => "GET /users",
            Create => "POST /users",
            Show => "GET /users/ID",
            Update => "PUT /users/ID",
            Delete => "DELETE /users/ID",
            ListGroups => "GET /groups",
            ShowGroup => "GET /groups/ID",
            ShowAccount => "GET /my/account",
            UpdateAccount => "PUT /my/account",
            SignIn => "/login",
            ChangePassword => "/my/password",
        }
    }
}

/// What becomes of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The same as in Redmine.
    Same,
    /// It is refused for this reason, unless it is empty.
    Refused(&'static str),
    /// It does nearly the same, by mail, in these words.
    ByMail(&'static str),
    /// It has no effect, for this reason.
    NoEffect(&'static str),
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// The operations whose parameter it is.
    pub operations: &'static [Operation],
    /// The name, such as `status` or `user[mail]`. A `*` at its end stands for any.
    pub name: &'static str,
    /// What becomes of it.
    pub effect: Effect,
}

const fn row(operations: &'static [Operation], name: &'static str, effect: Effect) -> Row {
    Row { operations, name, effect }
}

const SEEN: &[Operation] = &[ShowCurrent, List, Show];
const READ: &[Operation] = &[ShowCurrent, List, Show, ListGroups, ShowGroup, ShowAccount];
const LISTED: &[Operation] = &[List];
const WRITTEN: &[Operation] = &[Create, Update];
const ALL_WRITTEN: &[Operation] = &[Create, Update, UpdateAccount];
const OWN: &[Operation] = &[UpdateAccount];

const ELSEWHERE: Effect = Refused("the members of groups are changed at `/admin/groups`.");
const NO_OTHER_SOURCE: Effect = Refused("nobody signs in by another directory here.");
const NO_QUERIES: Effect = Refused("no queries are stored here.");
const NO_PASSWORD_TOLD: Effect = ByMail(
    "sets a password that nobody knows: the person chooses theirs by a link, with `send_information` or on the page where \
     they sign in. Without a mail server it is refused if true",
);
const LINK_SENT: Effect = ByMail(
    "if a password is set, the person is sent their login and a link to choose another, in place of the password. Without a \
     mail server it has no effect",
);
const NO_COLUMNS: Effect = NoEffect("an answer has every field");
const NO_SUCH_THING: Effect = NoEffect("Latchkey has nothing of the kind");
const FOR_ADMINISTRATORS: Effect = NoEffect("people do not change it themselves; administrators use `PUT /users/ID`");

/// Every parameter of Redmine's accounts.
pub const TABLE: &[Row] = &[
    // Whom the list is about.
    row(LISTED, "status", Same),
    row(LISTED, "name", Same),
    row(LISTED, "login", Same),
    row(LISTED, "firstname", Same),
    row(LISTED, "lastname", Same),
    row(LISTED, "mail", Same),
    row(LISTED, "admin", Same),
    row(LISTED, "twofa_scheme", Same),
    row(LISTED, "created_on", Same),
    row(LISTED, "last_login_on", Same),
    row(LISTED, "f", Same),
    row(LISTED, "fields", Same),
    row(LISTED, "op", Same),
    row(LISTED, "operators", Same),
    row(LISTED, "v", Same),
    row(LISTED, "values", Same),
    row(LISTED, "group_id", Same),
    row(LISTED, "is_member_of_group", Same),
    row(LISTED, "auth_source_id", NO_OTHER_SOURCE),
    row(LISTED, "cf_*", Refused("there are no custom fields here.")),
    row(LISTED, "query_id", NO_QUERIES),
    row(LISTED, "query", NO_QUERIES),
    // How it is shown.
    row(LISTED, "sort", Same),
    row(LISTED, "offset", Same),
    row(LISTED, "limit", Same),
    row(LISTED, "page", Same),
    row(LISTED, "nometa", Same),
    row(SEEN, "include", Same),
    row(&[ShowGroup], "include", Same),
    row(&[ListGroups], "builtin", NoEffect("Redmine's two groups of everybody else are none here")),
    row(LISTED, "c", NO_COLUMNS),
    row(LISTED, "column_names", NO_COLUMNS),
    row(LISTED, "t", NO_COLUMNS),
    row(LISTED, "totalable_names", NO_COLUMNS),
    row(LISTED, "group_by", NoEffect("people cannot be grouped, in Redmine either")),
    row(LISTED, "display_type", NoEffect("it is about pages")),
    row(LISTED, "set_filter", NoEffect("it is about pages")),
    row(LISTED, "per_page", NoEffect("it is about pages; use `limit`")),
    row(READ, "callback", NoEffect("JSONP is off, as it usually is in Redmine")),
    row(READ, "jsonp", NoEffect("JSONP is off, as it usually is in Redmine")),
    // What becomes of somebody.
    row(WRITTEN, "user[login]", Same),
    row(ALL_WRITTEN, "user[firstname]", Same),
    row(ALL_WRITTEN, "user[lastname]", Same),
    row(ALL_WRITTEN, "user[mail]", Same),
    row(WRITTEN, "user[password]", Same),
    row(WRITTEN, "user[password_confirmation]", Same),
    row(WRITTEN, "user[must_change_passwd]", Same),
    row(WRITTEN, "user[admin]", Same),
    row(WRITTEN, "user[status]", Same),
    row(WRITTEN, "user[generate_password]", NO_PASSWORD_TOLD),
    row(WRITTEN, "user[auth_source_id]", NO_OTHER_SOURCE),
    row(&[Create], "user[group_ids]", NoEffect("Redmine does not take it here either")),
    row(&[Update], "user[group_ids]", ELSEWHERE),
    row(ALL_WRITTEN, "user[language]", NO_SUCH_THING),
    row(ALL_WRITTEN, "user[mail_notification]", NO_SUCH_THING),
    row(ALL_WRITTEN, "user[notified_project_ids]", NO_SUCH_THING),
    row(ALL_WRITTEN, "user[custom_fields]", NO_SUCH_THING),
    row(ALL_WRITTEN, "user[custom_field_values]", NO_SUCH_THING),
    row(ALL_WRITTEN, "pref", NO_SUCH_THING),
    row(WRITTEN, "send_information", LINK_SENT),
    row(&[Create], "_method", Refused("send the method itself.")),
    row(&[Create], "continue", NoEffect("it is about pages")),
    row(OWN, "user[login]", FOR_ADMINISTRATORS),
    row(OWN, "user[admin]", FOR_ADMINISTRATORS),
    row(OWN, "user[status]", FOR_ADMINISTRATORS),
    row(OWN, "user[password]", FOR_ADMINISTRATORS),
    row(OWN, "user[password_confirmation]", FOR_ADMINISTRATORS),
    row(OWN, "user[must_change_passwd]", FOR_ADMINISTRATORS),
    row(OWN, "user[generate_password]", FOR_ADMINISTRATORS),
    row(OWN, "user[auth_source_id]", FOR_ADMINISTRATORS),
    row(OWN, "user[group_ids]", FOR_ADMINISTRATORS),
    row(&[Delete], "lock", Same),
    row(&[Delete], "confirm", Same),
    row(&[Delete], "back_url", NoEffect("it is about pages")),
    // The pages that have forms in Redmine, too.
    row(&[SignIn], "username", Same),
    row(&[SignIn, ChangePassword], "password", Same),
    row(&[SignIn], "back_url", Same),
    row(&[SignIn], "autologin", NoEffect("`LATCHKEY_SESSION_LIFETIME` says how long people stay signed in")),
    row(&[ChangePassword], "new_password", Same),
    row(&[ChangePassword], "new_password_confirmation", Same),
];

/// What becomes of the parameter `name` of `operation`; `None`: Redmine does not know it either.
pub(super) fn effect(operation: Operation, name: &str) -> Option<Effect> {
    let of_operation = TABLE.iter().filter(|row| row.operations.contains(&operation));
    of_operation.into_iter().find(|row| row.is_about(name)).map(|row| row.effect)
}

impl Row {
    fn is_about(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            // A parameter with its parts.
            None => name == self.name || name.split_once('[').is_some_and(|(root, _)| root == self.name),
        }
    }

    /// The row as `docs/api.md` shows it.
    pub fn documented(&self) -> String {
        let operations: Vec<String> = self.operations.iter().map(|it| format!("`{}`", it.route())).collect();
        let effect = match self.effect {
            Same => "as in Redmine".to_owned(),
            Refused(reason) => format!("refused: {}", reason.trim_end_matches('.')),
            ByMail(words) => words.to_owned(),
            NoEffect(reason) => format!("no effect: {reason}"),
        };
        format!("| `{}` | {} | {effect} |", self.name, operations.join(", "))
    }
}

impl Effect {
    /// Why `value` is refused; `None`: it is not.
    pub(super) fn refusal(self, value: &Value) -> Option<&'static str> {
        let text = value.text().trim().to_ascii_lowercase();
        match self {
            Same | ByMail(_) | NoEffect(_) => None,
            Refused(reason) => (!text.is_empty()).then_some(reason),
        }
    }
}
