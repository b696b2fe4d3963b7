//! Ids of rows, with a type of their own for each kind: a function that takes a person and a key cannot be called with
//! the two swapped.

/// Declares the id of a kind of row. It is stored, printed and parsed as a plain number.
macro_rules! row_id {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(
            diesel::expression::AsExpression,
            diesel::deserialize::FromSqlRow,
            serde::Serialize,
            serde::Deserialize,
            Clone,
            Copy,
            Debug,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
        )]
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl<DB> diesel::serialize::ToSql<diesel::sql_types::BigInt, DB> for $name
        where
            DB: diesel::backend::Backend,
            i64: diesel::serialize::ToSql<diesel::sql_types::BigInt, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, DB>) -> diesel::serialize::Result {
                self.0.to_sql(out)
            }
        }

        impl<DB> diesel::deserialize::FromSql<diesel::sql_types::BigInt, DB> for $name
        where
            DB: diesel::backend::Backend,
            i64: diesel::deserialize::FromSql<diesel::sql_types::BigInt, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
                <i64 as diesel::deserialize::FromSql<diesel::sql_types::BigInt, DB>>::from_sql(bytes).map(Self)
            }
        }
    };
}

row_id! {
    /// The id of a person: of a row of `users`.
    UserId
}

row_id! {
    /// The id of a key, with all its secrets: that of its first row of `tokens`, which a rotation does not change.
    KeyId
}

#[cfg(test)]
mod tests {
    use diesel::dsl::sql;
    use diesel::prelude::*;
    use diesel::sql_types::{Array, BigInt, Nullable};

    use super::*;
    use crate::db::DbConnection;
    use crate::db::schema::tokens;

    /// Some columns of `tokens`, to be read into ids.
    #[derive(Queryable, Selectable, Debug, PartialEq)]
    #[diesel(table_name = tokens)]
    struct Owned {
        user_id: UserId,
        key_id: Option<KeyId>,
    }

    fn memory() -> DbConnection {
        DbConnection::Sqlite(SqliteConnection::establish(":memory:").expect("a database"))
    }

    #[test]
    fn an_id_is_stored_and_read_back_as_its_number() {
        let connection = &mut memory();
        for number in [1, i64::MAX, -1, 0] {
            let stored: i64 = diesel::select(UserId(number).into_sql::<BigInt>()).get_result(connection).expect("it");
            let read: UserId = diesel::select(number.into_sql::<BigInt>()).get_result(connection).expect("an id");
            assert_eq!((stored, read), (number, UserId(number)));
        }
        let none: Option<KeyId> = diesel::select(sql::<Nullable<BigInt>>("NULL")).get_result(connection).expect("none");
        assert_eq!(none, None);
    }

    #[test]
    fn ids_stand_in_rows_and_conditions_of_either_database() {
        let connection = &mut memory();
        diesel::sql_query("CREATE TABLE tokens (id INTEGER PRIMARY KEY, user_id BIGINT, key_id BIGINT)")
            .execute(connection)
            .expect("a table");
        for (id, user_id, key_id) in [(7, UserId(1), None), (8, UserId(1), Some(KeyId(7))), (9, UserId(2), None)] {
            let values = (tokens::id.eq(KeyId(id)), tokens::user_id.eq(user_id), tokens::key_id.eq(key_id));
            diesel::insert_into(tokens::table).values(values).execute(connection).expect("a row");
        }
        let of = tokens::table
            .filter(tokens::user_id.eq(UserId(1)))
            .filter(tokens::id.eq_any([KeyId(7), KeyId(8), KeyId(9)]))
            .order(tokens::id)
            .select(Owned::as_select());
        let rows: Vec<Owned> = of.load(connection).expect("rows");
        let owned = |key_id| Owned { user_id: UserId(1), key_id };
        assert_eq!(rows, [owned(None), owned(Some(KeyId(7)))]);
        // There is no PostgreSQL here: it is enough that the compiler accepts the array.
        let array = diesel::select(vec![KeyId(7)].into_sql::<Array<BigInt>>());
        assert!(diesel::debug_query::<diesel::pg::Pg, _>(&array).to_string().contains("KeyId(7)"));
    }

    #[test]
    fn an_id_is_written_and_read_as_its_number() {
        assert_eq!((UserId(42).to_string(), "42".parse()), ("42".to_owned(), Ok(UserId(42))));
        assert_eq!(format!("{:>5}", KeyId(42)), "   42");
        for text in ["", "4 2", "0x2A", "9223372036854775808"] {
            assert!(text.parse::<KeyId>().is_err(), "{text}");
        }
        assert_eq!(serde_json::to_string(&[KeyId(1), KeyId(2)]).expect("JSON"), "[1,2]");
        assert_eq!(serde_json::from_str::<Vec<KeyId>>("[1,2]").expect("ids"), [KeyId(1), KeyId(2)]);
        assert!(UserId(1) < UserId(2));
    }
}
