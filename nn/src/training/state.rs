//! What callbacks remember, for checkpoints.

use crate::Error;
use std::collections::BTreeMap;
use wengert_kernels::Array;

/// What a callback remembers: numbers and arrays by name. A checkpoint keeps them bit for bit.
///
/// ```
/// use wengert_nn::training::State;
/// let state = State::new().with("best", 0.25).with("wait", 3.0);
/// assert_eq!(state.number("best")?, 0.25);
/// assert!(state.number("worst").unwrap_err().to_string().contains("best, wait"));
/// # Ok::<(), wengert_nn::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    numbers: BTreeMap<String, f64>,
    arrays: BTreeMap<String, Vec<Array>>,
}

impl State {
    /// Nothing.
    #[must_use]
    pub fn new() -> State {
        State::default()
    }

    /// The same with a number.
    #[must_use]
    pub fn with(mut self, name: &str, number: f64) -> State {
        self.numbers.insert(name.to_owned(), number);
        self
    }

    /// The same with arrays.
    #[must_use]
    pub fn with_arrays(mut self, name: &str, arrays: Vec<Array>) -> State {
        self.arrays.insert(name.to_owned(), arrays);
        self
    }

    /// The number of that name.
    ///
    /// # Errors
    /// When there is none; names those that are there.
    pub fn number(&self, name: &str) -> Result<f64, Error> {
        self.numbers.get(name).copied().ok_or_else(|| {
            let known: Vec<&str> = self.numbers.keys().map(String::as_str).collect();
            Error::data(format!("nothing is remembered as `{name}`, but {}", known.join(", ")))
        })
    }

    /// The number of that name as a count.
    ///
    /// # Errors
    /// When there is none, or it is no count.
    pub fn count(&self, name: &str) -> Result<usize, Error> {
        let number = self.number(name)?;
        let counts = number >= 0.0 && number.fract() == 0.0 && number <= 1e15;
        if counts { Ok(number as usize) } else { Err(Error::data(format!("`{name}` is remembered as {number}"))) }
    }

    /// The arrays of that name, in their order; none if nothing has that name.
    #[must_use]
    pub fn arrays(&self, name: &str) -> &[Array] {
        self.arrays.get(name).map_or(&[], Vec::as_slice)
    }

    /// Everything as arrays whose names begin with `prefix`.
    pub(super) fn to_arrays(&self, prefix: &str) -> Result<Vec<(String, Array)>, Error> {
        let number = |(name, number): (&String, &f64)| Ok((format!("{prefix}number/{name}"), Array::scalar(*number)?));
        let mut all = self.numbers.iter().map(number).collect::<Result<Vec<_>, Error>>()?;
        for (name, arrays) in &self.arrays {
            all.extend(
                arrays.iter().enumerate().map(|(i, array)| (format!("{prefix}array/{i:06}/{name}"), array.clone())),
            );
        }
        Ok(all)
    }

    /// Takes in one of [`to_arrays`](State::to_arrays), without the prefix; they must come in the order of their names.
    pub(super) fn take_in(&mut self, name: &str, value: Array) -> Option<()> {
        if let Some(name) = name.strip_prefix("number/") {
            self.numbers.insert(name.to_owned(), value.item::<f64>().ok()?);
            return Some(());
        }
        let (place, name) = name.strip_prefix("array/")?.split_once('/')?;
        let arrays = self.arrays.entry(name.to_owned()).or_default();
        let in_order = place.parse() == Ok(arrays.len());
        arrays.push(value);
        in_order.then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_makes_the_round_trip_through_arrays() {
        let arrays: Vec<Array> =
            (0..12).map(|i| Array::full(wengert_kernels::DType::F32, &[i], 1.0).unwrap()).collect();
        let state = State::new().with("a/b", f64::NEG_INFINITY).with("c", 0.1).with_arrays("best/of", arrays);
        let mut all = state.to_arrays("x/").unwrap();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut back = State::new();
        for (name, value) in all {
            back.take_in(name.strip_prefix("x/").unwrap(), value).unwrap();
        }
        assert_eq!(back, state);
        for (name, value) in
            [("number/x", [1.0f32; 2].as_slice()), ("array/x/y", &[]), ("array/000001/z", &[]), ("z", &[])]
        {
            assert!(back.take_in(name, Array::new(&[value.len()], value).unwrap()).is_none(), "{name}");
        }
        assert!(
            State::new().with("n", -1.0).count("n").is_err() && State::new().with("n", 7.0).count("n").unwrap() == 7
        );
    }
}
