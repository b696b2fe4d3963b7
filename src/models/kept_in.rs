//! Where administrators' settings are kept: in the database, or in a file beside it.

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::Text;

use super::text_enum::{stored_as_text, text_enum};

text_enum! {
    /// Where the settings of a service, or the members of a group, are kept.
    #[derive(AsExpression, FromSqlRow, Clone, Copy, Debug, PartialEq, Eq)]
    #[diesel(sql_type = Text)]
    pub enum KeptIn {
        /// Administrators change them.
        Database = "database",
        /// They stand in the file that `serve` reads.
        File = "file",
        /// They stood in it: the service is closed, or the group empty, until it stands there again or is removed for good.
        LeftFile = "left_file",
    }
}

// What a newer release may have written there opens nothing to this one.
stored_as_text!(KeptIn, otherwise LeftFile);

impl KeptIn {
    /// Whether a service that is kept so is closed: every request to it is refused.
    pub fn is_closed(self) -> bool {
        self == Self::LeftFile
    }
}
