//! What happens, as it happens: lines, and a progress bar where there is a terminal.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::output::line;

/// The screen that the node and its peers share.
#[derive(Debug)]
pub(crate) struct Console {
    start: Instant,
    /// Counts blocks on all connections; hidden unless somebody sits before a terminal.
    bar: Option<ProgressBar>,
}

impl Console {
    /// A screen on which so many blocks will be fetched in all.
    pub(crate) fn new(blocks: u64) -> Self {
        let terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
        let style = "  {bar:40} {human_pos} of {human_len} blocks fetched and verified";
        let bar = terminal.then(|| {
            let style = ProgressStyle::with_template(style).expect("the template is sound");
            let bar = ProgressBar::new(blocks).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { start: Instant::now(), bar }
    }

    /// Prints what somebody has to say.
    pub(crate) fn say(&self, who: &str, what: impl fmt::Display) {
        let seconds = self.start.elapsed().as_secs_f64();
        let print = || line(format_args!("{seconds:>8.3}  {who:<8}  {what}"));
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Somebody has verified `done` of `total` blocks: the bar moves, or each quarter is a line.
    pub(crate) fn progress(&self, who: &str, done: usize, total: usize) {
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if done < total && done * 4 / total > (done - 1) * 4 / total => {
                self.say(who, format_args!("{done} of {total} blocks verified"));
            }
            None => {}
        }
    }

    /// All blocks are there: the bar goes, lines stay.
    pub(crate) fn synced(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The end of a hash: the beginning of a block's is zeros.
pub(crate) fn short(hash: impl fmt::Display) -> String {
    let hash = hash.to_string();
    let end = hash.len().saturating_sub(12);
    format!("…{}", &hash[end..])
}
