//! Images that vary from epoch to epoch.

use super::shuffle::next_below;
use crate::Error;
use rand_core::Rng;
use std::fmt;
use wengert_kernels::Philox;

/// Random changes of images that leave their meaning as it is. Each epoch sees others. Images are `[height, width]` or
/// `[height, width, channels]`, of any dtype; images with channels first are not told from these, and would be changed along the
/// wrong axes.
///
/// What becomes of an image depends on the seed, the epoch and the image's row in the data set alone: neither on the batch
/// in which it comes nor on who prepares it. The choices of one change do not depend on whether the others are made.
///
/// ```
/// use wengert_nn::data::Augmentation;
/// # let (train, _) = wengert_nn::data::digits()?;
/// let usual = Augmentation::new().flip_horizontal().crop(1).cutout(2);
/// let mut batches = train.batches(64)?.shuffle(1).augment(usual, 1)?.reader(0)?;
/// # assert!(batches.next_batch()?.is_some());
/// # Ok::<(), wengert_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Augmentation {
    flip: bool,
    padding: usize,
    hole: usize,
}

impl Augmentation {
    /// Leaves images as they are.
    #[must_use]
    pub fn new() -> Augmentation {
        Augmentation::default()
    }

    /// Mirrors every other image, left and right changing places: each with probability 1/2.
    #[must_use]
    pub fn flip_horizontal(mut self) -> Augmentation {
        self.flip = true;
        self
    }

    /// Pads images with `padding` pixels of 0 on each side, and cuts out a window of their old size. Each of the
    /// `(2 padding + 1)^2` places is equally likely.
    ///
    /// With 4 pixels this is the usual one for CIFAR-10. Source: C.-Y. Lee et al., "Deeply-supervised nets", AISTATS 2015.
    #[must_use]
    pub fn crop(mut self, padding: usize) -> Augmentation {
        self.padding = padding;
        self
    }

    /// Sets a square of `side` by `side` pixels to 0. Its centre is any pixel of the image with the same probability; what
    /// reaches beyond the image is cut off.
    ///
    /// Source: T. DeVries and G. W. Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
    #[must_use]
    pub fn cutout(mut self, side: usize) -> Augmentation {
        self.hole = side;
        self
    }

    /// For images of this shape, behind the axis that counts them, with elements of `width` bytes.
    pub(super) fn plan(self, example: &[usize], width: usize) -> Result<Plan, Error> {
        let (height, columns, channels) = match *example {
            [height, columns] => (height, columns, 1),
            [height, columns, channels] => (height, columns, channels),
            _ => {
                return Err(Error::shape(format!(
                    "only images can be flipped, cropped and cut: examples of shape [height, width] or [height, width, channels], not {example:?}"
                )));
            }
        };
        if self.padding >= height.min(columns) {
            return Err(Error::invalid(format!(
                "a crop with {} pixels around images of {height} x {columns} could miss them: pad with fewer\n  hint: images have shape [height, width] or [height, width, channels]",
                self.padding
            )));
        }
        Ok(Plan { what: self, height, columns, pixel: channels * width })
    }
}

/// The methods that were called: `flip_horizontal, crop(4)`, or `nothing`.
impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.flip.then(|| "flip_horizontal".to_owned()),
            (self.padding > 0).then(|| format!("crop({})", self.padding)),
            (self.hole > 0).then(|| format!("cutout({})", self.hole)),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }.as_str())
    }
}

/// An [`Augmentation`] of images of one size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    what: Augmentation,
    height: usize,
    columns: usize,
    /// Bytes in a pixel.
    pixel: usize,
}

/// What is done to one image.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Change {
    flip: bool,
    /// The window's upper left corner in the padded image.
    window: (usize, usize),
    /// The centre of the square that is set to 0, in the result.
    hole: (usize, usize),
}

/// The seed from which the changes of an epoch are drawn. The shuffles of a seed take its streams from 0 on; this one's
/// are counted from the other end.
pub(super) fn epoch_seed(seed: u64, epoch: u64) -> u64 {
    Philox::new(seed, !epoch).next_u64()
}

