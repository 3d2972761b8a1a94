//! Which cases run, how they are timed, and the line that each prints.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::coin::Coin;

/// The transport of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    V1,
    V2,
}

impl Transport {
    pub(crate) const BOTH: [Self; 2] = [Self::V1, Self::V2];

    pub(crate) fn parse(text: &str) -> Self {
        if text == "v2" { Self::V2 } else { Self::V1 }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

/// What was asked for on the command line.
#[derive(Debug, Default)]
pub(crate) struct Bench {
    sets: Vec<String>,
    only: Vec<String>,
    transport: Option<String>,
    scale: f64,
    list: bool,
    pub(crate) btcd: Option<String>,
    /// The programs of other nodes, by name.
    pub(crate) daemons: HashMap<String, PathBuf>,
}

impl Bench {
    pub(crate) fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut bench = Self { scale: 1.0, ..Self::default() };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
            match arg.as_str() {
                "--only" => bench.only.push(value()?),
                "--transport" => bench.transport = Some(value()?),
                "--btcd" => bench.btcd = Some(value()?),
                "--daemon" => {
                    let value = value()?;
                    let (name, path) = value.split_once('=').ok_or("--daemon wants NAME=PATH")?;
                    bench.daemons.insert(name.into(), path.into());
                }
                "--list" => bench.list = true,
                "--seconds" => {
                    let scale = value()?.parse().ok().filter(|scale| *scale > 0.0);
                    bench.scale = scale.ok_or("--seconds wants a number above 0")?;
                }
                "ours" | "limit" | "codec" | "btcd" | "bitcoind" => bench.sets.push(arg),
                _ => return Err(format!("what is {arg}?")),
            }
        }
        Ok(bench)
    }

    /// Whether this case of this set is to run. Lists it instead if that was asked for.
    pub(crate) fn wants(&self, set: &str, case: &str, transport: impl fmt::Display) -> bool {
        let asked = (self.sets.is_empty() || self.sets.iter().any(|asked| asked == set))
            && (self.only.is_empty() || self.only.iter().any(|part| is_part(case, part)))
            && self.transport.as_ref().is_none_or(|asked| *asked == transport.to_string());
        if asked && self.list {
            println!("{set} {case} {transport}");
        }
        asked && !self.list
    }

    /// The whole name of this case of ours, if it is to run.
    pub(crate) fn wants_ours<C: Coin>(&self, case: &str, coin: C) -> Option<String> {
        let case = format!("{}{case}", C::GROUP);
        self.wants("ours", &case, coin).then_some(case)
    }

    /// So many seconds, stretched.
    pub(crate) fn seconds(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds * self.scale)
    }

    /// So many of something, stretched; at least one.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // a count of operations, far below 2^52
    pub(crate) fn count(&self, count: u64) -> u64 {
        ((count as f64 * self.scale) as u64).max(1)
    }
}

/// Whether a case is in a group, or is it: `flood/inv/stream` is in `flood`.
fn is_part(case: &str, group: &str) -> bool {
    let rest = case.strip_prefix(group.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Times something: wall clock and the processor time of the whole process.
pub(crate) struct Meter {
    began: Instant,
    cpu: Duration,
}

/// What a meter has shown for so many operations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timed {
    pub(crate) ops: f64,
    pub(crate) seconds: f64,
    pub(crate) cpu_us_per_op: f64,
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
    pub(crate) fn rate(self) -> f64 {
        self.ops / self.seconds
    }
}

/// User and system time that this process has used.
pub(crate) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("processor time is not negative");
    let nanos = u32::try_from(time.tv_nsec).expect("below a second");
    Duration::new(seconds, nanos)
}

/// How many allocations `run` makes on this thread.
pub(crate) fn allocations(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).count_total
}

/// One figure, to be printed.
#[derive(Debug)]
pub(crate) struct Row(serde_json::Map<String, Value>);

impl Row {
    pub(crate) fn new(
        set: &str,
        case: &str,
        transport: impl fmt::Display,
        metric: &str,
        value: f64,
        unit: &str,
    ) -> Self {
        let row = json!({
            "impl": set,
            "case": case,
            "transport": transport.to_string(),
            "metric": metric,
            "value": round(value),
            "unit": unit,
        });
        let Value::Object(row) = row else { unreachable!("it is written as one") };
        Self(row)
    }

    /// Operations a second.
    pub(crate) fn rate(
        set: &str,
        case: &str,
        transport: impl fmt::Display,
        timed: Timed,
        unit: &str,
    ) -> Self {
        Self::new(set, case, transport, "rate", timed.rate(), unit)
            .with("cpu_us_per_op", timed.cpu_us_per_op)
            .with("seconds", timed.seconds)
    }

    pub(crate) fn with(mut self, key: &str, value: f64) -> Self {
        self.0.insert(key.into(), round(value));
        self
    }

    pub(crate) fn allocs(self, total: u64, ops: u64) -> Self {
        #[allow(clippy::cast_precision_loss)] // counts, far below 2^52
        self.with("allocs_per_op", total as f64 / ops.max(1) as f64)
    }

    pub(crate) fn print(self) {
        println!("{}", Value::Object(self.0));
    }
}

/// Four significant digits are more than any of these figures deserves.
fn round(value: f64) -> Value {
    if value == 0.0 || !value.is_finite() {
        return json!(0.0);
    }
    let digits = 5.0 - value.abs().log10().floor().min(5.0);
    let factor = 10f64.powf(digits);
    json!((value * factor).round() / factor)
}
