//! Stub.
use crate::model::proto::Node;

pub(super) fn cut(_node: &Node<'_>, _most: usize) -> Option<Vec<u8>> {
    None
}
