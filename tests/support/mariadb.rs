//! A MariaDB server for the tests of this process, reached by a socket in a folder of its own. It ends with the process,
//! however that ends.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;

struct Server {
    folder: PathBuf,
    /// Holds the pipe open: the server ends when it breaks.
    _shell: Mutex<Child>,
}

/// Starts the server in `$0`, and kills it when nobody holds standard input open any more.
const SHELL: &str = r#"
    PATH=$PATH:/usr/sbin
    mariadb-install-db --no-defaults $1 --datadir="$0/data" --auth-root-authentication-method=normal --skip-test-db \
        --force
    mariadbd --no-defaults $1 --datadir="$0/data" --socket="$0/s" --pid-file="$0/pid" --skip-networking \
        --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=32M --performance-schema=OFF &
    server=$!
    cat
    kill -9 $server
    wait
    rm -rf "$0"
"#;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = tempfile::Builder::new().prefix("mariadb-").tempdir().expect("a folder").keep();
        let log = std::fs::File::create(folder.join("log")).expect("a file");
        let user = if rustix::process::geteuid().is_root() { "--user=root" } else { "" };
        let mut command = Command::new("sh");
        command.args(["-c", SHELL]).arg(&folder).arg(user).stdin(Stdio::piped());
        command.stdout(log.try_clone().expect("a file")).stderr(log).current_dir(&folder);
        let shell = command.spawn().expect("a shell");
        let server = Server { folder, _shell: Mutex::new(shell) };
        let deadline = Instant::now() + Duration::from_secs(120);
        while mysql::Conn::new(options(&server, None)).is_err() {
            let log = || std::fs::read_to_string(server.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "MariaDB, which bin/test installs, does not start: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    })
}

fn options(server: &Server, database: Option<&str>) -> mysql::OptsBuilder {
    let socket = server.folder.join("s").to_str().expect("a path in UTF-8").to_owned();
    mysql::OptsBuilder::new().user(Some("root")).socket(Some(socket)).db_name(database)
}

/// Makes a database and gives its URL.
pub fn create(name: &str) -> String {
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    let _turn = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = server();
    let mut connection = mysql::Conn::new(options(server, None)).expect("MariaDB");
    connection.query_drop(format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")).expect("a database");
    format!("mysql://root@localhost/{name}?socket={}", server.folder.join("s").display())
}

/// Runs statements, one a line or more, each ended by a semicolon.
pub fn execute(url: &str, statements: &str) {
    let mut connection = mysql::Conn::new(mysql::Opts::from_url(url).expect("a URL")).expect("MariaDB");
    // As lenient as installations were when their oldest rows were written.
    connection.query_drop("SET sql_mode = ''").expect("a setting");
    for statement in statements.split(";\n").filter(|statement| !statement.trim().is_empty()) {
        connection.query_drop(statement).unwrap_or_else(|error| panic!("{error} in {statement}"));
    }
}
