//! A service behind a proxy, which remembers what arrives.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// `GET /page HTTP/1.1`.
    pub line: String,
    /// In their order, the names as they were written.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Arrival {
    /// What the address was: path and query.
    pub fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_else(|| panic!("no address in {}", self.line))
    }

    /// The values of the header named so, by a service that takes all punctuation for hyphens, as some do.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let folded = |name: &str| name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let wanted = self.headers.iter().filter(|(given, _)| folded(given) == folded(name));
        wanted.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether `text` stands anywhere in its first line or its headers.
    pub fn shows(&self, text: &str) -> bool {
        self.line.contains(text) || self.headers.iter().any(|(name, value)| name.contains(text) || value.contains(text))
    }
}

/// Answers 200 to everything.
pub struct Upstream {
    pub address: SocketAddr,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (arrivals, stopped) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (arrivals, stopped) = (arrivals.clone(), stopped.clone());
            move || {
                for connection in listener.incoming() {
                    if stopped.load(Ordering::Relaxed) {
                        break;
                    }
                    let (connection, arrivals) = (connection.expect("a connection"), arrivals.clone());
                    std::thread::spawn(move || answer(connection, &arrivals));
                }
            }
        });
        Self { address, arrivals, stopped, thread: Some(thread) }
    }

    /// What has arrived since this was asked last.
    pub fn arrived(&self) -> Vec<Arrival> {
        std::mem::take(&mut self.arrivals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The one request that has arrived since.
    pub fn arrival(&self) -> Arrival {
        let mut arrived = self.arrived();
        assert_eq!(arrived.len(), 1, "{arrived:?}");
        arrived.remove(0)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Reads the one request of a connection; a proxy that breaks off has sent none.
fn answer(mut connection: TcpStream, arrivals: &Mutex<Vec<Arrival>>) {
    let mut lines = BufReader::new(connection.try_clone().expect("a connection"));
    let Some(line) = read_line(&mut lines).filter(|line| !line.is_empty()) else { return };
    let mut headers = Vec::new();
    loop {
        match read_line(&mut lines) {
            None => return,
            Some(line) if line.is_empty() => break,
            Some(line) => {
                let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }
    let mut arrival = Arrival { line, headers, body: Vec::new() };
    let Some(body) = read_body(&arrival, &mut lines) else { return };
    arrival.body = body;
    arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
    let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 12\r\n\r\nthe service\n");
}

fn read_line(lines: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    lines.read_until(b'\n', &mut line).ok()?;
    let line = line.strip_suffix(b"\n")?;
    Some(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned())
}

fn read_body(arrival: &Arrival, rest: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    if arrival.values("Transfer-Encoding").is_empty() {
        let length = arrival.values("Content-Length").first().map_or(Ok(0), |length| length.parse());
        body.resize(length.ok()?, 0);
        rest.read_exact(&mut body).ok()?;
        return Some(body);
    }
    loop {
        let length = usize::from_str_radix(&read_line(rest)?, 16).ok()?;
        let read = body.len();
        body.resize(read + length, 0);
        rest.read_exact(&mut body[read..]).ok()?;
        read_line(rest)?;
        if length == 0 {
            return Some(body);
        }
    }
}
