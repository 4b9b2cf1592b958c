//! Safetensors files: named arrays with a text, which PyTorch and JAX read too.
//!
//! Eight bytes give the header's length, the header gives names, dtypes, shapes and places, and the elements follow. A
//! file from anywhere is believed nothing: its header is read first, and memory for an array is taken only when the
//! header agrees with the file's length and with what the caller asks for.

use super::json::Json;
use crate::Error;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use wengert_autograd::DType;
use wengert_kernels::{Array, files};

/// A header is refused beyond this size: that of a thousand layers with all that is remembered about them is a tenth of it.
const HEADER: u64 = 8 << 20;

/// Where the header has texts rather than an array.
const TEXTS: &str = "__metadata__";

/// Writes arrays and a text to a file, in one piece or not at all.
pub(super) fn write(path: &Path, arrays: &[(String, Array)], text: Option<(&str, String)>) -> Result<(), Error> {
    // Wide elements first, so that all are aligned; then by name, so that the same values give the same file.
    let mut arrays: Vec<&(String, Array)> = arrays.iter().collect();
    arrays.sort_by(|(a, x), (b, y)| y.dtype().size().cmp(&x.dtype().size()).then(a.cmp(b)));
    let mut header = BTreeMap::new();
    let mut end = 0;
    for (name, array) in &arrays {
        let start = end;
        end += array.bytes().len();
        let info = Json::object(vec![
            ("dtype", kind(array.dtype())?.name.into()),
            ("shape", array.shape().into()),
            ("data_offsets", [start, end].as_slice().into()),
        ]);
        if header.insert(name.clone(), info).is_some() || name == TEXTS {
            return Err(Error::invalid(format!("two values have the name `{name}`: rename a layer")));
        }
    }
    if let Some((key, text)) = text {
        header.insert(TEXTS.to_owned(), Json::object(vec![(key, Json::Text(text))]));
    }
    let mut text = String::new();
    Json::Object(header).write(&mut text);
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    let len = text.len() as u64;
    if len > HEADER {
        let path = path.display();
        return Err(Error::invalid(format!("{path} cannot be written: its header of {len} bytes exceeds {HEADER}")));
    }
    Ok(files::write_atomic(path, |file| {
        file.write_all(&len.to_le_bytes())?;
        file.write_all(text.as_bytes())?;
        arrays.iter().try_for_each(|(_, array)| file.write_all(array.bytes()))
    })?)
}

/// A dtype of the format.
#[derive(Debug, PartialEq)]
struct Kind {
    name: &'static str,
    /// What an element takes.
    bits: u64,
    /// The dtype of arrays, where these have one.
    dtype: Option<DType>,
}

const fn own(name: &'static str, dtype: DType) -> Kind {
    Kind { name, bits: 8 * dtype.size() as u64, dtype: Some(dtype) }
}

const fn foreign(name: &'static str, bits: u64) -> Kind {
    Kind { name, bits, dtype: None }
}

/// All of the format's dtypes. It is little-endian, and so is every machine that this crate is built for.
static KINDS: [Kind; 22] = [
    own("BOOL", DType::Bool),
    own("U8", DType::U8),
    own("I32", DType::I32),
    own("I64", DType::I64),
    own("F16", DType::F16),
    own("BF16", DType::BF16),
    own("F32", DType::F32),
    own("F64", DType::F64),
    foreign("F4", 4),
    foreign("F6_E2M3", 6),
    foreign("F6_E3M2", 6),
    foreign("I8", 8),
    foreign("F8_E4M3", 8),
    foreign("F8_E5M2", 8),
    foreign("F8_E8M0", 8),
    foreign("F8_E4M3FNUZ", 8),
    foreign("F8_E5M2FNUZ", 8),
    foreign("I16", 16),
    foreign("U16", 16),
    foreign("U32", 32),
    foreign("U64", 64),
    foreign("C64", 64),
];

/// The format's dtype for one of ours.
fn kind(dtype: DType) -> Result<&'static Kind, Error> {
    let kind = KINDS.iter().find(|kind| kind.dtype == Some(dtype));
    kind.ok_or_else(|| Error::dtype(format!("{dtype} cannot be saved")))
}

/// What the header says about an array.
struct Info {
    kind: &'static Kind,
    shape: Vec<usize>,
    /// The first byte among the elements, and the one after the last.
    place: [u64; 2],
}

