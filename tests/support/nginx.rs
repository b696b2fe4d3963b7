//! An nginx for one test.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// It ends with the test.
pub struct Nginx {
    child: Child,
    _folder: TempDir,
}

impl Nginx {
    /// Answers on `port` as `server`, what stands in a `server` block, says.
    pub fn serve(port: u16, server: &str) -> Self {
        Self::run(port, &format!("access_log off; server {{ listen 127.0.0.1:{port}; {server} }}"))
    }

    /// Runs `http`, what stands in the block of that name, in which something listens on `port`.
    pub fn run(port: u16, http: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: String = temporary.iter().map(|kind| format!("{kind}_temp_path {place}/{kind};")).collect();
        let settings = format!(
            "daemon off; master_process off; pid {place}/pid; error_log stderr; events {{}}
             http {{ {temporary} {http} }}"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, settings).expect("a file");
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|it| std::path::Path::new(it).exists());
        let mut command = Command::new(program.expect("nginx, which bin/test installs"));
        let command = command.arg("-p").arg(folder.path()).arg("-c").arg(&file).args(["-e", "stderr"]);
        let mut child = command.stderr(Stdio::inherit()).spawn().expect("nginx");
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(child.try_wait().expect("its state").is_none(), "nginx has ended");
            assert!(Instant::now() < deadline, "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, _folder: folder }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on just now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port()
}
