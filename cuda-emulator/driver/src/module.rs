//! Modules from PTX text, their kernels and variables; libraries and kernels of the newer interface are the same things.

use crate::code::{Answer, Code};
use crate::driver::{Driver, refuse, say};
use crate::export::{Session, exports};
use crate::ffi::{Host, In, Out, Text};
use crate::table::{ContextId, FunctionId, ModuleId};
use cuda_emulator::lower::{self, Kernel};
use cuda_emulator::{Error, ErrorKind};
use std::collections::BTreeMap;
use std::ffi::CString;

/// A module in a context.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) context: ContextId,
    pub(crate) code: cuda_emulator::Module,
    /// Handles that were asked for, by name.
    functions: BTreeMap<String, FunctionId>,
}

/// A kernel of a module.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) context: ContextId,
    pub(crate) module: ModuleId,
    pub(crate) id: lower::FunctionId,
    pub(crate) name: String,
    /// The name as C wants it.
    c_name: CString,
    /// Bytes of dynamic shared memory that a launch may ask for.
    pub(crate) max_dynamic: u32,
    carveout: i32,
}

/// The begin of a CUBIN, of a fat binary and of its wrapper.
const BINARIES: [(&[u8], &str); 3] =
    [(b"\x7fELF", "a CUBIN"), (b"\x50\xed\x55\xba", "a fat binary"), (b"\xb1\x43\x62\x46", "a fat binary")];

/// Where a program wants to read what is wrong with its module.
#[derive(Debug, Default)]
struct Logs {
    error: Option<Log>,
    info: Option<Log>,
}

#[derive(Clone, Copy, Debug)]
struct Log {
    buffer: Host,
    room: usize,
    /// Where the number of bytes written goes.
    size: Out<u64>,
}

impl Logs {
    /// Finds them among the options of a load.
    fn of(count: u32, options: In<u32>, values: Out<u64>) -> Answer<Self> {
        let mut found = [0u64; 4];
        let mut sizes = [None; 4];
        for at in 0..count as usize {
            let option = options.at(at)?;
            if let Some(slot) = option.checked_sub(3).filter(|it| *it < 4) {
                let place = values.at(at);
                found[slot as usize] = place.get()?;
                sizes[slot as usize] = Some(place);
            }
        }
        let log = |at: usize| {
            let size = sizes[at + 1].filter(|_| found[at] != 0 && found[at + 1] != 0)?;
            Some(Log { buffer: Host::from_address(found[at]), room: found[at + 1] as u32 as usize, size })
        };
        Ok(Logs { info: log(0), error: log(2) })
    }
}

impl Log {
    fn write(self, text: &str) -> Answer {
        let bytes = text.bytes().take(self.room.saturating_sub(1)).chain([0]);
        self.size.put(text.len().min(self.room.saturating_sub(1)) as u64)?;
        self.buffer.write().put_all(self.room, bytes)
    }
}

/// Reads a text that may be no text: looks at no byte beyond a NUL.
fn text(image: Host) -> Answer<String> {
    let bytes = image.read::<u8>();
    for (begin, name) in BINARIES {
        let mut matches = true;
        for (at, byte) in begin.iter().enumerate() {
            matches = matches && bytes.at(at)? == *byte;
            if !matches {
                break;
            }
        }
        if matches {
            let line = format_args!("the module is {name}; only PTX text runs on the emulated device");
            return refuse(Code::NO_BINARY_FOR_GPU, line);
        }
    }
    image.text().string()
}

/// The code of a text that is no program for this device.
fn code(error: &Error) -> Code {
    match error.kind() {
        ErrorKind::UnsupportedVersion => Code::UNSUPPORTED_PTX_VERSION,
        ErrorKind::NoBinaryForDevice => Code::NO_BINARY_FOR_GPU,
        ErrorKind::OutOfMemory => Code::OUT_OF_MEMORY,
        _ => Code::INVALID_PTX,
    }
}

impl Driver {
    fn load(&mut self, context: ContextId, text: &str, logs: &Logs) -> Answer<ModuleId> {
        let loaded = cuda_emulator::Module::load(&self.memory, text, self.limits.architecture);
        let (log, code) = match loaded {
            Ok(code) => {
                logs.info.map_or(Ok(()), |log| log.write(""))?;
                logs.error.map_or(Ok(()), |log| log.write(""))?;
                return Ok(self.modules.add(Module { context, code, functions: BTreeMap::new() }));
            }
            Err(error) => (error.to_string(), code(&error)),
        };
        say(format_args!("the module is refused: {log}"));
        logs.error.map_or(Ok(()), |place| place.write(&log))?;
        Err(code)
    }

