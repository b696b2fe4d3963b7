//! The report of an import: the totals, and an entry for each row that needs a remark. It is printed, and can be
//! written as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

/// How many entries of one kind are printed. All of them are in the file.
const SHOWN: usize = 20;

/// The kind of a remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A text is not valid UTF-8.
    InvalidUtf8,
    /// The person has another id here.
    Id,
    /// The person is an administrator.
    Administrator,
    /// The login is missing or breaks a rule.
    Login,
    /// Somebody else has the login, possibly in another case.
    LoginTaken,
    /// A name is missing, too long or has unprintable characters.
    Name,
    /// The mail address is missing or not valid, or there are several.
    Mail,
    /// Somebody else has the mail address, possibly in another case.
    MailTaken,
    /// A time is missing, unreadable, before 1970 or in the future.
    Time,
    /// A local time occurred twice.
    TimeTwice,
    /// A local time never occurred.
    TimeSkipped,
    /// The status or the language is unknown.
    Account,
    /// The password could not be imported.
    NoPassword,
    /// The password is one of those that are guessed first.
    SimplePassword,
    /// The person needs a second factor.
    SecondFactor,
    /// The key could be guessed.
    WeakKey,
    /// The key could not be imported, or is one of several.
    Key,
    /// The key belongs to nobody who was imported.
    KeyOfNobody,
    /// A field was changed here since it was imported.
    Conflict,
    /// The person was deleted here.
    PersonDeleted,
    /// The key was revoked or reset here.
    KeyEnded,
    /// The group has another id here.
    GroupId,
    /// Another group has the name, or it breaks a rule.
    GroupName,
    /// The group was deleted here.
    GroupDeleted,
    /// Something was changed in the source since it was imported.
    Changed,
}

impl Kind {
    fn heading(self) -> &'static str {
        match self {
            Self::InvalidUtf8 => "Text that is not UTF-8",
            Self::Id => "People whose id has changed",
            Self::Administrator => "Administrators",
            Self::Login => "Missing or invalid logins",
            Self::LoginTaken => "Logins that are already taken",
            Self::Name => "Invalid names",
            Self::Mail => "Missing or invalid email addresses",
            Self::MailTaken => "Email addresses that are already taken",
            Self::Time => "Invalid times",
            Self::TimeTwice => "Times that occurred twice, when clocks went back",
            Self::TimeSkipped => "Times that did not exist, when clocks went forward",
            Self::Account => "Accounts with unknown values",
            Self::NoPassword => "People who need a new password",
            Self::SimplePassword => "Passwords that are too simple",
            Self::SecondFactor => "People with a second factor",
            Self::WeakKey => "Weak keys",
            Self::Key => "Keys with problems",
            Self::KeyOfNobody => "Keys without an imported owner",
            Self::Conflict => "Changed in Latchkey since",
            Self::PersonDeleted => "People deleted in Latchkey since",
            Self::KeyEnded => "Keys revoked or reset in Latchkey since",
            Self::GroupId => "Groups whose id has changed",
            Self::GroupName => "Groups whose name could not be kept",
            Self::GroupDeleted => "Groups deleted in Latchkey since",
            Self::Changed => "Changed in Redmine since",
        }
    }
}

/// A remark about one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The kind of remark.
    pub kind: Kind,
    /// What the row is.
    #[serde(flatten)]
    pub about: About,
    /// What was found.
    pub found: String,
    /// What was done about it.
    pub done: String,
}

/// What a remark is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum About {
    /// A person, or a key of theirs.
    User {
        /// The person's id in the source.
        user_id: i64,
        /// Their login in the source.
        login: String,
    },
    /// A group.
    Group {
        /// The group's id in the source.
        group_id: i64,
        /// Its name in the source.
        name: String,
    },
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { user_id, login } => write!(f, "user {user_id} ({login})"),
            Self::Group { group_id, name } => write!(f, "group {group_id} ({name})"),
        }
    }
}

/// The totals of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// The totals of people.
    pub people: PeopleTotals,
    /// The totals of keys.
    pub keys: KeyTotals,
    /// The totals of groups.
    pub groups: GroupTotals,
    /// The number of rows that are not imported, by what they are.
    pub left_behind: BTreeMap<String, u64>,
}

/// The totals of people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PeopleTotals {
    /// The people in the source.
    pub found: u64,
    /// The people who were added.
    pub added: u64,
    /// The people who were here already and have changed.
    pub changed: u64,
    /// The people who were here already and have not changed.
    pub unchanged: u64,
    /// The people who were deleted here.
    pub deleted_here: u64,
    /// The people whose password was imported.
    pub passwords: u64,
}

/// The totals of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyTotals {
    /// The keys in the source.
    pub found: u64,
    /// The keys that were added.
    pub added: u64,
    /// The keys that replaced one from an earlier import.
    pub replaced: u64,
    /// The keys that were used since the last import.
    pub used_since: u64,
    /// The keys that were here already and have not changed.
    pub unchanged: u64,
    /// The keys that were not imported; each has an entry that says why.
    pub left_out: u64,
}

/// The totals of groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GroupTotals {
    /// The groups of people in the source.
    pub found: u64,
    /// The groups that were added.
    pub added: u64,
    /// The groups that were here already and have changed.
    pub changed: u64,
    /// The groups that were here already and have not changed.
    pub unchanged: u64,
    /// The groups that were deleted here.
    pub deleted_here: u64,
    /// The members who were added.
    pub members_added: u64,
    /// The members who were taken out.
    pub members_removed: u64,
}

/// Collects the totals and the remarks.
pub struct Report {
    /// The totals.
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
    /// An empty report. If there is a `path`, it is also written there as JSON, by [`Report::keep`].
    ///
    /// # Errors
    /// Returns an error if no file can be created in that directory.
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

    /// Adds a remark about a row.
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

    /// Completes the file, which still has a temporary name.
    ///
    /// # Errors
    /// Returns an error if the file could not be written.
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

    /// Renames the file to the name that was asked for.
    ///
    /// # Errors
    /// Returns an error if the file cannot be renamed.
    pub fn keep(&mut self) -> io::Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let written = file.writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        written.persist(&file.path).map(|_| ()).map_err(|error| error.error)
    }

    /// The report as people read it.
    pub fn text(&self) -> String {
        let Totals { people, keys, groups, left_behind } = &self.totals;
        let mut text = format!(
            "people: {} found, {} added, {} changed, {} unchanged, {} deleted in Latchkey; {} passwords imported\n\
             keys: {} found, {} added, {} replaced, {} used since, {} unchanged, {} left out\n\
             groups: {} found, {} added, {} changed, {} unchanged, {} deleted in Latchkey; {} members added, {} taken \
             out\n",
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
            groups.found,
            groups.added,
            groups.changed,
            groups.unchanged,
            groups.deleted_here,
            groups.members_added,
            groups.members_removed,
        );
        if !left_behind.is_empty() {
            let parts: Vec<_> = left_behind.iter().map(|(what, count)| format!("{count} {what}")).collect();
            text += &format!("left behind: {}\n", parts.join(", "));
        }
        for (kind, count) in &self.counts {
            text += &format!("\n{} ({count}):\n", kind.heading());
            for Entry { about, found, done, .. } in self.shown.iter().filter(|entry| entry.kind == *kind) {
                text += &format!("  {about}: {found}; {done}\n");
            }
            if let Some(more) = count.checked_sub(SHOWN as u64).filter(|more| *more > 0) {
                text += &format!("  and {more} more; use --report FILE to see all\n");
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
