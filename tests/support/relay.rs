//! A connection to somewhere, on which is seen what goes there.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// It listens for as long as the tests run.
pub struct Relay {
    pub address: SocketAddr,
    passed: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    /// Passes on to `target` whatever comes, and back what that answers.
    pub fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (passed, target) = (Arc::new(Mutex::new(Vec::new())), target.to_owned());
        let seen = passed.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(&target) else { continue };
                let (near_too, far_too) = (near.try_clone().expect("a socket"), far.try_clone().expect("a socket"));
                let seen = seen.clone();
                std::thread::spawn(move || pass(near, far, |part| keep(&seen, part)));
                std::thread::spawn(move || pass(far_too, near_too, |_| {}));
            }
        });
        Self { address, passed }
    }

    /// All that has gone there so far.
    pub fn passed(&self) -> Vec<u8> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn keep(seen: &Mutex<Vec<u8>>, part: &[u8]) {
    seen.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(part);
}

fn pass(mut from: TcpStream, mut to: TcpStream, see: impl Fn(&[u8])) {
    let mut part = [0; 16 * 1024];
    while let Ok(length) = from.read(&mut part) {
        see(&part[..length]);
        if length == 0 || to.write_all(&part[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