    /// The kernel of a function.
    pub(crate) fn kernel(&self, id: FunctionId) -> Answer<(&Function, &lower::Function, &Kernel)> {
        let function = self.functions.get(id)?;
        let program = &self.modules.get(function.module)?.code.program;
        let code = program.functions.get(function.id.0 as usize).ok_or(Code::INVALID_HANDLE)?;
        Ok((function, code, code.kernel.as_ref().ok_or(Code::INVALID_HANDLE)?))
    }

    /// Registers of a thread, as a guess: PTX has as many as it likes, and a compiler would need about half. It keeps them so few
    /// that the largest block fits.
    pub(crate) fn registers(&self, id: FunctionId) -> Answer<u32> {
        let most = crate::device::REGISTERS / self.max_threads(id)?.next_multiple_of(32).max(32);
        let registers = self.kernel(id)?.1.registers / 2;
        Ok(registers.next_multiple_of(8).clamp(16, most.clamp(16, 128)))
    }

    /// The most threads that a block of the kernel may have.
    pub(crate) fn max_threads(&self, id: FunctionId) -> Answer<u32> {
        let kernel = self.kernel(id)?.2;
        let required = kernel.required_threads.map(|it| it.into_iter().fold(1, u32::saturating_mul));
        Ok(required.or(kernel.max_threads).unwrap_or(u32::MAX).min(crate::device::MAX_THREADS))
    }

    fn function_attribute(&self, id: FunctionId, attribute: u32) -> Answer<i32> {
        let (function, code, kernel) = self.kernel(id)?;
        let program = &self.modules.get(function.module)?.code.program;
        let constants = || program.symbols.iter().filter(|it| it.constant).map(|it| it.bytes).sum::<u64>();
        Ok(match attribute {
            0 => self.max_threads(id)? as i32,
            1 => kernel.static_shared as i32,
            2 => i32::try_from(constants()).unwrap_or(i32::MAX),
            3 => code.frame_bytes as i32,
            4 => self.registers(id)? as i32,
            5 => program.architecture as i32,
            6 => self.limits.architecture as i32,
            8 => function.max_dynamic as i32,
            9 => function.carveout,
            // Caching as usual; clusters are not there; no updates from the device.
            7 | 10..=16 => 0,
            _ => return Err(Code::INVALID_VALUE),
        })
    }

    fn set_function_attribute(&mut self, id: FunctionId, attribute: u32, value: i32) -> Answer {
        let kernel = self.kernel(id)?.2;
        let most = self.limits.shared_per_block_optin.saturating_sub(kernel.static_shared);
        let function = self.functions.get_mut(id)?;
        match attribute {
            8 => {
                let value = u32::try_from(value).ok().filter(|it| *it <= most);
                function.max_dynamic = value.ok_or(Code::INVALID_VALUE)?;
            }
            9 if (-1..=100).contains(&value) => function.carveout = value,
            10..=15 if value == 0 => {}
            10..=15 => return refuse(Code::NOT_SUPPORTED, format_args!("launches in clusters are not emulated yet")),
            _ => return Err(Code::INVALID_VALUE),
        }
        Ok(())
    }
}

fn load(session: &mut Session, module: Out<ModuleId>, image: Host, logs: Logs) -> Answer {
    module.check()?;
    if image.is_null() {
        return Err(Code::INVALID_VALUE);
    }
    let text = text(image).inspect_err(|_| {
        let line = "only PTX text runs on the emulated device";
        let _ = logs.error.map_or(Ok(()), |log| log.write(line));
    })?;
    let context = session.context()?;
    module.put(session.load(context, &text, &logs)?)
}

fn load_file(session: &mut Session, module: Out<ModuleId>, path: Text) -> Answer {
    module.check()?;
    let path = path.string()?;
    let mut bytes =
        std::fs::read(&path).or_else(|error| refuse(Code::FILE_NOT_FOUND, format_args!("{path}: {error}")))?;
    bytes.push(0);
    load(session, module, Host(bytes.as_mut_ptr().cast()), Logs::default())
}

fn unload(session: &mut Session, module: ModuleId) -> Answer {
    let context = session.modules.get(module)?.context;
    // Kernels that still wait need it. What fails in them stays with the context.
    let _ = session.wait_context(context);
    let gone = session.modules.remove(module)?;
    session.functions.retain(|function| function.module != module);
    gone.code.unload(&session.memory);
    Ok(())
}

