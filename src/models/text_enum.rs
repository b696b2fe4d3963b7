//! Enums whose variants stand for texts. A variant is declared once, together with its text; the list of all variants,
//! writing and reading all follow from the declaration. So no variant can be missing from a list of its own, which would
//! have it read back as another one.
//!
//! strum's derives would do the same for the texts, but what it calls a message is optional there: a variant without
//! words would compile. Here it does not.

/// Declares an enum, each variant with its text, and gives it `ALL`, `as_str` and `of_text`:
///
/// ```ignore
/// text_enum! {
///     /// What a person may do at all.
///     #[derive(Clone, Copy, PartialEq)]
///     pub enum UserStatus {
///         /// Signs in.
///         Active = "active",
///     }
/// }
/// ```
///
/// Where people read other words than programs, the head names the method that gives these, and they stand second:
/// `pub enum Order(as_str, label) { Newest = ("newest", "Newest first"), … }`.
macro_rules! text_enum {
    (
        $(#[$about:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$variant_about:meta])* $variant:ident = $text:expr,)+
        }
    ) => {
        $(#[$about])*
        $visibility enum $name {
            $($(#[$variant_about])* $variant,)+
        }

        impl $name {
            /// Each of them, in the order in which they are declared.
            $visibility const ALL: [Self; [$($text),+].len()] = [$(Self::$variant),+];

            /// Its text, as it is stored and as programs write it.
            $visibility fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The one whose text this is.
            $visibility fn of_text(text: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|it| it.as_str() == text)
            }
        }
    };
    (
        $(#[$about:meta])*
        $visibility:vis enum $name:ident(as_str, $words:ident) {
            $($(#[$variant_about:meta])* $variant:ident = ($text:expr, $in_words:literal),)+
        }
    ) => {
        $crate::models::text_enum::text_enum! {
            $(#[$about])*
            $visibility enum $name {
                $($(#[$variant_about])* $variant = $text,)+
            }
        }

        impl $name {
            /// As people read it.
            $visibility fn $words(self) -> &'static str {
                match self {
                    $(Self::$variant => $in_words,)+
                }
            }
        }
    };
}
pub(crate) use text_enum;

/// Stores a [`text_enum!`] as its text. A text that this release does not know, because a newer one wrote it, is read as
/// the variant named last.
macro_rules! stored_as_text {
    ($name:ident, otherwise $unknown:ident) => {
        impl<DB> diesel::serialize::ToSql<diesel::sql_types::Text, DB> for $name
        where
            DB: diesel::backend::Backend,
            str: diesel::serialize::ToSql<diesel::sql_types::Text, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, DB>) -> diesel::serialize::Result {
                <str as diesel::serialize::ToSql<diesel::sql_types::Text, DB>>::to_sql(self.as_str(), out)
            }
        }

        impl<DB> diesel::deserialize::FromSql<diesel::sql_types::Text, DB> for $name
        where
            DB: diesel::backend::Backend,
            String: diesel::deserialize::FromSql<diesel::sql_types::Text, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
                let text = <String as diesel::deserialize::FromSql<diesel::sql_types::Text, DB>>::from_sql(bytes)?;
                Ok(Self::of_text(&text).unwrap_or(Self::$unknown))
            }
        }
    };
}
pub(crate) use stored_as_text;

#[cfg(test)]
mod tests {
    use diesel::prelude::*;
    use diesel::sql_types::Text;

    use crate::models::event::EventAction;
    use crate::models::kept_in::KeptIn;
    use crate::models::keys::key_request::Grace;
    use crate::models::keys::scope::{Access, Scope};
    use crate::models::keys::suspension::{Afterwards, SuspensionSpan};
    use crate::models::keys::token::TokenAction;
    use crate::models::people::user::{AccountKind, UserStatus};

    /// Has a database say what it was told, for each variant; then what is read where a newer release wrote something.
    macro_rules! assert_stored {
        ($name:ident, $texts:literal, otherwise $unknown:ident) => {
            let connection = &mut SqliteConnection::establish(":memory:").expect("a database");
            for variant in $name::ALL {
                let text: String = diesel::select(variant.into_sql::<Text>()).get_result(connection).expect("a text");
                assert_eq!(text, variant.as_str());
                let read: $name = diesel::select(text.into_sql::<Text>()).get_result(connection).expect("a variant");
                assert_eq!(read, variant);
            }
            assert_eq!($name::ALL.map($name::as_str).join(" "), $texts);
            for newer in ["from_a_newer_release", "", "ACTIVE", "write "] {
                let read: $name = diesel::select(newer.into_sql::<Text>()).get_result(connection).expect("a variant");
                assert_eq!(read, $name::$unknown, "{newer:?}");
            }
        };
    }

    #[test]
    fn each_variant_is_read_back_as_it_was_stored_and_what_is_unknown_as_documented() {
        assert_stored!(UserStatus, "active registered locked", otherwise Locked);
        assert_stored!(AccountKind, "person service", otherwise Service);
        assert_stored!(KeptIn, "database file left_file", otherwise LeftFile);
        assert_stored!(Access, "read write", otherwise Read);
        assert_stored!(
            TokenAction,
            "api feeds access session autologin recovery new_address register twofa_backup_code unknown",
            otherwise Unknown
        );
        assert_stored!(
            EventAction,
            "signed_in sign_in_refused key_created key_reset key_revoked key_first_used key_changed key_rotated \
             key_expired key_cleared expired_key_refused scope_refused key_suspended key_resumed \
             suspended_key_revoked key_to_end key_exempted key_not_exempted suspended_key_refused elsewhere_key_refused key_leaked password_changed locked unlocked \
             account_created account_changed account_deleted owners_changed admin_granted admin_revoked second_factor_cleared \
             service_added service_changed service_removed group_added group_changed group_deleted added_to_group \
             taken_out_of_group unknown",
            otherwise Unknown
        );
    }

    #[test]
    fn each_variant_is_the_one_of_its_text() {
        macro_rules! assert_found {
            ($($name:ident),+) => {
                $(for variant in $name::ALL {
                    assert_eq!($name::of_text(variant.as_str()), Some(variant));
                }
                assert_eq!($name::of_text("nothing of the kind"), None);)+
            };
        }
        assert_found!(UserStatus, KeptIn, Access, TokenAction, EventAction, Scope, Grace, SuspensionSpan, Afterwards);
    }
}
