//! A sheet of pixels: rectangles, lines and letters, with smooth edges.

use super::Color;
use crate::Error;
use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use std::path::Path;

/// A side longer than this is a mistake: the picture would take gigabytes.
const MAX_SIDE: usize = 20_000;

/// The height of a capital of DejaVu Sans, in parts of the font's size.
const CAPITAL: f32 = 0.729;

pub(crate) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Color>,
    font: FontRef<'static>,
}

/// A rectangle: left, top, width, height, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rect {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) w: f32,
    pub(crate) h: f32,
}

/// Which point of a text its position means: its middle line and, along it, this part of its length.
pub(crate) const LEFT: f32 = 0.0;
pub(crate) const CENTRE: f32 = 0.5;
pub(crate) const RIGHT: f32 = 1.0;

impl Canvas {
    /// A white sheet.
    pub(crate) fn new(width: usize, height: usize) -> Result<Canvas, Error> {
        if width > MAX_SIDE || height > MAX_SIDE {
            return Err(Error::invalid(format!(
                "a picture of {width} x {height} pixels is too large: no side may exceed {MAX_SIDE}"
            )));
        }
        let font = FontRef::try_from_slice(dejavu::sans::regular())
            .map_err(|cause| Error::invalid(format!("the font cannot be read: {cause}")))?;
        Ok(Canvas { width, height, pixels: vec![Color::WHITE; width * height], font })
    }

    fn blend(&mut self, x: i64, y: i64, color: Color, coverage: f32) {
        let inside =
            usize::try_from(x).ok().zip(usize::try_from(y).ok()).filter(|&(x, y)| x < self.width && y < self.height);
        if let Some(pixel) = inside.and_then(|(x, y)| self.pixels.get_mut(y * self.width + x)) {
            *pixel = pixel.mix(color, coverage.clamp(0.0, 1.0));
        }
    }

    /// Fills a rectangle; a pixel that it covers in part takes that part of the colour.
    pub(crate) fn fill(&mut self, rect: Rect, color: Color) {
        let overlap =
            |pixel: i64, from: f32, size: f32| ((pixel + 1) as f32).min(from + size) - (pixel as f32).max(from);
        for y in within(rect.y, rect.y + rect.h, self.height) {
            for x in within(rect.x, rect.x + rect.w, self.width) {
                self.blend(x, y, color, overlap(x, rect.x, rect.w) * overlap(y, rect.y, rect.h));
            }
        }
    }

    /// Draws a frame of `width` pixels around a rectangle, on its outside.
    pub(crate) fn frame(&mut self, rect: Rect, width: f32, color: Color) {
        let Rect { x, y, w, h } = rect;
        for side in [
            Rect { x: x - width, y: y - width, w: w + 2.0 * width, h: width },
            Rect { x: x - width, y: y + h, w: w + 2.0 * width, h: width },
            Rect { x: x - width, y, w: width, h },
            Rect { x: x + w, y, w: width, h },
        ] {
            self.fill(side, color);
        }
    }

    /// Draws a line through `points`, with round ends; one point alone is a dot.
    pub(crate) fn line(&mut self, points: &[(f32, f32)], width: f32, color: Color) {
        // Where two segments meet both cover the same pixels, which must not take the colour twice: so the coverage is
        // collected first.
        let mut coverage = vec![0f32; self.pixels.len()];
        let reach = width / 2.0 + 0.5;
        let dot = points.iter().zip(points).take(usize::from(points.len() == 1));
        for (&(x0, y0), &(x1, y1)) in points.iter().zip(points.iter().skip(1)).chain(dot) {
            let (dx, dy) = (x1 - x0, y1 - y0);
            let square = (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
            for y in within(y0.min(y1) - reach, y0.max(y1) + reach, self.height) {
                for x in within(x0.min(x1) - reach, x0.max(x1) + reach, self.width) {
                    let (px, py) = (x as f32 + 0.5 - x0, y as f32 + 0.5 - y0);
                    let along = ((px * dx + py * dy) / square).clamp(0.0, 1.0);
                    let part = (reach - (px - along * dx).hypot(py - along * dy)).clamp(0.0, 1.0);
                    let most = &mut coverage[y as usize * self.width + x as usize];
                    *most = most.max(part);
                }
            }
        }
        for (pixel, part) in self.pixels.iter_mut().zip(coverage).filter(|(_, part)| *part > 0.0) {
            *pixel = pixel.mix(color, part);
        }
    }

    /// The length of a text in pixels; `size` is that of the font.
    pub(crate) fn text_width(&self, text: &str, size: f32) -> f32 {
        self.glyphs(text, size).1
    }

    /// The letters of a text from (0, 0) on, and its length.
    fn glyphs(&self, text: &str, size: f32) -> (Vec<ab_glyph::Glyph>, f32) {
        // The crate's scale is the height from the lowest to the highest point of the font, not its size.
        let em = self.font.units_per_em().unwrap_or(1000.0);
        let scale = PxScale::from(size * self.font.height_unscaled() / em);
        let font = self.font.as_scaled(scale);
        let (mut x, mut last, mut glyphs) = (0.0, None, Vec::new());
        for letter in text.chars() {
            let id = font.glyph_id(letter);
            x += last.map_or(0.0, |last| font.kern(last, id));
            glyphs.push(id.with_scale_and_position(scale, point(x, 0.0)));
            x += font.h_advance(id);
            last = Some(id);
        }
        (glyphs, x)
    }

    /// Writes a text.
    pub(crate) fn text(&mut self, (x, y): (f32, f32), anchor: f32, size: f32, color: Color, text: &str) {
        let x = x - anchor * self.text_width(text, size);
        let baseline = y + CAPITAL / 2.0 * size;
        self.letters(text, size, color, |dx, dy| (x.round() as i64 + dx, baseline.round() as i64 + dy));
    }

    /// Writes a text from bottom to top.
    pub(crate) fn text_upward(&mut self, (x, y): (f32, f32), anchor: f32, size: f32, color: Color, text: &str) {
        let y = y + anchor * self.text_width(text, size);
        let baseline = x + CAPITAL / 2.0 * size;
        self.letters(text, size, color, |dx, dy| (baseline.round() as i64 + dy, y.round() as i64 - 1 - dx));
    }

    fn letters(&mut self, text: &str, size: f32, color: Color, place: impl Fn(i64, i64) -> (i64, i64)) {
        for glyph in self.glyphs(text, size).0 {
            let Some(outline) = self.font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, part| {
                let (x, y) = place(corner.x as i64 + i64::from(x), corner.y as i64 + i64::from(y));
                self.blend(x, y, color, part);
            });
        }
    }

