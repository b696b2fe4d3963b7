//! Bodies and queries as parameters: JSON, XML and forms, in the character encoding that they say they are in.

use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use encoding_rs::{Encoding, UTF_8};
use quick_xml::events::{BytesRef, Event};
use quick_xml::reader::Reader;

use super::parameter::{Name, Parameter, Value};
use crate::http::error::AppError;
use crate::http::format::Format;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    Json,
    Xml,
    Form,
}

/// Reads the parameters of an address.
pub(super) fn of_query(query: &str) -> Result<Vec<Parameter>, AppError> {
    of_form(query.as_bytes(), UTF_8)
        .ok_or_else(|| AppError::BadRequest("The parameters of the address are not in UTF-8.".into()))
}

/// Reads a body. `format` is the one of the path, for a body whose Content-Type names none.
pub(super) fn of_body(headers: &HeaderMap, format: Format, body: &[u8]) -> Result<Vec<Parameter>, AppError> {
    if body.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let syntax = syntax(content_type, format, body)?;
    let encoding = encoding(content_type, syntax, body)?;
    let unreadable =
        |what: &str, error: String| AppError::BadRequest(format!("The {what} could not be read: {error}."));
    let not_so_encoded = || format!("it is not in {}", encoding.name());
    let text = || {
        let body = Encoding::for_bom(body).map_or(body, |(_, length)| &body[length..]);
        encoding.decode_without_bom_handling_and_without_replacement(body).ok_or_else(not_so_encoded)
    };
    match syntax {
        Syntax::Form => of_form(body, encoding).ok_or_else(|| unreadable("form", not_so_encoded())),
        Syntax::Json => text()
            .and_then(|text| of_json(&text))
            .map_err(|error| AppError::BadRequest(format!("The JSON is invalid: {error}."))),
        Syntax::Xml => text().and_then(|text| of_xml(&text)).map_err(|error| unreadable("XML", error)),
    }
}

/// How the body is written: as its Content-Type says, or else as the path says.
fn syntax(content_type: &str, format: Format, body: &[u8]) -> Result<Syntax, AppError> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let of_path = match format {
        Format::Json => Syntax::Json,
        Format::Xml => Syntax::Xml,
    };
    // curl says that it sends a form unless told otherwise, but no form begins like a document.
    let is_document = || Encoding::for_bom(body).is_some() || matches!(body.trim_ascii_start()[0], b'{' | b'[' | b'<');
    match media_type.as_str() {
        "application/x-www-form-urlencoded" if is_document() => Ok(of_path),
        "application/x-www-form-urlencoded" => Ok(Syntax::Form),
        "multipart/form-data" => Err(AppError::UnsupportedMediaType(
            "Send JSON, XML or a form of the type application/x-www-form-urlencoded.",
        )),
        json if json.ends_with("/json") || json.ends_with("+json") || json == "text/x-json" => Ok(Syntax::Json),
        xml if xml.ends_with("/xml") || xml.ends_with("+xml") || xml == "application/x-xml" => Ok(Syntax::Xml),
        _ => Ok(of_path),
    }
}

/// The character encoding of a body, in the order of RFC 7303, section 3: a byte order mark, the `charset` of the
/// Content-Type, the declaration of the XML, UTF-8.
fn encoding(content_type: &str, syntax: Syntax, body: &[u8]) -> Result<&'static Encoding, AppError> {
    if let Some((encoding, _)) = Encoding::for_bom(body) {
        return Ok(encoding);
    }
    let declared = || Some(syntax).filter(|syntax| *syntax == Syntax::Xml).and_then(|_| declared_encoding(body));
    let Some(label) = charset(content_type).map(str::as_bytes).or_else(declared) else { return Ok(UTF_8) };
    Encoding::for_label_no_replacement(label).ok_or(AppError::UnsupportedMediaType(
        "The body is in a character encoding that is not known here: send it in UTF-8.",
    ))
}

/// The `charset` of a Content-Type.
fn charset(content_type: &str) -> Option<&str> {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let charset = parameters.map(|(name, value)| (name.trim(), value.trim().trim_matches('"')));
    charset.into_iter().find(|(name, value)| name.eq_ignore_ascii_case("charset") && !value.is_empty()).map(|it| it.1)
}

/// The encoding that the declaration of an XML document names.
fn declared_encoding(body: &[u8]) -> Option<&[u8]> {
    let declaration = body.trim_ascii_start().strip_prefix(b"<?xml")?;
    let declaration = &declaration[..declaration.windows(2).position(|end| end == b"?>")?];
    let name = b"encoding";
    let at = declaration.windows(name.len()).position(|window| window == name)?;
    let value = declaration[at + name.len()..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    Some(&value[..value.iter().position(|byte| byte == quote)?])
}

/// Reads a form; `None`: it is not in this encoding.
fn of_form(form: &[u8], encoding: &'static Encoding) -> Option<Vec<Parameter>> {
    let decoded = |part: &[u8]| {
        let spaced: Vec<u8> = part.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        let bytes: Vec<u8> = percent_encoding::percent_decode(&spaced).collect();
        let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes)?;
        Some(text.into_owned())
    };
    let pairs = form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let read = pairs.map(|pair| {
        let end = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = end.map_or((pair, &b""[..]), |end| (&pair[..end], &pair[end + 1..]));
        Some(Parameter { name: Name::of_form(&decoded(name)?), value: Value::Text(decoded(value)?) })
    });
    read.collect()
}

