//! A counterpart's process: started on free ports with a folder of its own, and gone when dropped.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Notify;
use tokio::time::timeout;

/// A process whose output is read all the time.
pub(crate) struct Daemon {
    name: &'static str,
    child: tokio::sync::Mutex<Child>,
    stdin: tokio::sync::Mutex<Option<ChildStdin>>,
    log: Log,
}

/// How long a process may take to end after it was told to.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long an event may be in coming.
const EVENT: Duration = Duration::from_secs(20);

impl Daemon {
    /// Starts a program. Dropped, it is killed.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let log = Log::default();
        log.follow(child.stdout.take().expect("it was asked for"));
        log.follow(child.stderr.take().expect("it was asked for"));
        let stdin = tokio::sync::Mutex::new(child.stdin.take());
        Ok(Self { name, child: tokio::sync::Mutex::new(child), stdin, log })
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Says a line to its standard input.
    pub(crate) async fn say(&self, line: &str) -> Result<()> {
        let mut stdin = self.stdin.lock().await;
        let stdin = stdin.as_mut().with_context(|| format!("{} listens no more", self.name))?;
        stdin.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(stdin.flush().await?)
    }

    /// Waits for the JSON event of this name that `pick` accepts, among those after `mark`.
    pub(crate) async fn event(
        &self,
        mark: usize,
        name: &str,
        pick: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let wanted = |line: &str| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["event"] == name && pick(&event)).then_some(event)
        };
        self.log
            .find(mark, wanted)
            .await
            .with_context(|| format!("{} did not report `{name}`", self.name))
    }

    /// Waits for the first `count` of such events.
    pub(crate) async fn events(
        &self,
        mark: usize,
        name: &str,
        count: usize,
        pick: impl Fn(&Value) -> bool,
    ) -> Result<Vec<Value>> {
        let found = RefCell::new(Vec::with_capacity(count));
        let wanted = |line: &str| {
            let event: Value = serde_json::from_str(line).ok()?;
            let mut found = found.borrow_mut();
            if event["event"] == name && pick(&event) {
                found.push(event);
            }
            (found.len() >= count).then_some(())
        };
        let all = self.log.find(mark, wanted).await;
        let found = found.take();
        all.with_context(|| format!("{} reported {} of {count} `{name}`", self.name, found.len()))?;
        Ok(found)
    }

    /// Closes its standard input, by which some programs know that nobody needs them.
    pub(crate) async fn hang_up(&self) {
        self.stdin.lock().await.take();
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(&self) -> Result<()> {
        self.child.lock().await.start_kill()?;
        self.exit().await.map(|_| ())
    }

    /// Waits for its end.
    pub(crate) async fn exit(&self) -> Result<ExitStatus> {
        let mut child = self.child.lock().await;
        match timeout(PATIENCE, child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} does not end", self.name),
        }
    }

    /// Waits for its end, which must be an orderly one.
    pub(crate) async fn exit_cleanly(&self) -> Result<()> {
        let status = self.exit().await?;
        if status.success() { Ok(()) } else { bail!("{} ended with {status}", self.name) }
    }
}

/// What a process has printed so far.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Lines>);

#[derive(Default)]
struct Lines {
    lines: Mutex<Vec<String>>,
    news: Notify,
}

impl Log {
    /// How many lines there are: a mark to look on from.
    pub(crate) fn len(&self) -> usize {
        self.lines().len()
    }

    /// The last lines, at most `max`, of those after `mark`; repetitions are left out.
    pub(crate) fn since(&self, mark: usize, max: usize) -> Vec<String> {
        let mut lines = self.lines()[mark..].to_vec();
        lines.dedup();
        lines.split_off(lines.len().saturating_sub(max))
    }

    /// How many lines after `mark` satisfy this.
    pub(crate) fn count(&self, mark: usize, wanted: impl Fn(&str) -> bool) -> usize {
        self.lines()[mark..].iter().filter(|line| wanted(line)).count()
    }

    /// The first line after `mark` that `pick` takes, waiting for it.
    pub(crate) async fn find<T>(&self, mark: usize, pick: impl Fn(&str) -> Option<T>) -> Result<T> {
        let mut seen = mark;
        let search = async {
            loop {
                let news = self.0.news.notified();
                let found = self.lines()[seen..].iter().find_map(|line| {
                    seen += 1;
                    pick(line)
                });
                match found {
                    Some(found) => return found,
                    None => news.await,
                }
            }
        };
        timeout(EVENT, search).await.map_err(|_| anyhow!("not within {} s", EVENT.as_secs()))
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, output: impl AsyncRead + Send + Unpin + 'static) {
        let log = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                log.lines().push(line);
                log.0.news.notify_waiters();
            }
        });
    }
}

/// Where the installed programs are, as `interop/install --paths` prints them.
pub(crate) struct Programs(Vec<(String, PathBuf)>);

impl Programs {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self(pairs.map(|(name, path)| (name.to_owned(), PathBuf::from(path))).collect())
    }

    /// The path of a program, which must be there.
    pub(crate) fn get(&self, name: &str) -> Result<&Path> {
        let found = self.0.iter().find(|(known, _)| known == name);
        let (_, path) = found.with_context(|| format!("no path of {name} is known"))?;
        if !path.exists() {
            bail!("{name} is missing: there is no {}", path.display());
        }
        Ok(path)
    }
}

/// Runs a program to its end and returns what it printed.
pub(crate) async fn output(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let done = timeout(PATIENCE, done).await.context("a command does not end")??;
    if !done.status.success() {
        bail!("{}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8(done.stdout)?.trim().to_owned())
}

/// An empty folder, gone when dropped.
pub(crate) fn folder() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("peerage-interop-").tempdir()?)
}

/// A loopback address that nobody listens on. Its port is below those that the system hands out by
/// itself, so nobody else is given it before our counterpart listens.
pub(crate) fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 8_000).expect("it is below 8,000");
    for _ in 0..1_000 {
        let port = 21_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 8_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port on loopback")
}
