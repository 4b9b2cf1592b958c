//! The family on the reference device.

use super::{Pool, PoolOp};
use crate::{
    Error,
    reference::{Results, Values, finish},
};

pub(crate) fn pool(pool: &Pool, inputs: &[Values], result: &[usize]) -> Results {
    let (inputs, extra) = inputs.split_at(pool.op.inputs());
    let shapes: Vec<&[usize]> = inputs.iter().map(|values| values.shape.as_slice()).collect();
    let unfit = || Error::invalid("a pooling of shapes that do not fit");
    let sizes = pool.sizes(&shapes, result).ok_or_else(unfit)?;
    let ([h, w], [p, q]) = (sizes.pixels, sizes.positions);
    let c = sizes.channels;
    let x = &inputs[0].data;
    let mut data = vec![0.0; result.iter().product()];
    for at_y in 0..sizes.images * p * q * c {
        let (channel, rest) = (at_y % c, at_y / c);
        let (column, row, n) = (rest % q, rest / q % p, rest / q / p);
        let mut pixels = Vec::new();
        for i in 0..pool.window[0] {
            for j in 0..pool.window[1] {
                if let (Some(y), Some(x)) = (pool.slides[0].pixel(row, i, h), pool.slides[1].pixel(column, j, w)) {
                    pixels.push(((n * h + y) * w + x) * c + channel);
                }
            }
        }
        let mut first: Option<usize> = None;
        if pool.op != PoolOp::SumScatter {
            for &pixel in &pixels {
                if first.is_none_or(|best| !x[best].is_nan() && (x[pixel].is_nan() || x[pixel] > x[best])) {
                    first = Some(pixel);
                }
            }
        }
        match pool.op {
            PoolOp::Max => data[at_y] = first.map_or(f64::NEG_INFINITY, |pixel| x[pixel]),
            PoolOp::MaxGather => data[at_y] = first.map_or(0.0, |pixel| inputs[1].data[pixel]),
            PoolOp::MaxScatter => first.into_iter().for_each(|pixel| data[pixel] += inputs[1].data[at_y]),
            PoolOp::Sum => data[at_y] = pixels.iter().fold(0.0, |sum, &pixel| sum + x[pixel]),
            PoolOp::SumScatter => pixels.iter().for_each(|&pixel| data[pixel] += x[at_y]),
        }
    }
    Ok(finish(pool.epilogue.as_ref(), data, extra, result))
}
