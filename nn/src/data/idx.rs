//! IDX: the files of MNIST, and arrays of any rank like them.
//!
//! A file is two zero bytes, a code for the type of the elements, the number of axes, each axis's size in four bytes, and
//! the elements in row-major order, all big-endian. Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database".
//!
//! | code | elements | read as |
//! |---|---|---|
//! | 08 | unsigned bytes | `U8` |
//! | 09 | signed bytes | `I32` |
//! | 0B | 16-bit integers | `I32` |
//! | 0C | 32-bit integers | `I32` |
//! | 0D | 32-bit floats | `F32` |
//! | 0E | 64-bit floats | `F64` |
//!
//! A file may be gzipped, which its first bytes tell, not its name; reading those takes the feature `data`.

use crate::Error;
use std::{fs::File, io, io::Read, path::Path};
use wengert_kernels::{Array, DType, checked_len};

/// The most that a gzipped file may hold: 4 GiB. One that announces more is refused before anything is unpacked.
pub const MAX_UNPACKED: u64 = 1 << 32;

/// DEFLATE packs at best 1,032 bytes into one.
#[cfg(feature = "data")]
const MAX_RATIO: u64 = 1032;

/// Reads the array in an IDX file.
///
/// # Errors
/// When the file cannot be opened or read, or is not sound: another format, an unknown type, a size too large for memory,
/// fewer bytes than its header announces or more. The message names the path. The sizes in the header are believed only
/// as far as the file is long.
///
/// ```
/// use wengert_kernels::Array;
/// use wengert_nn::data::idx;
///
/// let path = std::env::temp_dir().join(format!("wengert-{}-idx3-ubyte", std::process::id()));
/// let images = Array::new(&[1, 2, 2], &[0u8, 128, 255, 64])?;
/// idx::write(&path, &images)?;
/// assert_eq!(idx::read(&path)?, images);
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), wengert_nn::Error>(())
/// ```
pub fn read(path: impl AsRef<Path>) -> Result<Array, Error> {
    let path = path.as_ref();
    let bad = |what: String| Error::data(format!("{}: {what}", path.display()));
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::UnexpectedEof => bad(String::from("the file ends in the middle")),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            bad(format!("the compressed data are damaged: {cause}"))
        }
        _ => Error::from_io(path.display(), cause),
    };
    let mut file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut start = Vec::with_capacity(2);
    file.by_ref().take(2).read_to_end(&mut start).map_err(failed)?;
    let rest = io::BufReader::new(start.as_slice().chain(file));
    if start != [0x1f, 0x8b] {
        return parse(rest, size, u64::MAX, &bad, &failed);
    }
    #[cfg(feature = "data")]
    return parse(
        flate2::bufread::MultiGzDecoder::new(rest),
        size.saturating_mul(MAX_RATIO),
        MAX_UNPACKED,
        &bad,
        &failed,
    );
    #[cfg(not(feature = "data"))]
    Err(bad(String::from("the file is gzipped: unpack it, or enable the feature `data` of wengert")))
}

