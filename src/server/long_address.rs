//! Addresses that are too long to be read. actix-http answers 400 to them without a word, so it gets a shorter one, at which
//! nothing is, and the answer there says what is wrong.

use crate::http::error::AppError;

/// The longest first line of a request that goes on as it is. actix-http refuses an address of 65,535 bytes.
const LONGEST: usize = 65_000;
/// How much of the path stays, so that the answer is that of an address below the base path.
const KEPT: usize = 200;
/// What comes after that.
const MARK: &str = "/address-too-long";

/// Shortens the address of the request that begins in `held` if its first line is complete and too long.
pub(super) fn shorten(held: &mut Vec<u8>) {
    if held.len() <= LONGEST {
        return;
    }
    let Some(end) = memchr::memchr(b'\n', held).filter(|end| *end > LONGEST) else { return };
    let line = &held[..end];
    // METHOD ADDRESS HTTP/1.1
    let spaces = (line.iter().position(|byte| *byte == b' '), line.iter().rposition(|byte| *byte == b' '));
    let (Some(first), Some(last)) = spaces else { return };
    if first == last || line[..first].contains(&b':') {
        return;
    }
    let shorter = shortened(&line[first + 1..last]);
    held.splice(first + 1..last, shorter);
}

/// The beginning of the path of `address`, what marks it, and the path's own ending.
fn shortened(address: &[u8]) -> Vec<u8> {
    let path = address.split(|byte| *byte == b'?').next().unwrap_or_default();
    let ending = [".json", ".xml", ".atom"].into_iter().find(|ending| path.ends_with(ending.as_bytes()));
    let kept = match path.get(..KEPT) {
        Some(head) => head.rsplitn(2, |byte| *byte == b'/').nth(1).unwrap_or_default(),
        None => path,
    };
    [kept, MARK.as_bytes(), ending.unwrap_or_default().as_bytes()].concat()
}

/// What is told where nothing is.
pub(super) fn nothing_at(path: &str) -> AppError {
    let is_marked = path.split('/').next_back().is_some_and(|last| last.split('.').next() == Some(&MARK[1..]));
    if is_marked { AppError::AddressTooLong } else { AppError::NotFound }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortened_line(line: &str) -> String {
        let mut held = format!("{line}\r\nHost: x\r\n").into_bytes();
        shorten(&mut held);
        String::from_utf8(held).expect("UTF-8")
    }

    #[test]
    fn only_what_is_too_long_is_shortened_and_keeps_its_format() {
        let long = "a".repeat(LONGEST);
        for (line, expected) in [
            (format!("GET /keys/admin/keys?ids={long} HTTP/1.1"), "GET /keys/admin/keys/address-too-long HTTP/1.1"),
            (format!("POST /users.json?{long} HTTP/1.0"), "POST /users.json/address-too-long.json HTTP/1.0"),
            (format!("GET /{long}.xml HTTP/1.1"), "GET /address-too-long.xml HTTP/1.1"),
        ] {
            assert_eq!(shortened_line(&line), format!("{expected}\r\nHost: x\r\n"));
        }
        for line in [
            "GET /users.json HTTP/1.1".to_owned(),
            format!("GET /{} HTTP/1.1", &long[200..]),
            format!("X-Long: a {long} b"),
            format!("GET {long}"),
            long.clone(),
        ] {
            assert_eq!(shortened_line(&line), format!("{line}\r\nHost: x\r\n"));
        }
    }
}
