use peerage_wire::Kind as _;
use proptest::prelude::*;

use super::input::{LOOSE_CHUNKS, TOGETHER};
use super::*;
use crate::gzip;
use crate::toy::{LARGE, Said, Which};

fn frames(max: usize) -> Frames<Which> {
    let mut frames = Frames::new(max);
    frames.accept_gzip();
    frames
}

fn plain(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap();
    [&[0], &len.to_be_bytes()[..], body].concat()
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut member = Vec::new();
    gzip::pack(body, &mut member);
    as_packed(&member)
}

fn as_packed(member: &[u8]) -> Vec<u8> {
    let mut bytes = plain(member);
    bytes[0] = 1;
    bytes
}

/// Everything that comes out, with memory for whoever asks.
fn drain(frames: &mut Frames<Which>) -> Result<Vec<Frame<Which>>, Malformed> {
    let mut all = Vec::new();
    loop {
        match frames.next_frame()? {
            Some(frame) => all.push(frame),
            None => match frames.wants() {
                Some(bytes) => frames.grant(bytes),
                None => return Ok(all),
            },
        }
    }
}

fn fails(max: usize, bytes: &[u8]) -> Malformed {
    let mut frames = frames(max);
    frames.push(Bytes::copy_from_slice(bytes));
    let error = drain(&mut frames).unwrap_err();
    assert_eq!(frames.next_frame(), Err(error), "an error is final");
    error
}

