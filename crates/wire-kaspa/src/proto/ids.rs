//! Who has dialled himself? The ids that introduce us.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use peerage_wire::Rng;

/// The 16 bytes by which a node recognises itself, and by which kaspad tells apart nodes behind one
/// address. A node draws them when it starts; nothing proves them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId([u8; 16]);

impl NodeId {
    /// The id of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// A random one, in the form of a UUID of version 4, as kaspad's are.
    #[must_use]
    pub fn random(rng: &mut Rng) -> Self {
        let mut bytes: [u8; 16] = rng.array();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }
}

/// As a UUID is written.
impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let dash = if matches!(place, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which id introduces us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OurId {
    /// One for all connections, drawn by the first: for nodes.
    #[default]
    PerNode,
    /// A new one for each connection: for those who dial the same node again and again, as crawlers
    /// do. Kaspad refuses a second connection of one id from one address while it holds the first,
    /// even if that is dead.
    PerConnection,
    /// This one.
    Fixed(NodeId),
}

/// The ids that are ours: the node's, and those of introductions whose opening is not done.
///
/// An introduction that carries one of them is our own: we have dialled ourselves. Clones share the
/// set.
#[derive(Clone, Debug, Default)]
pub struct Ids(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    node: Option<NodeId>,
    /// How many openings are under way with each.
    openings: HashMap<NodeId, usize>,
}

impl Ids {
    /// Whether it is the node's, or an opening with it is under way.
    #[must_use]
    pub fn contains(&self, id: NodeId) -> bool {
        let known = self.lock();
        known.node == Some(id) || known.openings.contains_key(&id)
    }

    /// The id for one more opening, which is held until the guard is dropped.
    pub(crate) fn hold(&self, which: OurId, rng: &mut Rng) -> IdGuard {
        let mut known = self.lock();
        let id = match which {
            OurId::PerNode => *known.node.get_or_insert_with(|| NodeId::random(rng)),
            OurId::PerConnection => NodeId::random(rng),
            OurId::Fixed(id) => id,
        };
        *known.openings.entry(id).or_default() += 1;
        drop(known);
        IdGuard { id, ids: self.clone() }
    }

    /// A panic elsewhere leaves it whole: nothing is done to it in steps.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps an id in its [`Ids`] until dropped.
#[derive(Debug)]
pub(crate) struct IdGuard {
    id: NodeId,
    ids: Ids,
}

impl IdGuard {
    pub(crate) const fn id(&self) -> NodeId {
        self.id
    }
}

impl Drop for IdGuard {
    fn drop(&mut self) {
        let mut known = self.ids.lock();
        if let Some(count) = known.openings.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                known.openings.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ours_as_long_as_an_opening_lasts_or_for_ever() {
        let (ids, rng) = (Ids::default(), &mut Rng::from_seed([1; 32]));
        let (one, two) = (ids.hold(OurId::PerConnection, rng), ids.hold(OurId::PerConnection, rng));
        assert_ne!(one.id(), two.id());
        let (first, second) = (one.id(), two.id());
        drop(one);
        assert!(!ids.contains(first) && ids.contains(second));

        let node = ids.hold(OurId::PerNode, rng).id();
        assert_eq!(ids.clone().hold(OurId::PerNode, rng).id(), node);
        assert!(ids.contains(node));
        assert_ne!(Ids::default().hold(OurId::PerNode, rng).id(), node);

        let fixed = NodeId::from_bytes([7; 16]);
        let (one, two) = (ids.hold(OurId::Fixed(fixed), rng), ids.hold(OurId::Fixed(fixed), rng));
        drop(one);
        assert!(ids.contains(fixed));
        drop(two);
        assert!(!ids.contains(fixed));
    }

    #[test]
    fn they_look_like_uuids() {
        let id = NodeId::random(&mut Rng::from_seed([1; 32])).to_string();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]));
    }
}
