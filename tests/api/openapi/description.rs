//! The document as a test reads it, more strictly than programs do: what it does not describe must not be answered.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::xml::Element;
use crate::support::*;

/// The document, and what of it has been seen in answers.
pub struct Description {
    pub document: Value,
    /// By operation and status.
    pub seen: BTreeSet<(String, u16)>,
}

impl Description {
    pub async fn of(site: &Site) -> Self {
        let document = Answer::of(site.get("/openapi.json")).await.json();
        Self { document, seen: BTreeSet::new() }
    }

    /// Path, method and operation.
    pub fn operations(&self) -> Vec<(String, Method, &Value)> {
        let paths = self.document["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods.iter().map(move |(method, operation)| {
                (path.clone(), method.to_uppercase().parse().expect("a method"), operation)
            })
        });
        operations.collect()
    }

    /// The same schema, where it stands.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.document.pointer(&reference[1..]).expect(reference),
            None => schema,
        }
    }

    /// Holds an answer to what is said of `method` at `path`, and takes what is not said for wrong.
    pub fn holds(&mut self, path: &str, method: &Method, answer: &Answer) {
        let at = format!("{method} {path}: {:.500}", answer.text);
        let operation = &self.document["paths"][path][method.as_str().to_lowercase()];
        let response = &operation["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{} is not described: {at}", answer.status);
        let media_type = answer.header("Content-Type").map(|it| it.split(';').next().expect("a type"));
        match media_type {
            None => assert!(response.get("content").is_none() && answer.text.is_empty(), "{at}"),
            Some(media_type) => {
                let schema = &response["content"][media_type]["schema"];
                assert!(schema.is_object(), "{media_type} is not described: {at}");
                match media_type {
                    "application/json" | "application/problem+json" => self.holds_json(schema, &answer.json(), &at),
                    "application/xml" => self.holds_xml(schema, &Element::parse(&answer.text), &at),
                    _ => assert_eq!(schema["type"], "string", "{at}"),
                }
            }
        }
        for name in response["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
            let is_always_there = !["WWW-Authenticate", "Idempotency-Replayed"].contains(&name.as_str());
            assert!(answer.header(name).is_some() || !is_always_there, "{name}: {at}");
        }
        self.seen.insert((operation["operationId"].as_str().expect("an id").to_owned(), answer.status));
    }

    /// The same, with all the properties of those that it is made of.
    fn whole(&self, schema: &Value) -> Value {
        let schema = self.resolved(schema);
        let Some(parts) = schema["allOf"].as_array() else { return schema.clone() };
        let mut whole = json!({"type": "object", "properties": {}, "required": []});
        for part in parts.iter().map(|part| self.whole(part)) {
            let properties = part["properties"].as_object().expect("properties").clone();
            whole["properties"].as_object_mut().expect("properties").extend(properties);
            let required = part["required"].as_array().expect("names").clone();
            whole["required"].as_array_mut().expect("names").extend(required);
        }
        whole
    }

    fn holds_json(&self, schema: &Value, value: &Value, at: &str) {
        if let Some(either) = schema["oneOf"].as_array() {
            // Nothing, or one other.
            let null = json!({"type": "null"});
            assert!(either.len() == 2 && either.contains(&null), "{schema}: {at}");
            return match value {
                Value::Null => {}
                value => self.holds_json(either.iter().find(|it| **it != null).expect("another"), value, at),
            };
        }
        let schema = &self.whole(schema);
        if let Some(any) = schema["anyOf"].as_array() {
            // A word of Latchkey's own, or of a service; or several things.
            let of_service = value.as_str().is_some_and(|word| word.starts_with("service:"));
            let is_for = |schema: &&Value| match value {
                Value::Array(_) => schema["type"] == "array",
                _ => schema["type"] != "array" && schema["pattern"].is_string() == of_service,
            };
            let schema = any.iter().find(is_for);
            return self.holds_json(schema.expect("a schema"), value, at);
        }
        let types = &schema["type"];
        let types = types.as_array().cloned().unwrap_or_else(|| vec![types.clone()]);
        if let Some(values) = schema["enum"].as_array() {
            assert!(values.contains(value), "{value} is not one of {values:?}: {at}");
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) => {
                if number.is_i64() {
                    "integer"
                } else {
                    "number"
                }
            }
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        assert!(types.contains(&kind.into()), "{value} is not one of {types:?}: {at}");
        for item in value.as_array().into_iter().flatten() {
            self.holds_json(&schema["items"], item, at);
        }
        // An object of which nothing else is said is any.
        let (Some(members), Some(properties)) = (value.as_object(), schema["properties"].as_object()) else { return };
        for (name, member) in members {
            let property = properties.get(name).unwrap_or_else(|| panic!("{name} is not described: {at}"));
            self.holds_json(property, member, at);
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(members.contains_key(name.as_str().expect("a name")), "{name} is missing: {at}");
        }
    }

    /// An object's properties are attributes or elements, an array is its elements one after the other.
    fn holds_xml(&self, schema: &Value, element: &Element, at: &str) {
        let schema = self.resolved(schema);
        assert_eq!(schema["xml"]["name"], element.name.as_str(), "{at}");
        let properties = schema["properties"].as_object().expect("properties");
        let named = |name: &str, attribute: bool| {
            let is = |(property, schema): &(&String, &Value)| {
                let is_attribute = schema["xml"]["attribute"] == true;
                schema["xml"]["name"].as_str().unwrap_or(property) == name && is_attribute == attribute
            };
            properties.iter().find(is).unwrap_or_else(|| panic!("{name} is not described: {at}"))
        };
        let mut present = BTreeSet::new();
        for (name, value) in &element.attributes {
            let (property, schema) = named(name, true);
            self.holds_text(schema, value, at);
            present.insert(property);
        }
        for child in &element.elements {
            let (property, schema) = named(&child.name, false);
            let schema = match schema["type"] == "array" {
                true => self.resolved(&schema["items"]),
                false => self.resolved(schema),
            };
            match schema["type"] == "object" {
                true => self.holds_xml(schema, child, at),
                false => {
                    assert!(child.elements.is_empty(), "{} holds more than text: {at}", child.name);
                    self.holds_text(schema, &child.text, at);
                }
            }
            present.insert(property);
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().expect("a name").to_owned();
            // Of nothing there is no element.
            assert!(present.contains(&name) || properties[&name]["type"] == "array", "{name} is missing: {at}");
        }
    }

    fn holds_text(&self, schema: &Value, text: &str, at: &str) {
        let types = schema["type"].to_string();
        let holds = match text {
            "" => types.contains("null") || types.contains("string"),
            "true" | "false" => types.contains("boolean") || types.contains("string"),
            text => types.contains("string") || (types.contains("integer") && text.parse::<i64>().is_ok()),
        };
        assert!(holds, "{text} is none of {types}: {at}");
    }
}
