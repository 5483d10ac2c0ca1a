//! What is printed, with a terminal in mind: text from outside must not command it.

use std::fmt;
use std::io::{self, IsTerminal, Write};

/// A character that moves the cursor, changes colours or the order of what follows, or does whatever else a terminal or a
/// reader's eye takes for something that it is not. Line feed and tab are ours.
fn is_command(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text with everything escaped that could command a terminal.
pub(super) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match is_command(character) {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

/// The same for a word within a line, which it must not end either.
pub(super) fn word(text: &str) -> String {
    escaped(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// Prints a line to standard output; what goes into a file or a pipe stays as it is.
pub(super) fn out(text: fmt::Arguments<'_>) -> io::Result<()> {
    print(io::stdout().lock(), io::stdout().is_terminal(), text)
}

/// Prints a line to standard error. Whoever has closed it is not told, and that is no reason to stop.
pub(super) fn say(text: fmt::Arguments<'_>) {
    let _ = print(io::stderr().lock(), io::stderr().is_terminal(), text);
}

fn print(mut to: impl Write, terminal: bool, text: fmt::Arguments<'_>) -> io::Result<()> {
    match terminal {
        true => writeln!(to, "{}", escaped(&text.to_string())),
        false => writeln!(to, "{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_commands_a_terminal() {
        assert_eq!(escaped("\x1b]0;owned\x07 a\u{9b}2J\rb"), "\\u{1b}]0;owned\\u{7} a\\u{9b}2J\\rb");
        assert_eq!(escaped("eve\u{202e}nnA"), "eve\\u{202e}nnA");
        assert_eq!(escaped("Zoë 你好 🎲\n\tx"), "Zoë 你好 🎲\n\tx");
        assert_eq!(word("a\nb\tc"), "a\\nb\\tc");
        let mut printed = Vec::new();
        print(&mut printed, true, format_args!("\x1b[31m")).unwrap();
        print(&mut printed, false, format_args!("\x1b[31m")).unwrap();
        assert_eq!(printed, b"\\u{1b}[31m\n\x1b[31m\n");
    }
}
