//! CLIENT: what a connection says and hears about itself.

use super::answer::Answers;
use super::batch::Batch;
use super::request::Args;
use super::session::Session;

impl Session {
    /// CLIENT SETNAME | GETNAME | ID | INFO, and what clients send about themselves.
    pub(super) fn client(&mut self, command: usize, args: Args<'_>, batch: &mut Batch) {
        let subcommand = args.get(1).to_ascii_uppercase();
        match (subcommand.as_slice(), args.len()) {
            (b"SETNAME", 3) => {
                let name = args.get(2);
                if name.iter().any(|byte| !(b'!'..=b'~').contains(byte)) {
                    let text = "ERR Client names cannot contain spaces, newlines or special characters.";
                    return batch.answer(command, |to| to.error(text));
                }
                self.name = String::from_utf8_lossy(name).into_owned();
                batch.answer(command, Answers::ok);
            }
            (b"GETNAME", 2) => {
                let name = Some(self.name.as_bytes()).filter(|name| !name.is_empty());
                batch.answer(command, |to| to.bulk_or_nil(name));
            }
            (b"ID", 2) => batch.answer(command, |to| to.integer(self.id as i64)),
            (b"INFO", 2) => {
                let (id, address, name) = (self.id, self.address, &self.name);
                let resp = if batch.answers.resp3 { 3 } else { 2 };
                let text = format!("id={id} addr={address} name={name} db=0 resp={resp}\n");
                batch.answer(command, |to| to.bulk(text.as_bytes()));
            }
            (b"SETINFO", 4) => batch.answer(command, Answers::ok),
            _ => {
                let text = format!(
                    "ERR unknown subcommand or wrong number of arguments for '{}'",
                    String::from_utf8_lossy(args.get(1))
                );
                batch.answer(command, |to| to.error(&text));
            }
        }
    }
}
