//! How things are timed, and the line that each figure is.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

/// Times something: wall clock and the processor time of the whole process.
pub(crate) struct Meter {
    began: Instant,
    cpu: Duration,
}

/// What a meter has shown for so many operations.
pub(crate) struct Timed {
    ops: f64,
    seconds: f64,
    cpu_us_per_op: f64,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { began: Instant::now(), cpu: cpu_time() }
    }

    #[allow(clippy::cast_precision_loss)] // a count of operations, far below 2^52
    pub(crate) fn stop(&self, ops: u64) -> Timed {
        let seconds = self.began.elapsed().as_secs_f64();
        let cpu = (cpu_time() - self.cpu).as_secs_f64();
        let ops = (ops as f64).max(1.0);
        Timed { ops, seconds, cpu_us_per_op: cpu / ops * 1e6 }
    }
}

impl Timed {
    pub(crate) fn rate(&self) -> f64 {
        self.ops / self.seconds
    }
}

/// User and system time that this process has used.
pub(crate) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("processor time is not negative");
    Duration::new(seconds, u32::try_from(time.tv_nsec).expect("below a second"))
}

/// The resident memory of this process in kB.
pub(crate) fn rss_kb() -> Result<f64, String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    number.ok_or_else(|| "no VmRSS in /proc/self/status".to_owned())
}

/// One figure.
pub(crate) struct Row(Map<String, Value>);

impl Row {
    pub(crate) fn new(case: &str, metric: &str, value: f64, unit: &str) -> Self {
        let row = json!({
            "impl": "kaspa-p2p-lib",
            "case": case,
            "transport": "grpc",
            "metric": metric,
            "value": value,
            "unit": unit,
        });
        let Value::Object(row) = row else { unreachable!("it is written as an object") };
        Self(row)
    }

    /// So many operations a second.
    pub(crate) fn rate(case: &str, timed: &Timed, unit: &str) -> Self {
        Self::new(case, "rate", timed.rate(), unit)
            .with("seconds", timed.seconds)
            .with("n", timed.ops)
            .with("cpu_us_per_op", timed.cpu_us_per_op)
    }

    pub(crate) fn with(mut self, key: &str, value: f64) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    pub(crate) fn print(self) {
        println!("{}", Value::Object(self.0));
    }
}
