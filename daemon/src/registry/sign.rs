//! What an authority does with a draft: read it, examine it, sign it.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use llarp_core::crypto::identity::SecretKey;
use llarp_core::registry::{Charter, CharterChain, Ledger, Signature, Snapshot};

use super::args::Sign;
use super::create::read_key;
use super::draft::read_draft;
use super::draft_file::Subject;
use super::error::misuse;
use super::folder::{read_ledger, write};
use super::text::{hex, short};
use super::{NetworkFile, RegistryError, words};
use crate::files;

/// Bytes of the note of what a key has signed: two lines.
const NOTE_MAX: usize = 1 << 10;

pub(super) fn sign(args: &Sign, out: &mut dyn Write) -> Result<(), RegistryError> {
    let network = NetworkFile::read(&args.known.network)?;
    let ledger = read_ledger(&args.known.ledger, &network)?;
    let key = read_key(&args.key)?;
    let draft = read_draft(&args.draft)?;
    let chain = draft.chain(network.network(), network.trust())?;
    let now = args.known.time.now();
    let signing = Signing {
        args,
        network: &network,
        ledger: &ledger,
        chain: &chain,
        key: &key,
    };
    match &draft.subject {
        Subject::Snapshot(snapshot) => signing.snapshot(snapshot, now, out),
        Subject::Charter(charter) => signing.charter(charter, out),
    }
}

struct Signing<'a> {
    args: &'a Sign,
    network: &'a NetworkFile,
    ledger: &'a Ledger,
    chain: &'a CharterChain,
    key: &'a SecretKey,
}

impl Signing<'_> {
    fn snapshot(
        &self,
        draft: &Snapshot,
        now: u64,
        out: &mut dyn Write,
    ) -> Result<(), RegistryError> {
        let newest = self.ledger.current();
        let next = newest.map_or(0, |newest| newest.number().saturating_add(1));
        let number = draft.number();
        if number > next {
            let ledger = self.args.known.ledger.display();
            return misuse(format!(
                "{ledger} does not know snapshot {}, which the draft follows: `fetch` it first",
                number - 1
            ));
        }
        if number < next {
            return misuse(format!(
                "snapshot {number} is published already; ask for a draft of snapshot {next}"
            ));
        }
        self.ledger.examine(draft, now)?;
        let charter = self.asked()?;
        if draft.terms().charter != charter.number() {
            return misuse(format!(
                "the draft names charter {}, but comes with charter {}; ask for another draft",
                draft.terms().charter,
                charter.number()
            ));
        }
        let id = self.network.network();
        let signature = draft.sign(&id, charter, self.key)?;
        writeln!(
            out,
            "You are asked to sign snapshot {number} of {:?}:\n",
            self.network.name()
        )?;
        words::lines(out, &words::heading(draft, &id, charter, now))?;
        match newest {
            Some(newest) => words::changes(out, newest, draft)?,
            None => words::all_join(out, draft)?,
        }
        writeln!(
            out,
            "\nIt follows from what this machine knows, and its swarms from the rules."
        )?;
        self.finish("snapshot", number, &signature, out)
    }

    fn charter(&self, draft: &Charter, out: &mut dyn Write) -> Result<(), RegistryError> {
        let id = self.network.network();
        let current = self.chain.newest();
        let known = self.ledger.charters().newest().number();
        if known > current.number() {
            let number = draft.number();
            return misuse(format!(
                "charter {number} is in force already, or another is; ask for another draft"
            ));
        }
        let again = current.succeed(&id, draft.threshold(), draft.keys().iter().copied())?;
        if again != *draft {
            return misuse(
                "the draft does not follow the charter that it comes with; ask for another",
            );
        }
        self.asked()?;
        let signature = current.sign_successor(&id, draft, self.key)?;
        let number = draft.number();
        writeln!(
            out,
            "You are asked to sign charter {number} of {:?}:\n",
            self.network.name()
        )?;
        words::charter(out, current, draft)?;
        writeln!(
            out,
            "\nIts authorities decide from then on, alone. Compare their keys with them."
        )?;
        self.finish("charter", number.into(), &signature, out)
    }

    /// The charter whose authorities are asked, if the key is one of theirs.
    fn asked(&self) -> Result<&Charter, RegistryError> {
        let charter = self.chain.newest();
        if charter.keys().contains(&self.key.public()) {
            return Ok(charter);
        }
        misuse(format!(
            "{} is none of the {} authorities' of charter {}; give the key of one of these",
            self.args.key.display(),
            charter.keys().len(),
            charter.number()
        ))
    }

    fn finish(
        &self,
        what: &str,
        number: u64,
        signature: &Signature,
        out: &mut dyn Write,
    ) -> Result<(), RegistryError> {
        let note = Note::read(&self.args.key, what)?;
        note.admits(what, number, signature, self.args.dangerous_second_draft)?;
        if !self.args.yes && !agreed(out)? {
            return misuse("nothing was signed: the answer was not \"sign\"");
        }
        // First the note, then the signature: a crash in between costs a question, not a split.
        note.write(what, number, signature)?;
        let path = self.out(signature);
        write(&path, &signature.encode())?;
        let (index, key) = (signature.index(), self.key.public());
        writeln!(
            out,
            "\nSigned by authority {}.",
            words::authority(index.into(), &key)
        )?;
        writeln!(out, "Next: bring {} to whoever publishes.", path.display())?;
        words::few_bootstraps(out, self.network)?;
        Ok(())
    }

    fn out(&self, signature: &Signature) -> PathBuf {
        self.args.out.clone().unwrap_or_else(|| {
            let mut path = self.args.draft.clone().into_os_string();
            path.push(format!(".signed-{}", signature.index()));
            path.into()
        })
    }
}

