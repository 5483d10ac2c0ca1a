//! What the port tells about its commands and its configuration.

use super::super::answer::Answers;
use super::super::request::Args;
use super::{COMMANDS, find};
use crate::store::Store;

/// CONFIG GET, for tools that ask. What can be set is set in the configuration.
pub(crate) fn config(store: &Store, args: Args<'_>, to: &mut Answers) {
    if !args.get(1).eq_ignore_ascii_case(b"get") || args.len() < 3 {
        return to.error("ERR only CONFIG GET is known here: the server is configured by its own file");
    }
    let mode = match store.options().sync_mode.as_str() {
        "every" => "always",
        "interval" => "everysec",
        _ => "no",
    };
    let known = [("save", ""), ("appendonly", "yes"), ("appendfsync", mode), ("databases", "1")];
    let fits = |name: &str| {
        args.from(2).any(|pattern| super::super::glob::fits(&pattern.to_ascii_lowercase(), name.as_bytes()))
    };
    let found: Vec<_> = known.iter().filter(|(name, _)| fits(name)).collect();
    to.map(found.len());
    for (name, value) in found {
        to.bulk(name.as_bytes());
        to.bulk(value.as_bytes());
    }
}

/// COMMAND [COUNT | DOCS | INFO name ...].
pub(crate) fn describe(args: Args<'_>, to: &mut Answers) {
    match args.get(1).to_ascii_uppercase().as_slice() {
        b"" => {
            to.array(COMMANDS.len());
            COMMANDS.iter().for_each(|spec| spec.describe(to));
        }
        b"COUNT" => to.integer(COMMANDS.len() as i64),
        b"INFO" => {
            to.array(args.len() - 2);
            for name in args.from(2) {
                match find(name) {
                    Some(at) => COMMANDS[at].describe(to),
                    None => to.nil(),
                }
            }
        }
        b"DOCS" => to.map(0),
        _ => to.error("ERR unknown subcommand of COMMAND"),
    }
}

/// As Redis says it, with the beginning of the arguments.
pub(crate) fn unknown(args: Args<'_>) -> String {
    let readable = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(128)]).into_owned();
    let begin: String = args.from(1).take(8).map(|arg| format!("'{}' ", readable(arg))).collect();
    format!("ERR unknown command '{}', with args beginning with: {begin}", readable(args.get(0)))
}
