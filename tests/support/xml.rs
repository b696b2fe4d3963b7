//! XML documents as trees, for tests that look into them.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// An element, with what stands in it.
#[derive(Debug, Default)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub elements: Vec<Element>,
    /// Between and behind its elements.
    pub text: String,
}

impl Element {
    /// The root of a document that must be well-formed.
    pub fn parse(text: &str) -> Self {
        let declared = text.strip_prefix(r#"<?xml version="1.0" encoding="UTF-8"?>"#).expect("a declaration");
        let mut reader = Reader::from_str(declared);
        let mut open = vec![Self::default()];
        loop {
            let event = reader.read_event().unwrap_or_else(|error| panic!("{error} in {text}"));
            let innermost = open.last_mut().expect("an open element");
            match event {
                Event::Start(start) => open.push(Self::begun(&start)),
                Event::Empty(start) => innermost.elements.push(Self::begun(&start)),
                Event::End(_) => {
                    let ended = open.pop().expect("an open element");
                    open.last_mut().expect("its parent").elements.push(ended);
                }
                Event::Text(text) => innermost.text.push_str(&text),
                Event::GeneralRef(name) => {
                    let escaped = format!("&{};", &*name);
                    innermost.text.push_str(&quick_xml::escape::unescape(&escaped).expect("a known entity"));
                }
                Event::Eof => break,
                other => panic!("unexpected {other:?}"),
            }
        }
        let mut document = open.pop().expect("the document");
        assert!(open.is_empty() && document.elements.len() == 1, "one root that ends: {text}");
        document.elements.remove(0)
    }

    fn begun(start: &BytesStart<'_>) -> Self {
        let name = start.name().as_ref().to_owned();
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.expect("a well-formed attribute");
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).expect("a value");
            (attribute.key.as_ref().to_owned(), value.into_owned())
        });
        Self { attributes: attributes.collect(), name, ..Self::default() }
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.elements.iter().filter(move |element| element.name == name)
    }

    /// The one child of this name.
    pub fn child(&self, name: &str) -> &Self {
        let mut all = self.elements.iter().filter(|element| element.name == name);
        let child = all.next().unwrap_or_else(|| panic!("no {name} in {}", self.name));
        assert!(all.next().is_none(), "more than one {name} in {}", self.name);
        child
    }

    /// What stands in the one child of this name.
    pub fn text_of(&self, name: &str) -> &str {
        &self.child(name).text
    }
}
