//! The family's part of the conformance suite.

use super::Softmax;
use crate::{Array, DType, Error, Kernel, Layout, conformance::Case, reduce::cases::noise};

fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 1e-3,
        DType::BF16 => 8e-3,
        DType::F32 => 1e-6,
        _ => 1e-14,
    }
}

/// Logits of a usual size.
fn logits(dtype: DType, shape: &[usize]) -> Result<Array, Error> {
    let values = noise(DType::F64, shape, 21)?.to_f64();
    Array::from_fn(dtype, shape, |i| 9.0 * values[i] - (i % 3) as f64)
}

pub(crate) fn cases() -> Result<Vec<Case>, Error> {
    let mut cases = Vec::new();
    for log in [false, true] {
        let case = |name: String, dtype| {
            Case::new(format!("{name}, log {log}"), Kernel::Softmax(Softmax { log }), tolerance(dtype))
        };
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            let shapes: [&[usize]; 12] = [
                &[1],
                &[2],
                &[10],
                &[3, 1],
                &[5, 16],
                &[2, 3, 17],
                &[13, 1000],
                &[3, 1031],
                &[3, 2048],
                &[2, 16_500],
                &[0, 4],
                &[4, 0],
            ];
            for shape in shapes {
                let name = format!("softmax of {dtype} {shape:?}");
                let plain = case(name.clone(), dtype).input(logits(dtype, shape)?);
                cases.push(plain.output(dtype, shape)?);
                cases.push(case(format!("{name} in place"), dtype).input(logits(dtype, shape)?).output_in_place(0));
            }
            let views = [
                (0, Layout::contiguous(&[31, 9]).permuted(&[1, 0])),
                (5, Layout { shape: vec![7, 20], strides: vec![21, 1] }),
                (278, Layout { shape: vec![9, 31], strides: vec![-31, -1] }),
                (3, Layout { shape: vec![4, 5, 6], strides: vec![0, 2, 30] }),
            ];
            for (start, layout) in views {
                let shape = layout.shape.clone();
                let case = case(format!("softmax of {dtype} {layout}"), dtype);
                cases.push(case.input_view(logits(dtype, &[279])?, start, layout).output(dtype, &shape)?);
            }
            let lowest = f64::NEG_INFINITY;
            for (what, value, every) in [
                ("some -inf", lowest, 3),
                ("all -inf", lowest, 1),
                ("a NaN", f64::NAN, 23),
                ("inf", f64::INFINITY, 23),
                ("-1e30", -1e30, 2),
                ("-80", -80.0, 2),
                ("-95", -95.0, 2),
                ("-720", -720.0, 2),
            ] {
                let array = Array::from_fn(dtype, &[5, 23], |i| if i % every == 0 { value } else { (i % 5) as f64 })?;
                cases
                    .push(case(format!("softmax of {dtype} with {what}"), dtype).input(array).output(dtype, &[5, 23])?);
            }
            let huge = Array::from_fn(dtype, &[3, 20], |i| 3e4 - (i % 20) as f64 * 32.0)?;
            cases.push(case(format!("softmax of large {dtype}"), dtype).input(huge).output(dtype, &[3, 20])?);
        }
    }
    Ok(cases)
}