    /// Writes the picture to a PNG file.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Error> {
        let bytes = self.encode().map_err(|cause| {
            let (width, height) = (self.width, self.height);
            Error::invalid(format!("a picture of {width} x {height} pixels cannot be a PNG file: {cause}"))
        })?;
        Ok(wengert_kernels::files::write_atomic(path, |file| file.write_all(&bytes))?)
    }

    fn encode(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        let bytes: Vec<u8> = self.pixels.iter().flat_map(|&Color(r, g, b)| [r, g, b]).collect();
        writer.write_image_data(&bytes)?;
        writer.finish()?;
        Ok(file)
    }
}

/// The pixels that touch the line from `from` to `to`, and lie on a sheet of `size` pixels.
fn within(from: f32, to: f32, size: usize) -> std::ops::Range<i64> {
    (from.floor() as i64).max(0)..(to.ceil() as i64).min(size as i64)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Width, height and pixels of a PNG file.
    pub(crate) fn open(path: &Path) -> (usize, usize, Vec<Color>) {
        let mut reader =
            png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap())).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        (info.width as usize, info.height as usize, bytes.chunks(3).map(|c| Color(c[0], c[1], c[2])).collect())
    }

    #[test]
    fn a_rectangle_covers_its_pixels_and_part_of_those_at_its_edge() {
        let mut canvas = Canvas::new(4, 3).unwrap();
        canvas.fill(Rect { x: 1.0, y: 1.0, w: 1.5, h: 1.0 }, Color::BLACK);
        assert_eq!(canvas.pixels[5..8], [Color::BLACK, Color(128, 128, 128), Color::WHITE]);
        assert!(canvas.pixels[..5].iter().chain(&canvas.pixels[8..]).all(|&pixel| pixel == Color::WHITE));
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut canvas = Canvas::new(4, 4).unwrap();
        canvas.fill(Rect { x: -1e30, y: -9.0, w: 2e30, h: 99.0 }, Color::RED);
        canvas.line(&[(-1e9, 2.0), (1e9, 2.0)], 2.0, Color::BLACK);
        canvas.text((-3.0, 2.0), CENTRE, 12.0, Color::BLACK, "outside");
        assert_eq!(canvas.pixels[4..12], [Color::BLACK; 8]);
        assert!(Canvas::new(1, MAX_SIDE + 1).is_err());
    }

    #[test]
    fn a_text_is_as_long_as_its_ink_and_stands_on_its_middle() {
        let mut canvas = Canvas::new(200, 40).unwrap();
        canvas.text((100.0, 20.0), CENTRE, 20.0, Color::BLACK, "HHHH");
        let ink = |i: &usize| canvas.pixels[*i].0 < 128;
        let columns: Vec<usize> = (0..canvas.pixels.len()).filter(ink).map(|i| i % 200).collect();
        let rows: Vec<usize> = (0..canvas.pixels.len()).filter(ink).map(|i| i / 200).collect();
        let (left, right) = (*columns.iter().min().unwrap() as f32, *columns.iter().max().unwrap() as f32 + 1.0);
        assert!(
            (right - left - canvas.text_width("HHHH", 20.0)).abs() < 5.0 && ((left + right) / 2.0 - 100.0).abs() <= 1.0
        );
        let (top, bottom) = (*rows.iter().min().unwrap() as f32, *rows.iter().max().unwrap() as f32 + 1.0);
        assert!((bottom - top - 15.0).abs() <= 1.0 && ((top + bottom) / 2.0 - 20.0).abs() <= 1.0);
    }
}
