//! Examples as processes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// An example that runs until the test is over.
pub(crate) struct Running {
    lines: Lines<BufReader<ChildStdout>>,
    /// Killed when it is dropped.
    _child: Child,
}

impl Running {
    pub(crate) fn start(name: &str, args: &[&str]) -> Self {
        let mut child = command(name, args).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { lines, _child: child }
    }

    pub(crate) async fn line(&mut self) -> String {
        in_time(self.lines.next_line()).await.unwrap().expect("the example goes on")
    }

    pub(crate) async fn listening(&mut self) -> SocketAddr {
        let line = self.line().await;
        line.strip_prefix("listening on ").expect("it says where").parse().unwrap()
    }
}

/// Runs an example to its end.
pub(crate) fn run(name: &str, args: &[&str]) -> impl Future<Output = Output> + use<> {
    let mut command = command(name, args);
    async move { in_time(command.output()).await.unwrap() }
}

fn command(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(binary(name));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Where cargo puts the examples that it builds with the tests.
fn binary(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.ancestors().nth(2).unwrap().join("examples");
    let binary = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let modified = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
    let source = source_folder().join(format!("{name}.rs"));
    assert!(
        modified(&binary) >= modified(&source),
        "{} is missing or old: run `cargo test` for all targets, or `cargo build --examples` first",
        binary.display()
    );
    binary
}

pub(crate) fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Waits, but not for ever.
pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("this takes no minute")
}
