//! Curves over epochs.

use super::{
    Color,
    canvas::{CENTRE, Canvas, LEFT, RIGHT, Rect},
};
use crate::Error;
use std::path::Path;

const WIDTH: usize = 960;
const PANEL: f32 = 300.0;
const LEFT_MARGIN: f32 = 92.0;
const RIGHT_MARGIN: f32 = 28.0;
const TOP: f32 = 56.0;
const BOTTOM: f32 = 66.0;
const GAP: f32 = 24.0;
const GREY: Color = Color(110, 110, 110);
const PALE: Color = Color(228, 228, 228);

/// One panel of [`curves`]: a label for its vertical axis, and named curves.
#[derive(Clone, Debug)]
pub struct Panel<'a> {
    label: &'a str,
    series: Vec<(&'a str, &'a [f64])>,
}

impl<'a> Panel<'a> {
    /// A panel with `label` beside its vertical axis, and curves with a name and a value for each epoch.
    #[must_use]
    pub fn new(label: &'a str, series: &[(&'a str, &'a [f64])]) -> Panel<'a> {
        Panel { label, series: series.to_vec() }
    }
}

/// Draws panels one above the other over a common axis of epochs, which count from 1: the loss above, the accuracy below.
///
/// A curve is interrupted where its values are not finite. Curves may be of different length.
///
/// # Errors
/// When there is no panel, or the file cannot be written.
///
/// ```
/// use wengert_nn::plot::{Panel, curves};
///
/// let path = std::env::temp_dir().join(format!("wengert-curves-{}.png", std::process::id()));
/// let (loss, val_loss) = ([0.9, 0.5, 0.3], [0.8, 0.6, 0.5]);
/// curves(&path, "Training", &[Panel::new("loss", &[("loss", &loss), ("val_loss", &val_loss)])])?;
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), wengert_nn::Error>(())
/// ```
pub fn curves(path: impl AsRef<Path>, title: &str, panels: &[Panel<'_>]) -> Result<(), Error> {
    if panels.is_empty() {
        return Err(Error::invalid("a picture of curves needs a panel to draw them in"));
    }
    let height = TOP + BOTTOM + panels.len() as f32 * (PANEL + GAP) - GAP;
    let mut canvas = Canvas::new(WIDTH, height as usize)?;
    let longest = panels.iter().flat_map(|panel| &panel.series).map(|(_, values)| values.len()).max().unwrap_or(0);
    // A margin on both sides keeps the first and last points off the frame; one epoch alone stands in the middle.
    let margin = if longest > 1 { (longest - 1) as f64 * 0.02 } else { 0.5 };
    let epochs = (1.0 - margin, longest.max(1) as f64 + margin);
    let width = WIDTH as f32 - LEFT_MARGIN - RIGHT_MARGIN;
    canvas.text((LEFT_MARGIN + width / 2.0, TOP / 2.0), CENTRE, 20.0, Color::BLACK, title);
    for (number, panel) in panels.iter().enumerate() {
        let area = Rect { x: LEFT_MARGIN, y: TOP + number as f32 * (PANEL + GAP), w: width, h: PANEL };
        let is_last = number + 1 == panels.len();
        panel.draw(&mut canvas, area, epochs, is_last);
        if is_last {
            canvas.text((area.x + width / 2.0, area.y + PANEL + 46.0), CENTRE, 16.0, Color::BLACK, "epoch");
        }
    }
    canvas.save(path.as_ref())
}

impl Panel<'_> {
    fn draw(&self, canvas: &mut Canvas, area: Rect, epochs: (f64, f64), with_epochs: bool) {
        let values = range(self.series.iter().flat_map(|(_, values)| values.iter().copied()));
        let x_of = |epoch: f64| area.x + ((epoch - epochs.0) / (epochs.1 - epochs.0)) as f32 * area.w;
        let y_of = |value: f64| {
            let height = (value.clamp(values.0, values.1) - values.0) / (values.1 - values.0);
            area.y + area.h - height as f32 * area.h
        };

        let axis = Axis::new(values, 6, 0.0);
        for tick in &axis.ticks {
            let y = y_of(*tick).round();
            canvas.fill(Rect { x: area.x, y, w: area.w, h: 1.0 }, PALE);
            canvas.fill(Rect { x: area.x - 6.0, y, w: 6.0, h: 1.0 }, GREY);
            canvas.text((area.x - 11.0, y), RIGHT, 14.0, Color::BLACK, &axis.label(*tick));
        }
        let axis = Axis::new(epochs, 11, 1.0);
        for tick in &axis.ticks {
            let x = x_of(*tick).round();
            canvas.fill(Rect { x, y: area.y, w: 1.0, h: area.h }, PALE);
            canvas.fill(Rect { x, y: area.y + area.h, w: 1.0, h: 6.0 }, GREY);
            if with_epochs {
                canvas.text((x, area.y + area.h + 20.0), CENTRE, 14.0, Color::BLACK, &axis.label(*tick));
            }
        }
        canvas.text_upward((24.0, area.y + area.h / 2.0), CENTRE, 16.0, Color::BLACK, self.label);
        canvas.frame(area, 1.0, GREY);

        let mut points = Vec::new();
        for ((_, values), color) in self.series.iter().zip(Color::PALETTE.into_iter().cycle()) {
            let place = |(i, &value): (usize, &f64)| value.is_finite().then(|| (x_of(i as f64 + 1.0), y_of(value)));
            let places: Vec<Option<(f32, f32)>> = values.iter().enumerate().map(place).collect();
            for run in places.split(Option::is_none) {
                let run: Vec<(f32, f32)> = run.iter().flatten().copied().collect();
                canvas.line(&run, if run.len() == 1 { 7.0 } else { 2.4 }, color);
                points.extend(between(&run));
            }
        }
        self.legend(canvas, area, &points);
    }

    /// Writes the names of the curves into the corner that hides the fewest points.
    fn legend(&self, canvas: &mut Canvas, area: Rect, points: &[(f32, f32)]) {
        if self.series.is_empty() {
            return;
        }
        let (row, margin) = (22.0, 12.0);
        let widest = self.series.iter().map(|(name, _)| canvas.text_width(name, 14.0)).fold(0.0, f32::max);
        let (w, h) = (widest.ceil() + 60.0, self.series.len() as f32 * row + 12.0);
        let (left, right) = (area.x + margin, area.x + area.w - margin - w);
        let (top, bottom) = (area.y + margin, area.y + area.h - margin - h);
        let hidden = |(x, y): (f32, f32)| {
            let inside =
                |&&(px, py): &&(f32, f32)| px > x - 6.0 && px < x + w + 6.0 && py > y - 6.0 && py < y + h + 6.0;
            points.iter().filter(inside).count()
        };
        let corners = [(right, top), (right, bottom), (left, top), (left, bottom)];
        let Some((x, y)) = corners.into_iter().min_by_key(|&corner| hidden(corner)) else { return };
        canvas.fill(Rect { x, y, w, h }, Color::WHITE);
        canvas.frame(Rect { x, y, w, h }, 1.0, Color(190, 190, 190));
        for (number, ((name, _), color)) in self.series.iter().zip(Color::PALETTE.into_iter().cycle()).enumerate() {
            let y = y + 6.0 + (number as f32 + 0.5) * row;
            canvas.line(&[(x + 12.0, y), (x + 38.0, y)], 2.4, color);
            canvas.text((x + 48.0, y), LEFT, 14.0, Color::BLACK, name);
        }
    }
}

