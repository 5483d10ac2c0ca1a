//! Objects are there after they were put, proven, and gone after a sweep.

use super::*;

fn some(count: u8) -> Vec<(ContentId, Vec<u8>)> {
    let object = |number: u8| vec![number; usize::from(number) * 40];
    (0..count).map(|number| (ContentId::of(&object(number)), object(number))).collect()
}

fn put(objects: &Objects, some: &[(ContentId, Vec<u8>)]) -> Amount {
    let names = vec![(b"last".to_vec(), vec![some.len() as u8])];
    objects.put(some.iter().map(|(id, object)| (*id, object.as_slice())), names).unwrap()
}

#[test]
fn what_was_put_is_there_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let all = some(100);
    {
        let objects = Objects::open(directory.path(), 0).unwrap();
        let added = put(&objects, &all);
        assert_eq!(added.objects, 100);
        assert!(added.bytes < 20_000, "{} bytes: it is compressed", added.bytes);
        assert_eq!(put(&objects, &all), Amount::default(), "nothing is written twice");
    }
    let objects = Objects::open(directory.path(), 1 << 20).unwrap();
    for round in 0..2 {
        for (id, object) in &all {
            assert_eq!(&*objects.get(*id).unwrap(), object.as_slice(), "in round {round}");
        }
    }
    let stats = objects.stats();
    assert_eq!((stats.cache.hits, stats.cache.misses, stats.objects), (100, 100, 100));
    assert_eq!(objects.named(b"last").unwrap(), Some(vec![100]));
    assert_eq!(objects.named(b"none").unwrap(), None);
    let missing = ContentId::of(b"missing");
    assert!(objects.find(missing).unwrap().is_none());
    assert!(objects.get(missing).unwrap_err().to_string().contains("is missing"));
}

#[test]
fn a_sweep_takes_what_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let objects = Objects::open(directory.path(), 1 << 20).unwrap();
    let all = some(10);
    put(&objects, &all);
    objects.get(all[9].0).unwrap();
    let gone = objects.sweep(|id| *id == all[3].0, |_, _| false).unwrap();
    assert_eq!((gone.objects, objects.stats().objects), (9, 1));
    assert!(objects.find(all[9].0).unwrap().is_none(), "also not in the cache");
    assert!(objects.find(all[3].0).unwrap().is_some());
    assert_eq!(objects.named(b"last").unwrap(), None);
}

#[test]
fn what_is_not_what_was_put_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let objects = Objects::open(directory.path(), 0).unwrap();
    let id = ContentId::of(b"something");
    objects.put([(id, b"something else".as_slice())], []).unwrap();
    assert!(matches!(objects.get(id), Err(ObjectsError::Damaged { .. })));
}
