//! The family on the reference device.

use super::{Conv, ConvPass};
use crate::{
    Error,
    reference::{Results, Values, finish},
};

pub(crate) fn conv(conv: &Conv, inputs: &[Values], result: &[usize]) -> Results {
    let (a, b) = (&inputs[0], &inputs[1]);
    let unfit = || Error::invalid("a convolution of shapes that do not fit");
    let sizes = conv.sizes(&a.shape, &b.shape, result).ok_or_else(unfit)?;
    let ([h, w], [kh, kw], [p, q]) = (sizes.pixels, sizes.taps, sizes.positions);
    let (c, o) = (sizes.channels, sizes.filters);
    let (inner, outer) = (c / conv.groups, o / conv.groups);
    let mut data = vec![0.0; result.iter().product()];
    for n in 0..sizes.images {
        for (row, column) in (0..p).flat_map(|row| (0..q).map(move |column| (row, column))) {
            for (i, j) in (0..kh).flat_map(|i| (0..kw).map(move |j| (i, j))) {
                let (Some(y), Some(x)) = (conv.slides[0].pixel(row, i, h), conv.slides[1].pixel(column, j, w)) else {
                    continue;
                };
                for (filter, channel) in (0..o).flat_map(|filter| (0..inner).map(move |channel| (filter, channel))) {
                    let at_x = ((n * h + y) * w + x) * c + filter / outer * inner + channel;
                    let at_f = ((i * kw + j) * inner + channel) * o + filter;
                    let at_y = ((n * p + row) * q + column) * o + filter;
                    match conv.pass {
                        ConvPass::Forward => data[at_y] += a.data[at_x] * b.data[at_f],
                        ConvPass::InputGradient => data[at_x] += a.data[at_y] * b.data[at_f],
                        ConvPass::WeightGradient => data[at_f] += a.data[at_x] * b.data[at_y],
                    }
                }
            }
        }
    }
    let mut results = finish(conv.epilogue.as_ref(), data, &inputs[2..], result);
    if conv.channel_sums {
        results.push((0..o).map(|filter| b.data.iter().skip(filter).step_by(o).sum()).collect());
    }
    Ok(results)
}