fn message() -> impl Strategy<Value = (Said, bool)> {
    let lengths = prop_oneof![0..20_usize, 0..1_000_usize, Just(70_000), Just(300_000)];
    (lengths, any::<bool>(), any::<bool>()).prop_map(|(len, dull, packed)| {
        let which = if len < 1_000 { Which::Small } else { Which::Large };
        (if dull { Said::dull(which, len) } else { Said::new(which, len) }, packed)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_it_is_cut_the_same_messages_come_out(
        said in prop::collection::vec(message(), 1..6),
        cuts in prop::collection::vec(1..40_000_usize, 1..10),
        bytewise in any::<bool>(),
    ) {
        let each = |(said, pack): &(Said, bool)| {
            if *pack { packed(&said.envelope) } else { plain(&said.envelope) }
        };
        let wire: Vec<Vec<u8>> = said.iter().map(each).collect();
        let mut rest = Bytes::from(wire.concat());
        let total = rest.len();
        let (mut frames, mut out, mut used) = (frames(LARGE), Vec::new(), 0);
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let cut = if bytewise && rest.len() < 5_000 { 1 } else { *cuts.next().unwrap() };
            frames.push(rest.split_to(cut.min(rest.len())));
            out.extend(drain(&mut frames).unwrap());
            used += frames.take_used();
        }
        prop_assert_eq!((used, frames.waiting(), frames.arriving()), (total, 0, 0));
        prop_assert_eq!(out.len(), said.len());
        for ((frame, (said, _)), wire) in out.iter().zip(&said).zip(&wire) {
            prop_assert!(frame.payload == said.envelope);
            prop_assert_eq!((frame.kind, frame.wire_len), (said.which, wire.len()));
        }
    }

    #[test]
    fn noise_is_no_reason_to_panic(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        flag in 0..3_u8,
        cut in 1..20_usize,
    ) {
        let mut bytes = vec![flag, 0, 0, 0];
        bytes.extend(noise);
        let mut frames = frames(1 << 20);
        for chunk in bytes.chunks(cut) {
            frames.push(Bytes::copy_from_slice(chunk));
            if drain(&mut frames).is_err() {
                break;
            }
        }
    }
}

#[test]
fn a_message_in_one_chunk_is_a_slice_of_it() {
    let said = Said::new(Which::Large, 20_000);
    let mut chunk = plain(&said.envelope);
    chunk.extend(plain(&said.envelope));
    let chunk = Bytes::from(chunk);
    let within = chunk.as_ptr_range();
    let mut frames = frames(LARGE);
    frames.push(chunk);
    let out = drain(&mut frames).unwrap();
    assert_eq!(out.len(), 2);
    assert!(out.iter().all(|frame| within.contains(&frame.payload.as_ptr())));
    let mut keeping = Frames::<Which>::new(LARGE);
    keeping.copy_small();
    let small = Bytes::from(plain(&Said::new(Which::Small, 50).envelope));
    keeping.push(small.clone());
    let kept = drain(&mut keeping).unwrap();
    assert!(!small.as_ptr_range().contains(&kept[0].payload.as_ptr()), "copied to be kept");
}

#[test]
fn a_length_above_the_cap_ends_it_before_a_byte_of_the_message() {
    let too_large = |command, len, max| Malformed::TooLarge { command, len, max };
    let unknown = Command::default().into();
    let claimed = u64::from(u32::MAX);
    assert_eq!(fails(4_096, &[0, 255, 255, 255, 255]), too_large(unknown, claimed, 4_096));
    assert_eq!(fails(4_096, &[0, 0, 0, 16, 1]), too_large(unknown, 4_097, 4_096));
    assert_eq!(
        fails(LARGE, &[1, 255, 255, 255, 255]),
        too_large(unknown, claimed, packed_bound(LARGE) as u64)
    );
    // Known by its first byte, whose cap is less than the link's.
    assert_eq!(fails(LARGE, &[0, 0, 0, 4, 1, 4]), too_large(Which::Small.name(), 1_025, 1_024));
    let mut frames = frames(LARGE);
    frames.push(Bytes::from_static(&[0, 0, 0, 4, 0, 4]));
    assert_eq!(drain(&mut frames), Ok(vec![]), "exactly the cap");
    assert_eq!(frames.arriving(), 1_029);
}

#[test]
fn flags_and_envelopes_that_are_none() {
    let invalid = |what| Malformed::Invalid { what };
    assert_eq!(fails(4_096, &[2, 0, 0, 0, 1]), invalid("gRPC flag"));
    assert_eq!(fails(4_096, &[0, 0, 0, 0, 0]), Malformed::Truncated);
    assert_eq!(fails(4_096, &plain(&[0, 0, 0])), Malformed::Truncated);
    assert_eq!(fails(4_096, &plain(&[0, 200])), invalid("kind"));
    let hidden = invalid("envelope: its kind is not where it begins");
    assert_eq!(fails(4_096, &plain(&[0; 65])), hidden);
    assert_eq!(fails(4_096, &packed(&[0; 65])), hidden);
    let mut plain_only = Frames::<Which>::new(4_096);
    plain_only.push(Bytes::from(packed(&[4])));
    let error = plain_only.next_frame().unwrap_err();
    assert_eq!(error, invalid("gRPC flag: packed, which was not agreed"));
}

#[test]
fn packages_that_are_none() {
    let mut member = Vec::new();
    gzip::pack(&[4; 100], &mut member);
    let (last, but_one) = (member.len() - 1, member.len() - 5);
    assert_eq!(fails(4_096, &as_packed(&member[..last])), Malformed::Truncated);
    assert_eq!(fails(4_096, &as_packed(&[])), Malformed::Truncated);
    let longer = [&member[..], &[1, 2, 3]].concat();
    assert_eq!(fails(4_096, &as_packed(&longer)), Malformed::TrailingBytes { count: 3 });
    assert_eq!(fails(4_096, &as_packed(&[9; 30])), Malformed::Invalid { what: "gzip" });
    for at in [last, but_one] {
        let mut broken = member.clone();
        broken[at] ^= 1;
        let checksum = Malformed::Invalid { what: "gzip checksum" };
        assert_eq!(fails(4_096, &as_packed(&broken)), checksum);
    }
    assert_eq!(fails(4_096, &packed(&[])), Malformed::Truncated);
}

#[test]
fn memory_grows_with_what_has_arrived_and_no_further_than_granted() {
    let said = Said::new(Which::Large, 5 << 20);
    let mut wire = Bytes::from(plain(&said.envelope));
    let (mut frames, mut arrived) = (frames(LARGE), 0);
    while wire.len() > 1 {
        let chunk = wire.split_to((wire.len() - 1).min(10_000));
        arrived += chunk.len();
        frames.push(chunk);
        assert_eq!(frames.next_frame(), Ok(None));
        assert!(frames.held() <= (2 * arrived).max(FREE), "{} of {arrived}", frames.held());
        if let Some(bytes) = frames.wants() {
            assert!(bytes <= 2 * arrived + FREE);
            let held = frames.held();
            assert_eq!((frames.next_frame(), frames.held()), (Ok(None), held), "not granted yet");
            frames.grant(bytes);
            assert_eq!(frames.next_frame(), Ok(None));
        }
    }
    frames.push(wire);
    let out = drain(&mut frames).unwrap();
    assert!(out[0].payload == said.envelope);
    assert_eq!(frames.held(), 0);
}

#[test]
fn a_bomb_ends_at_the_cap_of_its_kind() {
    // 200 MB of zeros behind the byte of its kind, in some 200 kB.
    let bomb = |which: Which| {
        let mut plain = vec![0; 200_000_000];
        plain[0] = which as u8 + 1;
        Bytes::from(packed(&plain))
    };
    let mut small = frames(LARGE);
    small.push(bomb(Which::Small));
    // Even its package is too large for its kind.
    let Err(Malformed::TooLarge { command, max, .. }) = small.next_frame() else { panic!() };
    assert_eq!((command, max), (Which::Small.name(), packed_bound(1_024) as u64));
    assert!(small.held() <= FREE);

    let mut opening = frames(4_096);
    let mut mild = vec![0; 100_000];
    mild[0] = Which::Small as u8 + 1;
    opening.push(Bytes::from(packed(&mild)));
    let Err(Malformed::TooLarge { command, max, .. }) = opening.next_frame() else { panic!() };
    assert_eq!((command, max), (Which::Small.name(), 1_024));
    assert!(opening.held() <= FREE);

    let mut large = frames(LARGE);
    large.push(bomb(Which::Large));
    let mut granted = FREE;
    let error = loop {
        assert!(large.held() <= granted, "{} of {granted}", large.held());
        match large.next_frame() {
            Ok(None) => {
                granted = large.wants().expect("it waits for memory");
                assert!(granted <= LARGE + 1);
                large.grant(granted);
            }
            Ok(Some(_)) => panic!("a bomb is no message"),
            Err(error) => break error,
        }
    };
    let len = (LARGE + 1) as u64;
    assert_eq!(error, Malformed::TooLarge { command: Which::Large.name(), len, max: LARGE as u64 });
}

#[test]
fn the_largest_message_of_a_kind_passes_packed() {
    for said in [Said::dull(Which::Large, LARGE - 1), Said::new(Which::Large, LARGE - 1)] {
        let mut frames = frames(LARGE);
        frames.push(Bytes::from(packed(&said.envelope)));
        let out = drain(&mut frames).unwrap();
        assert!(out.len() == 1 && out[0].payload == said.envelope);
    }
}

#[test]
fn chunks_of_one_byte_do_not_hold_a_buffer_each() {
    let mut frames = frames(LARGE);
    let buffer = Bytes::from(plain(&vec![5; 1 << 20]));
    for at in 0..buffer.len() {
        frames.push(buffer.slice(at..=at));
    }
    let most = LOOSE_CHUNKS + buffer.len() / TOGETHER + 1;
    assert!(frames.input.chunks() <= most, "{} chunks", frames.input.chunks());
    let out = drain(&mut frames).unwrap();
    assert_eq!(out[0].payload, vec![5; 1 << 20]);
}
