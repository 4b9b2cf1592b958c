//! The `.npy` format of NumPy (NEP 1): reading versions 1.0 and 2.0, writing 1.0.

use super::Array;
use crate::{Buffer, DType, Error, Layout, checked_len, dispatch, files, text::Cursor};
use std::io::{self, Read, Write};
use std::{fs::File, path::Path, sync::Arc};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// A header is a few dozen bytes; NumPy itself refuses more than 10,000.
const LONGEST_HEADER: usize = 1 << 16;
/// NumPy's own bound.
const MOST_AXES: usize = 64;

impl Array {
    /// Reads a `.npy` file of bool, u8, i32, i64, f16, f32 or f64 in little-endian order; an array in Fortran order is
    /// converted.
    ///
    /// # Errors
    /// When the file cannot be read, is not such a file, or is longer or shorter than its header says.
    pub fn read_npy(path: impl AsRef<Path>) -> Result<Array, Error> {
        let path = path.as_ref();
        let open = || {
            let file = File::open(path)?;
            let len = file.metadata()?.len();
            Ok((file, len))
        };
        let name = format!("cannot read {}", path.display());
        let (file, len) = open().map_err(|cause| Error::from_io(&name, cause))?;
        read(io::BufReader::new(file), len, &name)
    }

    /// Reads the contents of a `.npy` file, as [`Array::read_npy`].
    ///
    /// # Errors
    /// When the bytes are not such a file, or are more or fewer than their header says.
    pub fn from_npy(bytes: &[u8]) -> Result<Array, Error> {
        read(bytes, bytes.len() as u64, "not an array in .npy form")
    }

    /// Writes a `.npy` file, whole or not at all ([`files::write_atomic`]).
    ///
    /// # Errors
    /// When the file cannot be written, or the dtype is `BF16`, which the format lacks.
    ///
    /// ```no_run
    /// # use wengert_kernels::Array;
    /// Array::try_from([1.0f32, 2.0])?.write_npy("weights.npy")?;
    /// # Ok::<(), wengert_kernels::Error>(())
    /// ```
    pub fn write_npy(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let header = header(self.dtype, &self.shape)?;
        files::write_atomic(path, |file| {
            file.write_all(&header)?;
            self.write_elements(file)
        })
    }

    /// The contents of a `.npy` file.
    ///
    /// # Errors
    /// When the dtype is `BF16`, which the format lacks.
    ///
    /// ```
    /// # use wengert_kernels::Array;
    /// let array = Array::try_from([1.0f32, 2.0])?;
    /// assert_eq!(Array::from_npy(&array.to_npy()?)?, array);
    /// # Ok::<(), wengert_kernels::Error>(())
    /// ```
    pub fn to_npy(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = header(self.dtype, &self.shape)?;
        self.write_elements(&mut bytes).map_err(|cause| Error::from_io("cannot write .npy", cause))?;
        Ok(bytes)
    }

    fn write_elements(&self, out: &mut dyn Write) -> io::Result<()> {
        if cfg!(target_endian = "little") {
            return out.write_all(self.bytes());
        }
        let mut bytes = self.bytes().to_vec();
        swap(&mut bytes, self.dtype.size());
        out.write_all(&bytes)
    }
}

fn descr(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::Bool => "|b1",
        DType::U8 => "|u1",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::F16 => "<f2",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::BF16 => return None,
    })
}

/// Magic, version, and the header padded so that the elements start at a multiple of 64, byte for byte as NumPy's.
fn header(dtype: DType, shape: &[usize]) -> Result<Vec<u8>, Error> {
    let descr =
        descr(dtype).ok_or_else(|| Error::dtype(format!("the .npy format has no {dtype}; cast to f32 first")))?;
    let sizes: String = match shape {
        [size] => format!("{size},"),
        _ => shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // NumPy leaves room for the first size to grow in place.
    if let Some(first) = shape.first() {
        text += &" ".repeat(21usize.saturating_sub(first.to_string().len()));
    }
    // Magic, version, length and the line end come to 11 bytes.
    let len = (text.len() + 11).next_multiple_of(64) - 10;
    let Ok(short) = u16::try_from(len) else {
        return Err(Error::shape(format!("{} axes are too many for a .npy header", shape.len())));
    };
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(short.to_le_bytes());
    bytes.extend(format!("{text:<width$}\n", width = len - 1).bytes());
    Ok(bytes)
}

/// Reads from `source`, which has `total` bytes. Nothing is allocated for elements before `total` vouches for them.
fn read(mut source: impl Read, total: u64, name: &str) -> Result<Array, Error> {
    let invalid = |why: &str| Error::invalid(format!("{name}: {why}"));
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::UnexpectedEof => invalid("it ends too early"),
        _ => Error::from_io(name, cause),
    };
    let mut start = [0; 8];
    source.read_exact(&mut start).map_err(failed)?;
    if start[..6] != *MAGIC {
        return Err(invalid("it does not start as a .npy file"));
    }
    let width = match start[6..] {
        [1, 0] => 2,
        [2, 0] => 4,
        _ => return Err(invalid(&format!("version {}.{} is not 1.0 or 2.0", start[6], start[7]))),
    };
    let mut len = [0; 4];
    source.read_exact(&mut len[..width]).map_err(failed)?;
    let len = u32::from_le_bytes(len) as usize;
    if len > LONGEST_HEADER {
        return Err(invalid(&format!("a header of {len} bytes")));
    }
    let mut text = vec![0; len];
    source.read_exact(&mut text).map_err(failed)?;
    let text = std::str::from_utf8(&text).map_err(|_| invalid("the header is not text"))?;
    let Header { dtype, fortran, shape } = Header::parse(text).map_err(|why| invalid(&format!("the header: {why}")))?;

    let bytes = checked_len(&shape, dtype.size()).map_err(|why| invalid(&why.to_string()))? * dtype.size();
    let left = total.saturating_sub((8 + width + len) as u64);
    if left != bytes as u64 {
        return Err(invalid(&format!("{dtype} {shape:?} takes {bytes} bytes, {left} follow the header")));
    }
    let mut data = Buffer::zeroed(bytes)?;
    source.read_exact(data.as_mut()).map_err(failed)?;
    if cfg!(target_endian = "big") {
        swap(data.as_mut(), dtype.size());
    }
    if dtype == DType::Bool && data.as_ref().iter().any(|&byte| byte > 1) {
        return Err(invalid("a bool that is neither 0 nor 1"));
    }
    let array = Array { dtype, shape, data: Arc::new(data) };
    if fortran { row_major(&array) } else { Ok(array) }
}

