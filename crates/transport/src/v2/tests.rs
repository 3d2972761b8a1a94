//! The test vectors of BIP324.

use std::fmt::Write as _;
use std::path::PathBuf;

use peerage_wire::Direction;
use secp256k1::ellswift::ElligatorSwift;
use secp256k1::{PublicKey, SecretKey};

use super::cipher::PACKET_OVERHEAD;
use super::key_exchange::{KeyExchange, Keys};

/// The vectors are made for mainnet.
const MAGIC: [u8; 4] = [0xf9, 0xbe, 0xb4, 0xd9];

/// What identifies a vector's connection and one packet on it.
struct PacketVector {
    index: usize,
    secret: [u8; 32],
    ours: [u8; 64],
    theirs: [u8; 64],
    direction: Direction,
    contents: Vec<u8>,
    aad: Vec<u8>,
    ignore: bool,
}

impl PacketVector {
    fn exchange(&self) -> KeyExchange {
        KeyExchange::from_parts(
            SecretKey::from_slice(&self.secret).unwrap(),
            ElligatorSwift::from_array(self.ours),
            self.direction,
        )
    }

    /// The keys, and the packet of this index after as many empty ones.
    fn seal(&self) -> (Keys, Vec<u8>) {
        let mut keys = self.exchange().finish(self.theirs, MAGIC);
        let mut out = Vec::new();
        for _ in 0..self.index {
            out.clear();
            keys.sealer.seal(0, [&[], &[]], &[], &mut out);
        }
        out.clear();
        let header = if self.ignore { 0x80 } else { 0 };
        // In two parts, as messages are: type and payload.
        let parts = self.contents.split_at(self.contents.len().min(1));
        keys.sealer.seal(header, [parts.0, parts.1], &self.aad, &mut out);
        (keys, out)
    }
}

#[test]
fn the_first_packet_vector() {
    let vector = PacketVector {
        index: 1,
        secret: array("61062ea5071d800bbfd59e2e8b53d47d194b095ae5a4df04936b49772ef0d4d7"),
        ours: array(
            "ec0adff257bbfe500c188c80b4fdd640f6b45a482bbc15fc7cef5931deff0aa1\
             86f6eb9bba7b85dc4dcc28b28722de1e3d9108b985e2967045668f66098e475b",
        ),
        theirs: array(
            "a4a94dfce69b4a2a0a099313d10f9f7e7d649d60501c9e1d274c300e0d89aafa\
             ffffffffffffffffffffffffffffffffffffffffffffffffffffffff8faf88d5",
        ),
        direction: Direction::Outbound,
        contents: vec![0x8e],
        aad: Vec::new(),
        ignore: false,
    };
    let (keys, packet) = vector.seal();
    assert_eq!(hex(&keys.our_terminator), "faef555dfcdb936425d84aba524758f3");
    assert_eq!(hex(&keys.their_terminator), "02cb8ff24307a6e27de3b4e7ea3fa65b");
    assert_eq!(
        hex(&keys.session_id),
        "ce72dffb015da62b0d0f5474cab8bc72605225b0cee3f62312ec680ec5f41ba5"
    );
    assert_eq!(hex(&packet), "7530d2a18720162ac09c25329a60d75adf36eda3c3");
}

/// T21.
#[test]
fn all_packet_vectors() {
    let Some(rows) = vectors("bip324_packet_encoding.csv") else { return };
    assert_eq!(rows.len(), 7);
    for row in rows {
        let vector = PacketVector {
            index: row[0].parse().unwrap(),
            secret: array(&row[1]),
            ours: array(&row[2]),
            theirs: array(&row[3]),
            direction: if row[4] == "1" { Direction::Outbound } else { Direction::Inbound },
            contents: bytes(&row[5]).repeat(row[6].parse().unwrap()),
            aad: bytes(&row[7]),
            ignore: row[8] == "1",
        };
        assert_eq!(hex(&x_of(vector.ours)), row[9]);
        assert_eq!(hex(&x_of(vector.theirs)), row[10]);
        let secret = vector.exchange().shared_secret(ElligatorSwift::from_array(vector.theirs));
        assert_eq!(hex(&secret), row[12]);

        let (keys, packet) = vector.seal();
        assert_eq!(hex(&keys.our_terminator), row[17]);
        assert_eq!(hex(&keys.their_terminator), row[18]);
        assert_eq!(hex(&keys.session_id), row[19]);
        assert_eq!(packet.len(), PACKET_OVERHEAD + vector.contents.len());
        let packet = hex(&packet);
        if !row[20].is_empty() {
            assert_eq!(packet, row[20]);
        }
        assert!(packet.ends_with(&row[21]));
    }
}

#[test]
fn all_key_decoding_vectors() {
    let zeros = "edd1fd3e327ce90cc7a3542614289aee9682003e9cf7dcc9cf2ca9743be5aa0c";
    assert_eq!(hex(&x_of([0; 64])), zeros);
    let Some(rows) = vectors("bip324_ellswift_decode.csv") else { return };
    assert_eq!(rows.len(), 76);
    for row in rows {
        assert_eq!(hex(&x_of(array(&row[0]))), row[1], "{}", row[2]);
    }
}

/// Two expanded packet keys are most of it. An idle connection may cost 4.5 kB in all.
#[test]
fn an_idle_session_costs_one_and_a_half_kilobytes() {
    let size = size_of::<super::Session>();
    assert!(size <= 1_536, "{size} bytes");
}

fn x_of(encoded: [u8; 64]) -> [u8; 32] {
    PublicKey::from_ellswift(ElligatorSwift::from_array(encoded)).x_only_public_key().0.serialize()
}

/// The rows of a vector file without its heading; `None` where the shared folder is missing, which
/// only a lone clone may be.
fn vectors(name: &str) -> Option<Vec<Vec<String>>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/bitcoin");
    let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{name} is missing");
        #[allow(clippy::print_stdout)] // says why a test has tested less
        {
            println!("skipped: {name} is missing");
        }
        return None;
    };
    Some(text.lines().skip(1).map(|row| row.split(',').map(str::to_owned).collect()).collect())
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    bytes(text).try_into().unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    let byte = |i| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
