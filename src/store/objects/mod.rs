//! Objects by their content: what is too much to be kept in memory, such as the history of universes.
//!
//! One file beside the log, `objects.redb`. What is put is on the disk when [`Objects::put`] returns; what is read
//! is proven to be what was asked for. In front of the file lies a cache of what was wanted lately. Objects never
//! change, so nothing has to be invalidated; [`Objects::sweep`] takes away what nobody refers to any more.

mod cache;
mod error;
mod pack;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

pub use cache::CacheStats;
pub use error::ObjectsError;

use self::cache::Cache;
use self::pack::{pack, unpack};
use super::disk::private;
use crate::universe::ContentId;

/// The file in the data directory.
pub(super) const FILE: &str = "objects.redb";

/// Objects by their ids.
const OBJECTS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("objects");

/// Small facts by name, written together with the objects that they are about.
const NAMES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("names");

/// What redb keeps of its pages in memory. The objects themselves are in the cache of ours.
const PAGES_BYTES: usize = 8 << 20;

/// The objects of a data directory. Clones mean the same ones.
#[derive(Clone, Debug)]
pub struct Objects(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Gone only while it is opened again.
    database: RwLock<Option<Database>>,
    cache: Mutex<Cache>,
    /// How often it was swept: what was read before must not get into the cache after.
    sweeps: AtomicU64,
    written: AtomicU64,
    written_bytes: AtomicU64,
}

/// What a sweep has taken away, or a write has added.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amount {
    /// Objects.
    pub objects: u64,
    /// Their bytes on the disk.
    pub bytes: u64,
}

/// What is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ObjectsStats {
    /// The cache in front of the file.
    pub cache: CacheStats,
    /// Objects in the file.
    pub objects: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// What was written since the start.
    pub written: Amount,
}

impl Objects {
    /// Opens the objects of a data directory, or begins with none. The caller holds the lock of the directory.
    ///
    /// # Errors
    /// If the file is damaged or the disk fails.
    pub fn open(directory: &Path, cache_bytes: usize) -> Result<Self, ObjectsError> {
        let path = directory.join(FILE);
        let failed = |source: redb::Error| ObjectsError::File {
            path: path.clone(),
            what: "opened",
            source: Box::new(source),
        };
        let database = open(&path).map_err(failed)?;
        let objects = Inner {
            path: path.clone(),
            database: RwLock::new(Some(database)),
            cache: Mutex::new(Cache::new(cache_bytes)),
            sweeps: AtomicU64::new(0),
            written: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
        };
        let objects = Self(Arc::new(objects));
        // Reading is simpler where both tables are there.
        objects.write("opened", |_, _| Ok(()))?;
        Ok(objects)
    }

    /// Whether a file holds objects as they were written, every page of it. A copy that was caught in the middle of a
    /// write does not.
    ///
    /// # Errors
    /// If it does not.
    pub(super) fn check(path: &Path) -> Result<(), ObjectsError> {
        let failed = |source: redb::Error| ObjectsError::File {
            path: path.to_owned(),
            what: "checked",
            source: Box::new(source),
        };
        let mut database = open(path).map_err(failed)?;
        database.check_integrity().map_err(|error| failed(error.into()))?;
        Ok(())
    }

    /// An object, if it is there.
    ///
    /// # Errors
    /// If it is damaged, or the disk fails.
    pub fn find(&self, id: ContentId) -> Result<Option<Arc<[u8]>>, ObjectsError> {
        let damaged = || ObjectsError::Damaged { path: self.0.path.clone(), id };
        if let Some(packed) = self.0.cache.lock().get(&id) {
            return Ok(Some(unpack(&packed).ok_or_else(damaged)?));
        }
        let sweeps = self.0.sweeps.load(Ordering::SeqCst);
        let Some(packed) = self.read(|transaction| {
            let table = transaction.open_table(OBJECTS)?;
            Ok(table.get(id.as_bytes())?.map(|found| Arc::<[u8]>::from(found.value())))
        })?
        else {
            return Ok(None);
        };
        let object = unpack(&packed).filter(|object| ContentId::of(object) == id).ok_or_else(damaged)?;
        let mut cache = self.0.cache.lock();
        if self.0.sweeps.load(Ordering::SeqCst) == sweeps {
            cache.put(id, packed);
        }
        Ok(Some(object))
    }

    /// An object that must be there.
    ///
    /// # Errors
    /// If it is missing or damaged, or the disk fails.
    pub fn get(&self, id: ContentId) -> Result<Arc<[u8]>, ObjectsError> {
        self.find(id)?.ok_or_else(|| ObjectsError::Missing { path: self.0.path.clone(), id })
    }

