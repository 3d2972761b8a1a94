//! Openings: one after another, and many at once.

use std::time::Instant;

use super::Bench;
use super::pair::Dialler;
use super::report::{Meter, Row};

/// Openings of each dialler that are not counted.
const WARM_UP: u64 = 20;

/// Measures with so many diallers at once, each with a server of its own. An opening is counted when
/// both ends are open.
pub(crate) async fn measure(bench: &Bench, at_once: usize) -> Result<(), String> {
    let mut diallers = Vec::with_capacity(at_once);
    for _ in 0..at_once {
        diallers.push(Dialler::new().await?);
    }
    let each = WARM_UP.div_ceil(at_once as u64);
    let (diallers, _) = several(diallers, move |opened| opened < each).await?;
    let (meter, until) = (Meter::start(), Instant::now() + bench.seconds);
    let (_, opened) = several(diallers, move |_| Instant::now() < until).await?;
    let name =
        if at_once == 1 { "opening/sequential" } else { &format!("opening/{at_once}-at-once") };
    Row::rate(name, &meter.stop(opened), "openings/s").print();
    Ok(())
}

/// Opens with all of them, each as long as it is to go on after so many; how many there were.
async fn several(
    diallers: Vec<Dialler>,
    more: impl Fn(u64) -> bool + Clone + Send + 'static,
) -> Result<(Vec<Dialler>, u64), String> {
    let mut tasks = Vec::with_capacity(diallers.len());
    for mut dialler in diallers {
        let more = more.clone();
        tasks.push(tokio::spawn(async move {
            let mut opened = 0;
            while more(opened) {
                dialler.open().await?.close().await;
                opened += 1;
            }
            Ok::<_, String>((dialler, opened))
        }));
    }
    let (mut diallers, mut sum) = (Vec::with_capacity(tasks.len()), 0);
    for task in tasks {
        let (dialler, opened) = task.await.map_err(|error| error.to_string())??;
        diallers.push(dialler);
        sum += opened;
    }
    Ok((diallers, sum))
}
