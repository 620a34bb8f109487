//! The first trees of a tree node, as a node: what the check at load is made with where the whole
//! ensemble would keep ONNX Runtime busy for seconds.
//!
//! The lists are cut on the wire, so that what reads them is checked as well. Where trees do not
//! stand one after the other, the cut is no ensemble any more, which whoever reads it finds out.

use std::collections::HashSet;

use crate::model::proto::{Attribute, Node};
use crate::model::wire::{self, Fault, put_bytes, put_int, put_varint};

/// How many entries are kept of the lists of nodes and of leaves, and of roots.
struct Kept {
    nodes: usize,
    leaves: usize,
    roots: usize,
}

/// The first trees of `node`, of at least `least` nodes; `None` where that is all of them, or where
/// they cannot be cut.
pub(super) fn cut(node: &Node<'_>, least: usize) -> Option<Vec<u8>> {
    let kept = match node.attribute("nodes_treeids") {
        Some(ids) => of_pair(node, ids, least)?,
        None => of_joint(node, least)?,
    };
    cut_node(node.body, &kept).ok()
}

/// The pair names the tree of each node and each weight.
fn of_pair(node: &Node<'_>, ids: &Attribute<'_>, least: usize) -> Option<Kept> {
    let mut trees = HashSet::new();
    let mut last = None;
    let mut nodes = 0;
    let mut is_cut = false;
    ids.each_int(|id| {
        is_cut = nodes >= least && last != Some(id);
        if !is_cut {
            nodes += 1;
            if last.replace(id) != Some(id) {
                trees.insert(id);
            }
        }
        !is_cut
    });
    let weights = ["class_treeids", "target_treeids"];
    let weights = weights.iter().find_map(|name| node.attribute(name))?;
    let mut leaves = 0;
    weights.each_int(|id| {
        let is_kept = trees.contains(&id);
        leaves += usize::from(is_kept);
        is_kept
    });
    is_cut.then_some(Kept {
        nodes,
        leaves,
        roots: 0,
    })
}

/// TreeEnsemble names the first node of each tree; the leaves follow the order of the nodes.
fn of_joint(node: &Node<'_>, least: usize) -> Option<Kept> {
    let mut roots = 0;
    let mut end = None;
    node.attribute("tree_roots")?.each_int(|root| {
        let at = usize::try_from(root)
            .ok()
            .filter(|at| *at >= least && roots > 0);
        roots += usize::from(at.is_none());
        end = at;
        at.is_none()
    });
    let nodes = end?;
    let mut leaves = 0;
    for (children, flags) in [
        ("nodes_truenodeids", "nodes_trueleafs"),
        ("nodes_falsenodeids", "nodes_falseleafs"),
    ] {
        let are_leaves = node.attribute(flags)?.ints(nodes);
        let mut are_leaves = are_leaves.iter();
        node.attribute(children)?.each_int(|child| {
            let is_leaf = are_leaves.next();
            if let (Some(1..), Ok(child)) = (is_leaf, usize::try_from(child)) {
                leaves = leaves.max(child.saturating_add(1));
            }
            is_leaf.is_some()
        });
    }
    Some(Kept {
        nodes,
        leaves,
        roots,
    })
}

impl Kept {
    /// How many entries stay of the list `name`; `None` where it is no such list.
    fn of(&self, name: &[u8]) -> Option<usize> {
        let begins = |start: &str| name.starts_with(start.as_bytes());
        if begins("nodes_") {
            Some(self.nodes)
        } else if begins("class_") || begins("target_") || begins("leaf_") {
            Some(self.leaves)
        } else if name == b"tree_roots" {
            Some(self.roots)
        } else {
            None
        }
    }
}

type Written = Result<Vec<u8>, Fault>;

fn cut_node(body: &[u8], kept: &Kept) -> Written {
    let mut out = Vec::new();
    for field in wire::fields(body) {
        let field = field?;
        match field.number {
            5 => put_bytes(&mut out, 5, &cut_attribute(field.bytes()?, kept)?),
            _ => out.extend_from_slice(field.raw),
        }
    }
    Ok(out)
}

/// An AttributeProto whose list, or whose tensor, has no more entries than are kept.
fn cut_attribute(body: &[u8], kept: &Kept) -> Written {
    let name = wire::fields(body)
        .map_while(Result::ok)
        .find(|field| field.number == 1);
    let name = name.map_or(Ok(&[][..]), |name| name.bytes())?;
    let Some(most) = kept.of(name) else {
        return Ok(body.to_vec());
    };
    let mut out = Vec::new();
    let mut lists = Lists { left: most };
    for field in wire::fields(body) {
        let field = field?;
        match field.number {
            // floats, ints, strings
            7 => lists.fixed(&mut out, &field, 4)?,
            8 => lists.ints(&mut out, &field)?,
            9 => lists.one(&mut out, &field),
            5 => put_bytes(&mut out, 5, &cut_tensor(field.bytes()?, most)?),
            _ => out.extend_from_slice(field.raw),
        }
    }
    Ok(out)
}

