//! Writes the sample configuration from the doc comments of the options.

use std::fmt::Write;

use schemars::schema_for;
use serde_json::Value as Json;
use toml::{Table, Value};

use super::Config;
use super::load::tree_of;
use super::open;

const HEAD: &str = "\
# Every option of Helios with its default. Written from the doc comments in src/*/options.rs:
# change them there, then run UPDATE=1 cargo test --test tidy.
# Stronger than this file: HELIOS__SECTION__KEY in the environment, then flags.
";

/// The text of `configs/helios.toml`.
pub fn sample() -> String {
    let schema = schema_for!(Config).to_value();
    let mut text = HEAD.to_owned();
    section(&mut text, "", &tree_of(&Config::default()), &schema, &schema);
    text
}

fn section(text: &mut String, name: &str, table: &Table, about: &Json, root: &Json) {
    if !name.is_empty() {
        let _ = writeln!(text, "\n{}[{name}]", comment(about));
    }
    let (sections, values): (Vec<_>, Vec<_>) =
        table.iter().partition(|(_, value)| matches!(value, Value::Table(_)));
    for (key, value) in values {
        let _ = write!(text, "\n{}{key} = {value}\n", comment(&property(about, key, root)));
    }
    for (key, value) in sections {
        let Value::Table(inner) = value else { continue };
        let path = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        let about = property(about, key, root);
        section(text, &path, inner, &about, root);
        if let Some(template) = open::template(&path) {
            entry(text, &path, &template, &about["additionalProperties"], root);
        }
    }
}

/// What an entry of the user's own name is made of, commented out.
fn entry(text: &mut String, path: &str, template: &Table, reference: &Json, root: &Json) {
    let place = reference["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    let about = place.and_then(|place| root.pointer(place)).unwrap_or(&Json::Null);
    let mut written = String::new();
    section(&mut written, &format!("{path}.NAME"), template, about, root);
    for line in written.lines() {
        let comment = if line.is_empty() || line.starts_with('#') { "" } else { "# " };
        let _ = writeln!(text, "{comment}{line}");
    }
}

/// The schema of a property: its own description, and what the type that it refers to is made of.
fn property(about: &Json, key: &str, root: &Json) -> Json {
    let own = &about["properties"][key];
    let reference = own["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    let mut whole = reference.and_then(|place| root.pointer(place)).cloned().unwrap_or(Json::Null);
    if let (Json::Object(whole), Json::Object(own)) = (&mut whole, own) {
        whole.extend(own.clone());
        return Json::Object(whole.clone());
    }
    own.clone()
}

fn comment(about: &Json) -> String {
    let text = about["description"].as_str().unwrap_or_default();
    text.lines().fold(String::new(), |mut lines, line| {
        let _ = writeln!(lines, "# {line}");
        lines
    })
}
