//! Places for connections: counted, so that limits are exact, and given back whichever way a connection ends.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

/// How many connections there are, and from where.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    count: usize,
    addresses: HashMap<IpAddr, usize, RandomState>,
}

/// A place for one connection. It is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    address: Option<IpAddr>,
}

impl Places {
    pub(super) fn count(&self) -> usize {
        self.0.lock().count
    }

    pub(super) fn count_of_address(&self, address: IpAddr) -> usize {
        self.0.lock().addresses.get(&address).copied().unwrap_or(0)
    }

    /// Takes a place, counted for `address` if there is one.
    pub(super) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Place {
        let mut taken = self.0.lock();
        taken.count += 1;
        if let Some(address) = address {
            *taken.addresses.entry(address).or_default() += 1;
        }
        Place { places: Arc::clone(self), address }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock();
        taken.count -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = taken.addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                taken.addresses.remove(&address);
            }
        }
    }
}
