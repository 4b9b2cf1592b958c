//! Looking at a call's results before they are committed: the NaN trap and the debug mode.

use crate::{Error, Recorded};
use wengert_kernels::Array;

/// Whether a float array holds a NaN or an infinity.
pub(crate) fn is_not_finite(array: &Array) -> bool {
    array.dtype().is_float() && array.to_f64().iter().any(|x| !x.is_finite())
}

fn has_nan(array: &Array) -> bool {
    array.dtype().is_float() && array.to_f64().iter().any(|x| x.is_nan())
}

/// The error that names the first op which made something that is not finite out of finite operands. `values` are those of
/// every node, in order.
pub(crate) fn locate(recorded: &Recorded, values: &[Array]) -> Error {
    let ir = &recorded.0;
    // An infinity may be meant (a mask); if there is a NaN, its birth is the place to look at.
    let bad: fn(&Array) -> bool = if values.iter().any(has_nan) { has_nan } else { is_not_finite };
    let first =
        (0..ir.nodes.len()).find(|&n| bad(&values[n]) && !ir.nodes[n].inputs.iter().any(|&input| bad(&values[input])));
    let Some(n) = first else {
        return Error::run("the NaN trap found a value that is not finite, which a replay did not");
    };
    let node = &ir.nodes[n];
    let what = if has_nan(&values[n]) { "NaN" } else { "infinity" };
    let elements = values[n].to_f64();
    let count = elements.iter().filter(|x| !x.is_finite()).count();
    let place = elements.iter().position(|x| !x.is_finite()).unwrap_or(0);
    let operands: Vec<String> = node
        .inputs
        .iter()
        .map(|&input| {
            let values = values[input].to_f64();
            let (low, high) =
                values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
            format!("{} in [{low:e}, {high:e}]", ir.nodes[input].ty)
        })
        .collect();
    let of = match node.leaf {
        Some(_) => String::new(),
        None => format!(" of {}", operands.join(" and ")),
    };
    let message = format!(
        "NaN trap: {}{}{of} has {what}: {count} of {} elements, the first at {place}",
        node.op.name(),
        node.op.attributes(),
        elements.len()
    );
    match node.origins.first() {
        Some(origin) => Error::non_finite(message, origin),
        None => Error::run(message),
    }
}

/// Compares results with those of the reference.
pub(crate) fn compare(results: &[Array], wanted: &[Array], outputs: usize) -> Result<(), Error> {
    for (number, (result, wanted)) in results.iter().zip(wanted).enumerate() {
        let tolerance = match result.dtype() {
            wengert_kernels::DType::F64 => 1e-9,
            dtype if dtype.size() == 2 => 2e-2,
            dtype if dtype.is_float() => 1e-3,
            _ => 0.0,
        };
        let (a, b) = (result.to_f64(), wanted.to_f64());
        let scale = b.iter().filter(|x| x.is_finite()).fold(1.0f64, |scale, x| scale.max(x.abs()));
        let differs = a
            .iter()
            .zip(&b)
            .position(|(a, b)| a != b && !(a.is_nan() && b.is_nan()) && (a - b).abs() > tolerance * scale);
        if let Some(place) = differs {
            let what =
                if number < outputs { format!("output {number}") } else { format!("update {}", number - outputs) };
            return Err(Error::run(format!(
                "debug mode: element {place} of {what} is {:e}, the reference computes {:e}",
                a[place], b[place]
            )));
        }
    }
    Ok(())
}