/// Reads header and elements. `available` is the most bytes the source can give, `limit` the most we want.
fn parse(
    mut source: impl Read,
    available: u64,
    limit: u64,
    bad: &dyn Fn(String) -> Error,
    failed: &dyn Fn(io::Error) -> Error,
) -> Result<Array, Error> {
    let mut magic = [0; 4];
    source.read_exact(&mut magic).map_err(failed)?;
    let (0, 0, code, axes) = (magic[0], magic[1], magic[2], magic[3]) else {
        return Err(bad(format!("not an IDX file: it begins with {magic:02x?}, not with two zero bytes")));
    };
    let width = match code {
        0x08 | 0x09 => 1,
        0x0b => 2,
        0x0c | 0x0d => 4,
        0x0e => 8,
        _ => return Err(bad(format!("{code:#04x} is not a type of IDX elements (08, 09, 0b, 0c, 0d, 0e)"))),
    };
    let mut sizes = vec![0; 4 * usize::from(axes)];
    source.read_exact(&mut sizes).map_err(failed)?;
    let shape: Vec<usize> = sizes.as_chunks::<4>().0.iter().map(|&size| u32::from_be_bytes(size) as usize).collect();

    // Eight bytes an element, the most that any dtype takes once it is read.
    let len = checked_len(&shape, 8).map_err(|cause| bad(cause.to_string()))?;
    let expected = len * width;
    if expected as u64 > limit {
        return Err(bad(format!("shape {shape:?} takes {expected} bytes unpacked, more than the limit of {limit}")));
    }
    let header = magic.len() as u64 + sizes.len() as u64;
    if expected as u64 > available.saturating_sub(header) {
        return Err(bad(format!(
            "the header announces {expected} bytes of elements (shape {shape:?}), more than the file can hold: it is cut off, or the header is wrong"
        )));
    }
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(expected + 1)
        .map_err(|_| Error::out_of_memory(format!("no memory for {expected} bytes of an IDX file")))?;
    // One byte more than expected, to notice one too many; at the end of a gzipped stream this also checks its sum.
    source.take(expected as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() < expected {
        return Err(bad(format!(
            "{} bytes of elements where shape {shape:?} takes {expected}: the file is cut off",
            bytes.len()
        )));
    }
    if bytes.len() > expected {
        return Err(bad(format!("there are more bytes than the {expected} that shape {shape:?} takes")));
    }
    Ok(decode(code, &shape, &bytes)?)
}

fn decode(code: u8, shape: &[usize], bytes: &[u8]) -> Result<Array, wengert_kernels::Error> {
    macro_rules! big_endian {
        ($T:ty) => {
            bytes.as_chunks().0.iter().map(|&bytes| <$T>::from_be_bytes(bytes))
        };
    }
    match code {
        0x08 => Array::new(shape, bytes),
        0x09 => Array::new(shape, &big_endian!(i8).map(i32::from).collect::<Vec<_>>()),
        0x0b => Array::new(shape, &big_endian!(i16).map(i32::from).collect::<Vec<_>>()),
        0x0c => Array::new(shape, &big_endian!(i32).collect::<Vec<_>>()),
        0x0d => Array::new(shape, &big_endian!(f32).collect::<Vec<_>>()),
        _ => Array::new(shape, &big_endian!(f64).collect::<Vec<_>>()),
    }
}

/// Writes an array of `u8`, `i32`, `f32` or `f64` as an IDX file, in one piece or not at all.
///
/// # Errors
/// When IDX has no such elements or sizes (255 axes, each below 2^32), or the file cannot be written.
pub fn write(path: impl AsRef<Path>, array: &Array) -> Result<(), Error> {
    let (path, shape) = (path.as_ref(), array.shape());
    let (code, elements): (u8, Vec<u8>) = match array.dtype() {
        DType::U8 => (0x08, array.to_vec()?),
        DType::I32 => (0x0c, array.as_slice::<i32>()?.iter().flat_map(|value| value.to_be_bytes()).collect()),
        DType::F32 => (0x0d, array.as_slice::<f32>()?.iter().flat_map(|value| value.to_be_bytes()).collect()),
        DType::F64 => (0x0e, array.as_slice::<f64>()?.iter().flat_map(|value| value.to_be_bytes()).collect()),
        other => return Err(Error::dtype(format!("IDX files hold u8, i32, f32 and f64, not {other}"))),
    };
    let too_large = |_| Error::shape(format!("shape {shape:?} does not fit into the header of an IDX file"));
    let mut bytes = vec![0, 0, code, u8::try_from(shape.len()).map_err(too_large)?];
    for &size in shape {
        bytes.extend(u32::try_from(size).map_err(too_large)?.to_be_bytes());
    }
    bytes.extend(elements);
    Ok(wengert_kernels::files::write_atomic(path, |file| file.write_all(&bytes))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Folder;

    fn read_bytes(bytes: &[u8]) -> Result<Array, Error> {
        let folder = Folder::new();
        std::fs::write(folder.path("file"), bytes).unwrap();
        read(folder.path("file"))
    }

    fn message(bytes: &[u8]) -> String {
        let error = read_bytes(bytes).unwrap_err();
        assert!(error.is_data(), "{error:?}");
        assert!(error.to_string().contains("file: "), "the path is missing: {error}");
        error.to_string()
    }

    #[test]
    fn every_type_is_read_as_its_dtype() {
        let file = |code, elements: &[u8]| read_bytes(&[&[0, 0, code, 1, 0, 0, 0, 2], elements].concat()).unwrap();
        assert_eq!(file(0x08, &[1, 255]), Array::new(&[2], &[1u8, 255]).unwrap());
        assert_eq!(file(0x09, &[1, 255]), Array::new(&[2], &[1i32, -1]).unwrap());
        assert_eq!(file(0x0b, &[1, 2, 255, 254]), Array::new(&[2], &[258i32, -2]).unwrap());
        assert_eq!(file(0x0c, &[0, 0, 1, 0, 255, 255, 255, 255]), Array::new(&[2], &[256i32, -1]).unwrap());
        assert_eq!(file(0x0d, &[0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0]), Array::new(&[2], &[1.0f32, -2.0]).unwrap());
        let doubles = [1.5f64.to_be_bytes(), (-0.1f64).to_be_bytes()].concat();
        assert_eq!(file(0x0e, &doubles), Array::new(&[2], &[1.5, -0.1]).unwrap());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = Folder::new();
        let arrays = [
            Array::new(&[2, 1, 3], &[1u8, 2, 3, 4, 5, 6]).unwrap(),
            Array::scalar(-7i32).unwrap(),
            Array::zeros(DType::F32, &[3, 0, 2]).unwrap(),
            Array::new(&[1, 1, 1, 1, 2], &[f64::INFINITY, -0.5]).unwrap(),
        ];
        for array in arrays {
            write(folder.path("array"), &array).unwrap();
            assert_eq!(read(folder.path("array")).unwrap(), array);
        }
        assert!(write(folder.path("array"), &Array::scalar(true).unwrap()).unwrap_err().is_dtype());
        assert!(write(folder.path("no/such/array"), &Array::scalar(1u8).unwrap()).unwrap_err().is_io());
    }

    #[test]
    fn a_file_that_is_not_sound_is_refused_with_its_path() {
        assert!(message(b"").contains("ends in the middle"));
        assert!(message(&[0, 0, 8]).contains("ends in the middle"));
        assert!(message(b"PK\x03\x04").contains("not an IDX file: it begins with [50, 4b, 03, 04]"));
        assert!(message(&[0, 0, 0x0a, 1, 0, 0, 0, 0]).contains("0x0a is not a type"));
        assert!(message(&[0, 0, 8, 2, 0, 0, 0, 1, 0, 0]).contains("ends in the middle"));
        assert!(message(&[0, 0, 8, 1, 0, 0, 0, 3, 1, 2]).contains("more than the file can hold"));
        assert!(message(&[0, 0, 8, 1, 0, 0, 0, 2, 1, 2, 3]).contains("more bytes than the 2"));
        let error = read(Folder::new().path("nothing")).unwrap_err();
        assert!(error.is_io() && error.to_string().contains("nothing"), "{error}");
    }

    #[test]
    fn sizes_that_lie_or_overflow_allocate_nothing() {
        // semantics 6.7
        assert!(message(&[0, 0, 8, 1, 255, 255, 255, 255]).contains("announces 4294967295 bytes"));
        let huge = [&[0u8, 0, 0x0e, 3][..], &[255; 12]].concat();
        assert!(message(&huge).contains("more elements than memory can address"));
        let many = [&[0u8, 0, 8, 255][..], &[255; 4 * 255]].concat();
        assert!(message(&many).contains("more elements than memory can address"));
    }

    #[cfg(feature = "data")]
    mod gzip {
        use super::*;
        use std::io::Write;

        fn pack(bytes: &[u8]) -> Vec<u8> {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            packer.write_all(bytes).unwrap();
            packer.finish().unwrap()
        }

        #[test]
        fn a_gzipped_file_is_known_by_its_bytes() {
            let packed = pack(&[0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]);
            assert_eq!(read_bytes(&packed).unwrap(), Array::new(&[3], &[7u8, 8, 9]).unwrap());
        }

        #[test]
        fn a_damaged_one_is_refused() {
            let mut packed = pack(&[0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]);
            assert!(message(&packed[..packed.len() - 9]).contains("ends in the middle"));
            assert!(message(&packed[..2]).contains("ends in the middle"));
            assert!(message(&pack(b"no")).contains("ends in the middle"));
            assert!(message(&[&packed[..], b"more"].concat()).contains("file: "));
            let sum = packed.len() - 6;
            packed[sum] ^= 1;
            assert!(message(&packed).contains("damaged"));
        }

        #[test]
        fn a_bomb_is_refused_by_its_header_or_at_the_first_byte_too_many() {
            let bomb = [&[0u8, 0, 8, 1, 0, 0, 0, 3][..], &vec![0; 10 << 20]].concat();
            assert!(message(&pack(&bomb)).contains("more bytes than the 3"));
            assert!(message(&pack(&[0, 0, 8, 1, 255, 255, 255, 255])).contains("more than the file can hold"));
            assert!(message(&pack(&[0, 0, 8, 2, 0, 1, 0, 1, 0, 1, 0, 1])).contains("more than the limit"));
        }
    }

    #[cfg(not(feature = "data"))]
    #[test]
    fn without_the_feature_a_gzipped_file_is_named_as_such() {
        assert!(message(&[0x1f, 0x8b, 8, 0]).contains("feature `data`"));
    }
}
