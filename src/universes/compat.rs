//! The id that the existing engine gives to the same files: BLAKE3 over lines `name:type:hex`, from the files up.
//!
//! Names with a colon or a line feed would be ambiguous in it; paths of ours have neither. It knows files only.

use std::collections::BTreeMap;

use super::path::FILE;
use crate::store::Entry;
use crate::universe::{ContentId, Tree};

/// What lies in a directory, by name.
#[derive(Default)]
struct Directory(BTreeMap<Vec<u8>, Node>);

enum Node {
    Blob(ContentId),
    Tree(Directory),
}

/// The id of all files of a state. Directories without files do not exist.
pub(super) fn compat_id(tree: &Tree<Entry>) -> ContentId {
    let mut root = Directory::default();
    for (key, entry) in tree.prefix(FILE) {
        let path = &key[FILE.len()..];
        let mut place = &mut root;
        let mut names = path.split(|byte| *byte == b'/').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                place.0.insert(name.to_vec(), Node::Blob(ContentId::of(entry.value.as_bytes())));
                break;
            }
            let below = place.0.entry(name.to_vec()).or_insert_with(|| Node::Tree(Directory::default()));
            let Node::Tree(below) = below else { break };
            place = below;
        }
    }
    root.id()
}

impl Directory {
    /// As deep as paths are, which have a limit.
    fn id(&self) -> ContentId {
        let mut lines: Vec<Vec<u8>> = Vec::with_capacity(self.0.len());
        for (name, node) in &self.0 {
            let (kind, id) = match node {
                Node::Blob(id) => ("blob", *id),
                Node::Tree(below) => ("tree", below.id()),
            };
            let hex = id.to_string();
            let end = format!(":{kind}:{}", hex.trim_start_matches("blake3:"));
            lines.push([name.as_slice(), end.as_bytes()].concat());
        }
        lines.sort();
        ContentId::of(&lines.join(&b'\n'))
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::file_key;
    use super::*;
    use crate::store::Value;

    #[test]
    fn the_golden_vectors_of_the_existing_engine_hold() {
        let golden = [
            (&[][..], "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
            (&[("a.txt", "hello")], "a285aefc7d8b12cd10272f143a17993e0187d6fb3624f7a32ab6237111038612"),
            (
                &[("a.txt", "hello"), ("src/b.txt", "world")],
                "e560d22c94c49d93b9df8a57f045933be537ff67eaf2cedc9799c07bc6724fb2",
            ),
            (&[("src/lib/c.txt", "x")], "d5c9dc7a38c620d1af3c2249e355578943d96e9f2518dfb6ba12f425cd3e3345"),
        ];
        for (files, id) in golden {
            let mut tree = Tree::new();
            for (path, text) in files {
                let entry = Entry { value: Value::bytes(text.as_bytes()), version: 1, expires_at: 0 };
                tree.insert(file_key(path, 100).unwrap(), entry);
            }
            assert_eq!(compat_id(&tree).to_string(), format!("blake3:{id}"), "{files:?}");
        }
    }
}