fn of_json(text: &str) -> Result<Vec<Parameter>, String> {
    use serde_json::Value as Json;
    let document: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    let Json::Object(members) = document else { return Ok(found) };
    for (root, value) in members {
        let name = Name::plain(&root);
        match value {
            Json::Object(fields) if !fields.is_empty() => {
                for (field, value) in fields {
                    add_json(&mut found, Name { field: Some(field), ..name.clone() }, value);
                }
            }
            Json::Array(items) if !items.is_empty() => {
                for item in items {
                    add_json(&mut found, Name { field: Some(String::new()), ..name.clone() }, item);
                }
            }
            value => add_json(&mut found, name, value),
        }
    }
    Ok(found)
}

/// Adds a value under `name`, or what it holds.
fn add_json(found: &mut Vec<Parameter>, name: Name, value: serde_json::Value) {
    use serde_json::Value as Json;
    let nested = || Name { is_nested: true, ..name.clone() };
    match value {
        Json::Null => found.push(Parameter { name, value: Value::Nothing }),
        Json::Bool(value) => found.push(Parameter { name, value: Value::Bool(value) }),
        Json::Number(number) => found.push(Parameter { name, value: Value::Text(number.to_string()) }),
        Json::String(text) => found.push(Parameter { name, value: Value::Text(text) }),
        Json::Array(items) if items.is_empty() => found.push(Parameter { name: nested(), value: Value::Nothing }),
        Json::Array(items) => {
            for item in items {
                let value = match item {
                    Json::Null => Value::Nothing,
                    Json::String(text) => Value::Text(text),
                    other => Value::Text(other.to_string()),
                };
                found.push(Parameter { name: nested(), value });
            }
        }
        object @ Json::Object(_) => {
            found.push(Parameter { name: nested(), value: Value::Text(object.to_string()) });
        }
    }
}

/// Reads a document whose root element is a parameter, with its fields inside: `<user><mail>…</mail></user>`. What is
/// further inside is only noted to be there, so that the depth of a document costs nothing.
fn of_xml(text: &str) -> Result<Vec<Parameter>, String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut document = XmlDocument::default();
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(tag) => document.open(tag.name().as_ref())?,
            Event::End(_) => document.close(),
            Event::Text(text) => document.add(&text.xml10_content())?,
            Event::CData(text) => document.add(&text.xml10_content())?,
            Event::GeneralRef(entity) => document.add(&resolved(&entity)?)?,
            Event::Eof => return document.finish(),
            _ => {}
        }
    }
}

/// The characters of an entity that every XML document has. Others are refused: they could be anything.
fn resolved(entity: &BytesRef<'_>) -> Result<String, String> {
    if let Some(character) = entity.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(character.to_string());
    }
    let known = quick_xml::escape::resolve_predefined_entity(entity);
    known.map(str::to_owned).ok_or_else(|| "it has an unknown entity".to_owned())
}

/// What has been read of an XML document.
#[derive(Default)]
struct XmlDocument {
    /// The elements that are open.
    depth: usize,
    root: Option<String>,
    field: String,
    /// The text of the field, or of the root.
    text: String,
    /// Whether the field has elements inside.
    is_nested: bool,
    found: Vec<Parameter>,
}

const NOT_ONE_ELEMENT: &str = "it is not one element that ends";

impl XmlDocument {
    fn open(&mut self, name: &str) -> Result<(), String> {
        match self.depth {
            0 if self.root.is_some() => return Err(NOT_ONE_ELEMENT.to_owned()),
            0 => self.root = Some(name.to_owned()),
            1 => {
                self.field = name.to_owned();
                self.is_nested = false;
                self.text.clear();
            }
            _ => self.is_nested = true,
        }
        self.depth += 1;
        Ok(())
    }

    /// Ends an element. The reader has checked that it is the one that was opened last.
    fn close(&mut self) {
        self.depth -= 1;
        let root = self.root.clone().unwrap_or_default();
        let name = match self.depth {
            0 if self.found.is_empty() => Name::plain(&root),
            1 => Name { root, field: Some(std::mem::take(&mut self.field)), is_nested: self.is_nested },
            _ => return,
        };
        self.found.push(Parameter { name, value: Value::Text(std::mem::take(&mut self.text)) });
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        if self.depth == 0 && !text.trim().is_empty() {
            return Err(NOT_ONE_ELEMENT.to_owned());
        }
        self.text.push_str(text);
        Ok(())
    }

    fn finish(self) -> Result<Vec<Parameter>, String> {
        match self {
            Self { depth: 0, root: Some(_), found, .. } => Ok(found),
            _ => Err(NOT_ONE_ELEMENT.to_owned()),
        }
    }
}
