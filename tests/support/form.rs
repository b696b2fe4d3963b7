//! The forms of a page, as a browser reads them.

use super::Page;
use super::visitor::unescaped;

/// A form that is posted.
#[derive(Debug)]
pub struct Form {
    pub action: String,
    pub fields: Vec<FormField>,
}

/// A field that has a name. Of boxes and discs, each is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormField {
    pub name: String,
    /// As in `type`, or `textarea`.
    pub kind: String,
    pub value: String,
    /// Whether a box is ticked, or a disc is chosen.
    pub is_checked: bool,
}

impl Form {
    /// Every form of `page` that is posted, except that of the header, which signs out.
    pub fn all_of(page: &Page) -> Vec<Self> {
        let forms = page.html.split("<form ").skip(1).map(|form| form.split("</form>").next().unwrap_or(form));
        let posted = forms.filter(|form| attribute(form, "method").as_deref() == Some("post"));
        let forms = posted.map(|form| Self {
            action: attribute(form, "action").expect("an action"),
            fields: form.split('<').filter_map(FormField::of).collect(),
        });
        forms.filter(|form| !form.action.ends_with("/logout")).collect()
    }

    /// What a browser sends.
    pub fn sent(&self) -> Vec<(&str, &str)> {
        let sent = self.fields.iter().filter(|field| !field.is_choice() || field.is_checked);
        sent.map(|field| (field.name.as_str(), field.value.as_str())).collect()
    }

    /// Whether there is anything in it that somebody types or chooses, but for passwords.
    pub fn can_be_filled_in(&self) -> bool {
        self.fields.iter().any(FormField::is_typed)
    }
}

impl FormField {
    fn of(tag: &str) -> Option<Self> {
        let (kind, value) = match tag.split_whitespace().next()? {
            "input" => (attribute(tag, "type").unwrap_or_default(), attribute(tag, "value").unwrap_or_default()),
            "textarea" => {
                let (_, text) = tag.split_once('>')?;
                ("textarea".to_owned(), unescaped(text.strip_prefix('\n').unwrap_or(text)))
            }
            _ => return None,
        };
        let is_checked = tag.split('>').next()?.split_whitespace().any(|word| word == "checked");
        Some(Self { name: attribute(tag, "name")?, kind, value, is_checked })
    }

    pub fn is_choice(&self) -> bool {
        ["checkbox", "radio"].contains(&self.kind.as_str())
    }

    /// Whether somebody types or chooses it, and may see it again.
    pub fn is_typed(&self) -> bool {
        !["hidden", "password"].contains(&self.kind.as_str())
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = tag.split('>').next()?;
    let (_, rest) = tag.split_once(&format!(" {name}=\"")).or_else(|| {
        let rest = tag.strip_prefix(&format!("{name}=\""))?;
        Some(("", rest))
    })?;
    rest.split_once('"').map(|(value, _)| unescaped(value))
}
