//! Images in rows and columns.

use super::{
    Color,
    canvas::{CENTRE, Canvas, Rect},
};
use crate::Error;
use std::path::Path;
use wengert_kernels::{Array, DType};

const MARGIN: usize = 16;
const GAP: usize = 14;
const CAPTION: usize = 22;
const FONT: f32 = 14.0;
/// Small images are enlarged by a whole number until their longer side has about this many pixels.
const SIDE: usize = 64;

/// Draws images in rows of `columns`, each with a caption above it and a frame around it.
///
/// `images` is `[n, h, w]` or `[n, h, w, 1]` for grey and `[n, h, w, 3]` for colour. Grey images are drawn as ink on paper,
/// the smallest value of all white and the largest black. Colours are `u8` up to 255, or floats up to 1. A pixel becomes
/// a square: nothing is smoothed.
///
/// `titles` and `frames` have one entry for each image, or none at all. [`verdicts`] makes both from labels and
/// predictions.
///
/// # Errors
/// When shapes or lengths do not fit, there is nothing to draw, or the file cannot be written.
///
/// ```
/// use wengert_nn::{data, plot};
///
/// let path = std::env::temp_dir().join(format!("wengert-grid-{}.png", std::process::id()));
/// let first = data::digits::load()?.take(4)?;
/// let (titles, frames) = plot::verdicts(&first.labels()?, &[0, 1, 2, 8], first.classes());
/// assert_eq!(titles, ["0", "1", "2", "8 (3)"]);
/// plot::image_grid(&path, first.x(), &titles, &frames, 2)?;
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), wengert_nn::Error>(())
/// ```
pub fn image_grid(
    path: impl AsRef<Path>,
    images: &Array,
    titles: &[String],
    frames: &[Option<Color>],
    columns: usize,
) -> Result<(), Error> {
    let (count, height, width, channels) = match *images.shape() {
        [n, h, w] | [n, h, w, 1] => (n, h, w, 1),
        [n, h, w, 3] => (n, h, w, 3),
        _ => {
            return Err(Error::shape(format!(
                "images have shape [n, h, w], [n, h, w, 1] or [n, h, w, 3], not {:?}",
                images.shape()
            )));
        }
    };
    if columns == 0 || images.is_empty() {
        return Err(Error::invalid(format!(
            "there is nothing to draw in {columns} columns of images of shape {:?}",
            images.shape()
        )));
    }
    for (what, len) in [("titles", titles.len()), ("frames", frames.len())] {
        if len != 0 && len != count {
            return Err(Error::invalid(format!("{count} images cannot have {len} {what}: give one for each, or none")));
        }
    }
    let pixels = colors(images, channels);
    let columns = columns.min(count);
    let zoom = (SIDE / height.max(width)).max(1);
    let caption = if titles.is_empty() { 0 } else { CAPTION };
    // Widths of captions first: a sheet to measure them on need not have a pixel.
    let ruler = Canvas::new(0, 0)?;
    let widest = titles.iter().map(|title| ruler.text_width(title, FONT).ceil() as usize).max().unwrap_or(0);
    let cell = (widest.max(width.saturating_mul(zoom)), caption.saturating_add(height.saturating_mul(zoom)));
    let side =
        |cells: usize, cell: usize| cells.saturating_mul(cell.saturating_add(GAP)).saturating_add(2 * MARGIN - GAP);
    let mut canvas = Canvas::new(side(columns, cell.0), side(count.div_ceil(columns), cell.1))?;

    for (number, image) in pixels.chunks_exact(height * width).enumerate() {
        let left = MARGIN + number % columns * (cell.0 + GAP);
        let top = MARGIN + number / columns * (cell.1 + GAP);
        let size = zoom as f32;
        let (x, y) = ((left + (cell.0 - width * zoom) / 2) as f32, (top + caption) as f32);
        if let Some(title) = titles.get(number) {
            let middle = left as f32 + cell.0 as f32 / 2.0;
            let color = frames.get(number).copied().flatten().unwrap_or(Color::BLACK);
            canvas.text((middle, top as f32 + 8.0), CENTRE, FONT, color, title);
        }
        for (i, &color) in image.iter().enumerate() {
            let (column, row) = ((i % width) as f32, (i / width) as f32);
            canvas.fill(Rect { x: x + column * size, y: y + row * size, w: size, h: size }, color);
        }
        let area = Rect { x, y, w: width as f32 * size, h: height as f32 * size };
        match frames.get(number).copied().flatten() {
            Some(color) => canvas.frame(area, 3.0, color),
            None => canvas.frame(area, 1.0, Color(200, 200, 200)),
        }
    }
    canvas.save(path.as_ref())
}