impl Info {
    /// Reads what stands under an array's name; the bytes of its place are as many as its elements take.
    fn new(name: &str, json: &Json) -> Result<Info, String> {
        let wrong = |what: &str| format!("{name:?} has no right `{what}`");
        let dtype = json.get("dtype").as_text().ok_or_else(|| wrong("dtype"))?;
        let kind = KINDS.iter().find(|kind| kind.name == dtype);
        let kind = kind.ok_or_else(|| format!("{name:?} is of the unknown dtype {dtype:?}"))?;
        let shape = json.get("shape").as_counts().ok_or_else(|| wrong("shape"))?;
        let place = json.get("data_offsets").as_counts();
        let Some(&[start, end]) = place.as_deref() else { return Err(wrong("data_offsets")) };
        let place = [start as u64, end as u64];
        let bits = shape.iter().try_fold(kind.bits, |bits, &size| bits.checked_mul(size as u64));
        let bytes = bits.filter(|bits| bits.is_multiple_of(8)).map(|bits| bits / 8);
        if bytes.is_none() || place[1].checked_sub(place[0]) != bytes {
            return Err(format!("{name:?} is {dtype} {shape:?}, which does not fill the bytes from {start} to {end}"));
        }
        Ok(Info { kind, shape, place })
    }
}

/// What a header says: arrays that lie one after the other, and texts.
struct Header {
    arrays: BTreeMap<String, Info>,
    texts: BTreeMap<String, String>,
    /// Where the last array ends.
    end: u64,
}

impl Header {
    fn parse(text: Vec<u8>) -> Result<Header, String> {
        let text = String::from_utf8(text).map_err(|_| "its header is no UTF-8".to_owned())?;
        let Json::Object(entries) = Json::parse(&text)? else { return Err("its header is no JSON object".to_owned()) };
        let mut header = Header { arrays: BTreeMap::new(), texts: BTreeMap::new(), end: 0 };
        for (name, value) in entries {
            if name != TEXTS {
                let info = Info::new(&name, &value)?;
                header.arrays.insert(name, info);
                continue;
            }
            let Json::Object(texts) = value else { return Err(format!("`{TEXTS}` is no JSON object")) };
            for (key, text) in texts {
                let Json::Text(text) = text else { return Err(format!("`{TEXTS}` has no text as {key:?}")) };
                header.texts.insert(key, text);
            }
        }
        let mut places: Vec<([u64; 2], &str)> =
            header.arrays.iter().map(|(name, info)| (info.place, name.as_str())).collect();
        places.sort_unstable();
        for ([start, end], name) in places {
            if start != header.end {
                return Err(format!("{name:?} begins at byte {start}, what lies before it ends at {}", header.end));
            }
            header.end = end;
        }
        Ok(header)
    }
}

