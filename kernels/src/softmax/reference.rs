use crate::{
    Error, Softmax,
    reference::{Results, Values},
};

pub(crate) fn softmax(softmax: &Softmax, inputs: &[Values]) -> Results {
    let input = inputs.first().ok_or_else(|| Error::invalid("a softmax without an input"))?;
    let len = input.shape.last().copied().unwrap_or(1).max(1);
    let rows = input.data.chunks(len).flat_map(|row| {
        let max = row.iter().fold(f64::NEG_INFINITY, |max, &x| if x.is_nan() { x } else { max.max(x) });
        // `f64::max` ignores NaN, so one anywhere in the row is put back.
        let max = if row.iter().any(|x| x.is_nan()) { f64::NAN } else { max };
        let sum: f64 = row.iter().map(|x| (x - max).exp()).sum();
        row.iter()
            .map(move |x| if softmax.log { x - max - sum.ln() } else { (x - max).exp() / sum })
            .collect::<Vec<_>>()
    });
    Ok(vec![rows.collect()])
}
