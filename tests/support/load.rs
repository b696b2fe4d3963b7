//! Programs that use keys all the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Client;
use tokio::task::JoinHandle;

/// How often each status came; 0: no answer at all.
pub type Statuses = BTreeMap<u16, u32>;

/// Requests by key, one after the other for each key, until it is told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    programs: Vec<JoinHandle<Statuses>>,
}

impl Load {
    /// One program for each of `secrets`.
    pub fn start(url: &str, secrets: &[String]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let http = Client::builder().no_proxy().build().expect("an HTTP client");
        let program = |secret: &String| {
            let request = http.get(format!("{url}/users/current.json")).header("X-Redmine-API-Key", secret);
            let stop = stop.clone();
            tokio::spawn(async move {
                let mut statuses = Statuses::new();
                while !stop.load(Ordering::Relaxed) {
                    let answer = request.try_clone().expect("a request without a body").send().await;
                    *statuses.entry(answer.map_or(0, |answer| answer.status().as_u16())).or_default() += 1;
                    // Others have the same thread.
                    tokio::task::yield_now().await;
                }
                statuses
            })
        };
        let programs = secrets.iter().map(program).collect();
        Self { stop, programs }
    }

    /// What each program got, in the order of its secret.
    pub async fn stop(self) -> Vec<Statuses> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for program in self.programs {
            all.push(program.await.expect("a program that ends well"));
        }
        all
    }
}
