//! A parameter: its name, as forms write it, and its value.

/// A parameter with its value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub name: Name,
    pub value: Value,
}

/// A name such as `user[mail]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// What comes before the brackets.
    pub root: String,
    /// What stands in the first brackets; `None`: there are none.
    pub field: Option<String>,
    /// Whether more brackets follow, so that the value is a part of something larger.
    pub is_nested: bool,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `null` in JSON.
    Nothing,
    /// `true` or `false` in JSON.
    Bool(bool),
    /// A text. Numbers are written out.
    Text(String),
}

impl Name {
    /// Reads a name as forms write it. Brackets that are not closed are a part of the name.
    pub fn of_form(name: &str) -> Self {
        let inside = name.split_once('[').and_then(|(root, rest)| Some((root, rest.split_once(']')?)));
        match inside {
            Some((root, (field, rest))) if !root.is_empty() => {
                Self { root: root.to_owned(), field: Some(field.to_owned()), is_nested: !rest.is_empty() }
            }
            _ => Self::plain(name),
        }
    }

    /// A name without brackets.
    pub fn plain(root: &str) -> Self {
        Self { root: root.to_owned(), field: None, is_nested: false }
    }

    /// The name as the [table](super::table) has it: without the brackets of lists, and of parts.
    pub fn in_table(&self) -> String {
        match self.field.as_deref() {
            None | Some("") => self.root.clone(),
            Some(field) => format!("{}[{field}]", self.root),
        }
    }
}

impl Value {
    /// The value as text, as Rails converts it.
    pub fn text(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Bool(value) => value.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_forms_write_them() {
        for (text, root, field, is_nested) in [
            ("name", "name", None, false),
            ("user[mail]", "user", Some("mail"), false),
            ("f[]", "f", Some(""), false),
            ("v[status][]", "v", Some("status"), true),
            ("user[custom_fields][][id]", "user", Some("custom_fields"), true),
            ("user[mail", "user[mail", None, false),
            ("[mail]", "[mail]", None, false),
            ("user]mail[", "user]mail[", None, false),
            ("", "", None, false),
        ] {
            let expected = Name { root: root.into(), field: field.map(Into::into), is_nested };
            assert_eq!(Name::of_form(text), expected, "{text}");
        }
    }
}
