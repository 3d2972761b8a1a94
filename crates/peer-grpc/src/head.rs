//! The heads of the one call: what a request and its response say before the first message.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE, USER_AGENT};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use peerage_peer_core::DisconnectReason;

use crate::Options;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// gRPC's code for a method that is not there, or an encoding.
const UNIMPLEMENTED: &str = "12";

/// What the remote's head says of packing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Theirs {
    /// Whether it unpacks.
    pub(crate) accepts_gzip: bool,
    /// Whether it may pack.
    pub(crate) sends_gzip: bool,
}

/// The request that opens the call at `path`.
pub(crate) fn request(path: &'static str, authority: Authority, options: &Options) -> Request<()> {
    let uri = Uri::builder().scheme("http").authority(authority).path_and_query(path);
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri.build().expect("a scheme, a host and the path of a protocol");
    let headers = request.headers_mut();
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(USER_AGENT, options.user_agent.clone());
    say_what_is_spoken(headers, options, options.send_gzip);
    request
}

/// The response to a request that is welcome.
pub(crate) fn response(options: &Options, theirs: Theirs) -> Response<()> {
    let mut response = Response::new(());
    let packs = options.send_gzip && theirs.accepts_gzip;
    say_what_is_spoken(response.headers_mut(), options, packs);
    response
}

fn say_what_is_spoken(headers: &mut HeaderMap, options: &Options, packs: bool) {
    headers.insert(CONTENT_TYPE, GRPC);
    if packs {
        headers.insert(ENCODING, GZIP);
    }
    if options.accept_gzip {
        headers.insert(ACCEPT_ENCODING, GZIP);
    }
}

/// The last words of a call that ends as it should.
pub(crate) fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))])
}

/// Why a request is not welcome, for either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    pub(crate) why: &'static str,
}

/// Judges a request.
///
/// # Errors
/// If it is not welcome.
pub(crate) fn judge_request(
    request: &http::request::Parts,
    path: &str,
    options: &Options,
) -> Result<Theirs, Refusal> {
    let no = |status, why| Err(Refusal { status, why });
    if request.method != Method::POST {
        let why = "the remote asked by another method than POST";
        return no(StatusCode::METHOD_NOT_ALLOWED, why);
    }
    if !is_grpc(&request.headers) {
        return no(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the remote does not speak gRPC");
    }
    if request.uri.path() != path {
        return no(StatusCode::OK, "the remote asked for another service");
    }
    theirs(&request.headers, options)
        .ok_or(Refusal { status: StatusCode::OK, why: UNKNOWN_ENCODING })
}

const UNKNOWN_ENCODING: &str = "the remote packs messages in a way that was not offered";

/// The whole answer to such a request.
pub(crate) fn refusal(refusal: &Refusal, options: &Options) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = refusal.status;
    let headers = response.headers_mut();
    if refusal.status == StatusCode::OK {
        headers.insert(GRPC_STATUS, HeaderValue::from_static(UNIMPLEMENTED));
        say_what_is_spoken(headers, options, false);
    }
    response
}

/// Judges a response.
///
/// # Errors
/// What it makes of the connection; a call that is over already was closed by the remote.
pub(crate) fn judge_response(
    response: &http::response::Parts,
    options: &Options,
) -> Result<Theirs, DisconnectReason> {
    match response.status {
        StatusCode::OK => {}
        // It has no place for us now.
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => return Err(DisconnectReason::RemoteClosed),
        _ => return Err(DisconnectReason::NoCommonTransport("the remote refused the request")),
    }
    if !is_grpc(&response.headers) {
        return Err(DisconnectReason::NoCommonTransport("the remote does not speak gRPC"));
    }
    if response.headers.contains_key(GRPC_STATUS) {
        return Err(end_of_call(&response.headers));
    }
    theirs(&response.headers, options).ok_or(DisconnectReason::NoCommonTransport(UNKNOWN_ENCODING))
}

/// What the end of a call means: the remote hung up, unless it does not know what was called.
pub(crate) fn end_of_call(trailers: &HeaderMap) -> DisconnectReason {
    match trailers.get(GRPC_STATUS) {
        Some(status) if status == UNIMPLEMENTED => {
            DisconnectReason::NoCommonTransport("the remote does not offer this service")
        }
        _ => DisconnectReason::RemoteClosed,
    }
}

/// `application/grpc`, perhaps with what follows it (`+proto`, parameters).
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let rest = kind.strip_prefix(GRPC.as_bytes());
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// `None` if they pack in a way that we did not offer.
fn theirs(headers: &HeaderMap, options: &Options) -> Option<Theirs> {
    let sends_gzip = match headers.get(ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => false,
        Some(b"gzip") if options.accept_gzip => true,
        Some(_) => return None,
    };
    let accepts_gzip = headers.get_all(ACCEPT_ENCODING).iter().any(|value| {
        value.as_bytes().split(|byte| *byte == b',').any(|name| name.trim_ascii() == b"gzip")
    });
    Some(Theirs { accepts_gzip, sends_gzip })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(change: impl FnOnce(&mut HeaderMap)) -> http::response::Parts {
        let mut response = response(&Options::default(), Theirs::default());
        change(response.headers_mut());
        response.into_parts().0
    }

    fn judge(change: impl FnOnce(&mut HeaderMap)) -> Result<Theirs, DisconnectReason> {
        judge_response(&parts(change), &Options::default())
    }

    #[test]
    fn what_a_response_says() {
        let value = HeaderValue::from_static;
        let theirs = |accepts_gzip, sends_gzip| Ok(Theirs { accepts_gzip, sends_gzip });
        assert_eq!(judge(|_| {}), theirs(true, false));
        assert_eq!(
            judge(HeaderMap::clear).map(|_| ()).unwrap_err().to_string(),
            "no common transport: the remote does not speak gRPC"
        );
        let kind = |kind| judge(|headers| drop(headers.insert(CONTENT_TYPE, value(kind))));
        assert_eq!(kind("application/grpc+proto"), theirs(true, false));
        assert_eq!(kind("application/grpc; charset=x"), theirs(true, false));
        assert!(kind("application/grpc-web").is_err());
        let accepted = |list| judge(|headers| drop(headers.insert(ACCEPT_ENCODING, value(list))));
        assert_eq!(accepted("identity, gzip,zstd"), theirs(true, false));
        assert_eq!(accepted("identity"), theirs(false, false));
        let packed = |name| judge(|headers| drop(headers.insert(ENCODING, value(name))));
        assert_eq!(packed("identity"), theirs(true, false));
        assert_eq!(packed("gzip"), theirs(true, true));
        assert!(matches!(packed("zstd"), Err(DisconnectReason::NoCommonTransport(_))));
        let status = |code| judge(|headers| drop(headers.insert(GRPC_STATUS, value(code))));
        assert_eq!(status("0"), Err(DisconnectReason::RemoteClosed));
        assert_eq!(status("8"), Err(DisconnectReason::RemoteClosed));
        assert!(matches!(status("12"), Err(DisconnectReason::NoCommonTransport(_))));
    }

    #[test]
    fn who_is_not_wanted_packed_is_not_taken() {
        let plain = Options { accept_gzip: false, ..Options::default() };
        let parts = parts(|headers| drop(headers.insert(ENCODING, GZIP)));
        assert!(judge_response(&parts, &plain).is_err());
    }
}