/// An array whose elements lie in column-major order, in row-major order.
fn row_major(array: &Array) -> Result<Array, Error> {
    let reversed: Vec<usize> = array.shape.iter().rev().copied().collect();
    let axes: Vec<usize> = (0..reversed.len()).rev().collect();
    let layout = Layout::contiguous(&reversed).permuted(&axes);
    dispatch!(array.dtype, T => {
        let values = array.as_slice::<T>()?;
        let ordered: Vec<T> = layout.offsets().filter_map(|offset| values.get(offset as usize).copied()).collect();
        Array::new(&array.shape, &ordered)
    })
}

fn swap(bytes: &mut [u8], size: usize) {
    bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
}

struct Header {
    dtype: DType,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// The header is a Python dictionary with three keys, in any order.
    fn parse(text: &str) -> Result<Header, Error> {
        let mut cursor = Cursor::new(text);
        let (mut dtype, mut fortran, mut shape) = (None, None, None);
        cursor.list("{", "}", |cursor| {
            let key = string(cursor)?;
            cursor.expect(":")?;
            match key.as_str() {
                "descr" => dtype = Some(read_descr(cursor)?),
                "fortran_order" => {
                    fortran = Some(cursor.word("True or False", |word| match word {
                        "True" => Some(true),
                        "False" => Some(false),
                        _ => None,
                    })?);
                }
                // Python 2 wrote some sizes as `3L`.
                "shape" => {
                    let size = |text: &str| text.strip_suffix('L').unwrap_or(text).parse().ok();
                    shape = Some(cursor.list("(", ")", |cursor| cursor.atom("a size", size))?);
                }
                _ => return Err(cursor.error(format_args!("unknown key `{}`", key.escape_default()))),
            }
            Ok(())
        })?;
        cursor.end()?;
        match (dtype, fortran, shape) {
            (Some(dtype), Some(fortran), Some(shape)) if shape.len() <= MOST_AXES => {
                Ok(Header { dtype, fortran, shape })
            }
            (Some(_), Some(_), Some(shape)) => Err(Error::shape(format!("{} axes", shape.len()))),
            _ => Err(Error::invalid("descr, fortran_order or shape is missing")),
        }
    }
}

fn string(cursor: &mut Cursor<'_>) -> Result<String, Error> {
    let quote = if cursor.rest().trim_start().starts_with('"') { '"' } else { '\'' };
    cursor.string(quote)
}

