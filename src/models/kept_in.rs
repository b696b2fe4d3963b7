//! Where administrators' settings are kept: in the database, or in a file beside it, and what becomes of them because of the
//! file.

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::Text;

use super::text_enum::{stored_as_text, text_enum};

text_enum! {
    /// Where the settings of a service, the members of a group, or the name and owners of a service account, are kept.
    #[derive(AsExpression, FromSqlRow, Clone, Copy, Debug, PartialEq, Eq)]
    #[diesel(sql_type = Text)]
    pub enum KeptIn {
        /// Administrators change them.
        Database = "database",
        /// They stand in the file that `serve` reads.
        File = "file",
        /// They stood in it: the service is closed, the group empty, or the account locked, until it stands there again or is
        /// removed for good.
        LeftFile = "left_file",
    }
}

// What a newer release may have written there opens nothing to this one.
stored_as_text!(KeptIn, otherwise LeftFile);

impl KeptIn {
    /// What stands beside a name in lists; `None`: nothing out of the ordinary.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Self::Database => None,
            Self::File => Some("From file"),
            Self::LeftFile => Some("Closed"),
        }
    }

    /// Whether administrators change what is kept so.
    pub fn can_be_changed(self) -> bool {
        self == Self::Database
    }

    /// Whether administrators remove what is kept so: what the file says comes back at the next start.
    pub fn can_be_removed(self) -> bool {
        self != Self::File
    }

    /// Whether what is kept so is closed: a service refuses every request, a group has no members, an account is locked.
    pub fn is_closed(self) -> bool {
        self == Self::LeftFile
    }
}

/// What became of something because of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It is new.
    Added,
    /// The file says something else of it than before.
    Changed,
    /// Administrators kept it until now.
    TakenOver,
    /// It had left the file, and is open again.
    Reopened,
    /// It stands there no more, and is closed.
    Closed,
}

impl Adopted {
    /// What becomes of something that stands in the file, and was kept like this; `None`: it is as the file says.
    pub fn of(before: KeptIn, has_changed: bool) -> Option<Self> {
        match before {
            KeptIn::Database => Some(Self::TakenOver),
            KeptIn::LeftFile => Some(Self::Reopened),
            KeptIn::File => has_changed.then_some(Self::Changed),
        }
    }

    /// What it is in the audit log. `kept` is what the file says of it, such as "settings".
    pub fn in_words(self, kept: &str) -> String {
        match self {
            Self::Added => "it is in the services file".to_owned(),
            Self::Changed => "it was changed in the services file".to_owned(),
            Self::TakenOver => format!("its {kept} now come from the services file"),
            Self::Reopened => "it is open again, as it is back in the services file".to_owned(),
            Self::Closed => "it is closed, as it is no longer in the services file".to_owned(),
        }
    }
}
