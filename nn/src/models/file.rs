//! Safetensors files: named arrays with a text, which PyTorch and JAX read too.
//!
//! Eight bytes give the header's length, the header gives names, dtypes, shapes and places, and the elements follow. A
//! file from anywhere is believed nothing: its header is read first, and memory for an array is taken only when the
//! header agrees with the file's length and with what the caller asks for.

use crate::Error;
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use wengert_autograd::DType;
use wengert_kernels::{Array, files};

/// A header is refused beyond this size: that of a thousand layers with all that is remembered about them is a tenth of it.
const HEADER: u64 = 8 << 20;

/// Writes arrays and texts to a file, in one piece or not at all.
pub(super) fn write(path: &Path, arrays: &[(String, Array)], text: Option<(&str, String)>) -> Result<(), Error> {
    let failed = |why: SafeTensorError| Error::invalid(format!("{} cannot be written: {why}", path.display()));
    // Wide elements first, so that all are aligned; then by name, so that the same values give the same file.
    let mut arrays: Vec<&(String, Array)> = arrays.iter().collect();
    arrays.sort_by(|(a, x), (b, y)| y.dtype().size().cmp(&x.dtype().size()).then(a.cmp(b)));
    if let Some(twice) = arrays.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::invalid(format!("two values have the name `{}`: rename a layer", twice[0].0)));
    }
    let mut end = 0;
    let info = arrays.iter().map(|(name, array)| {
        let start = end;
        end += array.bytes().len();
        let info =
            TensorInfo { dtype: dtype(array.dtype())?, shape: array.shape().to_vec(), data_offsets: (start, end) };
        Ok((name.clone(), info))
    });
    let info = info.collect::<Result<Vec<_>, Error>>()?;
    let text = text.map(|(key, text)| [(key.to_owned(), text)].into_iter().collect());
    let header = Metadata::new(text, info).map_err(failed)?;
    let mut header = serde_json::to_string(&header).map_err(|why| failed(why.into()))?;
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    Ok(files::write_atomic(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        arrays.iter().try_for_each(|(_, array)| file.write_all(array.bytes()))
    })?)
}

/// A file whose header has been read and agrees with its length.
pub(super) struct Contents {
    path: PathBuf,
    file: File,
    header: Metadata,
    /// Where the elements begin.
    start: u64,
}

impl Contents {
    pub(super) fn open(path: &Path) -> Result<Contents, Error> {
        let failed = |cause: std::io::Error| Error::from_io(format!("cannot read {}", path.display()), cause);
        let strange = |why: String| Error::data(format!("{}: not a safetensors file: {why}", path.display()));
        let mut file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        if len < 8 {
            return Err(strange(format!("it has {len} bytes, of which 8 should give the length of its header")));
        }
        let mut word = [0; 8];
        file.read_exact(&mut word).map_err(failed)?;
        let header = u64::from_le_bytes(word);
        if header > HEADER || header > len - 8 {
            return Err(strange(format!("its {len} bytes hold no header of {header} bytes")));
        }
        let mut text = Vec::new();
        (&mut file).take(header).read_to_end(&mut text).map_err(failed)?;
        let parsed: Metadata = serde_json::from_slice(&text).map_err(|why| strange(why.to_string()))?;
        let start = 8 + header;
        if start.checked_add(parsed.data_len() as u64) != Some(len) {
            let elements = parsed.data_len();
            return Err(strange(format!(
                "its header speaks of {elements} bytes of elements, there are {}",
                len - start
            )));
        }
        Ok(Contents { path: path.to_owned(), file, header: parsed, start })
    }

    /// An error about this file.
    pub(super) fn damaged(&self, why: impl std::fmt::Display) -> Error {
        Error::data(format!("{}: {why}", self.path.display()))
    }

