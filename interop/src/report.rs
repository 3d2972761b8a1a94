//! What was checked and what came of it: one line a check, a table, a summary for machines.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context as _, Error, Result};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::daemon::Log;

/// The checks made with one counterpart.
pub(crate) struct Section {
    name: &'static str,
    version: String,
    outcomes: Vec<Outcome>,
    logs: Vec<Log>,
}

struct Outcome {
    check: String,
    took: Duration,
    /// What the counterpart has or did, or what went wrong.
    result: Result<String, String>,
}

/// How long a whole run may take: what is not done by then has failed. It takes about two minutes.
const RUN: Duration = Duration::from_secs(8 * 60);

/// When the first check began.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How many lines of a counterpart's log are shown when a check fails.
const LOG_LINES: usize = 25;

impl Section {
    pub(crate) fn new(name: &'static str) -> Self {
        println!("\n{name}");
        Self { name, version: "?".to_owned(), outcomes: Vec::new(), logs: Vec::new() }
    }

    /// What the table says of the counterpart's version.
    pub(crate) fn set_version(&mut self, version: impl Into<String>) {
        self.version = version.into();
    }

    /// Shows the end of this log with every check that fails from now on.
    pub(crate) fn watch(&mut self, log: &Log) {
        self.logs.push(log.clone());
    }

    /// Makes a check: `work` tells what it saw. Whatever takes longer than `seconds` has failed.
    pub(crate) async fn check(
        &mut self,
        check: impl Into<String>,
        seconds: u64,
        work: impl Future<Output = Result<String>>,
    ) {
        let work = async { Ok(((), work.await?)) };
        self.step(check, seconds, work).await;
    }

    /// Makes a check whose result others need; `None` if it failed.
    pub(crate) async fn step<T>(
        &mut self,
        check: impl Into<String>,
        seconds: u64,
        work: impl Future<Output = Result<(T, String)>>,
    ) -> Option<T> {
        let check = check.into();
        let marks: Vec<usize> = self.logs.iter().map(Log::len).collect();
        let start = Instant::now();
        let deadline = (start + Duration::from_secs(seconds)).min(*BEGAN + RUN);
        let result = match timeout_at(deadline, work).await {
            Ok(result) => result,
            Err(_) => Err(Error::msg(format!("not done within {:?}", deadline - start))),
        };
        let (value, result) = match result {
            Ok((value, saw)) => (Some(value), Ok(saw)),
            Err(error) => (None, Err(format!("{error:#}"))),
        };
        let outcome = Outcome { check, took: start.elapsed(), result };
        println!("{}", outcome.line());
        if outcome.result.is_err() {
            for (log, mark) in self.logs.iter().zip(marks) {
                let lines = log.since(mark, LOG_LINES);
                lines.iter().for_each(|line| println!("         | {line:.160}"));
            }
        }
        self.outcomes.push(outcome);
        value
    }

    fn passed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.result.is_ok()).count()
    }

    fn failed(&self) -> usize {
        self.outcomes.len() - self.passed()
    }

    fn took(&self) -> f64 {
        self.outcomes.iter().map(|outcome| outcome.took.as_secs_f64()).sum()
    }

    fn json(&self) -> Value {
        let checks: Vec<Value> = self.outcomes.iter().map(Outcome::json).collect();
        json!({
            "counterpart": self.name, "version": self.version,
            "passed": self.passed(), "failed": self.failed(), "checks": checks,
        })
    }
}

impl Outcome {
    fn line(&self) -> String {
        let seconds = self.took.as_secs_f64();
        let (mark, text) = match &self.result {
            Ok(saw) => ("ok    ", saw),
            Err(error) => ("FAILED", error),
        };
        format!("  {mark} {:<34} {seconds:>6.2} s  {text}", self.check)
    }

    fn json(&self) -> Value {
        let (ok, text) = match &self.result {
            Ok(saw) => (true, saw),
            Err(error) => (false, error),
        };
        json!({
            "check": self.check, "ok": ok, "seconds": self.took.as_secs_f64(),
            (if ok { "saw" } else { "error" }): text,
        })
    }
}

/// Everything that was checked.
#[derive(Default)]
pub(crate) struct Report(Vec<Section>);

impl Report {
    pub(crate) fn add(&mut self, section: Section) {
        self.0.push(section);
    }

    pub(crate) fn passed(&self) -> usize {
        self.0.iter().map(Section::passed).sum()
    }

    pub(crate) fn failed(&self) -> usize {
        self.0.iter().map(Section::failed).sum()
    }

    /// The closing table.
    pub(crate) fn table(&self) -> String {
        let width = self.0.iter().map(|section| section.version.len()).max().unwrap_or(0).max(7);
        let head = format!(
            "{:<11} {:<width$} {:>6} {:>6} {:>8}",
            "with", "version", "passed", "failed", "time"
        );
        let mut table = format!("\n{head}\n{}\n", "-".repeat(head.len()));
        for section in &self.0 {
            let Section { name, version, .. } = section;
            let (passed, failed, took) = (section.passed(), section.failed(), section.took());
            writeln!(table, "{name:<11} {version:<width$} {passed:>6} {failed:>6} {took:>6.1} s")
                .expect("a string takes everything");
        }
        table
    }

    /// Writes everything as JSON.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let sections: Vec<Value> = self.0.iter().map(Section::json).collect();
        let summary =
            json!({ "passed": self.passed(), "failed": self.failed(), "counterparts": sections });
        std::fs::write(path, format!("{summary:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
