//! `peerage connect kaspa://…`: a connection to a Kaspa node.

use peerage::kaspa::{self, Config, Event, Events, Peer, Text};
use tokio::time::Instant;

use super::request::Asking;
use super::{describe, show};
use crate::args::ConnectArgs;
use crate::asked::{Asked, KaspaRequest};
use crate::connect::{SAVE_WHAT, proxy, sleep_until, within};
use crate::failure::Failure;
use crate::interrupt::{interrupted, or_interrupted};
use crate::output::Output;
use crate::show::Screen;
use crate::whom::Endpoint;

/// Connects, and either asks or shows what comes.
pub(crate) async fn run(args: &ConnectArgs, endpoint: &Endpoint<'_>) -> Result<(), Failure> {
    let request = args.request.as_ref().map(Asked::kaspa).transpose()?;
    if args.save.is_some() && !matches!(request, Some(KaspaRequest::Block(_))) {
        return Err(Failure::usage(SAVE_WHAT));
    }
    let deadline = args.deadline();
    let mut config = Config::new(endpoint.network.clone());
    // The time limit of this command is the only one that a request has.
    config.engine.stall_detection = request.is_none();
    if let Some(timeout) = args.timeout {
        config.engine.opening_timeout = config.engine.opening_timeout.min(timeout);
    }
    let output = Output::new(args.common.json);
    let (peer, mut events) =
        or_interrupted(open(endpoint, config, args.proxy.as_deref(), &output)).await?;
    let screen = Screen::new(output, peer.id());
    show::opened(&screen, &peer);
    let result = match request {
        Some(request) => {
            let asking = Asking::new(&peer, &mut events, &screen, args.save.as_deref());
            or_interrupted(within(deadline, asking.run(request))).await
        }
        None => watch(&mut events, &screen, deadline).await,
    };
    close(&peer, &screen).await;
    result
}

/// Dials the node, through the proxy if there is one.
pub(super) async fn open(
    endpoint: &Endpoint<'_>,
    mut config: Config,
    through: Option<&str>,
    output: &Output,
) -> Result<(Peer, Events), Failure> {
    let target = endpoint.target()?;
    output.text(format_args!("connecting to {target} ({})", endpoint.network.name));
    if let Some(name) = through {
        config.proxy = Some(proxy(name).await?);
    }
    kaspa::connect(target, &config).await.map_err(|error| Failure::open(&error))
}

/// Ends the connection and shows its figures.
pub(super) async fn close(peer: &Peer, screen: &Screen) {
    peer.disconnect();
    let reason = peer.closed().await;
    show::closed(screen, &peer.stats(), &reason);
}

/// Shows events until the deadline, until Ctrl-C or until the end.
async fn watch(
    events: &mut Events,
    screen: &Screen,
    deadline: Option<Instant>,
) -> Result<(), Failure> {
    let ended = async {
        let mut rejected = None;
        while let Some(event) = events.next().await {
            show::event(screen, &event);
            rejected = rejection(&event).or(rejected);
            if let Event::Disconnected(reason) = event {
                return Err(super::lost(&reason, rejected.as_ref()));
            }
        }
        Ok(())
    };
    tokio::select! {
        result = ended => result,
        () = sleep_until(deadline) => Ok(()),
        () = interrupted() => Ok(()),
    }
}

/// What the remote says of why it does not want something. Kaspad then goes.
pub(super) fn rejection(event: &Event) -> Option<Text> {
    match event {
        Event::Message(message) => match &message.payload {
            kaspa::Payload::Reject(reject) => Some(describe::said(&reject.reason)),
            _ => None,
        },
        _ => None,
    }
}
