//! NVIDIA's runtime compiler, for tests: found, loaded, and asked for PTX. It needs no GPU.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::{env, fmt, fs, io, ptr};

/// The environment variable that says where NVRTC is: the library, or a folder that has it or has it in `lib`.
pub const VARIABLE: &str = "WENGERT_NVRTC";

type Program = *mut c_void;
type Status = c_int;
type Texts = *const *const c_char;
type CreateProgram = unsafe extern "C" fn(*mut Program, *const c_char, *const c_char, c_int, Texts, Texts) -> Status;
type CompileProgram = unsafe extern "C" fn(Program, c_int, Texts) -> Status;
type DestroyProgram = unsafe extern "C" fn(*mut Program) -> Status;
type SizeOf = unsafe extern "C" fn(Program, *mut usize) -> Status;
type CopyOf = unsafe extern "C" fn(Program, *mut c_char) -> Status;
type ErrorString = unsafe extern "C" fn(Status) -> *const c_char;
type Version = unsafe extern "C" fn(*mut c_int, *mut c_int) -> Status;

/// NVRTC, loaded.
#[derive(Debug)]
pub struct Compiler {
    path: PathBuf,
    version: (u32, u32),
    create: CreateProgram,
    compile: CompileProgram,
    destroy: DestroyProgram,
    log: Text,
    ptx: Text,
    error_string: ErrorString,
    /// The functions above live in it.
    _library: Library,
}

/// How to get a text of a program: its size with the final zero, and the text.
#[derive(Clone, Copy, Debug)]
struct Text {
    size: SizeOf,
    copy: CopyOf,
}

/// Why there is no compiler.
#[derive(Clone, PartialEq, Eq)]
pub struct Missing(String);

/// A test that unwraps it should name the remedy.
impl fmt::Debug for Missing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "no NVRTC: {}; `cargo xtask nvrtc` fetches it, or {VARIABLE} says where it is", self.0)
    }
}

impl std::error::Error for Missing {}

/// Why a source was not compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What NVRTC calls it.
    pub kind: String,
    /// What it says of the source.
    pub log: String,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}\n{}", self.kind, self.log.trim_end())
    }
}

impl std::error::Error for Error {}

impl Compiler {
    /// Where the environment says, or else what `cargo xtask nvrtc` has fetched.
    ///
    /// # Errors
    /// It is not there, or cannot be loaded.
    pub fn find() -> Result<Self, Missing> {
        match env::var_os(VARIABLE) {
            Some(path) => Self::load(Path::new(&path)),
            None => Self::load(&fetched("nvrtc")),
        }
    }

    /// The older release that `cargo xtask nvrtc` has fetched too, 12.9.
    ///
    /// # Errors
    /// It is not there, or cannot be loaded.
    pub fn find_12() -> Result<Self, Missing> {
        Self::load(&fetched("nvrtc-12"))
    }

    /// The library at `path`, or in the folder `path` or its folder `lib`.
    ///
    /// # Errors
    /// It is not there, or cannot be loaded.
    pub fn load(path: &Path) -> Result<Self, Missing> {
        let path = library(path).ok_or_else(|| Missing(format!("{} has none", path.display())))?;
        let failed = |why: &dyn fmt::Display| Missing(format!("{}: {why}", path.display()));
        // NVRTC opens its builtins by their bare name; the loader then finds them open already, so they are never closed.
        for builtins in named(path.parent().unwrap_or(Path::new(".")), "libnvrtc-builtins.so.") {
            // SAFETY: what runs when this library is loaded is NVIDIA's own set-up, which has no preconditions.
            let opened = unsafe { Library::open(Some(&builtins), RTLD_LAZY | RTLD_GLOBAL) };
            std::mem::forget(opened.map_err(|why| Missing(format!("{}: {why}", builtins.display())))?);
        }
        // SAFETY: as above.
        let library = unsafe { Library::open(Some(&path), RTLD_LAZY) }.map_err(|why| failed(&why))?;
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the type is that of this function in nvrtc.h, the same in all releases since 8.0.
                *unsafe { library.get($name) }.map_err(|why| failed(&why))?
            };
        }
        let number: Version = function!("nvrtcVersion");
        let (mut major, mut minor) = (0, 0);
        // SAFETY: both point to integers that live through the call.
        let status = unsafe { number(&raw mut major, &raw mut minor) };
        if status != 0 {
            return Err(failed(&format_args!("nvrtcVersion failed ({status})")));
        }
        Ok(Compiler {
            version: (major.unsigned_abs(), minor.unsigned_abs()),
            create: function!("nvrtcCreateProgram"),
            compile: function!("nvrtcCompileProgram"),
            destroy: function!("nvrtcDestroyProgram"),
            log: Text { size: function!("nvrtcGetProgramLogSize"), copy: function!("nvrtcGetProgramLog") },
            ptx: Text { size: function!("nvrtcGetPTXSize"), copy: function!("nvrtcGetPTX") },
            error_string: function!("nvrtcGetErrorString"),
            path: path.clone(),
            _library: library,
        })
    }

    /// Major and minor number.
    pub fn version(&self) -> (u32, u32) {
        self.version
    }

    /// The library's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Compiles CUDA C to PTX. `name` is what the source is called in errors and in line information.
    ///
    /// # Errors
    /// What NVRTC refuses, with its log.
    pub fn compile(&self, name: &str, source: &str, options: &[&str]) -> Result<String, Error> {
        let text = |text: &str| {
            CString::new(text).map_err(|_| Error { kind: "a zero byte in a text".to_owned(), log: String::new() })
        };
        let (name, source) = (text(name)?, text(source)?);
        let options = options.iter().map(|option| text(option)).collect::<Result<Vec<_>, _>>()?;
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let mut program = ptr::null_mut();
        // SAFETY: both texts end with a zero and live through the call; no headers are given.
        let status =
            unsafe { (self.create)(&raw mut program, source.as_ptr(), name.as_ptr(), 0, ptr::null(), ptr::null()) };
        self.ok(status, String::new)?;
        let program = Alive { program, compiler: self };
        let count = c_int::try_from(options.len()).unwrap_or(c_int::MAX);
        // SAFETY: the program is alive, and so many texts that end with a zero live through the call.
        let status = unsafe { (self.compile)(program.program, count, options.as_ptr()) };
        self.ok(status, || program.text(self.log).unwrap_or_default())?;
        program.text(self.ptx)
    }

    fn ok(&self, status: Status, log: impl Fn() -> String) -> Result<(), Error> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: NVRTC answers every number with a text of its own that is never freed.
        let kind = unsafe { CStr::from_ptr((self.error_string)(status)) };
        Err(Error { kind: kind.to_string_lossy().into_owned(), log: log() })
    }
}

