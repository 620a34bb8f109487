//! Operators that move a window over an image: convolutions and pools.

use super::{Dim, Shapes};
use crate::model::proto::Node;

/// The attributes of a window, for `axes` spatial axes.
struct Window {
    kernel: Vec<Dim>,
    strides: Vec<u64>,
    dilations: Vec<u64>,
    /// The sum of both sides of each axis.
    pads: Vec<u64>,
    /// `SAME_UPPER` or `SAME_LOWER`.
    same: bool,
    ceil: bool,
}

/// What a convolution with weights of `weights` gives for an image of `image`.
pub(super) fn convolution(node: &Node<'_>, image: &[Dim], weights: &[Dim]) -> Option<Vec<Dim>> {
    let spatial = image.get(2..)?;
    let kernel = weights.get(2..)?.to_vec();
    let window = window(node, kernel, spatial.len())?;
    let mut dims = vec![*image.first()?, *weights.first()?];
    dims.extend(slid(&window, spatial));
    Some(dims)
}

/// What a transposed convolution gives.
pub(super) fn transposed(node: &Node<'_>, image: &[Dim], weights: &[Dim]) -> Option<Vec<Dim>> {
    let spatial = image.get(2..)?;
    let window = window(node, weights.get(2..)?.to_vec(), spatial.len())?;
    let groups = number(node, "group").unwrap_or(1);
    let channels = weights.get(1).copied().flatten();
    let mut dims = vec![
        *image.first()?,
        channels.and_then(|c| c.checked_mul(groups)),
    ];
    let fixed = list(node, "output_shape");
    let added = list(node, "output_padding");
    for (axis, size) in spatial.iter().enumerate() {
        if let Some(fixed) = fixed.get(axis) {
            dims.push(Some(*fixed));
            continue;
        }
        let grown = || {
            let stride = *window.strides.get(axis)?;
            let extent = extent(&window, axis)?;
            let sum = size.as_ref()?.checked_sub(1)?.checked_mul(stride)?;
            let sum = sum.checked_add(extent)?;
            let sum = sum.checked_add(added.get(axis).copied().unwrap_or(0))?;
            match window.same {
                true => size.as_ref()?.checked_mul(stride),
                false => sum.checked_sub(*window.pads.get(axis)?),
            }
        };
        dims.push(grown());
    }
    Some(dims)
}

/// What a pool gives for an image of `image`.
pub(super) fn pool(node: &Node<'_>, image: &[Dim]) -> Option<Vec<Dim>> {
    let spatial = image.get(2..)?;
    let kernel = list(node, "kernel_shape").into_iter().map(Some).collect();
    let window = window(node, kernel, spatial.len())?;
    let mut dims = image.get(..2)?.to_vec();
    dims.extend(slid(&window, spatial));
    Some(dims)
}

/// What a global pool gives: one pixel.
pub(super) fn whole(image: &[Dim]) -> Option<Vec<Dim>> {
    let mut dims = image.get(..2)?.to_vec();
    dims.resize(image.len(), Some(1));
    Some(dims)
}

/// The image in blocks of pixels, or out of them.
pub(super) fn blocks(node: &Node<'_>, shapes: &Shapes<'_>, to_depth: bool) -> Option<Vec<Dim>> {
    let [batch, channels, height, width] = shapes.dims(node.inputs.first()?)? else {
        return None;
    };
    let block = number(node, "blocksize").filter(|block| *block > 0)?;
    let area = block.checked_mul(block)?;
    let larger = |dim: &Dim, by: u64| dim.and_then(|dim| dim.checked_mul(by));
    let smaller = |dim: &Dim, by: u64| dim.map(|dim| dim / by);
    Some(match to_depth {
        true => vec![
            *batch,
            larger(channels, area),
            smaller(height, block),
            smaller(width, block),
        ],
        false => vec![
            *batch,
            smaller(channels, area),
            larger(height, block),
            larger(width, block),
        ],
    })
}

fn number(node: &Node<'_>, name: &str) -> Option<u64> {
    u64::try_from(node.attribute(name)?.int?).ok()
}

fn list(node: &Node<'_>, name: &str) -> Vec<u64> {
    let ints = node.attribute(name).map(|attribute| attribute.ints(64));
    let ints = ints.unwrap_or_default().into_iter();
    ints.map(|int| u64::try_from(int).unwrap_or(0)).collect()
}

fn window(node: &Node<'_>, kernel: Vec<Dim>, axes: usize) -> Option<Window> {
    if kernel.len() != axes || axes > super::MOST_AXES {
        return None;
    }
    let ones = |name: &str| match list(node, name) {
        list if list.len() == axes => list,
        _ => vec![1; axes],
    };
    let pads = list(node, "pads");
    let both = |axis: usize| match (pads.get(axis), pads.get(axis + axes)) {
        (Some(begin), Some(end)) => begin.saturating_add(*end),
        _ => 0,
    };
    let auto = node.attribute("auto_pad").and_then(|a| a.string.as_deref());
    Some(Window {
        kernel,
        strides: ones("strides"),
        dilations: ones("dilations"),
        pads: (0..axes).map(both).collect(),
        same: auto.is_some_and(|auto| auto.starts_with("SAME")),
        ceil: number(node, "ceil_mode") == Some(1),
    })
}

/// Pixels that the window spans.
fn extent(window: &Window, axis: usize) -> Option<u64> {
    let kernel = window.kernel.get(axis).copied().flatten()?;
    let gaps = kernel.checked_sub(1)?;
    gaps.checked_mul(*window.dilations.get(axis)?)?
        .checked_add(1)
}

/// Places of the window on each axis.
fn slid(window: &Window, spatial: &[Dim]) -> Vec<Dim> {
    let places = |(axis, size): (usize, &Dim)| {
        let size = (*size)?;
        let stride = *window.strides.get(axis).filter(|stride| **stride > 0)?;
        if window.same {
            return Some(size.div_ceil(stride));
        }
        let room = size.checked_add(*window.pads.get(axis)?)?;
        let room = room.checked_sub(extent(window, axis)?)?;
        let steps = match window.ceil {
            true => room.div_ceil(stride),
            false => room / stride,
        };
        steps.checked_add(1)
    };
    spatial.iter().enumerate().map(places).collect()
}
