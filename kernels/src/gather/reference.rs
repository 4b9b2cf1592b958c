use super::out_of_range;
use crate::{
    Error, Gather, ScatterAdd,
    reference::{Results, Values},
};

/// Sizes before and after the axis, and the row that each index names.
fn resolve(x: &Values, index: &Values, axis: usize) -> Result<(usize, usize, Vec<usize>), Error> {
    let size = x.shape[axis];
    let rows = index.data.iter().map(|&index| {
        let row = if index < 0.0 { index + size as f64 } else { index };
        if row < 0.0 || row >= size as f64 { Err(out_of_range(index as i64, axis, size)) } else { Ok(row as usize) }
    });
    Ok((x.shape[..axis].iter().product(), x.shape[axis + 1..].iter().product(), rows.collect::<Result<_, _>>()?))
}

pub(crate) fn gather(gather: &Gather, inputs: &[Values]) -> Results {
    let [x, index] = inputs else { return Err(Error::invalid("gather takes two inputs")) };
    let (before, after, rows) = resolve(x, index, gather.axis)?;
    let mut y = Vec::new();
    for outer in 0..before {
        for row in &rows {
            let start = (outer * x.shape[gather.axis] + row) * after;
            y.extend_from_slice(&x.data[start..start + after]);
        }
    }
    Ok(vec![y])
}

pub(crate) fn scatter_add(scatter: &ScatterAdd, inputs: &[Values]) -> Results {
    let [x, index, updates] = inputs else { return Err(Error::invalid("scatter_add takes three inputs")) };
    let (before, after, rows) = resolve(x, index, scatter.axis)?;
    let mut y = x.data.clone();
    for outer in 0..before {
        for (number, row) in rows.iter().enumerate() {
            for column in 0..after {
                let to = (outer * x.shape[scatter.axis] + row) * after + column;
                y[to] += updates.data[(outer * rows.len() + number) * after + column];
            }
        }
    }
    Ok(vec![y])
}
