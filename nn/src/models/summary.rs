//! The table of a model's layers.

use super::Sequential;
use crate::Error;
use std::collections::HashMap;
use std::fmt::Write;

impl Sequential {
    /// A table of the layers with their output shapes and numbers of parameters, as Keras prints it.
    ///
    /// # Errors
    /// When the shape of the input is not known yet, or a layer does not fit it.
    ///
    /// ```
    /// # use wengert_nn::{layers::Dense, models::Sequential};
    /// let mut model = Sequential::new().input([64]).add(Dense::new(32)).add(Dense::new(10));
    /// assert!(model.summary()?.contains("Total params: 2,410"));
    /// # Ok::<(), wengert_nn::Error>(())
    /// ```
    pub fn summary(&mut self) -> Result<String, Error> {
        let built = self.built()?;
        let mut nameless: HashMap<&str, usize> = HashMap::new();
        let mut table = String::from("Model: \"sequential\"\n");
        let line = |table: &mut String, cells: [&str; 3]| {
            let _ = writeln!(table, "{}", format!("{:<28} {:<25} {}", cells[0], cells[1], cells[2]).trim_end());
        };
        let rule = |table: &mut String, sign: &str| {
            let _ = writeln!(table, "{}", sign.repeat(65));
        };
        rule(&mut table, "_");
        line(&mut table, ["Layer (type)", "Output Shape", "Param #"]);
        rule(&mut table, "=");
        for row in &built.rows {
            let name = row.name.clone().unwrap_or_else(|| {
                let count = nameless.entry(row.kind).or_default();
                let suffix = if *count == 0 { String::new() } else { format!("_{count}") };
                *count += 1;
                row.kind.to_lowercase() + &suffix
            });
            let sizes: Vec<String> =
                row.shape.iter().map(|dim| dim.known().map_or("None".into(), |size| size.to_string())).collect();
            let shape = format!("({})", sizes.join(", "));
            line(&mut table, [&format!("{name} ({})", row.kind), &shape, &row.parameters.to_string()]);
        }
        rule(&mut table, "=");
        let (all, trainable) = (built.parameter_count(), built.trainable_count());
        for (what, count) in [("Total", all), ("Trainable", trainable), ("Non-trainable", all - trainable.min(all))] {
            let _ = writeln!(table, "{what} params: {}", grouped(count));
        }
        Ok(table)
    }

    /// Number of weights, trainable or not.
    ///
    /// # Errors
    /// As [`summary`](Sequential::summary).
    pub fn parameter_count(&mut self) -> Result<usize, Error> {
        Ok(self.built()?.parameter_count())
    }
}

/// 1234567 as 1,234,567.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits_are_grouped_by_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1234567, "1,234,567")] {
            assert_eq!(super::grouped(number), text);
        }
    }
}
