//! The handwritten digits that scikit-learn calls `load_digits`: 1,797 images of 8 x 8, in the crate itself.

use super::Dataset;
use crate::Error;
use wengert_kernels::Array;

/// What the data are, who made them, and their licence.
pub const DESCRIPTION: &str = "\
Optical Recognition of Handwritten Digits

1,797 images of 8 x 8 pixels, each an integer from 0 to 16, of the digits 0 to 9.

43 people wrote digits into a printed form. NIST's programs cut out bitmaps of 32 x 32; these were divided into blocks
of 4 x 4, and a pixel is the number of dark points in its block. This is the part that 13 of the 43 wrote, which the
source keeps for testing.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
https://doi.org/10.24432/C50P49. Licence: CC BY 4.0. The order is scikit-learn's `load_digits`.
";

const IMAGES: usize = 1797;
const PIXELS: usize = 64;
const TEST: usize = 450;

/// `IMAGES` rows of 64 pixels and a label: digits to the base 17, fifteen to a word, for 17^15 is just below 2^62.
/// `pack.py` writes it.
static PACKED: &[u8] = include_bytes!("digits.bin");

/// The digits for training and testing: `(train, test)` with 1,347 and 450 examples, the test set being the last 450.
///
/// `x` is `f32` of shape `[n, 8, 8]`, from 0 (paper) to 1 (ink); `y` is `i64` of shape `[n]`, from 0 to 9.
///
/// # Errors
/// When the memory is not to be had.
///
/// ```
/// let (train, test) = wengert_nn::data::digits()?;
/// assert_eq!(train.x().shape(), [1347, 8, 8]);
/// assert_eq!(test.y().shape(), [450]);
/// # Ok::<(), wengert_nn::Error>(())
/// ```
pub fn digits() -> Result<(Dataset, Dataset), Error> {
    load()?.scaled(16.0)?.split_at(IMAGES - TEST)
}

/// All 1,797 digits as they were published: `x` is `u8` of shape `[1797, 8, 8]`, from 0 (paper) to 16 (ink); `y` is `i64`
/// of shape `[1797]`.
///
/// # Errors
/// When the memory is not to be had.
///
/// ```
/// let digits = wengert_nn::data::digits::load()?;
/// assert_eq!(digits.y().as_slice::<i64>()?[34], 6);
/// # Ok::<(), wengert_nn::Error>(())
/// ```
pub fn load() -> Result<Dataset, Error> {
    let words = PACKED.as_chunks::<8>().0.iter().map(|&bytes| u64::from_le_bytes(bytes));
    let numbers: Vec<u8> =
        words.flat_map(|word| (0..15).map(move |place| (word / 17u64.pow(place) % 17) as u8)).collect();
    let (mut pixels, mut labels) = (Vec::with_capacity(IMAGES * PIXELS), Vec::with_capacity(IMAGES));
    for row in numbers.chunks_exact(PIXELS + 1) {
        pixels.extend_from_slice(&row[..PIXELS]);
        labels.push(i64::from(row[PIXELS]));
    }
    let set = Dataset::new(Array::new(&[IMAGES, 8, 8], &pixels)?, Array::new(&[IMAGES], &labels)?)?;
    Ok(set.with_classes(('0'..='9').map(String::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_is_scikit_learns() {
        let set = load().unwrap();
        assert_eq!(set.class_counts(10).unwrap(), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert_eq!(&set.labels().unwrap()[..20], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let (x, labels) = (set.x().to_vec::<u8>().unwrap(), set.labels().unwrap());
        assert_eq!(x.iter().map(|&pixel| u64::from(pixel)).sum::<u64>(), 561_718);
        assert_eq!((x.iter().min(), x.iter().max()), (Some(&0), Some(&16)));
        // The sum of (row + 1) (column + 1) value over the published table of 1,797 rows and 65 columns: a pixel at
        // another place changes it.
        let rows = x.chunks(64).zip(labels).map(|(image, label)| {
            image
                .iter()
                .map(|&pixel| u64::from(pixel))
                .chain([label as u64])
                .zip(1u64..)
                .map(|(v, j)| v * j)
                .sum::<u64>()
        });
        assert_eq!(rows.zip(1u64..).map(|(row, i)| row * i).sum::<u64>(), 16_809_934_574);
    }

    #[test]
    fn row_34_is_this_six() {
        let set = load().unwrap();
        #[rustfmt::skip]
        let six = [
            0, 0,  0,  5, 14,  2,  0, 0,
            0, 0,  1, 13, 11,  0,  0, 0,
            0, 0,  5, 16,  2,  0,  0, 0,
            0, 0,  6, 15,  5,  0,  0, 0,
            0, 1, 15, 16, 15, 11,  1, 0,
            0, 2, 13, 14,  1, 12,  9, 0,
            0, 0,  4, 16,  7, 13,  9, 0,
            0, 0,  0,  5, 16, 15,  3, 0,
        ];
        assert_eq!(set.x().as_slice::<u8>().unwrap()[34 * 64..35 * 64], six);
        assert_eq!(set.x().as_slice::<u8>().unwrap()[..8], [0, 0, 5, 13, 9, 1, 0, 0]);
        assert_eq!(set.labels().unwrap()[34], 6);
    }

    #[test]
    fn the_split_is_scaled_to_one() {
        let (train, test) = digits().unwrap();
        assert_eq!((train.len(), test.len()), (1347, 450));
        assert_eq!(train.class_counts(10).unwrap(), [135, 136, 134, 136, 133, 137, 134, 134, 133, 135]);
        let x = train.x().to_vec::<f32>().unwrap();
        assert_eq!((x[2], x.iter().copied().fold(0.0, f32::max)), (5.0 / 16.0, 1.0));
        assert_eq!(test.classes().unwrap()[9], "9");
    }
}
