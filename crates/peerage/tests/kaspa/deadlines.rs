//! Nobody waits for ever: kaspad's deadlines of the opening, and ours of a request.

use std::time::Duration;

use peerage::kaspa::message::{
    Pong, PruningPointProofChunk, PruningPoints, RequestAntipast, RequestHeaders,
    RequestPruningPointSmtState, RequestPruningPointUtxoSet, SmtMetadata, TrustedDataChunk,
};
use peerage::kaspa::{
    Answers, Config, DisconnectReason, Fault, Kind, Payload, Request, RequestError,
    RequestPruningPointAndItsAnticone, RequestPruningPointProof, initiate,
};
use tokio::io::duplex;
use tokio::time::{Instant, sleep};

use crate::remote::{BOTH, Caller, PIPE, Remote, listen, reason, version, within};

/// What the remote says before it falls silent, and after how many seconds from its start it is let
/// go: 4 for each of `version` and `verack`, 8 for `ready`.
#[tokio::test(start_paused = true)]
async fn each_step_of_the_opening_has_its_time() {
    let version = || Payload::Version(Box::new(version()));
    let scripts: [(Vec<Payload>, u64); 5] = [
        (vec![], 4),
        (vec![Payload::Verack], 4),
        (vec![version()], 3 + 4),
        (vec![version(), Payload::Ready], 3 + 4),
        (vec![version(), Payload::Verack], 3 + 3 + 8),
    ];
    for caller in BOTH {
        for (script, seconds) in &scripts {
            let began = Instant::now();
            let (opened, ()) = Remote::opening(caller, &Config::simnet(), async |remote| {
                for payload in script {
                    sleep(Duration::from_secs(3)).await;
                    remote.say(payload.clone());
                }
                while remote.hear().await.is_ok() {}
            })
            .await;
            let reason = reason(opened);
            assert_eq!(reason, DisconnectReason::OpeningTimeout, "{caller:?}: {script:?}");
            assert_eq!(reason.fault(), Fault::Slowness);
            assert_eq!(began.elapsed().as_secs(), *seconds, "{caller:?}: {script:?}");
        }
    }
}

/// The whole has its time as well, however far the steps come.
#[tokio::test(start_paused = true)]
async fn the_whole_opening_has_its_time() {
    let mut config = Config::simnet();
    config.engine.opening_timeout = Duration::from_secs(5);
    for caller in BOTH {
        let began = Instant::now();
        let (opened, ()) = Remote::opening(caller, &config, async |remote| {
            for payload in [Payload::Version(Box::new(version())), Payload::Verack] {
                sleep(Duration::from_secs(2)).await;
                remote.say(payload);
            }
            while remote.hear().await.is_ok() {}
        })
        .await;
        assert!(opened.is_err());
        assert_eq!(began.elapsed().as_secs(), 5);
    }
}

/// A server that takes the call and never answers it: not even a head.
#[tokio::test(start_paused = true)]
async fn a_server_that_never_sends_its_head() {
    let (ours, theirs) = duplex(PIPE);
    let began = Instant::now();
    let config = Config::simnet();
    let server = async {
        let mut connection = h2::server::handshake(theirs).await.unwrap();
        let _kept = connection.accept().await.unwrap().unwrap();
        assert!(connection.accept().await.is_none_or(|it| it.is_err()), "one call is made");
    };
    let (opened, ()) = tokio::join!(initiate(ours, &config), server);
    assert_eq!(reason(opened), DisconnectReason::OpeningTimeout);
    assert_eq!(began.elapsed().as_secs(), 4);
}

/// Silence ends a request with the reason of the connection's end, after two minutes; after ten for
/// the proof, which the remote may have to make.
#[tokio::test(start_paused = true)]
async fn who_does_not_answer_is_let_go() {
    for caller in BOTH {
        let (peer, events, mut remote) = Remote::open(caller, &Config::simnet()).await;
        listen(events);
        let began = Instant::now();
        let request = RequestHeaders::default();
        let talk = tokio::spawn(async move { while pong(&mut remote).await {} });
        let mut answers = peer.request(request).await.unwrap();
        let Some(Err(RequestError::Closed(reason))) = answers.next().await else {
            panic!("nothing can have come")
        };
        assert_eq!(reason, DisconnectReason::Stalled(Kind::RequestHeaders.into()));
        assert_eq!(began.elapsed().as_secs(), 120);
        assert!(answers.next().await.is_none(), "after an error there is nothing");
        talk.await.unwrap();
    }
}

/// Answers one ping or hears another message; false at the end.
async fn pong(remote: &mut Remote) -> bool {
    let Ok(message) = remote.hear().await else { return false };
    if let Payload::Ping(ping) = message.payload {
        remote.say(Payload::Pong(Pong { nonce: ping.nonce }));
    }
    true
}

