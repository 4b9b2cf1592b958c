//! Sizes: integer expressions over open sizes.

use crate::dim::quotient;
use crate::{Dim, Dims, Poly};
use wengert_kernels::{Error, text::Cursor};

/// Sizes nested or multiplied beyond this are no sizes of anybody's tensor, but an attempt on the reader's memory.
const DEEPEST: usize = 16;
pub(super) const HEAVIEST: usize = 256;

/// Reads a size; open sizes that are new are added to `dims`.
pub(super) fn size(at: &mut Cursor<'_>, dims: &mut Dims) -> Result<Dim, Error> {
    let start = at.clone();
    let poly = expression(at, dims, 0)?;
    match poly.as_constant() {
        Some(value) if usize::try_from(value).is_err() => Err(start.error("a size is not negative")),
        _ => Ok(Dim::from_poly(poly)),
    }
}

/// Reads a sum of terms.
pub(super) fn expression(at: &mut Cursor<'_>, dims: &mut Dims, depth: usize) -> Result<Poly, Error> {
    let mut sum = Poly::constant(0);
    let mut sign = if at.eat("-") { -1 } else { 1 };
    loop {
        let place = at.clone();
        let mut product = factor(at, dims, depth)?;
        while at.eat("*") {
            product = product.mul(&factor(at, dims, depth)?);
            light(&product, &place)?;
        }
        sum = sum.add(&product, sign);
        light(&sum, &place)?;
        sign = match (at.eat("+"), at.eat("-")) {
            (true, false) => 1,
            (false, true) => -1,
            (false, false) => return Ok(sum),
            (true, true) => return Err(at.expected("a size")),
        };
    }
}

fn light(poly: &Poly, place: &Cursor<'_>) -> Result<(), Error> {
    if poly.weight() > HEAVIEST { Err(place.error("this size has too many terms")) } else { Ok(()) }
}

fn factor(at: &mut Cursor<'_>, dims: &mut Dims, depth: usize) -> Result<Poly, Error> {
    if at.eat("(") {
        if depth == DEEPEST {
            return Err(at.error("this size is nested too deeply"));
        }
        let above = expression(at, dims, depth + 1)?;
        at.expect(")")?;
        at.expect("/")?;
        at.expect("(")?;
        let below = expression(at, dims, depth + 1)?;
        at.expect(")")?;
        return Ok(quotient(&above, &below));
    }
    let digit = |at: &mut Cursor<'_>| {
        let _ = at.at_line_end();
        at.rest().starts_with(|c: char| c.is_ascii_digit())
    };
    if digit(at) {
        return Ok(Poly::constant(at.word("a number in range", |word| word.parse().ok())?));
    }
    let place = at.clone();
    let name = at.name().map_err(|_| place.clone().expected("a size"))?;
    Ok(dims.named(&name).unwrap_or_else(|| dims.symbol(&name)).poly())
}