/// A program of NVRTC's, destroyed at its end.
struct Alive<'a> {
    program: Program,
    compiler: &'a Compiler,
}

impl Alive<'_> {
    fn text(&self, of: Text) -> Result<String, Error> {
        let mut bytes = 0;
        // SAFETY: the program is alive, and the size lives through the call.
        self.compiler.ok(unsafe { (of.size)(self.program, &raw mut bytes) }, String::new)?;
        let mut text = vec![0_u8; bytes];
        // SAFETY: the program is alive, and NVRTC writes as many bytes as it has just said.
        self.compiler.ok(unsafe { (of.copy)(self.program, text.as_mut_ptr().cast()) }, String::new)?;
        text.truncate(text.iter().position(|byte| *byte == 0).unwrap_or(bytes));
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        // SAFETY: the program is alive, and nobody uses it from here on.
        unsafe { (self.compiler.destroy)(&raw mut self.program) };
    }
}

/// A folder that `cargo xtask nvrtc` fills, below the workspace's `target`.
fn fetched(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target").join(folder)
}

/// NVRTC's file.
fn library(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path.to_owned());
    }
    [path.join("lib"), path.to_owned()].iter().find_map(|folder| named(folder, "libnvrtc.so.").pop())
}

/// The files of a folder whose names begin so, sorted.
fn named(folder: &Path, begin: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let begins = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(begin);
    let mut found: Vec<PathBuf> = entries.filter(begins).map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// A compiler for a test, or `None` where the test may be skipped, which is said once.
///
/// # Errors
/// NVRTC is missing in continuous integration, where nothing is skipped.
pub fn for_tests(found: Result<Compiler, Missing>) -> Result<Option<Compiler>, Missing> {
    static TOLD: Once = Once::new();
    match found {
        Ok(compiler) => Ok(Some(compiler)),
        Err(why) if env::var_os("CI").is_some() => Err(why),
        Err(why) => {
            // Not with `eprintln`, which the test harness would keep to itself; nor does it matter if nobody listens.
            TOLD.call_once(|| drop(writeln!(io::stderr(), "SKIPPED: {why}")));
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "extern \"C\" __global__ void fill(float *x) { x[threadIdx.x] = 1.0f; }";

    #[test]
    fn both_releases_compile() {
        for (found, version, ptx) in [(Compiler::find(), (13, 0), "9.0"), (Compiler::find_12(), (12, 9), "8.8")] {
            let Some(compiler) = for_tests(found).unwrap() else { return };
            assert_eq!(compiler.version(), version);
            for architecture in ["compute_75", "compute_80", "compute_90"] {
                let option = format!("--gpu-architecture={architecture}");
                let text = compiler.compile("fill.cu", SOURCE, &[&option, "-lineinfo"]).unwrap();
                assert!(text.contains(&format!(".version {ptx}")), "{text}");
                assert!(text.contains(".visible .entry fill("), "{text}");
                assert!(text.contains("fill.cu\""), "{text}");
            }
        }
    }

    #[test]
    fn what_is_refused_is_told() {
        let Some(compiler) = for_tests(Compiler::find()).unwrap() else { return };
        let wrong = compiler.compile("wrong.cu", "__global__ void f() { x = 1; }", &[]).unwrap_err();
        assert_eq!(wrong.kind, "NVRTC_ERROR_COMPILATION");
        assert!(wrong.to_string().contains("wrong.cu(1): error: identifier \"x\" is undefined"), "{wrong}");
        let wrong = compiler.compile("fill.cu", SOURCE, &["--no-such-option"]).unwrap_err();
        assert_eq!(wrong.kind, "NVRTC_ERROR_INVALID_OPTION");
        assert_eq!(compiler.compile("fill.cu", "\0", &[]).unwrap_err().kind, "a zero byte in a text");
    }

    #[test]
    fn a_missing_library_names_the_remedy() {
        let missing = Compiler::load(Path::new("/no/such/folder")).unwrap_err().to_string();
        assert!(missing.contains("/no/such/folder") && missing.contains("cargo xtask nvrtc"), "{missing}");
        // A file that is no library.
        let missing = Compiler::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap_err();
        assert!(missing.to_string().contains("Cargo.toml: "), "{missing}");
    }
}
