//! Values from environment variables.

use toml::{Table, Value};

use super::load::Assignment;

const PREFIX: &str = "HELIOS__";

/// Reads `HELIOS__SECTION__KEY`, `PORT`, `CORS_ORIGIN`, `HELIOS_ADMIN_USER` and `HELIOS_ADMIN_PASSWORD`. Other variables are none of ours.
pub(super) fn assignments<I>(variables: I, defaults: &Table) -> Vec<Assignment>
where
    I: IntoIterator<Item = (String, String)>,
{
    let mut found = Vec::new();
    for (name, text) in variables {
        let mut assign = |path: &[&str], value: Value| {
            let path = path.iter().map(|part| (*part).to_owned()).collect();
            found.push(Assignment { origin: format!("environment variable {name}"), path, value });
        };
        match name.as_str() {
            "PORT" => assign(&["gateway", "listen"], Value::String(format!(":{text}"))),
            "HELIOS_ADMIN_USER" => assign(&["auth", "admin_user"], Value::String(text)),
            "HELIOS_ADMIN_PASSWORD" => assign(&["auth", "admin_password"], Value::String(text)),
            "CORS_ORIGIN" => {
                assign(&["gateway", "cors_origin"], Value::String(text.clone()));
                assign(&["connections", "origins"], typed(text, Some(&Value::Array(Vec::new()))));
            }
            _ => {
                let Some(path) = path_of(&name) else { continue };
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                assign(&path, typed(text, at(defaults, &path)));
            }
        }
    }
    // What the environment holds has no order of its own; errors should have one.
    found.sort_by(|a, b| a.origin.cmp(&b.origin));
    found
}

/// The path that a variable names, if it is one of ours.
fn path_of(name: &str) -> Option<Vec<String>> {
    Some(name.strip_prefix(PREFIX)?.split("__").map(str::to_lowercase).collect())
}

/// All paths that variables name.
pub(super) fn paths(variables: &[(String, String)]) -> impl Iterator<Item = Vec<String>> {
    variables.iter().filter_map(|(name, _)| path_of(name))
}

fn at<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Value> {
    let (last, parents) = path.split_last()?;
    let parent = parents.iter().try_fold(table, |table, key| table.get(*key)?.as_table())?;
    parent.get(*last)
}

/// A variable is text; what it means follows the type of the default. Lists are TOML or divided by commas.
fn typed(text: String, default: Option<&Value>) -> Value {
    let as_toml = || format!("value = {text}").parse::<Table>().ok()?.remove("value");
    match default {
        Some(Value::Integer(_) | Value::Boolean(_) | Value::Float(_)) => {
            as_toml().unwrap_or(Value::String(text))
        }
        Some(Value::Array(_)) if text.trim_start().starts_with('[') => {
            as_toml().unwrap_or(Value::String(text))
        }
        Some(Value::Array(_)) => {
            Value::Array(text.split(',').map(|part| Value::String(part.trim().to_owned())).collect())
        }
        _ => Value::String(text),
    }
}