/// A TensorProto of one axis with no more than `most` elements.
fn cut_tensor(body: &[u8], most: usize) -> Written {
    let mut out = Vec::new();
    let mut lists = Lists { left: most };
    let width = wire::fields(body)
        .map_while(Result::ok)
        .find(|field| field.number == 2);
    let width = match width.map(|field| field.int()).transpose()? {
        Some(11) => 8,
        Some(2 | 3 | 9) => 1,
        _ => 4,
    };
    let short = i64::try_from(most).unwrap_or(i64::MAX);
    for field in wire::fields(body) {
        let field = field?;
        match field.number {
            1 => {
                wire::each_int(&field, |size| {
                    put_int(&mut out, 1, size.min(short));
                    true
                })?;
            }
            // float_data, int32_data, double_data, raw_data
            4 => lists.fixed(&mut out, &field, 4)?,
            5 => lists.ints(&mut out, &field)?,
            10 => lists.fixed(&mut out, &field, 8)?,
            9 => {
                let raw = field.bytes()?;
                let length = raw.len().min(most.saturating_mul(width));
                put_bytes(&mut out, 9, raw.get(..length).unwrap_or(raw));
            }
            _ => out.extend_from_slice(field.raw),
        }
    }
    Ok(out)
}

/// How many entries of a list are still to come; a list may be packed or a field an entry.
struct Lists {
    left: usize,
}

impl Lists {
    /// One entry that is a field.
    fn one(&mut self, out: &mut Vec<u8>, field: &wire::Field<'_>) {
        if self.left > 0 {
            self.left -= 1;
            out.extend_from_slice(field.raw);
        }
    }

    /// Numbers of `width` bytes.
    fn fixed(
        &mut self,
        out: &mut Vec<u8>,
        field: &wire::Field<'_>,
        width: usize,
    ) -> Result<(), Fault> {
        let wire::Value::Bytes(packed) = field.value else {
            self.one(out, field);
            return Ok(());
        };
        let count = (packed.len() / width).min(self.left);
        self.left -= count;
        put_bytes(
            out,
            field.number,
            packed.get(..count * width).unwrap_or(packed),
        );
        Ok(())
    }

    /// Varints.
    fn ints(&mut self, out: &mut Vec<u8>, field: &wire::Field<'_>) -> Result<(), Fault> {
        if !matches!(field.value, wire::Value::Bytes(_)) {
            self.one(out, field);
            return Ok(());
        }
        let mut packed = Vec::new();
        let left = &mut self.left;
        wire::each_int(field, |value| {
            if *left > 0 {
                *left -= 1;
                put_varint(&mut packed, value.cast_unsigned());
            }
            *left > 0
        })?;
        put_bytes(out, field.number, &packed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::proto::Budget;

    /// A NodeProto of three trees of three, one and three nodes, packed or a field an entry.
    fn forest(packed: bool) -> Vec<u8> {
        let mut node = Vec::new();
        put_bytes(&mut node, 4, b"TreeEnsembleRegressor");
        let mut list = |name: &str, values: &[i64]| {
            let mut attribute = Vec::new();
            put_bytes(&mut attribute, 1, name.as_bytes());
            if packed {
                let mut all = Vec::new();
                values
                    .iter()
                    .for_each(|v| put_varint(&mut all, v.cast_unsigned()));
                put_bytes(&mut attribute, 8, &all);
            } else {
                values.iter().for_each(|v| put_int(&mut attribute, 8, *v));
            }
            put_bytes(&mut node, 5, &attribute);
        };
        list("nodes_treeids", &[0, 0, 0, 1, 2, 2, 2]);
        list("nodes_featureids", &[4, 0, 0, 0, 5, 0, 0]);
        list("target_treeids", &[0, 0, 1, 2, 2]);
        list("n_targets", &[1]);
        node
    }

    #[test]
    fn whole_trees_are_kept_with_their_weights() {
        let cases: [(usize, Option<[&[i64]; 3]>); 5] = [
            (1, Some([&[0, 0, 0], &[4, 0, 0], &[0, 0]])),
            (3, Some([&[0, 0, 0], &[4, 0, 0], &[0, 0]])),
            (4, Some([&[0, 0, 0, 1], &[4, 0, 0, 0], &[0, 0, 1]])),
            (5, None),
            (9, None),
        ];
        for (least, expected) in cases {
            for packed in [true, false] {
                let body = forest(packed);
                let read = |body: &[u8]| {
                    let node = Node::read(body, &mut Budget::new()).ok()?;
                    let ints = |name| node.attribute(name).map(|a| a.ints(100));
                    Some([
                        ints("nodes_treeids")?,
                        ints("nodes_featureids")?,
                        ints("target_treeids")?,
                    ])
                };
                let node = Node::read(&body, &mut Budget::new()).unwrap_or_default();
                let found = cut(&node, least).and_then(|body| read(&body));
                let expected = expected.map(|lists| lists.map(<[i64]>::to_vec));
                assert_eq!(found, expected, "{least} {packed}");
            }
        }
    }
}
