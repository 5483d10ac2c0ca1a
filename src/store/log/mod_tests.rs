//! Records as they stand in the file.

use super::*;
use crate::store::change::{Change, Committed};
use crate::store::value::Value;

fn committed(changes: Vec<Change>) -> Committed {
    Committed { revision: 7, at: 1_763_712_000_000, changes: changes.into() }
}

fn put(key: &[u8], value: Value) -> Change {
    Change::Put { key: key.into(), value, expires_at: 0 }
}

fn line(changes: Vec<Change>) -> String {
    let mut line = Vec::new();
    encode(&committed(changes), &mut line);
    String::from_utf8(line).unwrap()
}

#[test]
fn records_look_as_the_format_says() {
    let cases = [
        (
            vec![put(b"a", Value::bytes(&b"b\n\"c\""[..]))],
            r#""cmd":"SET","key":"a","value":"b\n\"c\"","enc":"utf8""#,
        ),
        (
            vec![put(b"a", Value::json(&b"{\"b\":1}"[..]))],
            r#""cmd":"SET","key":"a","value":"{\"b\":1}","enc":"json""#,
        ),
        (
            vec![put(&[255], Value::bytes(&[0, 255][..]))],
            r#""cmd":"SET","key":"/w==","kenc":"b64","value":"AP8=","enc":"b64""#,
        ),
        (
            vec![Change::Delete { key: b"a"[..].into(), expired: true }],
            r#""cmd":"DEL","key":"a","expired":true"#,
        ),
        (vec![Change::Expire { key: b"a"[..].into(), expires_at: 9 }], r#""cmd":"EXPIRE","key":"a","exp":9"#),
        (vec![Change::Clear { keep: [].into() }], r#""cmd":"CLEAR""#),
        (
            vec![Change::Clear { keep: [b"auth:"[..].into(), b"rbac:"[..].into()].into() }],
            r#""cmd":"CLEAR","keep":["auth:","rbac:"]"#,
        ),
        (vec![], r#""cmd":"NOOP""#),
        (
            vec![
                Change::Clear { keep: [].into() },
                Change::Emit { channel: b"t"[..].into(), data: Value::json(&b"1"[..]) },
            ],
            r#""cmd":"MULTI","ops":[{"cmd":"CLEAR"},{"cmd":"EMIT","key":"t","value":"1","enc":"json"}]"#,
        ),
    ];
    for (changes, expected) in cases {
        let line = line(changes.clone());
        assert!(line.starts_with(&format!(r#"{{"seq":7,"at":1763712000000,{expected},"crc":""#)), "{line}");
        assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
        assert_eq!(decode::record(&unseal(line.as_bytes()).unwrap()), Ok(committed(changes)));
    }
}

#[test]
fn control_characters_do_not_make_a_record_six_times_as_long() {
    let value = vec![1_u8; 1_000];
    assert!(line(vec![put(b"a", Value::bytes(value))]).len() < 1_500);
}

#[test]
fn other_files_and_versions_are_refused_by_name() {
    let sealed = |text: &str| {
        let mut line = text.trim_end_matches('}').as_bytes().to_vec();
        seal(&mut line, 0);
        scan(line.as_slice(), |_| {}).unwrap().damage.unwrap().reason
    };
    assert!(sealed(r#"{"format":"helios-aof","version":2,"first":1}"#).contains("version 2"));
    assert!(sealed(r#"{"format":"other","version":1,"first":1}"#).contains("helios-aof"));
    assert!(sealed(r#"{"cmd":"SET"}"#).contains("helios-aof"));
}

#[test]
fn a_record_in_the_wrong_place_is_a_damage() {
    let mut file = header(1);
    for revision in [1, 2, 4] {
        encode(&Committed { revision, at: 0, changes: Vec::new().into() }, &mut file);
    }
    let found = scan(file.as_slice(), |_| {}).unwrap();
    assert_eq!((found.records, found.last), (2, Some(2)));
    let damage = found.damage.unwrap();
    assert_eq!((damage.line, damage.records_behind), (4, 1));
    assert_eq!(damage.reason, "record 4 stands where 3 should");
}

#[test]
fn the_head_of_a_segment_is_as_the_documents_show_it() {
    let shown = "{\"format\":\"helios-aof\",\"version\":1,\"first\":1,\"crc\":\"1d6468f1\"}";
    assert_eq!(String::from_utf8(header(1)).unwrap().trim_end(), shown);
    assert!(include_str!("../../../docs/atlas.md").contains(shown));
}