fn read_descr(cursor: &mut Cursor<'_>) -> Result<DType, Error> {
    let name = string(cursor)?;
    if let Some(dtype) = DType::ALL.into_iter().find(|&dtype| descr(dtype) == Some(&name)) {
        return Ok(dtype);
    }
    let shown: String = name.escape_default().take(40).collect();
    let why = if name.starts_with('>') { " (big-endian)" } else { "" };
    Err(Error::dtype(format!(
        "the dtype '{shown}'{why} is none of |b1, |u1, <i4, <i8, <f2, <f4, <f8; convert it with NumPy's astype"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::mutated;

    /// What `numpy.save` wrote (NumPy 2.4) after the magic: version, header length, header, without its padding.
    fn numpy(header: &str, elements: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00v\x00".to_vec();
        bytes.extend(format!("{header:<117}\n").bytes());
        bytes.extend(elements);
        bytes
    }

    fn long(values: &[i64]) -> Vec<u8> {
        values.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    #[test]
    fn numpy_wrote_the_same_bytes() {
        let matrix = Array::from_rows(&[[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]).unwrap();
        let bytes = b"\0\0\x80?\0\0\0@\0\0@@\0\0\x80@\0\0\xa0@\0\0\xc0@";
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
        assert_eq!(matrix.to_npy().unwrap(), numpy(header, bytes));
        let yes = numpy("{'descr': '|b1', 'fortran_order': False, 'shape': (), }", &[1]);
        assert_eq!(Array::scalar(true).unwrap().to_npy().unwrap(), yes);
        let row = numpy("{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }", &long(&[-1, 7]));
        assert_eq!(Array::try_from([-1i64, 7]).unwrap().to_npy().unwrap(), row);
    }

    #[test]
    fn every_dtype_round_trips_through_a_file() {
        let directory = std::env::temp_dir().join(format!("wengert-npy-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::BF16) {
            for shape in [&[][..], &[0], &[5], &[2, 0, 3], &[2, 3, 4]] {
                let path = directory.join("array.npy");
                let array = Array::from_fn(dtype, shape, |i| i as f64 - 2.5).unwrap();
                array.write_npy(&path).unwrap();
                assert_eq!(Array::read_npy(&path).unwrap(), array);
            }
        }
        std::fs::remove_dir_all(&directory).unwrap();
        let missing = Array::read_npy(directory.join("gone.npy")).unwrap_err();
        assert!(missing.is_io() && missing.to_string().contains("gone.npy"));
        let bf16 = Array::zeros(DType::BF16, &[1]).unwrap().to_npy().unwrap_err();
        assert_eq!(bf16.to_string(), "the .npy format has no bf16; cast to f32 first");
    }

    #[test]
    fn fortran_order_is_converted() {
        let header = "{'descr': '<i8', 'fortran_order': True, 'shape': (2, 3), }";
        let array = Array::from_npy(&numpy(header, &long(&[0, 3, 1, 4, 2, 5]))).unwrap();
        assert_eq!((array.shape(), array.to_f64()), (&[2, 3][..], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
    }

    #[test]
    fn version_two_has_a_longer_length() {
        let mut bytes = b"\x93NUMPY\x02\x00".to_vec();
        let header = "{\"shape\": (1L,), 'fortran_order': False, 'descr': '|u1'}\n";
        bytes.extend((header.len() as u32).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.push(9);
        assert_eq!(Array::from_npy(&bytes).unwrap().item::<u8>().unwrap(), 9);
    }

    #[test]
    fn hostile_headers_are_errors() {
        // semantics 6.7
        let with = |descr: &str, shape: &str| {
            numpy(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"), &[0; 8])
        };
        let cases: &[(Vec<u8>, &str)] = &[
            (vec![], "ends too early"),
            (b"PK\x03\x04 something else".to_vec(), "does not start"),
            (b"\x93NUMPY\x03\x00v\x00".to_vec(), "version 3.0"),
            (b"\x93NUMPY\x01\x00\xff\xff{}".to_vec(), "ends too early"),
            (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}".to_vec(), "a header of 4294967295 bytes"),
            (with("'<f4'", "(3,)"), "takes 12 bytes, 8 follow"),
            (with("'<f4'", "(1,)"), "takes 4 bytes, 8 follow"),
            (with("'<f8'", "(1000000000000,)"), "takes 8000000000000 bytes, 8 follow"),
            (with("'<f8'", "(4294967296, 4294967296)"), "more elements than memory"),
            (with("'<f8'", "(0, 18446744073709551615, 2)"), "more elements than memory"),
            (with("'<f8'", "(99999999999999999999999,)"), "expected a size"),
            (with("'<f8'", "(-1,)"), "expected a size"),
            (with("'>f4'", "(2,)"), "(big-endian)"),
            (with("'<c8'", "(1,)"), "'<c8' is none of"),
            (with("[('x', '<f4')]", "(2,)"), "expected a string"),
            (with("'|b1'", "(8,), 'extra': 1"), "unknown key `extra`"),
            (numpy("{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}", &[2]), "neither 0 nor 1"),
            (numpy("{'descr': '|b1', 'shape': (1,)}", &[1]), "missing"),
            (numpy("{'descr': '|b1', 'fortran_order': 0, 'shape': (1,)}", &[1]), "expected True or False"),
            (numpy("{'descr': '|b1', 'fortran_order': True, 'shape': (1,)} x", &[1]), "expected the end"),
        ];
        for (bytes, wanted) in cases {
            let why = Array::from_npy(bytes).unwrap_err().to_string();
            assert!(why.contains(wanted), "{why}, expected {wanted}");
        }
    }

    #[test]
    fn mutated_files_never_panic() {
        // semantics 6.7
        let array = Array::from_fn(DType::Bool, &[3, 5], |i| (i % 2) as f64).unwrap();
        let (bytes, mut state, mut read) = (array.to_npy().unwrap(), 1, 0);
        for _ in 0..2_000 {
            read += usize::from(Array::from_npy(&mutated(&bytes, &mut state)).is_ok());
        }
        assert!((1..1_000).contains(&read), "{read} of 2,000 were read");
    }
}
