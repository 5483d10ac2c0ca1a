//! A disk in memory that loses power, fills up and fails, as a seed has it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::base::Random;
use crate::store::disk::{AppendFile, Disk};

/// A disk that forgets, when its power is cut, what was not flushed: of a file some of its last bytes, of a
/// directory names that were given or taken away.
#[derive(Clone, Debug)]
pub struct MemoryDisk(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    random: Random,
    /// What each file holds, and how much of it is flushed.
    files: HashMap<u64, File>,
    names: BTreeMap<PathBuf, u64>,
    /// Names as they are after a loss of power.
    flushed_names: BTreeMap<PathBuf, u64>,
    next: u64,
    operations: u64,
    cut_at: Option<u64>,
    powered: bool,
    locked: Vec<PathBuf>,
    capacity: Option<usize>,
    syncs_fail: bool,
    /// From which operation on they fail, and whether only that one does.
    fails: Option<(u64, bool)>,
}

#[derive(Clone, Default, Debug)]
struct File {
    bytes: Vec<u8>,
    flushed: usize,
}

#[derive(Debug)]
struct Handle {
    disk: MemoryDisk,
    file: u64,
}

#[derive(Debug)]
struct Lock(MemoryDisk, PathBuf);

impl MemoryDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            random: Random::seeded(seed),
            files: HashMap::new(),
            names: BTreeMap::new(),
            flushed_names: BTreeMap::new(),
            next: 0,
            operations: 0,
            cut_at: None,
            powered: true,
            locked: Vec::new(),
            capacity: None,
            syncs_fail: false,
            fails: None,
        })))
    }

    /// Cuts the power before the operation that comes after `operations` more.
    pub fn cut_power_after(&self, operations: u64) {
        let mut inner = self.0.lock();
        inner.cut_at = Some(inner.operations + operations);
    }

    /// How many changing operations there were.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// How many bytes fit, all files together; `None` is no limit.
    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.0.lock().capacity = bytes;
    }

    /// Bytes of all files.
    pub fn used(&self) -> usize {
        self.0.lock().used()
    }

    /// Whether flushes fail from now on.
    pub fn fail_syncs(&self, fail: bool) {
        self.0.lock().syncs_fail = fail;
    }

    /// Makes the operation that comes after `operations` more fail, and all behind it if `for_good`.
    pub fn fail_after(&self, operations: u64, for_good: bool) {
        let mut inner = self.0.lock();
        inner.fails = Some((inner.operations + operations, for_good));
    }

    /// Makes it work again.
    pub fn fail_never(&self) {
        self.0.lock().fails = None;
    }

    /// The disk as it is found after its power was cut. Of what was not flushed, a part chosen by the seed is
    /// there, and sometimes the last bytes of it are garbage.
    pub fn after_power_cut(&self) -> Self {
        let mut inner = self.0.lock();
        inner.powered = false;
        let names_kept = inner.random.next_u64().is_multiple_of(2);
        let names = if names_kept { inner.names.clone() } else { inner.flushed_names.clone() };
        let mut files = inner.files.clone();
        for file in files.values_mut() {
            let lost = file.bytes.len() - file.flushed;
            let kept = (inner.random.next_u64() % (lost as u64 + 1)) as usize;
            file.bytes.truncate(file.flushed + kept);
            if kept > 0 && inner.random.next_u64().is_multiple_of(4) {
                let garbage = (inner.random.next_u64() % (kept as u64 + 1)) as usize;
                let start = file.bytes.len() - garbage;
                file.bytes[start..].fill(0);
            }
            file.flushed = file.bytes.len();
        }
        let after = Self::new(inner.random.next_u64());
        let mut new = after.0.lock();
        (new.files, new.next) = (files, inner.next);
        (new.names, new.flushed_names) = (names.clone(), names);
        drop(new);
        after
    }

    /// The bytes of a file.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let inner = self.0.lock();
        Some(inner.files.get(inner.names.get(path)?)?.bytes.clone())
    }

    /// Puts bytes in place of a file, flushed.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut inner = self.0.lock();
        let file = inner.named(path);
        inner.flushed_names.insert(path.to_owned(), file);
        let flushed = bytes.len();
        inner.files.insert(file, File { bytes, flushed });
    }
}

impl Inner {
    /// Counts an operation that changes something.
    fn operate(&mut self) -> io::Result<()> {
        if self.cut_at.is_some_and(|at| self.operations >= at) {
            self.powered = false;
        }
        self.operations += 1;
        self.alive()?;
        match self.fails {
            Some((at, for_good)) if self.operations == at || (for_good && self.operations > at) => {
                Err(io::Error::other("the disk failed"))
            }
            _ => Ok(()),
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.powered { Ok(()) } else { Err(io::Error::other("the power is cut")) }
    }

    fn named(&mut self, path: &Path) -> u64 {
        if let Some(file) = self.names.get(path) {
            return *file;
        }
        self.next += 1;
        self.names.insert(path.to_owned(), self.next);
        self.files.insert(self.next, File::default());
        self.next
    }

    fn used(&self) -> usize {
        self.names.values().filter_map(|file| self.files.get(file)).map(|file| file.bytes.len()).sum()
    }
}

impl Disk for MemoryDisk {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        self.0.lock().alive()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let inner = self.0.lock();
        inner.alive()?;
        Ok(inner.names.keys().filter(|name| name.parent() == Some(path)).cloned().collect())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.0.lock().alive()?;
        self.bytes(path)
            .map_or(Err(ErrorKind::NotFound.into()), |bytes| Ok(Box::new(Cursor::new(bytes)) as _))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        let mut inner = self.0.lock();
        inner.operate()?;
        let file = inner.named(path);
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.0.lock();
        inner.operate()?;
        let file = inner.names.remove(from).ok_or(ErrorKind::NotFound)?;
        inner.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.0.lock();
        inner.operate()?;
        inner.names.remove(path).map(drop).ok_or(ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.0.lock();
        inner.operate()?;
        let inside = |name: &PathBuf| name.parent() == Some(path);
        let names: Vec<_> =
            inner.names.iter().filter(|(name, _)| inside(name)).map(|(a, b)| (a.clone(), *b)).collect();
        inner.flushed_names.retain(|name, _| !inside(name));
        inner.flushed_names.extend(names);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync + Debug>> {
        let mut inner = self.0.lock();
        if inner.locked.iter().any(|locked| locked == path) {
            return Err(ErrorKind::WouldBlock.into());
        }
        inner.locked.push(path.to_owned());
        Ok(Box::new(Lock(self.clone(), path.to_owned())))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.0.lock().locked.retain(|locked| *locked != self.1);
    }
}

impl AppendFile for Handle {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.disk.0.lock();
        inner.operate()?;
        let room = inner.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(inner.used()));
        let fitting = bytes.len().min(room);
        let file = inner.files.entry(self.file).or_default();
        file.bytes.extend_from_slice(&bytes[..fitting]);
        if fitting < bytes.len() { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.disk.0.lock();
        inner.operate()?;
        if inner.syncs_fail {
            return Err(io::Error::other("the flush failed"));
        }
        let file = inner.files.entry(self.file).or_default();
        file.flushed = file.bytes.len();
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut inner = self.disk.0.lock();
        inner.operate()?;
        let file = inner.files.entry(self.file).or_default();
        file.bytes.resize(length as usize, 0);
        file.flushed = file.flushed.min(length as usize);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let inner = self.disk.0.lock();
        inner.alive()?;
        Ok(inner.files.get(&self.file).map_or(0, |file| file.bytes.len() as u64))
    }
}
