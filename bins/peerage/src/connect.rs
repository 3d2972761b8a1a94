//! `peerage connect`: a connection to a node.

use peerage::bitcoin::{self, Config, Event, Events, Network, Peer, Socks5, Target};
use tokio::time::Instant;

use crate::args::ConnectArgs;
use crate::asked::{Asked, Request};
use crate::failure::Failure;
use crate::interrupt::{interrupted, or_interrupted};
use crate::kaspa;
use crate::output::Output;
use crate::request::Asking;
use crate::show::Screen;

pub(crate) const SAVE_WHAT: &str = "--save needs --request block:HASH";

/// Connects, and either asks or shows what comes.
pub(crate) async fn run(args: ConnectArgs) -> Result<(), Failure> {
    if let Some(endpoint) = args.common.kaspa(&args.host)? {
        return kaspa::connect::run(&args, &endpoint).await;
    }
    let request = args.request.as_ref().map(Asked::bitcoin).transpose()?;
    if args.save.is_some() && !matches!(request, Some(Request::Block(_))) {
        return Err(Failure::usage(SAVE_WHAT));
    }
    let deadline = args.deadline();
    let network = args.common.bitcoin().unwrap_or_else(Network::mainnet);
    let target = Target::with_default_port(&args.host, network.port)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let output = Output::new(args.common.json);
    output.text(format_args!("connecting to {target} ({})", network.name));
    let (peer, mut events) = or_interrupted(open(&args, target, network.clone())).await?;
    let screen = Screen::new(output, peer.id());
    screen.opened(&peer);
    let result = match request {
        Some(request) => {
            let file = args.save.as_deref();
            let asking = Asking::new(&peer, &mut events, &screen, &network, file);
            or_interrupted(within(deadline, asking.run(request))).await
        }
        None => watch(&mut events, &screen, deadline).await,
    };
    peer.disconnect();
    let reason = peer.closed().await;
    screen.closed(&peer.stats(), &reason);
    result
}

async fn open(
    args: &ConnectArgs,
    target: Target,
    network: Network,
) -> Result<(Peer, Events), Failure> {
    let config = config(args, network).await?;
    bitcoin::connect(target, &config).await.map_err(|error| Failure::open(&error))
}

async fn config(args: &ConnectArgs, network: Network) -> Result<Config, Failure> {
    let mut config = Config::new(network);
    config.v2 = args.common.transport();
    // The time limit of this command is the only one that a request has.
    config.engine.stall_detection = args.request.is_none();
    if let Some(timeout) = args.timeout {
        config.engine.opening_timeout = config.engine.opening_timeout.min(timeout);
    }
    if let Some(name) = &args.proxy {
        config.proxy = Some(proxy(name).await?);
    }
    Ok(config)
}

/// The proxy of this name.
pub(crate) async fn proxy(name: &str) -> Result<Socks5, Failure> {
    let unknown = |why: String| Failure::unreachable(format!("the proxy {name}: {why}"));
    let mut found =
        tokio::net::lookup_host(name).await.map_err(|error| unknown(error.to_string()))?;
    let address = found.next().ok_or_else(|| unknown("no such host".into()))?;
    Ok(Socks5::new(address))
}

/// What a question may take: until the deadline, if there is one.
pub(crate) async fn within(
    deadline: Option<Instant>,
    answer: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let Some(deadline) = deadline else { return answer.await };
    tokio::time::timeout_at(deadline, answer).await.unwrap_or_else(|_| {
        Err(Failure::timed_out(
            "the answer did not come in time\n\
             Nodes are silent about what they do not have or do not show; --timeout gives them \
             longer.",
        ))
    })
}

/// Shows events until the deadline, until Ctrl-C or until the end.
async fn watch(
    events: &mut Events,
    screen: &Screen,
    deadline: Option<Instant>,
) -> Result<(), Failure> {
    let ended = async {
        while let Some(event) = events.next().await {
            screen.event(&event);
            if let Event::Disconnected(reason) = event {
                return Err(Failure::lost(&reason));
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

/// Sleeps until the deadline; for ever without one.
pub(crate) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
