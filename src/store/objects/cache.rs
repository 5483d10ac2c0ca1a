//! Objects that were read or written lately, as they lie on the disk, bounded by their bytes.

use std::sync::Arc;

use lru::LruCache;

use crate::universe::ContentId;

/// What a cache has done and holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CacheStats {
    /// Lookups that found something.
    pub hits: u64,
    /// Lookups that found nothing. With [`CacheStats::hits`], all lookups.
    pub misses: u64,
    /// Objects that went to make room.
    pub evictions: u64,
    /// Objects now.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What an entry takes beside its bytes: key, links, table, allocation.
const ENTRY_BYTES: usize = 128;

#[derive(Debug)]
pub(super) struct Cache {
    objects: LruCache<ContentId, Arc<[u8]>>,
    bytes_max: usize,
    stats: CacheStats,
}

impl Cache {
    /// A cache for so many bytes; of none, it keeps nothing.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { objects: LruCache::unbounded(), bytes_max, stats: CacheStats::default() }
    }

    pub(super) fn get(&mut self, id: &ContentId) -> Option<Arc<[u8]>> {
        let found = self.objects.get(id).cloned();
        match found {
            Some(_) => self.stats.hits += 1,
            None => self.stats.misses += 1,
        }
        found
    }

    /// Keeps an object, and lets go of those that were not wanted for longest. One that would fill the cache
    /// alone is not kept.
    pub(super) fn put(&mut self, id: ContentId, object: Arc<[u8]>) {
        let weight = object.len() + ENTRY_BYTES;
        if weight > self.bytes_max {
            return;
        }
        if let Some(before) = self.objects.put(id, object) {
            self.stats.bytes -= (before.len() + ENTRY_BYTES) as u64;
        }
        self.stats.bytes += weight as u64;
        while self.stats.bytes > self.bytes_max as u64
            && let Some((_, gone)) = self.objects.pop_lru()
        {
            self.stats.bytes -= (gone.len() + ENTRY_BYTES) as u64;
            self.stats.evictions += 1;
        }
    }

    pub(super) fn clear(&mut self) {
        self.objects.clear();
        self.stats.bytes = 0;
    }

    pub(super) fn stats(&self) -> CacheStats {
        CacheStats { items: self.objects.len() as u64, ..self.stats }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> ContentId {
        ContentId::from_bytes([number; 32])
    }

    #[test]
    fn what_was_not_wanted_for_longest_goes_first_and_every_lookup_is_counted() {
        let mut cache = Cache::new(3 * (100 + ENTRY_BYTES));
        let object: Arc<[u8]> = vec![0; 100].into();
        for number in 0..3 {
            cache.put(id(number), Arc::clone(&object));
        }
        assert!(cache.get(&id(0)).is_some());
        cache.put(id(3), Arc::clone(&object));
        let found: Vec<_> = (0..4).map(|number| cache.get(&id(number)).is_some()).collect();
        assert_eq!(found, [true, false, true, true]);
        let expected = CacheStats { hits: 4, misses: 1, evictions: 1, items: 3, bytes: 3 * 228 };
        assert_eq!(cache.stats(), expected);
        cache.put(id(9), vec![0; 10_000].into());
        assert_eq!(cache.stats(), expected, "what would fill it alone is not kept");
    }

    #[test]
    fn the_same_object_again_takes_no_more_room() {
        let mut cache = Cache::new(1_000);
        for _ in 0..100 {
            cache.put(id(1), vec![0; 500].into());
        }
        assert_eq!((cache.stats().items, cache.stats().bytes), (1, 628));
        cache.clear();
        assert_eq!((cache.stats().items, cache.stats().bytes), (0, 0));
        let mut none = Cache::new(0);
        none.put(id(1), vec![].into());
        assert!(none.get(&id(1)).is_none());
    }
}
