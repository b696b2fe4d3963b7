//! Uses that were answered and could not be written, in a file: if the process dies then, the next start finds them there.
//! Of each key it is the first of them: what came after it is a gap. The database cannot be written at such a moment, for whatever reason, so the file has its space from its
//! beginning, and nothing else is ever written to it. `docs/last-use.md` says what becomes of them.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::clock::{Timestamp, parse_without_zone};
use crate::models::client::Client;
use crate::models::keys::token::Token;

/// The bytes of a slot. It holds one use, as a line of JSON that is filled up with blanks.
const SLOT: usize = 512;
/// The slots that a file has from its beginning. If there are more uses, it grows, as long as the disk has room.
const SLOTS: usize = 1024;
/// The most characters of a user agent that are kept, so that a use fits into its slot.
const LONGEST_AGENT: usize = 60;
/// The most files that are tried: each process beside others has one of its own.
const MOST_FILES: u32 = 64;
/// The longest that a request waits until its use is in the file, if that disk hangs, too.
const PATIENCE: Duration = Duration::from_millis(250);

/// A use of a key that was answered, and could not be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnrecordedUse {
    /// The id of the token.
    pub token_id: i64,
    created_on: String,
    used_on: String,
    address: String,
    agent: String,
}

impl UnrecordedUse {
    /// A use by `client` of the token that has this id and was created then.
    pub fn new((token_id, created_on): (i64, Timestamp), used_on: Timestamp, client: &Client) -> Self {
        Self {
            token_id,
            created_on: exactly(created_on),
            used_on: exactly(used_on),
            address: client.address().to_owned(),
            agent: client.agent().chars().take(LONGEST_AGENT).collect(),
        }
    }

    /// When the token was used, if `token` is the one that was used. An id alone is not enough: after a backup was
    /// restored, it may be that of another.
    pub fn used_on(&self, token: &Token) -> Option<Timestamp> {
        let is_it = self.token_id == token.id && self.created_on == exactly(token.created_on);
        parse_without_zone(&self.used_on).filter(|_| is_it)
    }

    /// Who used it.
    pub fn client(&self) -> Client {
        Client::new(&self.address, &self.agent)
    }

    fn slot(&self) -> io::Result<Vec<u8>> {
        let line = serde_json::to_vec(self)?;
        if line.len() < SLOT { Ok(filled_up(line)) } else { Err(ErrorKind::FileTooLarge.into()) }
    }
}

fn exactly(time: Timestamp) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

/// `line` as a slot holds it.
fn filled_up(mut line: Vec<u8>) -> Vec<u8> {
    line.resize(SLOT - 1, b' ');
    line.push(b'\n');
    line
}

/// The file of this process, and what is in it.
pub struct Unrecorded {
    state: Mutex<State>,
    /// Something was written since the file was last synced.
    is_dirty: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The file, which this process has locked; `None`: it has none.
    file: Option<Arc<File>>,
    /// The slot of each token whose use is in the file.
    slots: HashMap<i64, u64>,
    /// Slots that can be used again.
    free: Vec<u64>,
    /// The first slot that was never used.
    next: u64,
}

impl Unrecorded {
    /// Keeps nothing.
    pub fn nowhere() -> Self {
        Self { state: Mutex::default(), is_dirty: AtomicBool::new(false) }
    }

    /// Takes the file at `place`, or the first one beside it that no living process has. Also returns the uses that are
    /// in it and in those that other processes have left. A file that cannot be made or read costs a warning: Latchkey
    /// serves without it.
    pub fn open(place: &Path) -> (Self, Vec<UnrecordedUse>) {
        let (mut state, mut found) = (State::default(), Vec::new());
        for path in (1..=MOST_FILES).map(|number| numbered(place, number)) {
            // Where there is none, no later process has left any.
            if state.file.is_some() && !path.exists() {
                break;
            }
            match State::open(&path) {
                Ok(None) => {}
                Ok(Some((left, uses))) => {
                    found.extend(uses.clone());
                    match state.file {
                        None => state = left,
                        Some(_) => state.take_over(&left, &uses, &path),
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        %error, file = %path.display(),
                        "cannot keep uses in a file; a crash while the database cannot be written would lose them"
                    );
                    break;
                }
            }
        }
        (Self { state: Mutex::new(state), is_dirty: AtomicBool::new(false) }, found)
    }

    /// Keeps a use. It returns when a crash of the process cannot lose it any more; a crash of the machine cannot a
    /// moment later.
    ///
    /// # Errors
    /// If there is no file, or it cannot be written in time.
    pub async fn keep(self: &Arc<Self>, unrecorded: UnrecordedUse) -> io::Result<()> {
        let (tell, told) = oneshot::channel();
        let this = self.clone();
        // On a thread of its own: a disk that hangs must not hold up other requests.
        tokio::task::spawn_blocking(move || {
            let written = this.write(&unrecorded);
            let _ = tell.send(written);
            this.sync();
        });
        let told = tokio::time::timeout(PATIENCE, told).await;
        told.map_err(|_| io::Error::from(ErrorKind::TimedOut))?.map_err(io::Error::other)?
    }

