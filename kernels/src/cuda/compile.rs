//! From source texts to functions on a device.

use super::Ordinal;
use super::cache::{self, Cache};
use super::driver::{self, Context, Description, Function};
use super::launch::Source;
use super::nvrtc::{self, Nvrtc, Output};
use crate::Error;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Compilations that take longer than this are announced.
const PATIENCE: Duration = Duration::from_millis(500);

/// Compiles for one device and remembers what it has compiled.
#[derive(Debug)]
pub(super) struct Compiler {
    context: Arc<Context>,
    nvrtc: &'static Nvrtc,
    /// `80`, `90a`.
    architecture: String,
    output: Output,
    cache: Cache,
    functions: Mutex<HashMap<Arc<Source>, Function>>,
}

/// NVRTC for a device, or what was tried. The library is looked for once for each compute capability.
pub(super) fn nvrtc_for(device: &Description) -> Result<&'static Nvrtc, Error> {
    static FOUND: OnceLock<Vec<Result<Nvrtc, (PathBuf, String)>>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        nvrtc::candidates().into_iter().map(|path| Nvrtc::open(&path).map_err(|why| (path, why))).collect()
    });
    let (major, minor) = device.compute_capability;
    let newest = driver::driver().map_or(u32::MAX, |driver| driver.version.0);
    let able = || found.iter().flatten().filter(|it| it.architectures.contains(&(major * 10 + minor)));
    // Code of a newer compiler may be too new for the driver; code of an older one is not.
    let chosen = able().find(|it| it.version.0 <= newest).or_else(|| able().next());
    chosen.ok_or_else(|| {
        let mut message = format!(
            "cuda: no NVRTC for compute capability {major}.{minor}: install the CUDA toolkit, or the Python package \
             nvidia-cuda-nvrtc, or name the library in {}",
            nvrtc::VARIABLE
        );
        for tried in found {
            match tried {
                Ok(it) => message.push_str(&format!("\n  {it:?} does not compile for it")),
                Err((path, why)) => message.push_str(&format!("\n  {}: {why}", path.display())),
            }
        }
        Error::device(message)
    })
}

impl Compiler {
    /// The compiler of a device: one for all of its executors, so that sessions share what is compiled.
    pub(super) fn of(device: &Description) -> Result<Arc<Compiler>, Error> {
        static KNOWN: Mutex<Vec<(usize, Weak<Compiler>)>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, compiler)| compiler.strong_count() > 0);
        let found = known.iter().find(|(ordinal, _)| *ordinal == device.ordinal).and_then(|(_, it)| it.upgrade());
        if let Some(compiler) = found {
            return Ok(compiler);
        }
        let compiler = Arc::new(Compiler::new(&Context::new(Ordinal(device.ordinal))?, device)?);
        known.push((device.ordinal, Arc::downgrade(&compiler)));
        Ok(compiler)
    }

    /// The context in which it loads.
    pub(super) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    fn new(context: &Arc<Context>, device: &Description) -> Result<Compiler, Error> {
        let (major, minor) = device.compute_capability;
        // Hopper and later have instructions that only code for the exact device may use.
        let suffix = if major >= 9 { "a" } else { "" };
        let emulated = device.is_emulated();
        Ok(Compiler {
            context: context.clone(),
            nvrtc: nvrtc_for(device)?,
            architecture: format!("{}{suffix}", major * 10 + minor),
            output: if emulated { Output::Ptx } else { Output::Cubin },
            cache: Cache::of_user(),
            functions: Mutex::default(),
        })
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Arc<Source>, Function>> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The functions of these texts: those known, those in the cache, and the rest compiled, several at a time.
    ///
    /// # Errors
    /// When a text cannot be compiled or loaded.
    pub(super) fn functions(&self, sources: &[Arc<Source>]) -> Result<Vec<Function>, Error> {
        let missing: Vec<&Arc<Source>> = {
            let known = self.known();
            let mut missing: Vec<&Arc<Source>> = Vec::new();
            for source in sources {
                if !known.contains_key(source) && !missing.contains(&source) {
                    missing.push(source);
                }
            }
            missing
        };
        if !missing.is_empty() {
            self.compile(&missing)?;
        }
        let known = self.known();
        let found = sources.iter().map(|source| known.get(source).cloned());
        found.collect::<Option<Vec<_>>>().ok_or_else(|| Error::device("cuda: a kernel was compiled and is not there"))
    }

    fn compile(&self, missing: &[&Arc<Source>]) -> Result<(), Error> {
        let start = Instant::now();
        let (next, cached) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let announced = AtomicUsize::new(0);
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let work = || {
            if let Err(why) = self.context.bind() {
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
                return;
            }
            while let Some(source) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                if start.elapsed() > PATIENCE && announced.swap(1, Ordering::Relaxed) == 0 {
                    log::info!("compiling {} kernels ...", missing.len());
                }
                match self.function(source, &cached) {
                    Ok(function) => drop(self.known().insert(Arc::clone(source), function)),
                    Err(why) => {
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
                        return;
                    }
                }
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(missing.len());
        std::thread::scope(|scope| {
            // The calling thread works too; a thread that cannot be started leaves its share to the others.
            for _ in 1..threads {
                let _ = std::thread::Builder::new().name("wengert-nvrtc".into()).spawn_scoped(scope, work);
            }
            work();
        });
        log::info!(
            "compiled {} kernels in {:.1} s, {} from the cache",
            missing.len(),
            start.elapsed().as_secs_f64(),
            cached.into_inner()
        );
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// The function of one text, from the cache if that has it and the driver takes it.
    fn function(&self, source: &Source, cached: &AtomicUsize) -> Result<Function, Error> {
        let kind = if self.output == Output::Cubin { "sm" } else { "compute" };
        let key = cache::key(&source.text, &self.architecture, kind, self.nvrtc.version);
        if let Some(image) = self.cache.get(&key) {
            match Function::load(&self.context, &image, &source.name) {
                Ok(function) => {
                    cached.fetch_add(1, Ordering::Relaxed);
                    return Ok(function);
                }
                Err(why) => {
                    log::warn!("a cached kernel is compiled anew: {why}");
                    self.cache.remove(&key);
                }
            }
        }
        let image = self.nvrtc.compile(&source.name, &source.text, &self.architecture, self.output)?;
        let function = Function::load(&self.context, &image, &source.name)?;
        self.cache.put(&key, &image);
        Ok(function)
    }
}
