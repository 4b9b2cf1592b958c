//! NVRTC, the compiler of kernels: found, probed, called.
//!
//! A library is looked for where toolkits, package managers and Python's packages put it; [`candidates`] is the list. Its own
//! `libnvrtc-builtins` is opened beside it first, so that the loader's path need not name the folder.

use crate::Error;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Names of the library, the newest first. The last is what a toolkit for developers installs.
const NAMES: &[&str] = if cfg!(windows) {
    &["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"]
} else {
    &["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"]
};

/// The environment variable that names a library, or the folder of one, before all others.
pub(crate) const VARIABLE: &str = "WENGERT_NVRTC";

type Program = *mut c_void;

/// One function of the library.
macro_rules! functions {
    ($($field:ident: $symbol:literal fn($($argument:ty),*);)*) => {
        struct Functions { $($field: unsafe extern "C" fn($($argument),*) -> c_int,)* }

        impl Functions {
            /// Finds every function, or names the one that is missing.
            fn find(library: &libloading::Library) -> Result<Functions, String> {
                Ok(Functions { $(
                    // SAFETY: the type is that of NVRTC's header, stable since CUDA 11.
                    $field: *unsafe { library.get($symbol.as_bytes()) }.map_err(|_| concat!("it has no ", $symbol).to_owned())?,
                )* })
            }
        }
    };
}

functions! {
    version: "nvrtcVersion" fn(*mut c_int, *mut c_int);
    arch_count: "nvrtcGetNumSupportedArchs" fn(*mut c_int);
    archs: "nvrtcGetSupportedArchs" fn(*mut c_int);
    create: "nvrtcCreateProgram" fn(*mut Program, *const c_char, *const c_char, c_int, *const *const c_char, *const *const c_char);
    destroy: "nvrtcDestroyProgram" fn(*mut Program);
    compile: "nvrtcCompileProgram" fn(Program, c_int, *const *const c_char);
    log_size: "nvrtcGetProgramLogSize" fn(Program, *mut usize);
    log: "nvrtcGetProgramLog" fn(Program, *mut c_char);
    ptx_size: "nvrtcGetPTXSize" fn(Program, *mut usize);
    ptx: "nvrtcGetPTX" fn(Program, *mut c_char);
    cubin_size: "nvrtcGetCUBINSize" fn(Program, *mut usize);
    cubin: "nvrtcGetCUBIN" fn(Program, *mut c_char);
}

/// A compiler that was found.
pub(crate) struct Nvrtc {
    functions: Functions,
    /// `(13, 0)`.
    pub(crate) version: (u32, u32),
    /// Compute capabilities that it compiles for: 75, 80, ...
    pub(crate) architectures: Vec<u32>,
    /// Where it is; a bare name if the system's loader found it.
    pub(crate) path: PathBuf,
    _library: libloading::Library,
}

impl std::fmt::Debug for Nvrtc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Nvrtc({}.{} at {})", self.version.0, self.version.1, self.path.display())
    }
}

/// What a compilation makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Machine code of one architecture.
    Cubin,
    /// Assembly text, which a driver (or the emulated one) compiles; ends in a zero byte.
    Ptx,
}

impl Nvrtc {
    /// Opens the library at `path`.
    ///
    /// # Errors
    /// Why it is of no use.
    pub(crate) fn open(path: &Path) -> Result<Nvrtc, String> {
        if let Some(folder) = path.parent().filter(|folder| folder.is_dir()) {
            open_builtins(folder);
        }
        // SAFETY: NVRTC's library may be loaded by anybody; it has no start-up code that needs care.
        let library = unsafe { libloading::Library::new(path) }.map_err(|why| why.to_string())?;
        let functions = Functions::find(&library)?;
        let (mut major, mut minor, mut count) = (0, 0, 0);
        // SAFETY: pointers to local integers.
        let asked =
            unsafe { (functions.version)(&raw mut major, &raw mut minor) | (functions.arch_count)(&raw mut count) };
        let mut architectures = vec![0; usize::try_from(count).unwrap_or(0)];
        // SAFETY: the library writes as many integers as it said.
        if asked != 0 || unsafe { (functions.archs)(architectures.as_mut_ptr()) } != 0 {
            return Err("it does not tell its version and architectures".to_owned());
        }
        Ok(Nvrtc {
            functions,
            version: (major.unsigned_abs(), minor.unsigned_abs()),
            architectures: architectures.into_iter().map(c_int::unsigned_abs).collect(),
            path: path.to_owned(),
            _library: library,
        })
    }

