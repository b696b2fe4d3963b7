//! Uses are counted to the request, whoever counts at the same time.

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn each_use_is_counted_by_key_and_service(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let keys = add_keys(&database, 2);
    let (wiki, git) = (add_service(&database, "wiki"), add_service(&database, "git"));
    let counting = Counting::on(&database);
    for (key, service, times) in [(keys[0], wiki, 3), (keys[0], git, 1), (keys[1], git, 2)] {
        (0..times).for_each(|_| counting.use_key(key, service));
    }
    let shown = |usage: &[ServiceUsage]| {
        let each = usage.iter().map(|it| (it.name.clone(), it.total(), it.last.clone().expect("a use").agent));
        let mut each: Vec<_> = each.collect();
        each.sort();
        each
    };
    let of = |name: &str, times: i64| (name.to_owned(), times, CURL.to_owned());
    let expected = [of("git", 1), of("wiki", 3)];
    // In memory only, written, and both.
    assert_eq!(shown(&counting.usage(keys[0]).await), expected);
    assert_eq!(recorded(&database, keys[0], wiki), 0);
    counting.recorder.flush().await;
    assert_eq!(counting.uses().pending(), 0);
    assert_eq!(shown(&counting.usage(keys[0]).await), expected);
    assert_eq!((recorded(&database, keys[0], wiki), recorded(&database, keys[1], git)), (3, 2));
    counting.use_key(keys[1], git);
    assert_eq!(shown(&counting.usage(keys[1]).await), [of("git", 3)]);
    assert!(counting.stop());
    assert_eq!(recorded(&database, keys[1], git), 3);
}

/// "last_used_on, address and agent only move forward in time", whichever process writes first.
#[rstest]
#[tokio::test]
async fn the_latest_use_is_kept_with_its_address_and_agent(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let (key, wiki) = (add_keys(&database, 1)[0], add_service(&database, "wiki"));
    let (early, late) = (Counting::on(&database), Counting::on(&database));
    let latest = async |of: &Counting| {
        let last = of.usage(key).await[0].last.clone().expect("a use");
        (last.on, last.address, last.agent)
    };
    let use_by = |counting: &Counting, time: &str, address: &str, agent: &str| {
        counting.clock.set(at(time));
        let (address, agent) = (address.parse().expect("an address"), agent.as_bytes());
        counting.uses().count(&ServiceCall { address, agent, ..call(key, wiki, at(time)) });
    };
    use_by(&late, "2026-11-24T10:00:00.5", "2001:db8::1", "git/2.43");
    late.recorder.flush().await;
    use_by(&early, "2026-11-24T09:59:59", "192.0.2.1", "wget");
    let git = (at("2026-11-24T10:00:00.5"), "2001:db8::1".to_owned(), "git/2.43".to_owned());
    assert_eq!(latest(&early).await, git, "before it is written");
    early.recorder.flush().await;
    assert_eq!(latest(&early).await, git, "and after");
    assert_eq!(recorded(&database, key, wiki), 2, "it is counted all the same");
    // A clock that is set back, in one process.
    use_by(&early, "2026-11-24T10:00:01", "192.0.2.2", "wget");
    use_by(&early, "2026-11-24T10:00:00", "192.0.2.3", "curl");
    let wget = (at("2026-11-24T10:00:01"), "192.0.2.2".to_owned(), "wget".to_owned());
    assert_eq!(latest(&early).await, wget);
    early.recorder.flush().await;
    assert_eq!(latest(&late).await, wget);
}

/// As last use does: what was recorded while a clock was ahead gives way.
#[rstest]
#[tokio::test]
async fn a_use_that_lies_in_the_future_gives_way_to_a_true_one(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let (key, wiki) = (add_keys(&database, 1)[0], add_service(&database, "wiki"));
    let (counting, other) = (Counting::on(&database), Counting::on(&database));
    let last = async |of: &Counting| of.usage(key).await[0].last.clone().expect("a use").on;
    for flushes in [false, true] {
        counting.clock.set(at("2026-11-24T13:00:00"));
        counting.use_key(key, wiki);
        if flushes {
            counting.recorder.flush().await;
            assert_eq!(last(&other).await, at("2026-11-24T13:00:00"), "the clock is ahead");
        }
        counting.clock.set(at("2026-11-24T10:00:00"));
        counting.use_key(key, wiki);
        assert_eq!(last(&counting).await, at("2026-11-24T10:00:00"), "before it is written");
        counting.recorder.flush().await;
        assert_eq!(last(&counting).await, at("2026-11-24T10:00:00"));
        assert_eq!(last(&other).await, at("2026-11-24T10:00:00"));
    }
    assert_eq!(recorded(&database, key, wiki), 4, "each is counted all the same");
}

