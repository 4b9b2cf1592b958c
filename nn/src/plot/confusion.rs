//! Which classes are taken for which.

use super::{
    Color,
    canvas::{CENTRE, Canvas, RIGHT, Rect},
};
use crate::Error;
use std::path::Path;
use wengert_kernels::Array;

const INK: Color = Color(8, 48, 107);
const FONT: f32 = 14.0;
const LABEL_FONT: f32 = 16.0;

/// Draws a confusion matrix: `counts` of shape `[k, k]`, of any dtype, has in row i and column j how many examples of class
/// i were taken for class j. `names` are those of the classes; without any they are numbered from 0.
///
/// A cell is the darker the larger its part of its row, so that a rare class is judged as a common one is.
///
/// # Errors
/// When `counts` is not square, empty, or holds what is no count; when there is not a name for each class; when the file
/// cannot be written.
///
/// ```
/// use wengert_kernels::Array;
///
/// let path = std::env::temp_dir().join(format!("wengert-confusion-{}.png", std::process::id()));
/// let counts = Array::new(&[2, 2], &[90i64, 10, 3, 97])?;
/// wengert_nn::plot::confusion_matrix(&path, &counts, &["cat".into(), "dog".into()])?;
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), wengert_nn::Error>(())
/// ```
pub fn confusion_matrix(path: impl AsRef<Path>, counts: &Array, names: &[String]) -> Result<(), Error> {
    let classes = match *counts.shape() {
        [rows, columns] if rows == columns && rows > 0 => rows,
        _ => return Err(Error::shape(format!("a confusion matrix has shape [k, k], not {:?}", counts.shape()))),
    };
    if !names.is_empty() && names.len() != classes {
        return Err(Error::invalid(format!(
            "{classes} classes cannot have {} names: give one for each, or none",
            names.len()
        )));
    }
    let values = counts.to_f64();
    if let Some(value) = values.iter().find(|&&value| !(value >= 0.0 && value.is_finite())) {
        return Err(Error::invalid(format!("{value} is no count of examples")));
    }
    let numbers: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
    let names = if names.is_empty() { &numbers } else { names };

    // Measured on a sheet without a pixel: the longest number makes the cell, the longest name the margin.
    let ruler = Canvas::new(0, 0)?;
    let widest =
        |texts: &mut dyn Iterator<Item = &str>| texts.map(|text| ruler.text_width(text, FONT)).fold(0.0, f32::max);
    let texts: Vec<String> = values.iter().map(f64::to_string).collect();
    let cell = (widest(&mut texts.iter().map(String::as_str)) + 16.0).clamp(44.0, 160.0).ceil();
    let longest = widest(&mut names.iter().map(String::as_str)).ceil();
    let upright = longest > cell - 8.0;
    let (left, top, right) = (64.0 + longest, 24.0, 28.0);
    let bottom = if upright { longest + 62.0 } else { 76.0 };
    let side = classes as f32 * cell;
    let mut canvas = Canvas::new((left + side + right) as usize, (top + side + bottom) as usize)?;

    for (row, (values, texts)) in values.chunks_exact(classes).zip(texts.chunks_exact(classes)).enumerate() {
        let sum: f64 = values.iter().sum();
        let y = top + row as f32 * cell;
        for (column, (value, text)) in values.iter().zip(texts).enumerate() {
            let part = if sum > 0.0 { (value / sum) as f32 } else { 0.0 };
            let x = left + column as f32 * cell;
            canvas.fill(Rect { x, y, w: cell, h: cell }, shade(part));
            let color = if part > 0.5 {
                Color::WHITE
            } else if *value == 0.0 {
                Color(185, 185, 185)
            } else {
                Color::BLACK
            };
            canvas.text((x + cell / 2.0, y + cell / 2.0), CENTRE, FONT, color, text);
        }
    }
    for (class, name) in names.iter().enumerate() {
        let middle = (class as f32 + 0.5) * cell;
        canvas.text((left - 10.0, top + middle), RIGHT, FONT, Color::BLACK, name);
        if upright {
            canvas.text_upward((left + middle, top + side + 10.0), RIGHT, FONT, Color::BLACK, name);
        } else {
            canvas.text((left + middle, top + side + 18.0), CENTRE, FONT, Color::BLACK, name);
        }
    }
    canvas.frame(Rect { x: left, y: top, w: side, h: side }, 1.0, Color(110, 110, 110));
    canvas.text_upward((24.0, top + side / 2.0), CENTRE, LABEL_FONT, Color::BLACK, "actual class");
    canvas.text((left + side / 2.0, top + side + bottom - 26.0), CENTRE, LABEL_FONT, Color::BLACK, "predicted class");
    canvas.save(path.as_ref())
}

/// White for nothing, and at once a tint for little: one example in a hundred is to be seen.
fn shade(part: f32) -> Color {
    Color::WHITE.mix(INK, part.sqrt() * 0.9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plot::canvas::tests::open, scratch::Folder};

    #[test]
    fn a_cell_is_as_dark_as_its_part_of_the_row() {
        let folder = Folder::new();
        let counts = Array::new(&[2, 2], &[4i64, 0, 1, 1]).unwrap();
        confusion_matrix(folder.path("a.png"), &counts, &[]).unwrap();
        let (width, _, pixels) = open(&folder.path("a.png"));
        let left = width - 28 - 88;
        let at = |column: usize, row: usize| pixels[(24 + 44 * row + 4) * width + left + 44 * column + 4];
        assert_eq!((at(0, 0), at(1, 0)), (shade(1.0), Color::WHITE));
        assert_eq!((at(0, 1), at(1, 1)), (shade(0.5), shade(0.5)));
    }

    #[test]
    fn what_is_no_matrix_of_counts_is_refused() {
        let folder = Folder::new();
        let draw = |shape: &[usize], values: &[f32], names: &[String]| {
            confusion_matrix(folder.path("a.png"), &Array::new(shape, values).unwrap(), names).unwrap_err()
        };
        assert!(draw(&[1, 2], &[1.0, 2.0], &[]).is_shape());
        assert!(draw(&[0, 0], &[], &[]).is_shape());
        assert!(draw(&[1, 1], &[-1.0], &[]).to_string().contains("-1 is no count"));
        assert!(draw(&[1, 1], &[f32::NAN], &[]).is_invalid());
        assert!(draw(&[1, 1], &[1.0], &["a".into(), "b".into()]).to_string().contains("1 classes cannot have 2 names"));
        assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 0);
    }
}
