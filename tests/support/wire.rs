//! Requests as bytes on the wire: HTTP clients refuse to send what strangers may.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::Site;

/// A request, written as it stands here.
#[derive(Clone, Debug)]
pub struct RawRequest {
    pub method: &'static str,
    /// Path and query.
    pub target: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Body,
}

/// What follows the headers.
#[derive(Clone, Debug)]
pub enum Body {
    None,
    /// With its length.
    Whole(Vec<u8>),
    /// In chunks, as they stand here.
    Chunked(Vec<u8>),
    /// In chunks, but it breaks off, or is no chunk at all; then the connection is half closed.
    BrokenOff(Vec<u8>),
}

/// What came back: the status, and everything as text.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    pub text: String,
}

impl RawRequest {
    pub fn get(target: impl Into<Vec<u8>>) -> Self {
        Self { method: "GET", target: target.into(), headers: Vec::new(), body: Body::None }
    }

    pub fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With `body`, sent by `method`.
    pub fn sending(self, method: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { method, body: Body::Whole(body.into()), ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = [self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        bytes.extend_from_slice(b"Host: latchkey.test\r\nConnection: close\r\n");
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        match &self.body {
            Body::None => bytes.extend_from_slice(b"\r\n"),
            Body::Whole(body) => {
                bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
                bytes.extend(body);
            }
            Body::Chunked(body) | Body::BrokenOff(body) => {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                bytes.extend(body);
            }
        }
        bytes
    }

    /// Sends it to `url` on a connection of its own.
    ///
    /// # Errors
    /// There was no answer: a server that breaks off says nothing.
    pub fn send(&self, url: &str) -> Result<RawAnswer, String> {
        let mut stream = connect(url).map_err(|error| format!("connecting: {error}"))?;
        // It may refuse before it has read everything, and close.
        let _ = stream.write_all(&self.bytes());
        if let Body::BrokenOff(_) = self.body {
            let _ = stream.shutdown(Shutdown::Write);
        }
        self.answer(stream)
    }

    fn answer(&self, mut stream: TcpStream) -> Result<RawAnswer, String> {
        let (read, ended) = read_answer(&mut stream, self.method == "HEAD");
        RawAnswer::of(&read).ok_or_else(|| format!("no answer ({ended:?})"))
    }
}

impl RawAnswer {
    /// `None`: it has no status.
    fn of(read: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(read).into_owned();
        let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|it| it.parse().ok());
        status.map(|status| Self { status, text })
    }
}

/// Reads up to the end of an answer. The server may wait for a while before it closes the connection.
fn read_answer(stream: &mut TcpStream, is_head: bool) -> (Vec<u8>, std::io::Result<()>) {
    let (mut read, mut part) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => return (read, Ok(())),
            Ok(length) => read.extend_from_slice(&part[..length]),
            Err(error) => return (read, Err(error)),
        }
        if is_whole(&read, is_head) {
            return (read, Ok(()));
        }
    }
}

/// Whether that is a whole answer.
fn is_whole(read: &[u8], is_head: bool) -> bool {
    let text = String::from_utf8_lossy(read);
    let Some((headers, _)) = text.split_once("\r\n\r\n") else { return false };
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: Option<usize> = length.and_then(|length| length.parse().ok());
    is_head || length.is_some_and(|length| read.len() >= headers.len() + 4 + length)
}

/// A connection for several requests, each written as it stands in the test.
pub struct Conversation(TcpStream);

impl Conversation {
    pub fn with(url: &str) -> Self {
        Self(connect(url).expect("a connection"))
    }

    /// Sends a part of a request, or a whole one.
    pub fn send(&mut self, bytes: &[u8]) {
        // Who is refused may find the connection closed.
        let _ = self.0.write_all(bytes);
    }

    /// The answer to a request that was not HEAD; `None`: the server broke off.
    pub fn answer(&mut self) -> Option<RawAnswer> {
        RawAnswer::of(&read_answer(&mut self.0, false).0)
    }

    /// Waits until the server closes it.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0))
    }
}

fn connect(url: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(url.strip_prefix("http://").expect("a URL of http"))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

/// A request whose headers have been sent, and whose body is held back.
pub struct HeldBack {
    request: RawRequest,
    body: Vec<u8>,
    stream: TcpStream,
}

impl HeldBack {
    /// Sends the headers of `request`, with a cookie where there is one.
    pub fn send(site: &Site, request: reqwest::Request, cookie: &str) -> Self {
        let method = request.method().to_string().leak();
        let mut raw = RawRequest { method, ..RawRequest::get(request.url().path()) };
        for (name, value) in request.headers() {
            raw = raw.with(name.as_str(), value.as_bytes());
        }
        if !cookie.is_empty() {
            raw = raw.with("Cookie", cookie);
        }
        let body = request.body().and_then(|body| body.as_bytes()).expect("a body").to_vec();
        let whole = RawRequest { body: Body::Whole(body.clone()), ..raw };
        let bytes = whole.bytes();
        let mut stream = connect(&site.url).expect("a connection");
        stream.write_all(&bytes[..bytes.len() - body.len()]).expect("the headers are sent");
        Self { request: whole, body, stream }
    }

    /// Sends the body.
    pub fn finish(mut self) -> RawAnswer {
        // It may have been refused already.
        let _ = self.stream.write_all(&self.body);
        self.request.answer(self.stream).expect("an answer")
    }
}