impl Plan {
    /// Bytes in an image.
    pub(super) fn bytes(&self) -> usize {
        self.height * self.columns * self.pixel
    }

    /// Writes the image of a row as it is in an epoch.
    pub(super) fn apply(&self, epoch_seed: u64, row: usize, image: &[u8], target: &mut [u8]) {
        let mut random = Philox::new(epoch_seed, row as u64);
        let mut below = |n: usize| next_below(&mut random, n as u64) as usize;
        let Plan { what, height, columns, .. } = *self;
        // All are drawn whatever is asked for, so that what one does depends on no other. An image without pixels has no
        // centre, and nothing to change either.
        if image.is_empty() {
            return;
        }
        let change = Change {
            flip: below(2) == 1 && what.flip,
            window: (below(2 * what.padding + 1), below(2 * what.padding + 1)),
            hole: (below(height), below(columns)),
        };
        self.change(change, image, target);
    }

    fn change(&self, change: Change, image: &[u8], target: &mut [u8]) {
        let Plan { what: Augmentation { padding, hole, .. }, height, columns, pixel } = *self;
        let width = columns * pixel;
        let (down, across) = change.window;
        // The columns of the result that show the image; all others show the padding.
        let (from, to) = (padding.saturating_sub(across), (columns + padding - across).min(columns));
        for (y, target) in target.chunks_exact_mut(width).enumerate() {
            let source = (y + down).checked_sub(padding).filter(|row| *row < height);
            let Some(source) = source.and_then(|row| image.get(row * width..(row + 1) * width)) else {
                target.fill(0);
                continue;
            };
            let first = from + across - padding;
            let source = &source[first * pixel..(first + to - from) * pixel];
            // Flipped is what the window shows, padding and all.
            let (from, to) = if change.flip { (columns - to, columns - from) } else { (from, to) };
            target[..from * pixel].fill(0);
            target[to * pixel..].fill(0);
            let target = &mut target[from * pixel..to * pixel];
            if change.flip {
                let pixels = target.chunks_exact_mut(pixel).zip(source.chunks_exact(pixel).rev());
                pixels.for_each(|(target, source)| target.copy_from_slice(source));
            } else {
                target.copy_from_slice(source);
            }
        }
        // From the centre minus half the side, the first half being the larger one of an odd side's.
        let span = |centre: usize, size: usize| {
            let end = (centre + hole.div_ceil(2)).min(size);
            centre.saturating_sub(hole / 2)..end
        };
        let across = span(change.hole.1, columns);
        for row in span(change.hole.0, height) {
            target[row * width + across.start * pixel..row * width + across.end * pixel].fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(what: Augmentation, shape: &[usize]) -> Plan {
        what.plan(shape, 1).unwrap()
    }

    fn changed(plan: &Plan, change: Change, image: &[u8]) -> Vec<u8> {
        let mut target = vec![9; image.len()];
        plan.change(change, image, &mut target);
        target
    }

    const STILL: Change = Change { flip: false, window: (0, 0), hole: (0, 0) };

    #[test]
    fn a_flip_mirrors_rows_and_keeps_pixels_whole() {
        // semantics 10.6
        let plan = plan(Augmentation::new().flip_horizontal(), &[2, 3, 2]);
        let image = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        assert_eq!(changed(&plan, STILL, &image), image);
        assert_eq!(changed(&plan, Change { flip: true, ..STILL }, &image), [5, 6, 3, 4, 1, 2, 11, 12, 9, 10, 7, 8]);
    }

    #[test]
    fn a_crop_is_a_window_into_the_padded_image() {
        // semantics 10.7
        let image: Vec<u8> = (1..=12).collect();
        let plan = plan(Augmentation::new().crop(2), &[3, 4]);
        for down in 0..5 {
            for across in 0..5 {
                for flip in [false, true] {
                    let at = |y: usize, x: usize| {
                        let x = if flip { 3 - x } else { x };
                        let (y, x) = ((y + down).checked_sub(2), (x + across).checked_sub(2));
                        y.zip(x).filter(|&(y, x)| y < 3 && x < 4).map_or(0, |(y, x)| image[y * 4 + x])
                    };
                    let expected: Vec<u8> = (0..12).map(|i| at(i / 4, i % 4)).collect();
                    let change = Change { flip, window: (down, across), ..STILL };
                    assert_eq!(changed(&plan, change, &image), expected, "{change:?}");
                }
            }
        }
    }

    #[test]
    fn a_cutout_is_a_square_around_its_centre_within_the_image() {
        // semantics 10.8
        let image = [1; 20];
        for side in 0..8 {
            let plan = plan(Augmentation::new().cutout(side), &[4, 5]);
            for centre in 0..20 {
                let hole = (centre / 5, centre % 5);
                let inside =
                    |place: usize, centre: usize| place + side / 2 >= centre && place < centre + side.div_ceil(2);
                let expected: Vec<u8> =
                    (0..20).map(|i| u8::from(!(inside(i / 5, hole.0) && inside(i % 5, hole.1)))).collect();
                assert_eq!(changed(&plan, Change { hole, ..STILL }, &image), expected, "{side} at {hole:?}");
            }
        }
    }

    /// All results of an image `[4, 5]` over many rows and epochs.
    fn results(what: Augmentation) -> Vec<Vec<u8>> {
        let (plan, image) = (plan(what, &[4, 5]), (1..=20).collect::<Vec<u8>>());
        let one = |i: u64| {
            let mut target = vec![0; 20];
            plan.apply(epoch_seed(3, i / 500), (i % 500) as usize, &image, &mut target);
            target
        };
        (0..5000).map(one).collect()
    }

    #[test]
    fn every_choice_is_about_equally_likely_and_depends_on_no_other() {
        // semantics 10.9
        let count = |what, kinds: usize, slack: usize| {
            let mut counts = std::collections::BTreeMap::new();
            results(what).into_iter().for_each(|result| *counts.entry(result).or_insert(0) += 1);
            assert_eq!(counts.len(), kinds);
            let mean = 5000 / kinds;
            assert!(counts.values().all(|count| (mean - slack..=mean + slack).contains(count)), "{counts:?}");
        };
        count(Augmentation::new(), 1, 0);
        count(Augmentation::new().flip_horizontal(), 2, 150);
        count(Augmentation::new().crop(2), 25, 60);
        count(Augmentation::new().cutout(1), 20, 70);
        // A row without a hole ascends unless it is flipped.
        let flipped = |image: &Vec<u8>| {
            let whole = image.chunks(5).find(|row| !row.contains(&0)).unwrap();
            whole[0] > whole[1]
        };
        let hole = |image: &Vec<u8>| image.iter().position(|&value| value == 0);
        let (flip, cutout) = (Augmentation::new().flip_horizontal(), Augmentation::new().cutout(1));
        let both = results(flip.cutout(1));
        assert!(both.iter().map(flipped).eq(results(flip).iter().map(flipped)));
        assert!(both.iter().map(hole).eq(results(cutout).iter().map(hole)));
    }

    #[test]
    fn an_augmentation_says_what_it_does() {
        let all = Augmentation::new().cutout(8).crop(4).flip_horizontal();
        assert_eq!(all.to_string(), "flip_horizontal, crop(4), cutout(8)");
        assert_eq!(Augmentation::new().to_string(), "nothing");
    }

    #[test]
    fn what_is_no_image_or_could_miss_it_is_refused() {
        for shape in [&[][..], &[7], &[2, 3, 4, 5]] {
            assert!(Augmentation::new().plan(shape, 4).unwrap_err().is_shape());
        }
        assert!(Augmentation::new().crop(3).plan(&[3, 8], 4).unwrap_err().is_invalid());
        let nothing = Augmentation::new().cutout(3).plan(&[4, 4, 0], 4).unwrap();
        nothing.apply(1, 1, &[], &mut []);
        assert_eq!(nothing.bytes(), 0);
    }
}
