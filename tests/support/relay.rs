//! A connection to somewhere, on which is counted how much goes there.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// It listens for as long as the tests run.
pub struct Relay {
    pub address: SocketAddr,
    passed: Arc<AtomicUsize>,
}

impl Relay {
    /// Passes on to `target` whatever comes, and back what that answers.
    pub fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (passed, target) = (Arc::new(AtomicUsize::new(0)), target.to_owned());
        let counted = passed.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(&target) else { continue };
                let (near_too, far_too) = (near.try_clone().expect("a socket"), far.try_clone().expect("a socket"));
                let counted = counted.clone();
                std::thread::spawn(move || pass(near, far, |length| _ = counted.fetch_add(length, Ordering::Relaxed)));
                std::thread::spawn(move || pass(far_too, near_too, |_| {}));
            }
        });
        Self { address, passed }
    }

    /// How many bytes have gone there.
    pub fn passed(&self) -> usize {
        self.passed.load(Ordering::Relaxed)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, count: impl Fn(usize)) {
    let mut part = [0; 16 * 1024];
    while let Ok(length) = from.read(&mut part) {
        if length == 0 || to.write_all(&part[..length]).is_err() {
            break;
        }
        count(length);
    }
    let _ = to.shutdown(Shutdown::Write);
}