fn get_function(session: &mut Session, function: Out<FunctionId>, module: ModuleId, name: Text) -> Answer {
    function.check()?;
    let name = name.string()?;
    let row = session.modules.get(module)?;
    if let Some(id) = row.functions.get(&name) {
        return function.put(*id);
    }
    let id = row.code.kernel(&name).ok_or(Code::NOT_FOUND)?;
    function.put(add_function(session, module, id, name)?)
}

fn add_function(session: &mut Session, module: ModuleId, id: lower::FunctionId, name: String) -> Answer<FunctionId> {
    let row = session.modules.get(module)?;
    let context = row.context;
    let code = row.code.program.functions.get(id.0 as usize).ok_or(Code::NOT_FOUND)?;
    let fixed = code.kernel.as_ref().ok_or(Code::NOT_FOUND)?.static_shared;
    let max_dynamic = session.limits.shared_per_block.saturating_sub(fixed);
    let c_name = CString::new(name.as_str()).map_err(|_| Code::NOT_FOUND)?;
    let function = Function { context, module, id, name: name.clone(), c_name, max_dynamic, carveout: -1 };
    let handle = session.functions.add(function);
    session.modules.get_mut(module)?.functions.insert(name, handle);
    Ok(handle)
}

fn kernels(session: &Session, module: ModuleId) -> Answer<Vec<(lower::FunctionId, String)>> {
    let functions = &session.modules.get(module)?.code.program.functions;
    let kernels = functions.iter().enumerate().filter(|(_, it)| it.kernel.is_some());
    Ok(kernels.map(|(at, it)| (lower::FunctionId(at as u32), it.name.clone())).collect())
}

fn enumerate(session: &mut Session, functions: Out<FunctionId>, room: u32, module: ModuleId) -> Answer {
    let mut handles = Vec::new();
    for (id, name) in kernels(session, module)? {
        let known = session.modules.get(module)?.functions.get(&name).copied();
        handles.push(match known {
            Some(handle) => handle,
            None => add_function(session, module, id, name)?,
        });
    }
    functions.put_all(room as usize, handles)
}

fn get_global(session: &mut Session, address: Out<u64>, size: Out<usize>, module: ModuleId, name: Text) -> Answer {
    let name = name.string()?;
    let (begin, bytes) = session.modules.get(module)?.code.variable(&name).or(Err(Code::NOT_FOUND))?;
    address.put_if(begin);
    size.put_if(bytes as usize);
    Ok(())
}

fn parameter(session: &mut Session, function: FunctionId, at: usize, places: [Out<usize>; 2]) -> Answer {
    let parameters = &session.kernel(function)?.1.parameters;
    let parameter = *parameters.get(at).ok_or(Code::INVALID_VALUE)?;
    let [offset, size] = places;
    offset.put(parameter.offset as usize)?;
    size.put_if(parameter.bytes as usize);
    Ok(())
}