    /// Compiles a translation unit. `architecture` is what follows `sm_` or `compute_`: `80`, `90a`.
    ///
    /// # Errors
    /// The compiler's messages, and the name of the unit.
    pub(crate) fn compile(
        &self,
        name: &str,
        source: &str,
        architecture: &str,
        output: Output,
    ) -> Result<Vec<u8>, Error> {
        let kind = if output == Output::Cubin { "sm" } else { "compute" };
        let options = [format!("--gpu-architecture={kind}_{architecture}")];
        let options = options.iter().map(String::as_str).chain(OPTIONS.iter().copied());
        let options = options.map(c_string).collect::<Result<Vec<_>, _>>()?;
        let pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let (source, unit) = (c_string(source)?, c_string(&format!("{name}.cu"))?);
        let mut program = Owned { nvrtc: self, program: std::ptr::null_mut() };
        let none = std::ptr::null();
        // SAFETY: the strings live until the end of this function; no headers are given.
        let made =
            unsafe { (self.functions.create)(&raw mut program.program, source.as_ptr(), unit.as_ptr(), 0, none, none) };
        if made != 0 {
            return Err(Error::device(format!("cuda: NVRTC refuses the kernel {name} (code {made})")));
        }
        // SAFETY: as above; as many options as are counted.
        let compiled = unsafe { (self.functions.compile)(program.program, pointers.len() as c_int, pointers.as_ptr()) };
        if compiled != 0 {
            let log = self.text(&program, self.functions.log_size, self.functions.log).unwrap_or_default();
            let log = CStr::from_bytes_until_nul(&log)
                .map_or_else(|_| String::new(), |log| log.to_string_lossy().into_owned());
            return Err(Error::device(format!(
                "cuda: NVRTC {}.{} cannot compile the kernel {name} for {kind}_{architecture} (code {compiled}):\n{}",
                self.version.0,
                self.version.1,
                log.trim_end()
            )));
        }
        let (size, get) = match output {
            Output::Cubin => (self.functions.cubin_size, self.functions.cubin),
            Output::Ptx => (self.functions.ptx_size, self.functions.ptx),
        };
        self.text(&program, size, get)
            .filter(|image| !image.is_empty())
            .ok_or_else(|| Error::device(format!("cuda: NVRTC gives no code for the kernel {name}")))
    }

    fn text(
        &self,
        program: &Owned<'_>,
        size: unsafe extern "C" fn(Program, *mut usize) -> c_int,
        get: unsafe extern "C" fn(Program, *mut c_char) -> c_int,
    ) -> Option<Vec<u8>> {
        let mut bytes = 0usize;
        // SAFETY: a pointer to a local integer, a program that lives.
        if unsafe { size(program.program, &raw mut bytes) } != 0 {
            return None;
        }
        let mut text = vec![0u8; bytes];
        // SAFETY: the library writes as many bytes as it said.
        (unsafe { get(program.program, text.as_mut_ptr().cast()) } == 0).then_some(text)
    }
}

/// No fast mathematics, multiplications and additions contracted as NVRTC does by default; lines for profilers and the emulator.
const OPTIONS: &[&str] = &["--std=c++17", "-default-device", "-lineinfo"];

/// What is compiled depends on these words besides the source: part of a cache's key.
pub(super) fn options() -> String {
    OPTIONS.join(" ")
}

struct Owned<'a> {
    nvrtc: &'a Nvrtc,
    program: Program,
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        if !self.program.is_null() {
            // SAFETY: made by `create`, destroyed only here.
            unsafe { (self.nvrtc.functions.destroy)(&raw mut self.program) };
        }
    }
}

fn c_string(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::invalid("a kernel's source has a zero byte"))
}

/// Opens `libnvrtc-builtins` of a folder and keeps it: NVRTC asks the loader for it by name when it compiles.
fn open_builtins(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("libnvrtc-builtins.so.") {
            // SAFETY: data for the compiler, without start-up code that needs care.
            if let Ok(library) = unsafe { libloading::Library::new(entry.path()) } {
                std::mem::forget(library);
            }
        }
    }
}

/// Where NVRTC may be, in the order of trial: files that exist, and bare names for the system's loader.
pub(crate) fn candidates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let mut found: Vec<PathBuf> = Vec::new();
    if let Some(given) = env::var_os(VARIABLE).map(PathBuf::from) {
        if given.is_file() {
            found.push(given);
        } else {
            folders.push(given);
        }
    }
    let toolkits = ["CUDA_PATH", "CUDA_HOME", "CUDA_ROOT"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    toolkits.for_each(|toolkit| libraries_of(&toolkit, &mut folders));
    in_folders(&folders, &mut found);
    found.extend(NAMES.iter().map(PathBuf::from));
    folders.clear();
    for toolkit in matching(Path::new("/usr/local"), "cuda").into_iter().rev().chain(["/opt/cuda".into()]) {
        libraries_of(&toolkit, &mut folders);
    }
    for packages in python_packages() {
        folders.extend(["nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib"].map(|part| packages.join(part)));
    }
    in_folders(&folders, &mut found);
    found
}

fn in_folders(folders: &[PathBuf], found: &mut Vec<PathBuf>) {
    let files = folders.iter().flat_map(|folder| NAMES.iter().map(move |name| folder.join(name)));
    found.extend(files.filter(|file| file.is_file()));
}

/// The folders of a toolkit that may hold libraries.
fn libraries_of(toolkit: &Path, folders: &mut Vec<PathBuf>) {
    folders.extend(["lib64", "lib", "bin"].map(|part| toolkit.join(part)));
    folders.extend(matching(&toolkit.join("targets"), "").into_iter().map(|target| target.join("lib")));
}

/// Entries of a folder whose names begin so, sorted.
fn matching(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

/// Folders of Python packages: of the active environment, the user and the system.
fn python_packages() -> Vec<PathBuf> {
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".local"));
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    let roots = active.chain(home).chain(["/usr/local", "/usr"].map(PathBuf::from));
    let libraries = roots.flat_map(|root| matching(&root.join("lib"), "python3"));
    libraries.flat_map(|python| ["site-packages", "dist-packages"].map(|part| python.join(part))).collect()
}