/// Ten points on each segment of a line, for a line also hides where it has no point of its own.
fn between(run: &[(f32, f32)]) -> impl Iterator<Item = (f32, f32)> + '_ {
    let segments = run.iter().zip(run.iter().skip(1).chain(run.last()));
    segments.flat_map(|(&(x0, y0), &(x1, y1))| {
        (0..10u8).map(move |i| (x0 + (x1 - x0) * f32::from(i) / 10.0, y0 + (y1 - y0) * f32::from(i) / 10.0))
    })
}

/// A range that holds all finite values, with a margin. It ends where its length would overflow.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    let (low, high) = (low.clamp(-1e307, 1e307), high.clamp(-1e307, 1e307));
    let margin = if high > low { (high - low) * 0.05 } else { low.abs().max(1.0) * 0.1 };
    (low - margin, high + margin)
}

/// The marks on an axis: round numbers, and the decimals they need.
struct Axis {
    ticks: Vec<f64>,
    step: f64,
}

impl Axis {
    /// At most `most` marks, at least `least_step` from each other: multiples of 1, 2 or 5 times a power of ten.
    fn new((low, high): (f64, f64), most: usize, least_step: f64) -> Axis {
        let rough = (high - low) / most as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|&step| step >= rough)
            .unwrap_or(10.0 * power);
        let step = step.max(least_step);
        let first = (low / step).ceil();
        let ticks = (0..=most).map(|i| (first + i as f64) * step).take_while(|&tick| tick <= high).collect();
        Axis { ticks, step }
    }

    fn label(&self, tick: f64) -> String {
        // -0.0 + 0.0 is 0.0, which has no sign to print.
        let tick = tick + 0.0;
        if self.step < 1e-4 || tick.abs() >= 1e6 {
            return format!("{tick:.1e}");
        }
        let decimals = (-self.step.log10().floor()).clamp(0.0, 6.0) as usize;
        format!("{tick:.decimals$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plot::canvas::tests::open, scratch::Folder};

    #[test]
    fn marks_are_round_numbers() {
        let labels = |range, most, least| {
            let axis = Axis::new(range, most, least);
            axis.ticks.iter().map(|&tick| axis.label(tick)).collect::<Vec<_>>()
        };
        assert_eq!(labels((-0.05, 1.05), 6, 0.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels((0.98, 5.02), 11, 1.0), ["1", "2", "3", "4", "5"]);
        assert_eq!(labels((-5.0, 305.0), 11, 1.0), ["0", "50", "100", "150", "200", "250", "300"]);
        assert_eq!(labels((0.5, 1.5), 11, 1.0), ["1"]);
    }

    #[test]
    fn any_values_can_be_drawn() {
        let folder = Folder::new();
        let draw = |values: &[f64]| curves(folder.path("a.png"), "title", &[Panel::new("loss", &[("a", values)])]);
        for values in [
            &[][..],
            &[1.0],
            &[f64::NAN],
            &[0.0, 0.0],
            &[f64::MAX, f64::MIN, f64::NAN, 0.0],
            &[1.0, f64::INFINITY, 2.0],
            &[1e-300, 2e-300],
            &[1e300, 1e300],
            &[1e15, 1e15 + 1.0],
        ] {
            draw(values).unwrap();
        }
        assert!(curves(folder.path("b.png"), "", &[]).unwrap_err().is_invalid());
        let error = curves(folder.path("no/b.png"), "", &[Panel::new("", &[])]).unwrap_err();
        assert!(error.is_io() && error.to_string().contains("b.png"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 1);
    }

    #[test]
    fn panels_are_stacked_and_each_curve_has_its_colour() {
        let folder = Folder::new();
        let (a, b) = ([1.0, 0.5, 0.25], [0.9, 0.7, 0.8]);
        let panels =
            [Panel::new("loss", &[("loss", &a), ("val_loss", &b)]), Panel::new("accuracy", &[("accuracy", &b)])];
        curves(folder.path("a.png"), "title", &panels).unwrap();
        let (width, height, pixels) = open(&folder.path("a.png"));
        assert_eq!((width, height), (960, 746));
        let count = |color, part: &[Color]| part.iter().filter(|&&pixel| pixel == color).count();
        let (upper, lower) = pixels.split_at(width * 370);
        assert!(count(Color::PALETTE[0], upper) > 500 && count(Color::PALETTE[1], upper) > 500);
        assert!(count(Color::PALETTE[0], lower) > 500 && count(Color::PALETTE[1], lower) == 0);
    }
}
