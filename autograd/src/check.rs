//! Gradients held against finite differences, for ops and functions of one's own.

use crate::{Array, DType, Device, Error, Feed, GradOptions, Graph, Policy, Session, Tensor, gradients};

/// Checks the gradients of a function of tensors against central differences, up to `order` derivatives.
///
/// The function is given `f64` placeholders of the shapes of `at`, and is projected on one random direction in its result and
/// one in its arguments, as JAX's `check_grads` does: that costs two evaluations an order, whatever the sizes. Both the plain
/// and the optimised program are checked.
///
/// # Errors
/// When the function is poisoned or a derivative differs by more than `1e-6`, relative to the larger of 1 and itself.
///
/// ```
/// # use wengert_autograd::{Array, DType, check_gradients};
/// let at = [Array::from_fn(DType::F64, &[3, 4], |i| i as f64 / 10.0)?];
/// check_gradients(|x| x[0].tanh().log_softmax(-1), &at, 2)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check_gradients(f: impl Fn(&[Tensor]) -> Tensor, at: &[Array], order: usize) -> Result<(), Error> {
    let graph = Graph::new();
    let x: Vec<Tensor> = (at.iter().enumerate())
        .map(|(n, array)| graph.placeholder(&format!("x{n}"), DType::F64, array.shape().iter().map(|&size| Some(size))))
        .collect();
    let y = f(&x);
    let shape: Vec<usize> = y.shape()?.iter().map(|dim| dim.known().unwrap_or(1)).collect();
    let mut value = (y * graph.constant(noise(&shape, 0))).sum();
    for derivative in 1..=order {
        let directions: Vec<Array> = (at.iter().enumerate())
            .map(|(n, array)| noise(array.shape(), 100 * derivative + n + 1))
            .collect::<Result<_, _>>()?;
        let refs: Vec<&Tensor> = x.iter().collect();
        let options = GradOptions { zeros_if_disconnected: true, ..GradOptions::default() };
        let found = gradients(&[&value], &refs, &options);
        let slope = (found.iter().zip(&directions))
            .map(|(gradient, direction)| (gradient * graph.constant(direction)).sum())
            .reduce(|sum, term| sum + term)
            .ok_or_else(|| Error::run("check_gradients: there are no arguments"))?;
        for policy in [Policy::PLAIN, Policy::OPTIMISED] {
            compare(&graph, &x, at, &directions, &value, &slope, policy)
                .map_err(|why| Error::run(format!("derivative {derivative}, {policy:?}: {why}")))?;
        }
        value = slope;
    }
    Ok(())
}

/// Half the width of the central differences: the error of the difference and of its rounding are then both near 1e-10.
const STEP: f64 = 1e-5;

fn compare(
    graph: &Graph,
    x: &[Tensor],
    at: &[Array],
    directions: &[Array],
    value: &Tensor,
    slope: &Tensor,
    policy: Policy,
) -> Result<(), Error> {
    let refs: Vec<&Tensor> = x.iter().collect();
    let f = graph.function(&refs, &[value, slope]).policy(policy).without_default_updates().compile()?;
    let mut session = Session::new(Device::cpu().threads(1))?;
    let mut evaluate = |step: f64| {
        let moved = at.iter().zip(directions).map(|(at, direction)| {
            let (base, direction) = (at.to_f64(), direction.to_f64());
            Array::from_fn(DType::F64, at.shape(), |i| base[i] + step * direction[i])
        });
        let feeds: Vec<Feed<'_>> = moved.map(Feed::from).collect();
        let results = f.call(&mut session, &feeds)?;
        Ok::<(f64, f64), Error>((results[0].item::<f64>()?, results[1].item::<f64>()?))
    };
    let (above, below) = (evaluate(STEP)?.0, evaluate(-STEP)?.0);
    let (difference, slope) = ((above - below) / (2.0 * STEP), evaluate(0.0)?.1);
    if (difference - slope).abs() <= 1e-6 * slope.abs().max(1.0) {
        Ok(())
    } else {
        Err(Error::run(format!("the gradient says {slope:e}, the difference {difference:e}")))
    }
}

/// Numbers between -1 and 1 without a pattern that an op could share.
fn noise(shape: &[usize], seed: usize) -> Result<Array, wengert_kernels::Error> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed as u64 + 1);
    Array::from_fn(DType::F64, shape, |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Check, OPS};
    use wengert_kernels::Isa;

    fn sample(shape: &[usize], low: f64, high: f64, seed: usize) -> Array {
        let unit = noise(shape, seed).unwrap().to_f64();
        Array::from_fn(DType::F64, shape, |i| low + (unit[i] + 1.0) / 2.0 * (high - low)).unwrap()
    }

    /// Inputs in the intervals of a check.
    fn samples(check: &Check, seed: usize) -> Vec<Array> {
        let inputs = check.inputs.iter().enumerate();
        inputs.map(|(n, &(shape, low, high))| sample(shape, low, high, n + seed)).collect()
    }

    #[test]
    fn every_op_passes_its_checks_to_second_order() {
        // semantics 3.3
        let mut failed = Vec::new();
        for spec in OPS {
            for (number, check) in spec.checks.iter().enumerate() {
                let inputs = samples(check, 7);
                if let Err(why) = check_gradients(check.build, &inputs, 2) {
                    failed.push(format!("{} check {number}: {why}", spec.name));
                }
            }
        }
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    }

    #[test]
    fn every_op_is_the_same_on_every_instruction_set() {
        // semantics 5.9
        let mut failed = Vec::new();
        let isas = Isa::ALL.into_iter().filter(|isa| isa.is_available());
        let devices: Vec<Device> = isas.map(|isa| Device::cpu().threads(2).isa(isa).unwrap()).collect();
        for spec in OPS {
            for (number, check) in spec.checks.iter().enumerate() {
                let inputs = samples(check, 3);
                let graph = Graph::new();
                let x: Vec<Tensor> = (inputs.iter().enumerate())
                    .map(|(n, array)| {
                        graph.placeholder(&format!("x{n}"), DType::F64, array.shape().iter().map(|&size| Some(size)))
                    })
                    .collect();
                let y = (check.build)(&x);
                let refs: Vec<&Tensor> = x.iter().collect();
                let run = |device: &Device, policy: Policy| {
                    let f = graph.function(&refs, &[&y]).policy(policy).compile()?;
                    let feeds: Vec<Feed<'_>> = inputs.iter().map(Feed::from).collect();
                    Ok::<Array, Error>(f.call(&mut Session::new(device.clone())?, &feeds)?.remove(0))
                };
                let wanted = run(&Device::reference(), Policy::PLAIN).unwrap();
                for device in &devices {
                    for policy in [Policy::PLAIN, Policy::OPTIMISED] {
                        match run(device, policy).map(|got| got.max_abs_diff(&wanted)) {
                            Ok(Ok(difference)) if difference < 1e-12 => (),
                            other => failed.push(format!("{} check {number} on {device}: {other:?}", spec.name)),
                        }
                    }
                }
            }
        }
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    }

    #[test]
    fn a_wrong_gradient_is_found() {
        let wrong = |x: &[Tensor]| crate::custom_vjp(&[&x[0]], |x| x[0].square(), |x, _, g| vec![g * &x[0]]);
        let error = check_gradients(wrong, &[sample(&[4], 0.5, 1.0, 1)], 1).unwrap_err();
        assert!(error.to_string().contains("derivative 1"), "{error}");
    }
}