/// A file whose header has been read and agrees with its length.
pub(super) struct Contents {
    path: PathBuf,
    file: File,
    header: Header,
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
        let start = 8 + header;
        let header = Header::parse(text).map_err(strange)?;
        if header.end != len - start {
            let (elements, own) = (header.end, len - start);
            return Err(strange(format!("its header speaks of {elements} bytes of elements, there are {own}")));
        }
        Ok(Contents { path: path.to_owned(), file, header, start })
    }

    /// An error about this file.
    pub(super) fn damaged(&self, why: impl std::fmt::Display) -> Error {
        Error::data(format!("{}: {why}", self.path.display()))
    }

    /// The names of the arrays.
    pub(super) fn names(&self) -> Vec<String> {
        self.header.arrays.keys().cloned().collect()
    }

    /// The text under this key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.header.texts.get(key).map(String::as_str)
    }

    /// What is different about the array `name`, where one of this dtype and shape is wanted.
    pub(super) fn difference(&self, name: &str, wanted: DType, shape: &[usize]) -> Result<Option<String>, Error> {
        let Some(info) = self.header.arrays.get(name) else { return Ok(Some(format!("`{name}` is missing"))) };
        if info.kind.dtype == Some(wanted) && info.shape == shape {
            return Ok(None);
        }
        let own = info.kind.dtype.map_or(info.kind.name, DType::name);
        Ok(Some(format!("`{name}` is {own} {:?} in the file and {wanted} {shape:?} in the model", info.shape)))
    }

    /// The array `name`, which should have this dtype and shape.
    pub(super) fn read(&mut self, name: &str, wanted: DType, shape: &[usize]) -> Result<Array, Error> {
        if let Some(difference) = self.difference(name, wanted, shape)? {
            return Err(self.damaged(difference));
        }
        let begin = self.header.arrays.get(name).map_or(0, |info| info.place[0]);
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
        let mut all = BTreeMap::new();
        for name in self.names() {
            let (Some(rest), Some(info)) = (name.strip_prefix(prefix), self.header.arrays.get(&name)) else { continue };
            let (kind, shape) = (info.kind, info.shape.clone());
            let dtype = kind.dtype.ok_or_else(|| self.damaged(format!("`{name}` is {}", kind.name)))?;
            all.insert(rest.to_owned(), self.read(&name, dtype, &shape)?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Folder;
    use safetensors::tensor::{Dtype, TensorView};
    use safetensors::{SafeTensors, serialize};

    /// An array of every dtype, with names that must be escaped.
    fn arrays() -> Vec<(String, Array)> {
        let array = |n: usize, dtype| Array::from_fn(dtype, &[n, 3], |i| (i % 2) as f64).unwrap();
        let all = DType::ALL.into_iter().enumerate();
        all.map(|(n, dtype)| (format!("{dtype}\"\n\\é\u{1}"), array(n, dtype))).collect()
    }

    #[test]
    fn another_reader_finds_the_same_in_the_file() {
        let folder = Folder::new();
        let path = folder.path("file");
        let arrays = arrays();
        write(&path, &arrays, Some(("key", "a \"text\"".into()))).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let other = SafeTensors::deserialize(&bytes).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(metadata.metadata().as_ref().unwrap()["key"], "a \"text\"");
        assert_eq!(other.len(), arrays.len());
        let mut own = Contents::open(&path).unwrap();
        assert_eq!((own.text("key"), own.text("none")), (Some("a \"text\""), None));
        for (name, array) in &arrays {
            let seen = other.tensor(name).unwrap();
            assert_eq!((seen.dtype().to_string(), seen.shape()), (own_name(array).to_owned(), array.shape()));
            assert_eq!(seen.data(), array.bytes());
            assert_eq!(own.read(name, array.dtype(), array.shape()).unwrap(), *array);
            let start = 8 + usize::from(bytes[0]) + 256 * usize::from(bytes[1]);
            let at = seen.data().as_ptr().addr() - bytes.as_ptr().addr();
            assert!((at - start).is_multiple_of(array.dtype().size()) && start.is_multiple_of(8), "{name} is aligned");
        }
        assert_eq!(own.read_all("f").unwrap().len(), 3);
        write(&path, &arrays, Some(("key", "a \"text\"".into()))).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "the same values give the same file");
        let twice = [arrays[0].clone(), arrays[0].clone()];
        assert!(write(&path, &twice, None).unwrap_err().is_invalid());
        assert!(write(&path, &[(TEXTS.to_owned(), arrays[0].1.clone())], None).unwrap_err().is_invalid());
        let long = [("x".repeat(9 << 20), arrays[0].1.clone())];
        assert!(write(&path, &long, None).unwrap_err().to_string().contains("its header of 94"));
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "what is not written leaves the file as it was");
    }

    fn own_name(array: &Array) -> &'static str {
        kind(array.dtype()).unwrap().name
    }

    #[test]
    fn files_of_another_writer_are_read() {
        let folder = Folder::new();
        let path = folder.path("file");
        let arrays = arrays();
        let dtypes: Vec<Dtype> = KINDS.iter().map(|kind| other_dtype(kind.name)).collect();
        for (kind, dtype) in KINDS.iter().zip(&dtypes) {
            assert_eq!((kind.name.to_owned(), kind.bits), (dtype.to_string(), dtype.bitsize() as u64));
        }
        let view = |dtype: Dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
        let own = arrays
            .iter()
            .map(|(name, array)| (name.clone(), view(other_dtype(own_name(array)), array.shape(), array.bytes())));
        let zeros = [0; 64];
        let foreign =
            dtypes.iter().map(|&dtype| (format!("foreign {dtype}"), view(dtype, &[4, 2], &zeros[..dtype.bitsize()])));
        for text in [None, Some([("key".to_owned(), "a\n\"text\" \u{1F600}".to_owned())].into_iter().collect())] {
            std::fs::write(&path, serialize(own.clone().chain(foreign.clone()), text.clone()).unwrap()).unwrap();
            let mut read = Contents::open(&path).unwrap();
            assert_eq!(read.text("key"), text.as_ref().map(|_| "a\n\"text\" \u{1F600}"));
            assert_eq!(read.names().len(), 8 + 22);
            for (name, array) in &arrays {
                assert_eq!(read.read(name, array.dtype(), array.shape()).unwrap(), *array);
            }
            let difference = read.difference("foreign C64", DType::F64, &[4, 2]).unwrap().unwrap();
            assert!(difference.contains("is C64 [4, 2] in the file and f64 [4, 2] in the model"), "{difference}");
            assert!(read.read_all("foreign").unwrap_err().to_string().contains("`foreign C64` is C64"));
        }
        std::fs::write(&path, serialize(Vec::<(String, TensorView<'_>)>::new(), None).unwrap()).unwrap();
        assert!(Contents::open(&path).unwrap().names().is_empty());
    }

    /// The other crate's dtype of this name.
    fn other_dtype(name: &str) -> Dtype {
        serde_json::from_value(name.into()).unwrap()
    }

    #[test]
    fn headers_that_do_not_agree_with_themselves_are_refused() {
        // semantics 6.7
        let array = |name: &str, dtype: &str, shape: &str, place: &str| {
            format!("\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{place}}}")
        };
        let float = |name: &str, place: &str| array(name, "F32", "[1]", place);
        let both = |b: &str| format!("{{{},{}}}", float("a", "[0,4]"), float("b", b));
        let one = |dtype: &str, shape: &str, place: &str| format!("{{{}}}", array("a", dtype, shape, place));
        let parse = |text: &str| Header::parse(text.into()).map(|header| header.end);
        assert_eq!(parse(&both("[4,8]")), Ok(8));
        assert_eq!(parse(&format!("{{{},{}}}", float("a", "[4,8]"), float("b", "[0,4]"))), Ok(8), "in any order");
        assert_eq!(parse(&one("F4", "[2]", "[0,1]")), Ok(1));
        assert_eq!(parse(&one("F64", "[3,0]", "[0,0]")), Ok(0));
        assert_eq!(parse(" { } "), Ok(0));
        for (text, words) in [
            (both("[5,9]"), "\"b\" begins at byte 5, what lies before it ends at 4"),
            (both("[3,7]"), "\"b\" begins at byte 3, what lies before it ends at 4"),
            (both("[0,4]"), "begins at byte 0, what lies before it ends at 4"),
            (both("[4,7]"), "\"b\" is F32 [1], which does not fill the bytes from 4 to 7"),
            (both("[8,4]"), "bytes from 8 to 4"),
            (both("[4,8.0]"), "no right `data_offsets`"),
            (both("[4]"), "no right `data_offsets`"),
            (both("[4,8,12]"), "no right `data_offsets`"),
            (format!("{{{},{}}}", float("a", "[0,4]"), float("a", "[4,8]")), "a second \"a\""),
            (one("F33", "[1]", "[0,4]"), "unknown dtype \"F33\""),
            (one("f32", "[1]", "[0,4]"), "unknown dtype \"f32\""),
            (one("F32", "1", "[0,4]"), "no right `shape`"),
            (one("F32", "[-1]", "[0,4]"), "no right `shape`"),
            (one("F4", "[3]", "[0,1]"), "does not fill"),
            (one("F32", "[4294967296,4294967296]", "[0,0]"), "does not fill"),
            (one("F32", "[2305843009213693952]", "[0,0]"), "does not fill"),
            ("{\"a\":{}}".into(), "no right `dtype`"),
            ("{\"a\":1}".into(), "no right `dtype`"),
            ("[]".into(), "no JSON object"),
            ("{\"__metadata__\":[]}".into(), "`__metadata__` is no JSON object"),
            ("{\"__metadata__\":{\"a\":1}}".into(), "no text as \"a\""),
            ("{".into(), "ends too early"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
            let bytes = [(text.len() as u64).to_le_bytes().as_slice(), text.as_bytes()].concat();
            assert!(SafeTensors::read_metadata(&bytes).is_err() || words.contains("second"), "{text}");
        }
        assert!(Header::parse(vec![b'{', b'"', 0xFF, b'"']).is_err_and(|why| why.contains("UTF-8")));
    }
}