    /// The names of the arrays.
    pub(super) fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// The text under this key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.header.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// What is different about the array `name`, where one of this dtype and shape is wanted.
    pub(super) fn difference(&self, name: &str, wanted: DType, shape: &[usize]) -> Result<Option<String>, Error> {
        let Some(info) = self.header.info(name) else { return Ok(Some(format!("`{name}` is missing"))) };
        if info.dtype == dtype(wanted)? && info.shape == shape {
            return Ok(None);
        }
        let own = DType::ALL.into_iter().find(|own| dtype(*own).is_ok_and(|own| own == info.dtype));
        let own = own.map_or_else(|| format!("{:?}", info.dtype), |own| own.to_string());
        Ok(Some(format!("`{name}` is {own} {:?} in the file and {wanted} {shape:?} in the model", info.shape)))
    }

    /// The array `name`, which should have this dtype and shape.
    pub(super) fn read(&mut self, name: &str, wanted: DType, shape: &[usize]) -> Result<Array, Error> {
        if let Some(difference) = self.difference(name, wanted, shape)? {
            return Err(self.damaged(difference));
        }
        let begin = self.header.info(name).map_or(0, |info| info.data_offsets.0 as u64);
        let mut array = Array::zeros(wanted, shape)?;
        let room = array.bytes_mut()?;
        let read = self.file.seek(SeekFrom::Start(self.start + begin)).and_then(|_| self.file.read_exact(room));
        read.map_err(|cause| Error::from_io(format!("cannot read {}", self.path.display()), cause))?;
        // What is no truth value would be undefined among truth values.
        if wanted == DType::Bool && room.iter().any(|byte| *byte > 1) {
            return Err(self.damaged(format!("`{name}` holds truth values that are neither 0 nor 1")));
        }
        Ok(array)
    }

    /// All arrays whose names begin with `prefix`, under the rest of their names; together no more bytes than the file has.
    pub(super) fn read_all(&mut self, prefix: &str) -> Result<BTreeMap<String, Array>, Error> {
        let names = self.names();
        let inside = names.iter().filter_map(|name| Some((name, name.strip_prefix(prefix)?)));
        let one = |(name, rest): (&String, &str)| {
            let Some(info) = self.header.info(name).cloned() else { return Err(self.damaged(name)) };
            let known = DType::ALL.into_iter().find(|known| dtype(*known).is_ok_and(|known| known == info.dtype));
            let Some(known) = known else { return Err(self.damaged(format!("`{name}` is {:?}", info.dtype))) };
            Ok((rest.to_owned(), self.read(name, known, &info.shape)?))
        };
        inside.map(one).collect()
    }
}

/// The format's name for a dtype. The format is little-endian, and so is every machine that this crate is built for.
fn dtype(dtype: DType) -> Result<Dtype, Error> {
    Ok(match dtype {
        DType::Bool => Dtype::BOOL,
        DType::U8 => Dtype::U8,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        other => return Err(Error::dtype(format!("{other} cannot be saved"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Folder;
    use safetensors::SafeTensors;

    #[test]
    fn another_reader_finds_the_same_in_the_file() {
        let folder = Folder::new();
        let path = folder.path("file");
        let arrays: Vec<(String, Array)> = DType::ALL
            .into_iter()
            .enumerate()
            .map(|(n, dtype)| (format!("{dtype}\"\n"), Array::from_fn(dtype, &[n, 3], |i| (i % 2) as f64).unwrap()))
            .collect();
        write(&path, &arrays, Some(("key", "a \"text\"".into()))).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let other = SafeTensors::deserialize(&bytes).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(metadata.metadata().as_ref().unwrap()["key"], "a \"text\"");
        let mut own = Contents::open(&path).unwrap();
        assert_eq!((own.text("key"), own.text("none")), (Some("a \"text\""), None));
        for (name, array) in &arrays {
            let seen = other.tensor(name).unwrap();
            assert_eq!((seen.dtype(), seen.shape()), (dtype(array.dtype()).unwrap(), array.shape()));
            assert_eq!(seen.data(), array.bytes());
            assert_eq!(own.read(name, array.dtype(), array.shape()).unwrap(), *array);
        }
        assert_eq!(own.read_all("f").unwrap().len(), 3);
        write(&path, &arrays, Some(("key", "a \"text\"".into()))).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "the same values give the same file");
        let twice = [arrays[0].clone(), arrays[0].clone()];
        assert!(write(&path, &twice, None).unwrap_err().is_invalid());
    }
}
