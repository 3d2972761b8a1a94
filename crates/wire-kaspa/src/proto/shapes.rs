// Made from proto/p2p.proto by codegen, beside src. Change those, not this.
use super::generated::*;
use super::types::Hash;
use super::weigh::{Field, Shape, Shaped};
static HASH: Shape = Shape::fixed(32);
static SUBNETWORK_ID: Shape = Shape::fixed(20);
static VERSION: Shape = Shape::of(
    &[Field::one(4, &NET_ADDRESS), Field::one(9, &SUBNETWORK_ID)],
);
impl Shaped for Version {
    const SHAPE: &'static Shape = &VERSION;
}
static REJECT: Shape = Shape::of(&[]);
impl Shaped for Reject {
    const SHAPE: &'static Shape = &REJECT;
}
static PING: Shape = Shape::of(&[]);
impl Shaped for Ping {
    const SHAPE: &'static Shape = &PING;
}
static PONG: Shape = Shape::of(&[]);
impl Shaped for Pong {
    const SHAPE: &'static Shape = &PONG;
}
static REQUEST_ADDRESSES: Shape = Shape::of(&[Field::one(2, &SUBNETWORK_ID)]);
impl Shaped for RequestAddresses {
    const SHAPE: &'static Shape = &REQUEST_ADDRESSES;
}
static ADDRESSES: Shape = Shape::of(
    &[Field::list(1, size_of::<NetAddress>(), &NET_ADDRESS)],
);
impl Shaped for Addresses {
    const SHAPE: &'static Shape = &ADDRESSES;
    fn reserve(&mut self, counts: &[usize]) {
        self.addresses.reserve_exact(counts[0]);
    }
}
static NET_ADDRESS: Shape = Shape::of(&[]);
impl Shaped for NetAddress {
    const SHAPE: &'static Shape = &NET_ADDRESS;
}
static TRANSACTION: Shape = Shape::of(
    &[
        Field::list(2, size_of::<TransactionInput>(), &TRANSACTION_INPUT),
        Field::list(3, size_of::<TransactionOutput>(), &TRANSACTION_OUTPUT),
        Field::one(5, &SUBNETWORK_ID),
    ],
);
impl Shaped for Transaction {
    const SHAPE: &'static Shape = &TRANSACTION;
    fn reserve(&mut self, counts: &[usize]) {
        self.inputs.reserve_exact(counts[0]);
        self.outputs.reserve_exact(counts[1]);
    }
}
static TRANSACTION_INPUT: Shape = Shape::of(&[Field::one(1, &OUTPOINT)]);
impl Shaped for TransactionInput {
    const SHAPE: &'static Shape = &TRANSACTION_INPUT;
}
static OUTPOINT: Shape = Shape::of(&[Field::one(1, &HASH)]);
impl Shaped for Outpoint {
    const SHAPE: &'static Shape = &OUTPOINT;
}
static TRANSACTION_OUTPUT: Shape = Shape::of(
    &[Field::one(2, &SCRIPT_PUBLIC_KEY), Field::one(3, &COVENANT_BINDING)],
);
impl Shaped for TransactionOutput {
    const SHAPE: &'static Shape = &TRANSACTION_OUTPUT;
}
static SCRIPT_PUBLIC_KEY: Shape = Shape::of(&[]);
impl Shaped for ScriptPublicKey {
    const SHAPE: &'static Shape = &SCRIPT_PUBLIC_KEY;
}
static COVENANT_BINDING: Shape = Shape::of(&[Field::one(2, &HASH)]);
impl Shaped for CovenantBinding {
    const SHAPE: &'static Shape = &COVENANT_BINDING;
}
static INV_TRANSACTIONS: Shape = Shape::of(&[Field::list(1, size_of::<Hash>(), &HASH)]);
impl Shaped for InvTransactions {
    const SHAPE: &'static Shape = &INV_TRANSACTIONS;
    fn reserve(&mut self, counts: &[usize]) {
        self.ids.reserve_exact(counts[0]);
    }
}
static REQUEST_TRANSACTIONS: Shape = Shape::of(
    &[Field::list(1, size_of::<Hash>(), &HASH)],
);
impl Shaped for RequestTransactions {
    const SHAPE: &'static Shape = &REQUEST_TRANSACTIONS;
    fn reserve(&mut self, counts: &[usize]) {
        self.ids.reserve_exact(counts[0]);
    }
}
static TRANSACTION_NOT_FOUND: Shape = Shape::of(&[Field::one(1, &HASH)]);
impl Shaped for TransactionNotFound {
    const SHAPE: &'static Shape = &TRANSACTION_NOT_FOUND;
}
static BLOCK: Shape = Shape::of(
    &[
        Field::one(1, &BLOCK_HEADER),
        Field::list(2, size_of::<Transaction>(), &TRANSACTION),
    ],
);
impl Shaped for Block {
    const SHAPE: &'static Shape = &BLOCK;
    fn reserve(&mut self, counts: &[usize]) {
        self.transactions.reserve_exact(counts[0]);
    }
}
static BLOCK_BODY: Shape = Shape::of(
    &[Field::list(1, size_of::<Transaction>(), &TRANSACTION)],
);
impl Shaped for BlockBody {
    const SHAPE: &'static Shape = &BLOCK_BODY;
    fn reserve(&mut self, counts: &[usize]) {
        self.transactions.reserve_exact(counts[0]);
    }
}
static BLOCK_HEADER: Shape = Shape::of(
    &[
        Field::one(3, &HASH),
        Field::one(4, &HASH),
        Field::one(5, &HASH),
        Field::list(12, size_of::<BlockLevelParents>(), &BLOCK_LEVEL_PARENTS),
        Field::one(14, &HASH),
    ],
);
impl Shaped for BlockHeader {
    const SHAPE: &'static Shape = &BLOCK_HEADER;
    fn reserve(&mut self, counts: &[usize]) {
        self.parents.reserve_exact(counts[0]);
    }
}
static BLOCK_LEVEL_PARENTS: Shape = Shape::of(
    &[Field::list(1, size_of::<Hash>(), &HASH)],
);
impl Shaped for BlockLevelParents {
    const SHAPE: &'static Shape = &BLOCK_LEVEL_PARENTS;
    fn reserve(&mut self, counts: &[usize]) {
        self.parent_hashes.reserve_exact(counts[0]);
    }
}
static INV_RELAY_BLOCK: Shape = Shape::of(&[Field::one(1, &HASH)]);
impl Shaped for InvRelayBlock {
    const SHAPE: &'static Shape = &INV_RELAY_BLOCK;
}
static REQUEST_RELAY_BLOCKS: Shape = Shape::of(
    &[Field::list(1, size_of::<Hash>(), &HASH)],
);
impl Shaped for RequestRelayBlocks {
    const SHAPE: &'static Shape = &REQUEST_RELAY_BLOCKS;
    fn reserve(&mut self, counts: &[usize]) {
        self.hashes.reserve_exact(counts[0]);
    }
}
static REQUEST_BLOCK_LOCATOR: Shape = Shape::of(&[Field::one(1, &HASH)]);
impl Shaped for RequestBlockLocator {
    const SHAPE: &'static Shape = &REQUEST_BLOCK_LOCATOR;
}
static BLOCK_LOCATOR: Shape = Shape::of(&[Field::list(1, size_of::<Hash>(), &HASH)]);
impl Shaped for BlockLocator {
    const SHAPE: &'static Shape = &BLOCK_LOCATOR;
    fn reserve(&mut self, counts: &[usize]) {
        self.hashes.reserve_exact(counts[0]);
    }
}
static REQUEST_IBD_CHAIN_BLOCK_LOCATOR: Shape = Shape::of(
    &[Field::one(1, &HASH), Field::one(2, &HASH)],
);
impl Shaped for RequestIbdChainBlockLocator {
    const SHAPE: &'static Shape = &REQUEST_IBD_CHAIN_BLOCK_LOCATOR;
}
static IBD_CHAIN_BLOCK_LOCATOR: Shape = Shape::of(
    &[Field::list(1, size_of::<Hash>(), &HASH)],
);
impl Shaped for IbdChainBlockLocator {
    const SHAPE: &'static Shape = &IBD_CHAIN_BLOCK_LOCATOR;
    fn reserve(&mut self, counts: &[usize]) {
        self.block_locator_hashes.reserve_exact(counts[0]);
    }
}
static REQUEST_HEADERS: Shape = Shape::of(&[Field::one(1, &HASH), Field::one(2, &HASH)]);
impl Shaped for RequestHeaders {
    const SHAPE: &'static Shape = &REQUEST_HEADERS;
}
static BLOCK_HEADERS: Shape = Shape::of(
    &[Field::list(1, size_of::<BlockHeader>(), &BLOCK_HEADER)],
);
impl Shaped for BlockHeaders {
    const SHAPE: &'static Shape = &BLOCK_HEADERS;
    fn reserve(&mut self, counts: &[usize]) {
        self.block_headers.reserve_exact(counts[0]);
    }
}
static REQUEST_ANTIPAST: Shape = Shape::of(
    &[Field::one(1, &HASH), Field::one(2, &HASH)],
);
impl Shaped for RequestAntipast {
    const SHAPE: &'static Shape = &REQUEST_ANTIPAST;
}
static REQUEST_IBD_BLOCKS: Shape = Shape::of(
    &[Field::list(1, size_of::<Hash>(), &HASH)],
);
impl Shaped for RequestIbdBlocks {
    const SHAPE: &'static Shape = &REQUEST_IBD_BLOCKS;
    fn reserve(&mut self, counts: &[usize]) {
        self.hashes.reserve_exact(counts[0]);
    }
}
static REQUEST_BLOCK_BODIES: Shape = Shape::of(
    &[Field::list(1, size_of::<Hash>(), &HASH)],
);
impl Shaped for RequestBlockBodies {
    const SHAPE: &'static Shape = &REQUEST_BLOCK_BODIES;
    fn reserve(&mut self, counts: &[usize]) {
        self.hashes.reserve_exact(counts[0]);
    }
}
static IBD_BLOCK_LOCATOR: Shape = Shape::of(
    &[Field::one(1, &HASH), Field::list(2, size_of::<Hash>(), &HASH)],
);
impl Shaped for IbdBlockLocator {
    const SHAPE: &'static Shape = &IBD_BLOCK_LOCATOR;
    fn reserve(&mut self, counts: &[usize]) {
        self.block_locator_hashes.reserve_exact(counts[0]);
    }
}
static IBD_BLOCK_LOCATOR_HIGHEST_HASH: Shape = Shape::of(&[Field::one(1, &HASH)]);
impl Shaped for IbdBlockLocatorHighestHash {
    const SHAPE: &'static Shape = &IBD_BLOCK_LOCATOR_HIGHEST_HASH;
}
static PRUNING_POINTS: Shape = Shape::of(
    &[Field::list(1, size_of::<BlockHeader>(), &BLOCK_HEADER)],
);
impl Shaped for PruningPoints {
    const SHAPE: &'static Shape = &PRUNING_POINTS;
    fn reserve(&mut self, counts: &[usize]) {
        self.headers.reserve_exact(counts[0]);
    }
}
static PRUNING_POINT_PROOF: Shape = Shape::of(
    &[
        Field::list(
            1,
            size_of::<PruningPointProofHeaderArray>(),
            &PRUNING_POINT_PROOF_HEADER_ARRAY,
        ),
    ],
);
impl Shaped for PruningPointProof {
    const SHAPE: &'static Shape = &PRUNING_POINT_PROOF;
    fn reserve(&mut self, counts: &[usize]) {
        self.headers.reserve_exact(counts[0]);
    }
}
static PRUNING_POINT_PROOF_HEADER_ARRAY: Shape = Shape::of(
    &[Field::list(1, size_of::<BlockHeader>(), &BLOCK_HEADER)],
);
impl Shaped for PruningPointProofHeaderArray {
    const SHAPE: &'static Shape = &PRUNING_POINT_PROOF_HEADER_ARRAY;
    fn reserve(&mut self, counts: &[usize]) {
        self.headers.reserve_exact(counts[0]);
    }
}
static PRUNING_POINT_PROOF_CHUNK: Shape = Shape::of(
    &[Field::list(1, size_of::<BlockHeader>(), &BLOCK_HEADER)],
);
impl Shaped for PruningPointProofChunk {
    const SHAPE: &'static Shape = &PRUNING_POINT_PROOF_CHUNK;
    fn reserve(&mut self, counts: &[usize]) {
        self.chunk.reserve_exact(counts[0]);
    }
}
static BLOCK_WITH_TRUSTED_DATA: Shape = Shape::of(
    &[
        Field::one(1, &BLOCK),
        Field::list(3, size_of::<DaaBlock>(), &DAA_BLOCK),
        Field::list(
            4,
            size_of::<BlockGhostdagDataHashPair>(),
            &BLOCK_GHOSTDAG_DATA_HASH_PAIR,
        ),
    ],
);
impl Shaped for BlockWithTrustedData {
    const SHAPE: &'static Shape = &BLOCK_WITH_TRUSTED_DATA;
    fn reserve(&mut self, counts: &[usize]) {
        self.daa_window.reserve_exact(counts[0]);
        self.ghostdag_data.reserve_exact(counts[1]);
    }
}
static BLOCK_WITH_TRUSTED_DATA_V4: Shape = Shape::of(
    &[Field::one(1, &BLOCK), Field::numbers(2), Field::numbers(3)],
);
impl Shaped for BlockWithTrustedDataV4 {
    const SHAPE: &'static Shape = &BLOCK_WITH_TRUSTED_DATA_V4;
    fn reserve(&mut self, counts: &[usize]) {
        self.daa_window_indices.reserve_exact(counts[0]);
        self.ghostdag_data_indices.reserve_exact(counts[1]);
    }
}
static TRUSTED_DATA: Shape = Shape::of(
    &[
        Field::list(1, size_of::<DaaBlockV4>(), &DAA_BLOCK_V4),
        Field::list(
            2,
            size_of::<BlockGhostdagDataHashPair>(),
            &BLOCK_GHOSTDAG_DATA_HASH_PAIR,
        ),
    ],
);
impl Shaped for TrustedData {
    const SHAPE: &'static Shape = &TRUSTED_DATA;
    fn reserve(&mut self, counts: &[usize]) {
        self.daa_window.reserve_exact(counts[0]);
        self.ghostdag_data.reserve_exact(counts[1]);
    }
}
static TRUSTED_DATA_CHUNK: Shape = Shape::of(
    &[Field::list(1, size_of::<DaaBlockV4>(), &DAA_BLOCK_V4)],
);
impl Shaped for TrustedDataChunk {
    const SHAPE: &'static Shape = &TRUSTED_DATA_CHUNK;
    fn reserve(&mut self, counts: &[usize]) {
        self.headers.reserve_exact(counts[0]);
    }
}
static DAA_BLOCK: Shape = Shape::of(
    &[Field::one(2, &GHOSTDAG_DATA), Field::one(3, &BLOCK)],
);
impl Shaped for DaaBlock {
    const SHAPE: &'static Shape = &DAA_BLOCK;
}
static DAA_BLOCK_V4: Shape = Shape::of(
    &[Field::one(1, &BLOCK_HEADER), Field::one(2, &GHOSTDAG_DATA)],
);
impl Shaped for DaaBlockV4 {
    const SHAPE: &'static Shape = &DAA_BLOCK_V4;
}
static BLOCK_GHOSTDAG_DATA_HASH_PAIR: Shape = Shape::of(
    &[Field::one(1, &HASH), Field::one(2, &GHOSTDAG_DATA)],
);
impl Shaped for BlockGhostdagDataHashPair {
    const SHAPE: &'static Shape = &BLOCK_GHOSTDAG_DATA_HASH_PAIR;
}
static GHOSTDAG_DATA: Shape = Shape::of(
    &[
        Field::one(3, &HASH),
        Field::list(4, size_of::<Hash>(), &HASH),
        Field::list(5, size_of::<Hash>(), &HASH),
        Field::list(6, size_of::<BluesAnticoneSizes>(), &BLUES_ANTICONE_SIZES),
    ],
);
impl Shaped for GhostdagData {
    const SHAPE: &'static Shape = &GHOSTDAG_DATA;
    fn reserve(&mut self, counts: &[usize]) {
        self.merge_set_blues.reserve_exact(counts[0]);
        self.merge_set_reds.reserve_exact(counts[1]);
        self.blues_anticone_sizes.reserve_exact(counts[2]);
    }
}
static BLUES_ANTICONE_SIZES: Shape = Shape::of(&[Field::one(1, &HASH)]);
impl Shaped for BluesAnticoneSizes {
    const SHAPE: &'static Shape = &BLUES_ANTICONE_SIZES;
}
static REQUEST_PRUNING_POINT_UTXO_SET: Shape = Shape::of(&[Field::one(1, &HASH)]);
impl Shaped for RequestPruningPointUtxoSet {
    const SHAPE: &'static Shape = &REQUEST_PRUNING_POINT_UTXO_SET;
}
static PRUNING_POINT_UTXO_SET_CHUNK: Shape = Shape::of(
    &[
        Field::list(
            1,
            size_of::<OutpointAndUtxoEntryPair>(),
            &OUTPOINT_AND_UTXO_ENTRY_PAIR,
        ),
    ],
);
impl Shaped for PruningPointUtxoSetChunk {
    const SHAPE: &'static Shape = &PRUNING_POINT_UTXO_SET_CHUNK;
    fn reserve(&mut self, counts: &[usize]) {
        self.outpoint_and_utxo_entry_pairs.reserve_exact(counts[0]);
    }
}
static OUTPOINT_AND_UTXO_ENTRY_PAIR: Shape = Shape::of(
    &[Field::one(1, &OUTPOINT), Field::one(2, &UTXO_ENTRY)],
);
impl Shaped for OutpointAndUtxoEntryPair {
    const SHAPE: &'static Shape = &OUTPOINT_AND_UTXO_ENTRY_PAIR;
}
static UTXO_ENTRY: Shape = Shape::of(
    &[Field::one(2, &SCRIPT_PUBLIC_KEY), Field::one(5, &HASH)],
);
impl Shaped for UtxoEntry {
    const SHAPE: &'static Shape = &UTXO_ENTRY;
}
static REQUEST_PRUNING_POINT_SMT_STATE: Shape = Shape::of(&[Field::one(1, &HASH)]);
impl Shaped for RequestPruningPointSmtState {
    const SHAPE: &'static Shape = &REQUEST_PRUNING_POINT_SMT_STATE;
}
static SMT_METADATA: Shape = Shape::of(&[]);
impl Shaped for SmtMetadata {
    const SHAPE: &'static Shape = &SMT_METADATA;
}
static SMT_LANE_CHUNK: Shape = Shape::of(
    &[Field::list(1, size_of::<SmtLaneEntry>(), &SMT_LANE_ENTRY)],
);
impl Shaped for SmtLaneChunk {
    const SHAPE: &'static Shape = &SMT_LANE_CHUNK;
    fn reserve(&mut self, counts: &[usize]) {
        self.entries.reserve_exact(counts[0]);
    }
}
static SMT_LANE_ENTRY: Shape = Shape::of(&[]);
impl Shaped for SmtLaneEntry {
    const SHAPE: &'static Shape = &SMT_LANE_ENTRY;
}
