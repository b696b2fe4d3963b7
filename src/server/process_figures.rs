//! What the operating system says of this process, under the names that every Prometheus client library gives them. Linux
//! tells it in `/proc` (proc_pid_stat(5)); elsewhere these metrics are missing.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// Reads the figures at the moment they are asked for.
#[derive(Debug)]
pub struct ProcessFigures;

/// A process as `/proc/self/stat` shows it.
#[derive(Debug, PartialEq)]
struct Figures {
    cpu_seconds: f64,
    threads: u64,
    /// Since the machine was started.
    started_after_seconds: f64,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl Figures {
    /// Parses the content of the file. The second field is a name in parentheses, which may have any character in it.
    fn parse(stat: &str, ticks_per_second: u64, page_size: u64) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // The manual counts from 1, and the first of these is the third.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        #[expect(clippy::cast_precision_loss, reason = "so many ticks have not passed yet")]
        let seconds = |ticks: u64| ticks as f64 / ticks_per_second as f64;
        Some(Self {
            cpu_seconds: seconds(number(14)? + number(15)?),
            threads: number(20)?,
            started_after_seconds: seconds(number(22)?),
            virtual_bytes: number(23)?,
            resident_bytes: number(24)?.saturating_mul(page_size),
        })
    }

    fn read() -> Option<Self> {
        let page_size = u64::try_from(page_size()).ok()?;
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?, clock_ticks_per_second(), page_size)
    }
}

/// When the machine was started, in seconds since 1970.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// How many files and connections are open.
fn open_files() -> Option<u64> {
    let open = u64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()?;
    // One of them is the folder that was just read.
    open.checked_sub(1)
}

impl Collector for ProcessFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(figures) = Figures::read() else { return Ok(()) };
        let cpu = ConstCounter::new(figures.cpu_seconds);
        let help = "Time that the processors have worked for this process";
        cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?)?;
        if let Some(boot_time) = boot_time() {
            let started = ConstGauge::new(boot_time + figures.started_after_seconds);
            let help = "When this process was started, in seconds since 1970";
            started.encode(encoder.encode_descriptor(
                "process_start_time_seconds",
                help,
                None,
                started.metric_type(),
            )?)?;
        }
        let most_files = getrlimit(Resource::Nofile).current;
        for (name, help, value) in [
            ("process_threads", "Threads of this process", Some(figures.threads)),
            ("process_virtual_memory_bytes", "Memory that this process has reserved", Some(figures.virtual_bytes)),
            ("process_resident_memory_bytes", "Memory that this process uses", Some(figures.resident_bytes)),
            ("process_open_fds", "Files and connections that are open", open_files()),
            ("process_max_fds", "Files and connections that may be open", most_files),
        ] {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_it_is_called() {
        let stat =
            "7 (a) b (c) S 1 7 7 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 12 0 4200 1048576 256 18446744073709551615";
        let figures = Figures {
            cpu_seconds: 3.0,
            threads: 12,
            started_after_seconds: 42.0,
            virtual_bytes: 1_048_576,
            resident_bytes: 1_048_576,
        };
        assert_eq!(Figures::parse(stat, 100, 4096), Some(figures));
        assert_eq!(Figures::parse("7 (a", 100, 4096), None);
    }
}