fn agreed(out: &mut dyn Write) -> io::Result<bool> {
    write!(out, "\nType \"sign\" to sign it: ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == "sign")
}

/// What a key has signed last, of each kind, beside the key: so that no two drafts of one number gather
/// signatures by mistake.
struct Note {
    path: PathBuf,
    /// Lines about what is of another kind.
    others: Vec<String>,
    last: Option<(u64, String)>,
}

impl Note {
    fn read(key: &Path, what: &str) -> Result<Self, RegistryError> {
        let mut path = key.as_os_str().to_owned();
        path.push(".signed");
        let path = PathBuf::from(path);
        let bytes = match path.try_exists().unwrap_or(true) {
            true => files::read(&path, NOTE_MAX)?,
            false => Vec::new(),
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (own, others): (Vec<_>, Vec<_>) =
            (text.lines().map(str::to_owned)).partition(|line| line.starts_with(what));
        let last = own.iter().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
        });
        Ok(Self { path, others, last })
    }

    fn admits(
        &self,
        what: &str,
        number: u64,
        signature: &Signature,
        anyway: bool,
    ) -> Result<(), RegistryError> {
        let Some((last, subject)) = &self.last else {
            return Ok(());
        };
        if number > *last || *subject == hex(signature.subject()) || anyway {
            return Ok(());
        }
        misuse(format!(
            "this key has signed another draft of {what} {last} ({}…): two published ones split the network; \
             make sure that the other is gone, and say --dangerous-second-draft",
            subject.get(..16).unwrap_or(subject)
        ))
    }

    fn write(&self, what: &str, number: u64, signature: &Signature) -> Result<(), RegistryError> {
        let mut text = self.others.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{what} {number} {}\n", hex(signature.subject())));
        files::write_secret(&self.path, text.as_bytes())?;
        Ok(())
    }
}

/// A signature in words.
pub(super) fn describe(signature: &Signature) -> String {
    format!(
        "authority {} over {}…",
        signature.index(),
        short(signature.subject())
    )
}
