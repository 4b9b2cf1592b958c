//! Targets: what is to be learned about each example, in the forms in which losses and metrics take it.

use crate::Error;
use wengert_autograd::{DType, Tensor};
use wengert_kernels::{Array, dispatch};

/// Numbers in the dtype and the shape of `output`: the last axis may be missing where the output's has size 1.
pub(crate) fn like(target: &Tensor, output: &Tensor) -> Tensor {
    let (Ok(ty), Ok(wanted)) = (target.ty(), output.ty()) else { return target.clone() };
    let column = ty.rank() + 1 == wanted.rank() && wanted.shape.last().is_some_and(|last| *last == 1);
    let target = if column { target.expand_dims(-1) } else { target.clone() };
    // Otherwise [n] and [n, 1] would broadcast to [n, n] without a word.
    if !column && ty.rank() != wanted.rank() {
        return target
            .poisoned(format!("a target of {ty} for an output of {wanted}: they differ in their number of axes"));
    }
    target.cast(wanted.dtype)
}

/// One-hot rows in the dtype and the shape of `output`, from such rows or from labels.
pub(crate) fn one_hot(target: &Tensor, output: &Tensor) -> Tensor {
    let (Ok(ty), Ok(wanted)) = (target.ty(), output.ty()) else { return target.clone() };
    if !ty.dtype.is_integer() {
        return like(target, output);
    }
    match wanted.shape.last().and_then(wengert_autograd::Dim::known) {
        Some(classes) => labels(target, output).one_hot(classes, wanted.dtype),
        None => output.poisoned(format!("an output of {wanted}: the number of classes must be known")),
    }
}

/// Labels `[n, ..]`, one axis less than `output`, of integers in that shape or with a last axis of size 1.
pub(crate) fn labels(target: &Tensor, output: &Tensor) -> Tensor {
    let (Ok(ty), Ok(wanted)) = (target.ty(), output.ty()) else { return target.clone() };
    if ty.rank() + 1 == wanted.rank() {
        return target.clone();
    }
    match ty.shape.last() {
        Some(last) if ty.rank() == wanted.rank() && *last == 1 => target.squeeze(-1),
        _ => target.poisoned(format!(
            "labels of {ty} for an output of {wanted}: labels have one axis less\n  hint: one-hot rows are floats, cast() them"
        )),
    }
}

fn fits(targets: &Array, outputs: &[usize]) -> bool {
    let rest = targets.shape().get(1..).unwrap_or_default();
    rest == outputs || outputs.split_last() == Some((&1, rest))
}

/// Checks the shape of targets for outputs whose sizes behind the first axis are `outputs`.
fn check_shape(loss: &str, targets: &Array, outputs: &[usize]) -> Result<(), Error> {
    if fits(targets, outputs) {
        return Ok(());
    }
    Err(Error::shape(format!(
        "{loss}: targets of shape {:?} for outputs of shape [n{}]; they must have the same sizes behind the first",
        targets.shape(),
        outputs.iter().map(|size| format!(", {size}")).collect::<String>()
    )))
}

/// Checks targets that are any finite numbers.
pub(crate) fn check_numbers(loss: &str, targets: &Array, outputs: &[usize]) -> Result<(), Error> {
    check_shape(loss, targets, outputs)
}

/// Checks targets that lie between 0 and 1.
pub(crate) fn check_probabilities(loss: &str, targets: &Array, outputs: &[usize]) -> Result<(), Error> {
    check_shape(loss, targets, outputs)?;
    let wrong = position(targets, |value| !(0.0..=1.0).contains(&value));
    wrong.map_or(Ok(()), |(row, value)| {
        Err(Error::data(format!("{loss}: row {row} has target {value}, but targets lie between 0 and 1")))
    })
}

/// Checks labels: integers from 0 to the last of `outputs`, without it.
pub(crate) fn check_labels(loss: &str, targets: &Array, outputs: &[usize]) -> Result<(), Error> {
    let Some((&classes, places)) = outputs.split_last() else {
        return Err(Error::shape(format!("{loss}: an output without an axis of classes")));
    };
    let rest = targets.shape().get(1..).unwrap_or_default();
    if rest != places && rest.split_last() != Some((&1, places)) {
        return Err(Error::shape(format!(
            "{loss}: integer targets are labels, one for each output of {classes} classes, but have shape {:?}; one-hot rows are floats",
            targets.shape()
        )));
    }
    let wrong = position(targets, |label| !(0.0..classes as f64).contains(&label));
    wrong.map_or(Ok(()), |(row, label)| {
        Err(Error::data(format!(
            "{loss}: row {row} has label {label}, but with {classes} classes labels run from 0 to {}",
            classes as i128 - 1
        )))
    })
}

/// The row and the value of the first element that is `wrong`.
fn position(array: &Array, wrong: impl Fn(f64) -> bool) -> Option<(usize, f64)> {
    let width = array.len().checked_div(array.shape().first().copied().unwrap_or(0)).unwrap_or(0).max(1);
    dispatch!(array.dtype(), T => {
        let values = array.as_slice::<T>().ok()?;
        let found = values.iter().position(|value| wrong(wengert_kernels::Element::to_f64(*value)))?;
        Some((found / width, wengert_kernels::Element::to_f64(values[found])))
    })
}

/// Checks that an array of floats holds neither NaN nor infinity.
pub(crate) fn check_finite(what: &str, array: &Array) -> Result<(), Error> {
    if !array.dtype().is_float() || array.dtype() == DType::Bool {
        return Ok(());
    }
    let width = array.len().checked_div(array.shape().first().copied().unwrap_or(0)).unwrap_or(0).max(1);
    dispatch!(array.dtype(), T => {
        let values = array.as_slice::<T>()?;
        match values.iter().position(|value| !wengert_kernels::Element::to_f64(*value).is_finite()) {
            None => Ok(()),
            Some(place) => Err(Error::data(format!(
                "{what} holds {} in row {}, column {}: clean the data before training",
                wengert_kernels::Element::to_f64(values[place]),
                place / width,
                place % width
            ))),
        }
    })
}
