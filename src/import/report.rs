//! What an import did, row by row where there is something to say: printed, and written as JSON.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

/// Entries of one kind that are kept to be printed; the rest is counted, and stands in the file.
const SHOWN: usize = 20;

/// What there is to say about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// No login, or one that breaks our rules.
    Login,
    /// Another has the login, maybe in another case.
    LoginTaken,
    /// A name that is missing, too long or unprintable.
    Name,
    /// No mail address, or one that is not valid, or several.
    Mail,
    /// Another has the mail address, maybe in another case.
    MailTaken,
    /// A time that is missing, unreadable, before 1970 or in the future.
    Time,
    /// A local time that came twice.
    TimeTwice,
    /// A local time that never came.
    TimeSkipped,
    /// A status or a language that is not known.
    Account,
    /// No password could be moved in.
    NoPassword,
    /// A second factor is asked for.
    SecondFactor,
    /// A key that could not be moved in, or one of several.
    Key,
    /// A key of nobody.
    KeyOfNobody,
    /// Changed here since it was moved in.
    Conflict,
    /// Deleted here.
    PersonDeleted,
    /// Revoked or reset here.
    KeyEnded,
    /// Changed in the source since it was moved in.
    Changed,
}

impl Kind {
    fn heading(self) -> &'static str {
        match self {
            Self::InvalidUtf8 => "Text that is not UTF-8",
            Self::Login => "Logins that are missing or cannot be",
            Self::LoginTaken => "Logins that another has",
            Self::Name => "Names that break a rule",
            Self::Mail => "Mail addresses that are missing or not valid",
            Self::MailTaken => "Mail addresses that another has",
            Self::Time => "Times that cannot be",
            Self::TimeTwice => "Times that came twice, when clocks went back",
            Self::TimeSkipped => "Times that never came, when clocks went forward",
            Self::Account => "Accounts with something unknown",
            Self::NoPassword => "People who need a new password",
            Self::SecondFactor => "People who are asked for a second factor",
            Self::Key => "Keys with something to say about",
            Self::KeyOfNobody => "Keys of nobody who was moved in",
            Self::Conflict => "Changed here since",
            Self::PersonDeleted => "People deleted here since",
            Self::KeyEnded => "Keys revoked or reset here since",
            Self::Changed => "Changed there since",
        }
    }
}

/// What is said about one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What it is about.
    pub kind: Kind,
    /// The person's id in the source.
    pub user_id: i64,
    /// Their login in the source.
    pub login: String,
    /// What was found.
    pub found: String,
    /// What was done about it.
    pub done: String,
}

/// How many rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Of people.
    pub people: PeopleTotals,
    /// Of keys.
    pub keys: KeyTotals,
    /// Rows that stay where they are, by what they are.
    pub left_behind: BTreeMap<String, u64>,
}

/// How many people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PeopleTotals {
    /// In the source.
    pub found: u64,
    /// New here.
    pub added: u64,
    /// Here already, with something new.
    pub changed: u64,
    /// Here already, as they are.
    pub unchanged: u64,
    /// Deleted here.
    pub deleted_here: u64,
    /// Whose password was moved in.
    pub passwords: u64,
}

/// How many keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyTotals {
    /// In the source.
    pub found: u64,
    /// New here.
    pub added: u64,
    /// In place of one that was moved in before.
    pub replaced: u64,
    /// With a later use.
    pub used_since: u64,
    /// Here already, as they are.
    pub unchanged: u64,
    /// Not moved in; an entry says why for each.
    pub left_out: u64,
}

/// Collects what there is to say.
pub struct Report {
    /// How many rows.
    pub totals: Totals,
    counts: BTreeMap<Kind, u64>,
    shown: Vec<Entry>,
    file: Option<ReportFile>,
    failed: Option<io::Error>,
}

struct ReportFile {
    path: PathBuf,
    writer: BufWriter<NamedTempFile>,
    is_empty: bool,
}

impl Report {
    /// With nothing in it. It goes to `path` too, in JSON, when it is [kept](Report::keep).
    ///
    /// # Errors
    /// If no file can be made there.
    pub fn new(path: Option<&Path>) -> io::Result<Self> {
        let file = path.map(|path| {
            let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut writer = BufWriter::new(NamedTempFile::new_in(folder)?);
            writer.write_all(b"{\"entries\":[")?;
            Ok::<_, io::Error>(ReportFile { path: path.to_owned(), writer, is_empty: true })
        });
        let file = file.transpose()?;
        Ok(Self { totals: Totals::default(), counts: BTreeMap::new(), shown: Vec::new(), file, failed: None })
    }

    /// Says something about a row.
    pub fn note(&mut self, entry: Entry) {
        let count = self.counts.entry(entry.kind).or_default();
        *count += 1;
        if let Some(file) = &mut self.file
            && self.failed.is_none()
        {
            self.failed = file.write(&entry).err();
        }
        if *count <= SHOWN as u64 {
            self.shown.push(entry);
        }
    }

    /// Writes the file to its end, under another name still.
    ///
    /// # Errors
    /// If it could not be written.
    pub fn finish(&mut self) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.writer.write_all(b"\n],\"totals\":")?;
        serde_json::to_writer(&mut file.writer, &self.totals)?;
        file.writer.write_all(b"}\n")?;
        file.writer.flush()?;
        file.writer.get_ref().as_file().sync_all()
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// If it cannot have that.
    pub fn keep(&mut self) -> io::Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let written = file.writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        written.persist(&file.path).map(|_| ()).map_err(|error| error.error)
    }

    /// The report as people read it.
    pub fn text(&self) -> String {
        let Totals { people, keys, left_behind } = &self.totals;
        let mut text = format!(
            "people: {} found, {} added, {} changed, {} unchanged, {} deleted here; {} passwords moved in\n\
             keys: {} found, {} added, {} replaced, {} used since, {} unchanged, {} left out\n",
            people.found,
            people.added,
            people.changed,
            people.unchanged,
            people.deleted_here,
            people.passwords,
            keys.found,
            keys.added,
            keys.replaced,
            keys.used_since,
            keys.unchanged,
            keys.left_out,
        );
        if !left_behind.is_empty() {
            let parts: Vec<_> = left_behind.iter().map(|(what, count)| format!("{count} {what}")).collect();
            text += &format!("left behind: {}\n", parts.join(", "));
        }
        for (kind, count) in &self.counts {
            text += &format!("\n{} ({count}):\n", kind.heading());
            for Entry { user_id, login, found, done, .. } in self.shown.iter().filter(|entry| entry.kind == *kind) {
                text += &format!("  user {user_id} ({login}): {found}; {done}\n");
            }
            if let Some(more) = count.checked_sub(SHOWN as u64).filter(|more| *more > 0) {
                text += &format!("  and {more} more; --report FILE has all\n");
            }
        }
        text
    }
}

impl ReportFile {
    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        self.writer.write_all(if self.is_empty { b"\n" } else { b",\n" })?;
        self.is_empty = false;
        Ok(serde_json::to_writer(&mut self.writer, entry)?)
    }
}
