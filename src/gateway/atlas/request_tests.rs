//! Requests as they may arrive: whole, in pieces, and wrong.

use proptest::prelude::*;

use super::*;

const LIMITS: RequestLimits = RequestLimits { args: 4, arg_bytes: 100, bytes: 1_000 };

fn read(bytes: &[u8]) -> Result<(Parsed, Vec<String>), ProtocolError> {
    let mut progress = Progress::default();
    let parsed = parse(bytes, &mut progress, LIMITS)?;
    let parts =
        Args::new(bytes, progress.places()).from(0).map(|part| String::from_utf8_lossy(part).into_owned());
    Ok((parsed, parts.collect()))
}

fn whole(bytes: &[u8]) -> Vec<String> {
    let (parsed, parts) = read(bytes).unwrap();
    assert_eq!(parsed, Parsed::Whole(bytes.len()));
    parts
}

#[test]
fn arrays_and_inline_commands_are_read() {
    assert_eq!(whole(b"*2\r\n$3\r\nGET\r\n$3\r\na\r\n\r\n"), ["GET", "a\r\n"]);
    assert_eq!(whole(b"*0\r\n"), [""; 0]);
    assert_eq!(whole(b"*-1\r\n"), [""; 0]);
    assert_eq!(whole(b"\r\n"), [""; 0]);
    assert_eq!(whole(b"PING\n"), ["PING"]);
    assert_eq!(whole(b"  SET  a 'x y'\t\"\" \r\n"), ["SET", "a", "x y", ""]);
}

#[test]
fn each_wrong_request_is_named() {
    let wrong = |bytes: &[u8]| read(bytes).unwrap_err().0;
    assert_eq!(wrong(b"*x\r\n"), "invalid multibulk length");
    assert_eq!(wrong(b"*5\r\n"), "invalid multibulk length");
    assert_eq!(wrong(b"*99999999999999999999999999"), "invalid multibulk length");
    assert_eq!(wrong(b"*1\r\n+OK\r\n"), "expected '$'");
    assert_eq!(wrong(b"*1\r\n$-1\r\n"), "invalid bulk length");
    assert_eq!(wrong(b"*1\r\n$101\r\n"), "invalid bulk length");
    assert_eq!(wrong(b"*1\r\n$1\r\nab\r\n"), "invalid bulk length");
    assert_eq!(wrong(b"*1\r\n$1\n"), "invalid bulk length");
    assert_eq!(wrong(b"*1\r\n$+1\r\n"), "invalid bulk length");
    assert_eq!(wrong(b"*01\r\n"), "invalid multibulk length");
    for text in ["GET \"a\r\n", "GET 'a'b\r\n", "GET \"a\\n\"\r\n"] {
        assert_eq!(wrong(text.as_bytes()), "unbalanced quotes in request", "{text}");
    }
    assert_eq!(wrong(&[b'a'; INLINE_BYTES_MAX + 1]), "too big inline request");
}

proptest! {
    #[test]
    fn a_request_in_pieces_asks_for_more_until_it_is_whole(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..4)) {
        let mut bytes = format!("*{}\r\n", parts.len()).into_bytes();
        for part in &parts {
            bytes.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
            bytes.extend_from_slice(part);
            bytes.extend_from_slice(b"\r\n");
        }
        let mut progress = Progress::default();
        for end in 0..bytes.len() {
            let parsed = parse(&bytes[..end], &mut progress, LIMITS);
            prop_assert!(matches!(parsed, Ok(Parsed::More(more)) if more > end), "{end}: {parsed:?}");
        }
        prop_assert_eq!(parse(&bytes, &mut progress, LIMITS), Ok(Parsed::Whole(bytes.len())));
        let read: Vec<_> = Args::new(&bytes, progress.places()).from(0).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(read, parts);
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'$'), Just(b'*'), Just(b'\r'), Just(b'\n'), Just(b'1')], 0..60)) {
        let _ = read(&bytes);
    }
}
