//! The family's part of the conformance suite: [`Gather`] and [`ScatterAdd`].

use super::{Gather, ScatterAdd};
use crate::{
    Array, DType, Error, Kernel, Layout,
    conformance::Case,
    reduce::cases::{noise, tolerance},
};

fn rows(x: &[usize], index: &[usize], axis: usize) -> Vec<usize> {
    x[..axis].iter().chain(index).chain(&x[axis + 1..]).copied().collect()
}

/// Indices with repetitions, negative ones where the dtype has them.
fn index(dtype: DType, shape: &[usize], size: usize) -> Result<Array, Error> {
    Array::from_fn(dtype, shape, |i| {
        let row = ((i * 7 + i / 3) % size.max(1)) as f64;
        if i % 3 == 1 && dtype != DType::U8 { row - size as f64 } else { row }
    })
}

fn gather(x: Array, index: Array, axis: usize) -> Result<Case, Error> {
    let shape = rows(x.shape(), index.shape(), axis);
    let name = format!("gather {x:?} by {index:?} along {axis}");
    let dtype = x.dtype();
    Case::new(name, Kernel::Gather(Gather { axis }), 0.0).input(x).input(index).output(dtype, &shape)
}

fn scatter(x: Array, index: Array, axis: usize) -> Result<Case, Error> {
    let (shape, dtype) = (x.shape().to_vec(), x.dtype());
    let updates = noise(dtype, &rows(&shape, index.shape(), axis), 32)?;
    let name = format!("scatter_add {x:?} by {index:?} along {axis}");
    // 16-bit floats are rounded at each addition.
    let slack = if dtype.size() == 2 { 4.0 } else { 1.0 };
    let case = Case::new(name, Kernel::ScatterAdd(ScatterAdd { axis }), slack * tolerance(dtype));
    case.input(x).input(index).input(updates).output(dtype, &shape)
}

pub(crate) fn cases() -> Result<Vec<Case>, Error> {
    let mut cases = Vec::new();
    let shapes: [(&[usize], &[usize], usize); 12] = [
        (&[5], &[], 0),
        (&[5], &[7], 0),
        (&[1], &[3], 0),
        (&[7, 3], &[4], 0),
        (&[7, 3], &[4], 1),
        (&[3, 11, 2], &[2, 3], 1),
        (&[2, 3, 5, 2, 3], &[3], 2),
        (&[31, 64], &[100], 0),
        (&[300, 129], &[700], 0),
        (&[4, 1], &[0], 0),
        (&[4, 0], &[3], 0),
        (&[0, 4], &[3], 1),
    ];
    for (x, i, axis) in shapes {
        for dtype in [DType::I64, DType::I32, DType::U8] {
            let size = x[axis].min(255);
            cases.push(gather(
                noise(DType::F32, x, 31)?,
                index(dtype, i, if dtype == DType::U8 { size } else { x[axis] })?,
                axis,
            )?);
        }
        cases.push(scatter(noise(DType::F32, x, 31)?, index(DType::I64, i, x[axis])?, axis)?);
    }
    for dtype in DType::ALL {
        for (x, axis) in [(&[6, 5][..], 0), (&[6, 5], 1), (&[2, 6, 3], 1)] {
            cases.push(gather(noise(dtype, x, 33)?, index(DType::I64, &[3, 3], x[axis])?, axis)?);
            if dtype == DType::U8 {
                let (x, index) = (Array::zeros(dtype, x)?, index(DType::I32, &[4], x[axis])?);
                cases.push(scatter(x, index, axis)?);
            } else if dtype != DType::Bool {
                cases.push(scatter(noise(dtype, x, 33)?, index(DType::I32, &[3, 3], x[axis])?, axis)?);
            }
        }
    }
    cases.push(scatter(noise(DType::F32, &[3, 20], 34)?, Array::zeros(DType::I64, &[1000])?, 0)?);
    // More indices than are sorted at once.
    cases.push(scatter(noise(DType::F32, &[37, 4], 34)?, index(DType::I64, &[5000], 37)?, 0)?);
    views(&mut cases)?;
    for (dtype, bad) in
        [(DType::I64, 5.0), (DType::I32, -6.0), (DType::U8, 200.0), (DType::I64, 9e18), (DType::I64, -9e18)]
    {
        // The first one in row-major order is the one that is named.
        let wrong = || Array::from_fn(dtype, &[2, 3], |i| [0.0, 1.0, 4.0, bad, 99.0, 2.0][i]);
        cases.push(gather(noise(DType::F32, &[5, 4], 35)?, wrong()?, 0)?);
        cases.push(scatter(noise(DType::F32, &[2, 5], 35)?, wrong()?, 1)?);
    }
    cases.push(gather(noise(DType::F32, &[0, 4], 35)?, Array::zeros(DType::I64, &[2])?, 0)?);
    Ok(cases)
}

/// Strided, reversed and broadcast operands, and an output in place.
fn views(cases: &mut Vec<Case>) -> Result<(), Error> {
    let transposed = Layout::contiguous(&[6, 8]).permuted(&[1, 0]);
    let reversed = Layout { shape: vec![8, 6], strides: vec![-6, -1] };
    let broadcast = Layout { shape: vec![8, 6], strides: vec![0, 1] };
    let padded = Layout { shape: vec![8, 3, 2], strides: vec![6, 2, 1] };
    for (start, x) in [(0, transposed), (47, reversed), (0, broadcast), (0, padded)] {
        for axis in 0..x.rank() {
            let backwards = Layout { shape: vec![3, 2], strides: vec![-1, -5] };
            let (values, numbers) = (noise(DType::F32, &[48], 36)?, index(DType::I64, &[12], x.shape[axis])?);
            let case = |kernel, what: &str| {
                Case::new(format!("{what} {x} along {axis}"), kernel, 1e-6)
                    .input_view(values.clone(), start, x.clone())
                    .input_view(numbers.clone(), 11, backwards.clone())
            };
            let wanted = rows(&x.shape, &[3, 2], axis);
            cases.push(case(Kernel::Gather(Gather { axis }), "gather").output(DType::F32, &wanted)?);
            let swapped: Vec<usize> = (0..wanted.len()).rev().collect();
            let turned: Vec<usize> = swapped.iter().map(|&axis| wanted[axis]).collect();
            let updates = noise(DType::F32, &turned, 37)?;
            let layout = Layout::contiguous(&turned).permuted(&swapped);
            let case = case(Kernel::ScatterAdd(ScatterAdd { axis }), "scatter_add").input_view(updates, 0, layout);
            cases.push(case.output(DType::F32, &x.shape)?);
        }
    }
    let zero = Layout { shape: vec![8, 12], strides: vec![0, 0] };
    let case = Case::new("scatter_add to one element repeated", Kernel::ScatterAdd(ScatterAdd { axis: 0 }), 1e-6)
        .input_view(noise(DType::F32, &[1], 40)?, 0, zero)
        .input(index(DType::I64, &[9], 8)?)
        .input(noise(DType::F32, &[9, 12], 41)?);
    cases.push(case.output(DType::F32, &[8, 12])?);
    for axis in 0..2 {
        let x = [40, 70];
        let case =
            Case::new(format!("scatter_add in place along {axis}"), Kernel::ScatterAdd(ScatterAdd { axis }), 1e-6)
                .input(noise(DType::F32, &x, 38)?)
                .input(index(DType::I64, &[90], x[axis])?)
                .input(noise(DType::F32, &rows(&x, &[90], axis), 39)?);
        cases.push(case.output_in_place(0));
    }
    Ok(())
}