    /// Keeps uses, as [`Unrecorded::keep`], but waits for the disk.
    ///
    /// # Errors
    /// If there is no file, or it cannot be written.
    pub fn keep_all(&self, unrecorded: &[UnrecordedUse]) -> io::Result<()> {
        let kept = unrecorded.iter().try_for_each(|it| self.write(it));
        self.sync();
        kept
    }

    fn write(&self, unrecorded: &UnrecordedUse) -> io::Result<()> {
        let is_new = self.state().write(unrecorded)?;
        self.is_dirty.fetch_or(is_new, Ordering::SeqCst);
        Ok(())
    }

    fn sync(&self) {
        let file = self.state().file.clone();
        // What another thread syncs is synced for this one, too.
        if let Some(file) = file.filter(|_| self.is_dirty.swap(false, Ordering::SeqCst))
            && let Err(error) = file.sync_data()
        {
            tracing::warn!(%error, "uses are in their file, but a crash of the machine may lose them");
        }
    }

    /// Removes the uses of these tokens: they are written.
    pub fn forget(&self, token_ids: impl IntoIterator<Item = i64>) {
        let mut state = self.state();
        for id in token_ids {
            // What stays in the file is recorded already, so the next start leaves it alone.
            if let Err(error) = state.forget(id) {
                tracing::debug!(%error, token_id = id, "a use that is written could not be removed from its file");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Ignore poisoning: a slot that is written is noted right afterwards, and nothing in between panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Opens and locks a file, and reads the uses in it; `None`: another process has locked it.
    fn open(path: &Path) -> io::Result<Option<(Self, Vec<UnrecordedUse>)>> {
        let file = match OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path) {
            // What was left there can still be read.
            Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => File::open(path)?,
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let (mut state, mut uses) = (Self::default(), Vec::new());
        let kept = std::fs::read(path)?;
        for (slot, line) in (0..).zip(kept.chunks(SLOT)) {
            state.next = slot + 1;
            match serde_json::from_slice::<UnrecordedUse>(line) {
                Ok(it) => {
                    state.slots.insert(it.token_id, slot);
                    uses.push(it);
                }
                Err(error) => {
                    if !line.trim_ascii().is_empty() {
                        tracing::warn!(%error, file = %path.display(), slot, "a use that was kept cannot be read");
                    }
                    state.free.push(slot);
                }
            }
        }
        // The first ones are used first.
        state.free.reverse();
        if let Err(error) = state.make_room(&file, kept.len()) {
            tracing::warn!(%error, file = %path.display(), "uses are kept only as long as the disk has room");
        }
        state.file = Some(Arc::new(file));
        Ok(Some((state, uses)))
    }

    /// Writes the slots that the file still lacks, so that it needs no more space later.
    fn make_room(&self, file: &File, length: usize) -> io::Result<()> {
        let lacking = SLOTS.saturating_sub(length.div_ceil(SLOT));
        if lacking == 0 {
            return Ok(());
        }
        file.write_all_at(&filled_up(Vec::new()).repeat(lacking), offset(self.next))?;
        file.sync_all()
    }

    /// Moves what another process has left into the own file.
    fn take_over(&mut self, left: &Self, uses: &[UnrecordedUse], path: &Path) {
        let moved = uses.iter().try_for_each(|unrecorded| self.write(unrecorded).map(|_| ()));
        let synced = moved.and_then(|()| self.file.as_ref().map_or(Ok(()), |file| file.sync_data()));
        let emptied = synced.and_then(|()| {
            let mut theirs = left.file.iter().flat_map(|file| left.slots.values().map(move |slot| (file, *slot)));
            theirs.try_for_each(|(file, slot)| blank(file, slot))
        });
        // What stays is found again by the next start, which sees that it is recorded by then.
        if let Err(error) = emptied {
            tracing::debug!(%error, file = %path.display(), "what another process has left could not be moved");
        }
    }

    /// Returns `false` if a use of the token was in the file already.
    fn write(&mut self, unrecorded: &UnrecordedUse) -> io::Result<bool> {
        let none = || io::Error::new(ErrorKind::NotFound, "there is no file for it (LATCHKEY_STATE_DIR)");
        let file = self.file.as_ref().ok_or_else(none)?;
        if self.slots.contains_key(&unrecorded.token_id) {
            return Ok(false);
        }
        let slot = self.free.last().copied().unwrap_or(self.next);
        file.write_all_at(&unrecorded.slot()?, offset(slot))?;
        if self.free.pop().is_none() {
            self.next += 1;
        }
        self.slots.insert(unrecorded.token_id, slot);
        Ok(true)
    }

    fn forget(&mut self, token_id: i64) -> io::Result<()> {
        let (Some(file), Some(slot)) = (&self.file, self.slots.remove(&token_id)) else { return Ok(()) };
        blank(file, slot)?;
        self.free.push(slot);
        Ok(())
    }
}

fn blank(file: &File, slot: u64) -> io::Result<()> {
    file.write_all_at(&filled_up(Vec::new()), offset(slot))
}

fn offset(slot: u64) -> u64 {
    slot * SLOT as u64
}

/// The path of the file with this number.
fn numbered(place: &Path, number: u32) -> PathBuf {
    let mut path = place.as_os_str().to_owned();
    if number > 1 {
        path.push(format!("-{number}"));
    }
    path.into()
}