exports! {
    MODULE cuModuleLoad(module: Out<ModuleId>, path: Text) |it| load_file(it, module, path);
    MODULE cuModuleLoadData(module: Out<ModuleId>, image: Host) |it| load(it, module, image, Logs::default());
    MODULE cuModuleLoadDataEx(module: Out<ModuleId>, image: Host, count: u32, options: In<u32>, values: Out<u64>) |it| {
        load(it, module, image, Logs::of(count, options, values)?)
    };
    MODULE cuModuleLoadFatBinary(module: Out<ModuleId>, image: Host) |it| load(it, module, image, Logs::default());
    UNSAFE_TIDY cuModuleUnload(module: ModuleId) |it| unload(it, module);
    CONTEXT cuModuleGetFunction(function: Out<FunctionId>, module: ModuleId, name: Text) |it| {
        get_function(it, function, module, name)
    };
    CONTEXT cuModuleGetFunctionCount(count: Out<u32>, module: ModuleId) |it| {
        count.put(kernels(it, module)?.len() as u32)
    };
    CONTEXT cuModuleEnumerateFunctions(functions: Out<FunctionId>, room: u32, module: ModuleId) |it| {
        enumerate(it, functions, room, module)
    };
    CONTEXT cuModuleGetGlobal_v2(address: Out<u64>, size: Out<usize>, module: ModuleId, name: Text) |it| {
        get_global(it, address, size, module, name)
    };
    CONTEXT cuModuleGetLoadingMode(mode: Out<u32>) |_| mode.put(1);
    MODULE cuLibraryLoadData(
        library: Out<ModuleId>, image: Host, options: In<u32>, values: Out<u64>, count: u32, _library_options: Host,
        _library_values: Host, _library_count: u32,
    ) |it| {
        load(it, library, image, Logs::of(count, options, values)?)
    };
    MODULE cuLibraryLoadFromFile(
        library: Out<ModuleId>, path: Text, _options: In<u32>, _values: Out<u64>, _count: u32, _library_options: Host,
        _library_values: Host, _library_count: u32,
    ) |it| {
        load_file(it, library, path)
    };
    UNSAFE_TIDY cuLibraryUnload(library: ModuleId) |it| unload(it, library);
    CONTEXT cuLibraryGetKernel(kernel: Out<FunctionId>, library: ModuleId, name: Text) |it| {
        get_function(it, kernel, library, name)
    };
    CONTEXT cuLibraryGetKernelCount(count: Out<u32>, library: ModuleId) |it| {
        count.put(kernels(it, library)?.len() as u32)
    };
    CONTEXT cuLibraryEnumerateKernels(list: Out<FunctionId>, room: u32, library: ModuleId) |it| {
        enumerate(it, list, room, library)
    };
    CONTEXT cuLibraryGetModule(module: Out<ModuleId>, library: ModuleId) |it| {
        it.modules.get(library)?;
        module.put(library)
    };
    CONTEXT cuLibraryGetGlobal(address: Out<u64>, size: Out<usize>, library: ModuleId, name: Text) |it| {
        get_global(it, address, size, library, name)
    };
    CONTEXT cuKernelGetFunction(function: Out<FunctionId>, kernel: FunctionId) |it| {
        it.functions.get(kernel)?;
        function.put(kernel)
    };
    CONTEXT cuKernelGetLibrary(library: Out<ModuleId>, kernel: FunctionId) |it| {
        library.put(it.functions.get(kernel)?.module)
    };
    CONTEXT cuKernelGetAttribute(value: Out<i32>, attribute: u32, kernel: FunctionId, device: i32) |it| {
        it.check_device(device)?;
        value.put(it.function_attribute(kernel, attribute)?)
    };
    CONTEXT cuKernelSetAttribute(attribute: u32, value: i32, kernel: FunctionId, device: i32) |it| {
        it.check_device(device)?;
        it.set_function_attribute(kernel, attribute, value)
    };
    CONTEXT cuKernelGetName(name: Out<*const i8>, kernel: FunctionId) |it| {
        name.put(it.functions.get(kernel)?.c_name.as_ptr().cast())
    };
    CONTEXT cuKernelGetParamInfo(kernel: FunctionId, at: usize, offset: Out<usize>, size: Out<usize>) |it| {
        parameter(it, kernel, at, [offset, size])
    };
    CONTEXT cuFuncGetAttribute(value: Out<i32>, attribute: u32, function: FunctionId) |it| {
        value.put(it.function_attribute(function, attribute)?)
    };
    CONTEXT cuFuncSetAttribute(function: FunctionId, attribute: u32, value: i32) |it| {
        it.set_function_attribute(function, attribute, value)
    };
    CONTEXT cuKernelSetCacheConfig(kernel: FunctionId, config: u32, device: i32) |it| {
        it.check_device(device)?;
        it.functions.get(kernel)?;
        if config > 3 { Err(Code::INVALID_VALUE) } else { Ok(()) }
    };
    CONTEXT cuFuncSetCacheConfig(function: FunctionId, config: u32) |it| {
        it.functions.get(function)?;
        if config > 3 { Err(Code::INVALID_VALUE) } else { Ok(()) }
    };
    CONTEXT cuFuncSetSharedMemConfig(function: FunctionId, config: u32) |it| {
        it.functions.get(function)?;
        if config > 2 { Err(Code::INVALID_VALUE) } else { Ok(()) }
    };
    CONTEXT cuFuncGetModule(module: Out<ModuleId>, function: FunctionId) |it| {
        module.put(it.functions.get(function)?.module)
    };
    CONTEXT cuFuncGetName(name: Out<*const i8>, function: FunctionId) |it| {
        name.put(it.functions.get(function)?.c_name.as_ptr().cast())
    };
    CONTEXT cuFuncGetParamInfo(function: FunctionId, at: usize, offset: Out<usize>, size: Out<usize>) |it| {
        parameter(it, function, at, [offset, size])
    };
    CONTEXT cuFuncIsLoaded(state: Out<u32>, function: FunctionId) |it| {
        it.functions.get(function)?;
        state.put(1)
    };
    CONTEXT cuFuncLoad(function: FunctionId) |it| it.functions.get(function).map(drop);
}
