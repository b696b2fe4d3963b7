//! Offers to upgrade a connection (RFC 9110, section 7.8) that nobody here takes. Java's `HttpClient` offers `h2c` with
//! each request.
//!
//! A server may ignore an offer and answer as if there were none. actix-http cannot: it answers `connection: upgrade`,
//! closes the connection without saying so, which loses the next request on it, and takes all that follows an offer of
//! WebSocket for an endless body. So it never sees an offer: in the header lines of each request, another word of the
//! same length overwrites `upgrade`. All other bytes go on as they arrived.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::long_address;

/// The option of `Connection`, and the header with the protocols that are offered.
const UPGRADE: &[u8] = b"upgrade";
/// Stands in its place: neither an option nor a header that means anything.
const IGNORED: &[u8] = b"ignored";
/// The longest line that is held back until it is complete. actix-http refuses a head that is as long.
const LONGEST_LINE: usize = 128 * 1024;

/// A connection whose reader sees no offers to upgrade it.
pub(super) struct WithoutOffers<T> {
    stream: T,
    place: Place,
    /// What has arrived and was not read yet: usually nothing, or a line that is not complete.
    held: Vec<u8>,
    /// How many bytes of `held` may be read.
    complete: usize,
}

/// What comes next on a connection: HTTP/1.1 as far as it takes to find the header lines (RFC 9112).
enum Place {
    /// Lines of a request's head, whose lines so far announce this body.
    Head(Body),
    /// As many bytes of a body, and then another request.
    Body(u64),
    /// The line with the size of a chunk.
    ChunkSize,
    /// As many bytes of a chunk, and then another chunk.
    Chunk(u64),
    /// The lines after the last chunk.
    Trailers,
    /// Unknown, because this is no HTTP that actix-http would take either. Everything goes on as it is.
    Unknown,
}

/// The body that follows a head.
#[derive(Clone, Copy)]
enum Body {
    Sized(u64),
    Chunked,
}

impl<T> WithoutOffers<T> {
    pub(super) fn on(stream: T) -> Self {
        Self { stream, place: Place::Head(Body::Sized(0)), held: Vec::new(), complete: 0 }
    }

    /// Gives the reader what may be read of what is held.
    fn hand_over(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.complete.min(buffer.remaining());
        buffer.put_slice(&self.held[..length]);
        self.held.drain(..length);
        self.complete -= length;
    }
}

impl Place {
    /// Overwrites the offers in `bytes`, which have arrived at this place, and moves on behind them. Returns how many of
    /// them are complete: a line without its end is not, and has to come again together with the rest of it.
    fn pass(&mut self, bytes: &mut [u8]) -> usize {
        let mut passed = 0;
        while passed < bytes.len() {
            let rest = &mut bytes[passed..];
            passed += match self {
                Self::Body(left) | Self::Chunk(left) => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= length as u64;
                    if *left == 0 {
                        *self = if matches!(self, Self::Chunk(_)) { Self::ChunkSize } else { Self::head() };
                    }
                    length
                }
                Self::Unknown => rest.len(),
                Self::Head(_) | Self::ChunkSize | Self::Trailers => {
                    let Some(end) = memchr::memchr(b'\n', rest) else { break };
                    self.pass_line(&mut rest[..end]);
                    end + 1
                }
            };
        }
        passed
    }

    fn head() -> Self {
        Self::Head(Body::Sized(0))
    }

    /// `line` is without its end.
    fn pass_line(&mut self, line: &mut [u8]) {
        let is_empty = line.trim_ascii().is_empty();
        match self {
            Self::Head(body) if is_empty => {
                *self = match *body {
                    Body::Sized(0) => Self::head(),
                    Body::Sized(length) => Self::Body(length),
                    Body::Chunked => Self::ChunkSize,
                }
            }
            Self::Head(body) => match pass_header(line, *body) {
                Some(announced) => *body = announced,
                None => *self = Self::Unknown,
            },
            // The end of the chunk before.
            Self::ChunkSize if is_empty => {}
            Self::ChunkSize => {
                *self = match chunk_size(line) {
                    Some(0) => Self::Trailers,
                    Some(size) => Self::Chunk(size),
                    None => Self::Unknown,
                }
            }
            Self::Trailers if is_empty => *self = Self::head(),
            Self::Trailers | Self::Body(_) | Self::Chunk(_) | Self::Unknown => {}
        }
    }
}

/// Overwrites what `line` offers. Returns the body that is announced by it, or else by the lines before it; `None` if
/// it cannot be read.
fn pass_header(line: &mut [u8], body: Body) -> Option<Body> {
    // Nearly every line ends here.
    if !matches!(line.first(), Some(b'u' | b'U' | b'c' | b'C' | b't' | b'T')) {
        return Some(body);
    }
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Some(body) };
    let (name, value) = line.split_at_mut(colon);
    let value = &mut value[1..];
    if name.eq_ignore_ascii_case(UPGRADE) {
        name.copy_from_slice(IGNORED);
    } else if name.eq_ignore_ascii_case(b"connection") {
        let options = value.split_mut(|byte| *byte == b',');
        options.for_each(ignore_upgrade);
    } else if name.eq_ignore_ascii_case(b"content-length") {
        let digits = std::str::from_utf8(value.trim_ascii()).ok()?;
        return digits.parse().ok().map(Body::Sized);
    } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
        // actix-http takes no other.
        return value.trim_ascii().eq_ignore_ascii_case(b"chunked").then_some(Body::Chunked);
    }
    Some(body)
}