/// Captions and frames for [`image_grid`]: what was predicted, in a green frame; where that is wrong, `3 (5)` in a red one:
/// a 3 was predicted, a 5 was meant. Classes that have names are called by them.
#[must_use]
pub fn verdicts(labels: &[i64], predictions: &[i64], classes: Option<&[String]>) -> (Vec<String>, Vec<Option<Color>>) {
    let name = |class: i64| {
        let known = usize::try_from(class).ok().and_then(|class| classes?.get(class).cloned());
        known.unwrap_or_else(|| class.to_string())
    };
    let verdict = |(&label, &prediction): (&i64, &i64)| {
        if label == prediction {
            (name(prediction), Some(Color::GREEN))
        } else {
            (format!("{} ({})", name(prediction), name(label)), Some(Color::RED))
        }
    };
    labels.iter().zip(predictions).map(verdict).unzip()
}

fn colors(images: &Array, channels: usize) -> Vec<Color> {
    let values = images.to_f64();
    if channels == 3 {
        let full = if images.dtype() == DType::U8 { 255.0 } else { 1.0 };
        let byte = |value: f64| (value / full * 255.0).round() as u8;
        return values.chunks_exact(3).map(|c| Color(byte(c[0]), byte(c[1]), byte(c[2]))).collect();
    }
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let ink = |value: f64| if high > low { ((value - low) / (high - low)) as f32 } else { 0.0 };
    values.iter().map(|&value| Color::WHITE.mix(Color::BLACK, ink(value).clamp(0.0, 1.0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{data, plot::canvas::tests::open, scratch::Folder};

    #[test]
    fn pixels_become_squares_and_the_wrong_ones_are_framed() {
        let folder = Folder::new();
        let images = Array::new(&[2, 2, 2], &[0u8, 1, 2, 4, 4, 4, 4, 4]).unwrap();
        image_grid(folder.path("a.png"), &images, &[], &[None, Some(Color::RED)], 2).unwrap();
        let (width, height, pixels) = open(&folder.path("a.png"));
        assert_eq!((width, height), (2 * 16 + 2 * 64 + 14, 2 * 16 + 64));
        let at = |x: usize, y: usize| pixels[y * width + x];
        assert_eq!(
            [at(16, 16), at(47, 47), at(79, 16), at(16, 79), at(79, 79)],
            [255, 255, 191, 128, 0].map(|v| Color(v, v, v))
        );
        assert_eq!(
            [at(91, 40), at(93, 40), at(94, 40), at(40, 13)],
            [Color::RED, Color::RED, Color::BLACK, Color::WHITE]
        );
    }

    #[test]
    fn colours_are_drawn_as_they_are() {
        let folder = Folder::new();
        let images = Array::new(&[1, 1, 2, 3], &[1.0f32, 0.0, 0.5, 7.0, -1.0, f32::NAN]).unwrap();
        image_grid(folder.path("a.png"), &images, &["c".into()], &[], 5).unwrap();
        let (width, _, pixels) = open(&folder.path("a.png"));
        assert_eq!((pixels[40 * width + 20], pixels[40 * width + 60]), (Color(255, 0, 128), Color(255, 0, 0)));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let draw = |shape: &[usize], titles: &[String], columns| {
            image_grid(Folder::new().path("a.png"), &Array::zeros(DType::F32, shape).unwrap(), titles, &[], columns)
        };
        assert!(draw(&[2, 2], &[], 1).unwrap_err().is_shape());
        assert!(draw(&[1, 2, 2, 4], &[], 1).unwrap_err().is_shape());
        assert!(draw(&[0, 2, 2], &[], 1).unwrap_err().is_invalid());
        assert!(draw(&[2, 2, 2], &[], 0).unwrap_err().is_invalid());
        assert!(
            draw(&[2, 2, 2], &["one".into()], 1).unwrap_err().to_string().contains("2 images cannot have 1 titles")
        );
        assert!(draw(&[2, 1, 30_000], &[], 1).unwrap_err().to_string().contains("too large"));
        assert!(draw(&[2, 2, 2], &[], usize::MAX).is_ok());
        let digits = data::digits::load().unwrap().take(1).unwrap();
        assert!(image_grid(Folder::new().path("no/a.png"), digits.x(), &[], &[], 1).unwrap_err().is_io());
    }
}