/// Answering pings is no answer to a request of which a part has come, and each part gives the rest
/// its time again.
#[tokio::test(start_paused = true)]
async fn who_stops_in_the_middle_of_an_answer_is_let_go() {
    let chunk = || Payload::PruningPointUtxoSetChunk(Default::default());
    let lanes = SmtMetadata { active_lanes_count: 5, ..SmtMetadata::default() };
    stops(RequestPruningPointUtxoSet::default(), vec![chunk(), chunk()], 120).await;
    let proof = || Payload::PruningPointProofChunk(PruningPointProofChunk::default());
    stops(RequestPruningPointProof, vec![proof(), proof()], 600).await;
    let points = Payload::PruningPoints(PruningPoints::default());
    let trusted = Payload::TrustedDataChunk(TrustedDataChunk::default());
    stops(RequestPruningPointAndItsAnticone, vec![points.clone()], 120).await;
    stops(RequestPruningPointAndItsAnticone, vec![points, trusted], 120).await;
    let headers = Payload::BlockHeaders(Default::default());
    stops(RequestAntipast::default(), vec![headers], 120).await;
    stops(RequestPruningPointSmtState::default(), vec![Payload::SmtMetadata(lanes)], 120).await;
}

/// Says these parts, each after 100 s, and no more; it must be let go `seconds` later.
async fn stops<R: Request<Item: std::fmt::Debug, Answer = Answers<R>>>(
    request: R,
    parts: Vec<Payload>,
    seconds: u64,
) {
    let (peer, events, mut remote) = Remote::open(Caller::Remote, &newest()).await;
    listen(events);
    let mut answers = peer.request(request).await.unwrap();
    let asked = remote.hear().await.unwrap();
    for part in &parts {
        sleep(Duration::from_secs(100)).await;
        remote.answer_to(&asked, part.clone());
        within(answers.next()).await.unwrap().unwrap();
    }
    let began = Instant::now();
    let talk = tokio::spawn(async move { while pong(&mut remote).await {} });
    let end = tokio::time::timeout(Duration::from_secs(1_800), answers.next()).await;
    let Ok(Some(Err(RequestError::Closed(reason)))) = end else {
        panic!("half an hour after {parts:?}: {end:?}")
    };
    assert_eq!(reason, DisconnectReason::Stalled(asked.kind().into()));
    assert_eq!(began.elapsed().as_secs(), seconds, "{parts:?}");
    talk.await.unwrap();
}

/// Version 11, which has all requests.
fn newest() -> Config {
    let mut config = Config::simnet();
    config.identity.version = 11;
    config
}

/// Who has said all that it owes is not blamed, however long nobody asks for more.
#[tokio::test(start_paused = true)]
async fn who_waits_for_us_is_not_let_go() {
    let (peer, events, mut remote) = Remote::open(Caller::We, &newest()).await;
    listen(events);
    let mut outputs = peer.request(RequestPruningPointUtxoSet::default()).await.unwrap();
    remote.expect(Kind::RequestPruningPointUtxoSet).await;
    for _ in 0..99 {
        remote.say(Payload::PruningPointUtxoSetChunk(Default::default()));
    }
    let proof = peer.request(RequestPruningPointProof).await.unwrap();
    let asked = remote.expect(Kind::RequestPruningPointProof).await;
    let chunk = PruningPointProofChunk::default();
    remote.answer_to(&asked, Payload::PruningPointProofChunk(chunk));
    remote.answer_to(&asked, Payload::PruningPointProofChunksEnd);
    let empty = peer.request(RequestAntipast::default()).await.unwrap();
    let asked = remote.expect(Kind::RequestAntipast).await;
    remote.answer_to(&asked, Payload::DoneHeaders);
    let lanes = peer.request(RequestPruningPointSmtState::default()).await.unwrap();
    remote.expect(Kind::RequestPruningPointSmtState).await;
    remote.say(Payload::SmtMetadata(SmtMetadata::default()));

    let (done, mut finished) = tokio::sync::oneshot::channel();
    let talk = tokio::spawn(async move {
        while finished.try_recv().is_err() && pong(&mut remote).await {}
        remote
    });
    sleep(Duration::from_secs(1_800)).await;
    assert_eq!(peer.close_reason(), None);
    assert_eq!(proof.all(5).await.unwrap().len(), 1);
    assert_eq!(empty.all(5).await, Ok(Vec::new()));
    assert_eq!(lanes.all(5).await.unwrap().len(), 1);
    for _ in 0..99 {
        within(outputs.next()).await.unwrap().unwrap();
    }
    done.send(()).unwrap();
    let mut remote = talk.await.unwrap();
    let (more, ()) = tokio::join!(outputs.next(), async {
        remote.expect(Kind::RequestNextPruningPointUtxoSetChunk).await;
        remote.say(Payload::DonePruningPointUtxoSetChunks);
    });
    assert_eq!(more, None);
}