/// Overwrites `option` of `Connection` if it is `upgrade`.
fn ignore_upgrade(option: &mut [u8]) {
    let start = option.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or_default();
    let word = &mut option[start..];
    let length = word.trim_ascii_end().len();
    if word[..length].eq_ignore_ascii_case(UPGRADE) {
        word[..length].copy_from_slice(IGNORED);
    }
}

/// The size that stands at the beginning of a chunk, before what extends it.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let size = line.split(|byte| *byte == b';').next()?;
    u64::from_str_radix(std::str::from_utf8(size.trim_ascii()).ok()?, 16).ok()
}

impl<T: AsyncRead + Unpin> AsyncRead for WithoutOffers<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.complete > 0 {
                this.hand_over(buffer);
                return Poll::Ready(Ok(()));
            }
            if this.held.is_empty() {
                // Nearly every read is this one, which copies nothing.
                let before = buffer.filled().len();
                ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
                let arrived = &mut buffer.filled_mut()[before..];
                let complete = this.place.pass(arrived);
                this.held.extend_from_slice(&arrived[complete..]);
                let is_end = arrived.is_empty();
                buffer.set_filled(before + complete);
                if complete > 0 || is_end {
                    return Poll::Ready(Ok(()));
                }
            } else {
                let mut part = [0; 1024];
                let mut part = ReadBuf::new(&mut part);
                ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
                this.held.extend_from_slice(part.filled());
                if let Place::Head(_) = this.place {
                    long_address::shorten(&mut this.held);
                }
                if part.filled().is_empty() || this.held.len() > LONGEST_LINE {
                    this.place = Place::Unknown;
                }
                this.complete = this.place.pass(&mut this.held);
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WithoutOffers<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;
    use tokio::io::AsyncReadExt;

    use super::*;

    /// What a reader gets who reads `pieces`, one after the other.
    fn read(pieces: &[&[u8]]) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut stream: Box<dyn AsyncRead + Unpin> = Box::new(tokio::io::empty());
            for piece in pieces.iter().rev() {
                stream = Box::new(piece.chain(stream));
            }
            let mut got = Vec::new();
            WithoutOffers::on(stream).read_to_end(&mut got).await.expect("all of it");
            got
        })
    }

    /// A request, and what is left of it.
    fn request() -> impl Strategy<Value = (String, String)> {
        let line = prop_oneof![
            select(vec![
                ("Upgrade: h2c", "ignored: h2c"),
                ("UPGRADE:websocket", "ignored:websocket"),
                ("Connection: Upgrade, HTTP2-Settings", "Connection: ignored, HTTP2-Settings"),
                ("connection:keep-alive,\tupgrade ", "connection:keep-alive,\tignored "),
                ("Connection: close", "Connection: close"),
                ("Connection: upgrades, upgrad", "Connection: upgrades, upgrad"),
                ("X-Upgrade: upgrade", "X-Upgrade: upgrade"),
                ("Upgrade-Insecure-Requests: 1", "Upgrade-Insecure-Requests: 1"),
                ("Cookie: Upgrade: upgrade", "Cookie: Upgrade: upgrade"),
            ]),
            Just(("Host: upgrade", "Host: upgrade")),
        ];
        // What looks like an offer and is none.
        let body = select(vec![
            "",
            "x",
            "\r\n",
            "Upgrade: h2c\r\nConnection: upgrade\r\n\r\n",
            "POST / HTTP/1.1\r\nUpgrade: x\n\n",
        ]);
        (
            proptest::collection::vec(line, 0..5),
            proptest::collection::vec(body, 0..3),
            any::<bool>(),
            select(vec!["\r\n", "\n"]),
        )
            .prop_map(|(lines, body, is_chunked, end)| {
                let (announced, body) = if is_chunked {
                    let chunks: String = body
                        .iter()
                        .filter(|chunk| !chunk.is_empty())
                        .map(|chunk| format!("{:X};a=b\r\n{chunk}\r\n", chunk.len()))
                        .collect();
                    ("Transfer-Encoding: Chunked".to_owned(), format!("{chunks}0\r\nUpgrade: trailer\r\n\r\n"))
                } else {
                    (format!("content-length: {}", body.concat().len()), body.concat())
                };
                let whole = |lines: Vec<&str>| {
                    let lines: String = lines.into_iter().map(|line| format!("{line}{end}")).collect();
                    format!("POST /upgrade HTTP/1.1{end}{lines}{announced}{end}{end}{body}")
                };
                (whole(lines.iter().map(|line| line.0).collect()), whole(lines.iter().map(|line| line.1).collect()))
            })
    }

    proptest! {
        #[test]
        fn offers_are_overwritten_and_nothing_else_however_it_arrives(
            requests in proptest::collection::vec(request(), 1..4),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..5),
        ) {
            let sent: String = requests.iter().map(|request| request.0.as_str()).collect();
            let expected: String = requests.iter().map(|request| request.1.as_str()).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(sent.len())).chain([0, sent.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &sent.as_bytes()[cut[0]..cut[1]]).filter(|it| !it.is_empty()).collect();
            prop_assert_eq!(String::from_utf8(read(&pieces)).expect("UTF-8"), expected);
        }

        #[test]
        fn what_is_no_http_goes_on(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..60), 0..5)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(read(&pieces).len(), pieces.concat().len());
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_held_for_ever() {
        let endless = vec![b'a'; 3 * LONGEST_LINE];
        assert_eq!(read(&[&endless]).len(), endless.len());
    }
}
