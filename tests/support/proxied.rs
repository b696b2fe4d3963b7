//! Requests to a proxy over TLS, as bytes: HTTP clients refuse to send what strangers may.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;

use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};

/// A request of HTTP/1.1, written as it stands here.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// What stands between the method and the version.
    pub target: String,
    pub host: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Request {
    pub fn get(host: &str, target: impl Into<String>) -> Self {
        let (method, target, host) = ("GET".to_owned(), target.into(), host.to_owned());
        Self { method, target, host, headers: Vec::new(), body: Vec::new() }
    }

    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With `body`, sent by `method`.
    pub fn sending(self, method: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { method: method.to_owned(), body: body.into(), ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host);
        // The test's own comes first: it may name other headers.
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Connection")) {
            head += "Connection: close\r\n";
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !self.body.is_empty() {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }

    /// Sends it to the proxy on `port`, which is told in the handshake that `server` is wanted; `None`: it said nothing
    /// that could be read.
    pub fn send(&self, port: u16, server: &str) -> Option<Reply> {
        let mut stream = tls(port, server).ok()?;
        // Who refuses may close before everything is sent.
        let _ = stream.write_all(&self.bytes());
        let (mut read, mut part) = (Vec::new(), [0; 8192]);
        // Some proxies wait before they close, and some close without saying so.
        while !Reply::is_whole(&read) {
            match stream.read(&mut part) {
                Ok(0) | Err(_) => break,
                Ok(length) => read.extend_from_slice(&part[..length]),
            }
        }
        Reply::parse(&String::from_utf8_lossy(&read))
    }
}

/// A connection to who listens on `port`, who is told in the handshake that `server` is wanted. Any certificate will do:
/// tests make their own.
pub fn tls(port: u16, server: &str) -> Result<SslStream<TcpStream>, Box<dyn Error>> {
    let mut connector = SslConnector::builder(SslMethod::tls_client())?;
    connector.set_verify(SslVerifyMode::NONE);
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    Ok(connector.build().connect(server, stream).map_err(|error| error.to_string())?)
}

impl Reply {
    /// Whether all of an answer is there that says how long it is.
    fn is_whole(read: &[u8]) -> bool {
        let reply = Self::parse(&String::from_utf8_lossy(read));
        let length = |reply: &Self| reply.header("Content-Length").and_then(|length| length.parse::<usize>().ok());
        reply.is_some_and(|reply| length(&reply).is_some_and(|length| reply.text.len() >= length))
    }

    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let (status, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = status.split(' ').nth(1)?.parse().ok()?;
        let headers = headers.lines().filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Some(Self { status, headers, text: body.to_owned() })
    }

    /// The one value of a header; `None`: it is not there.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice in {self:?}");
        value
    }
}