    /// Puts objects and names. All of them are on the disk once this returns, or none. Gives what is new.
    ///
    /// # Errors
    /// If the disk is full or fails.
    pub fn put<'a>(
        &self,
        objects: impl IntoIterator<Item = (ContentId, &'a [u8])>,
        names: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Amount, ObjectsError> {
        let mut added = Amount::default();
        self.write("written", |table, named| {
            for (id, object) in objects {
                if table.get(id.as_bytes())?.is_none() {
                    let packed = pack(object);
                    table.insert(id.as_bytes(), packed.as_slice())?;
                    added.objects += 1;
                    added.bytes += packed.len() as u64;
                }
            }
            for (name, text) in names {
                named.insert(name.as_slice(), text.as_slice())?;
            }
            Ok(())
        })?;
        self.0.written.fetch_add(added.objects, Ordering::Relaxed);
        self.0.written_bytes.fetch_add(added.bytes, Ordering::Relaxed);
        Ok(added)
    }

    /// What was put under a name.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn named(&self, name: &[u8]) -> Result<Option<Vec<u8>>, ObjectsError> {
        self.read(|transaction| {
            let table = transaction.open_table(NAMES)?;
            Ok(table.get(name)?.map(|found| found.value().to_vec()))
        })
    }

    /// Takes away all objects and names that are not to be kept, and says how many.
    ///
    /// # Errors
    /// If the disk fails. Then everything is as it was.
    pub fn sweep(
        &self,
        keep: impl Fn(&ContentId) -> bool,
        keep_name: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<Amount, ObjectsError> {
        let mut gone = Amount::default();
        self.write("swept", |table, named| {
            table.retain(|id, object| {
                let stays = keep(&ContentId::from_bytes(*id));
                if !stays {
                    gone.objects += 1;
                    gone.bytes += object.len() as u64;
                }
                stays
            })?;
            named.retain(|name, text| keep_name(name, text))
        })?;
        self.0.sweeps.fetch_add(1, Ordering::SeqCst);
        self.0.cache.lock().clear();
        Ok(gone)
    }

    /// What is there.
    pub fn stats(&self) -> ObjectsStats {
        let objects = self.read(|transaction| Ok(transaction.open_table(OBJECTS)?.len()?)).unwrap_or(0);
        let written = Amount {
            objects: self.0.written.load(Ordering::Relaxed),
            bytes: self.0.written_bytes.load(Ordering::Relaxed),
        };
        let file_bytes = std::fs::metadata(&self.0.path).map_or(0, |file| file.len());
        ObjectsStats { cache: self.0.cache.lock().stats(), objects, file_bytes, written }
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, ObjectsError> {
        let work = || {
            let database = self.0.database.read();
            let transaction = database.as_ref().ok_or(redb::Error::PreviousIo)?.begin_read()?;
            read(&transaction)
        };
        work().map_err(|error| self.failed("read", error))
    }

    fn write(
        &self,
        what: &'static str,
        write: impl FnOnce(
            &mut redb::Table<'_, &'static [u8; 32], &'static [u8]>,
            &mut redb::Table<'_, &'static [u8], &'static [u8]>,
        ) -> Result<(), redb::StorageError>,
    ) -> Result<(), ObjectsError> {
        let work = || -> Result<(), redb::Error> {
            let database = self.0.database.read();
            let mut transaction = database.as_ref().ok_or(redb::Error::PreviousIo)?.begin_write()?;
            // A crash must not make the next start read the whole file.
            transaction.set_quick_repair(true);
            let mut objects = transaction.open_table(OBJECTS)?;
            let mut names = transaction.open_table(NAMES)?;
            write(&mut objects, &mut names)?;
            drop((objects, names));
            Ok(transaction.commit()?)
        };
        work().map_err(|error| self.failed(what, error))
    }

    /// After a failure of the disk nothing works with the open file any more, even if there is space again: it is opened
    /// anew for those who come next.
    fn failed(&self, what: &'static str, source: redb::Error) -> ObjectsError {
        if matches!(source, redb::Error::Io(_) | redb::Error::PreviousIo) {
            let mut database = self.0.database.write();
            *database = None;
            *database = open(&self.0.path).ok();
        }
        ObjectsError::File { path: self.0.path.clone(), what, source: Box::new(source) }
    }
}

fn open(path: &Path) -> Result<Database, redb::Error> {
    // The library would make a file that everybody can read; one that is empty it takes for new.
    private::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(redb::Error::Io)?;
    Ok(Database::builder().set_cache_size(PAGES_BYTES).create(path)?)
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