#[rstest]
#[tokio::test]
async fn agents_are_kept_as_events_keep_them(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let (key, wiki) = (add_keys(&database, 1)[0], add_service(&database, "wiki"));
    let counting = Counting::on(&database);
    for (sent, kept) in [
        (b"".as_slice(), String::new()),
        ("caf\u{e9}\t\u{202e}\u{0}".as_bytes(), "caf\u{e9}".to_owned()),
        (b"bytes\xff!", "bytes\u{fffd}!".to_owned()),
        ("x".repeat(100_000).as_bytes(), "x".repeat(255)),
    ] {
        for _ in 0..2 {
            counting.uses().count(&ServiceCall { agent: sent, ..call(key, wiki, counting.clock.now()) });
        }
        counting.recorder.flush().await;
        assert_eq!(counting.usage(key).await[0].last.clone().expect("a use").agent, kept);
    }
    assert_eq!(recorded(&database, key, wiki), 8);
}

#[rstest]
#[tokio::test]
async fn a_day_ends_at_midnight_utc(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let (key, wiki) = (add_keys(&database, 1)[0], add_service(&database, "wiki"));
    let counting = Counting::on(&database);
    for time in ["2026-11-24T23:59:59.999999", "2026-11-25T00:00:00", "2026-11-25T00:00:00.000001"] {
        counting.clock.set(at(time));
        counting.use_key(key, wiki);
    }
    // A clock that is set back counts for the day that it says.
    counting.clock.set(at("2026-11-24T23:59:59"));
    counting.use_key(key, wiki);
    counting.clock.set(at("2026-11-25T00:01:00"));
    assert_eq!(days(&counting.usage(key).await[0]), ["11-24 2", "11-25 2"]);
    counting.recorder.flush().await;
    counting.use_key(key, wiki);
    counting.recorder.flush().await;
    assert_eq!(days(&counting.usage(key).await[0]), ["11-24 2", "11-25 3"]);
}

/// "also of concurrent uses from several threads", while the recorder writes.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_counted_twice_by_threads_and_processes_at_once(#[values(Sqlite, Postgres)] db: Db) {
    const TIMES: i64 = 3_000;
    const THREADS: i64 = 3;
    let database = TestDatabase::migrated(db);
    let keys = add_keys(&database, 40);
    let services = [add_service(&database, "wiki"), add_service(&database, "git")];
    let processes = [Counting::on(&database), Counting::on(&database)];
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut counters = Vec::new();
        for process in &processes {
            for thread in 0..THREADS {
                let (keys, services) = (&keys, &services);
                counters.push(scope.spawn(move || {
                    for n in 0..TIMES {
                        let key = usize::try_from((n * 7 + thread) % 40).expect("a place");
                        process.use_key(keys[key], services[usize::from(n % 3 == 0)]);
                    }
                }));
            }
        }
        for process in &processes {
            let done = &done;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    runtime.block_on(process.recorder.flush());
                }
            });
        }
        counters.into_iter().for_each(|counter| counter.join().expect("a thread that ends well"));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    for process in processes {
        process.use_key(keys[0], services[0]);
        assert!(process.stop(), "a clean stop");
    }
    let all = database.number("SELECT CAST(sum(times) AS BIGINT) AS number FROM service_use_counts");
    assert_eq!(all, 2 * THREADS * TIMES + 2);
    let of_git: i64 = keys.iter().map(|key| recorded(&database, *key, services[1])).sum();
    assert_eq!(of_git, 2 * THREADS * ((TIMES + 2) / 3));
}

/// Batches of several processes that overlap: none deadlocks.
#[rstest]
fn overlapping_batches_are_all_written(#[values(Sqlite, Postgres)] db: Db) {
    use latchkey::clock::Clock;
    use latchkey::recorder::wake_up::WakeUp;

    let database = TestDatabase::migrated(db);
    let keys = add_keys(&database, 600);
    let services = [add_service(&database, "wiki"), add_service(&database, "git")];
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let (mut connection, keys) = (database.connect(), &keys);
            scope.spawn(move || {
                let uses = ServiceUses::new(Clock::standing(start_time()), std::sync::Arc::new(WakeUp::default()));
                for _ in 0..5 {
                    for key in keys {
                        services.iter().for_each(|service| uses.count(&call(*key, *service, start_time())));
                    }
                    uses.write_all(&mut connection).expect("a write");
                }
            });
        }
    });
    let all = "SELECT CAST(sum(times) AS BIGINT) AS number FROM service_use_counts WHERE times = 15";
    assert_eq!(database.number(all), 15 * 600 * 2);
}

/// What a page shows while its rows are written: each use once.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_read_during_a_write_counts_each_use_once(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let (key, wiki) = (add_keys(&database, 1)[0], add_service(&database, "wiki"));
    let counting = Counting::on(&database);
    for times in 1..=100 {
        counting.use_key(key, wiki);
        let (usage, ()) = tokio::join!(counting.usage(key), counting.recorder.flush());
        assert_eq!(usage[0].total(), times);
    }
}
