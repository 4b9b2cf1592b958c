//! Functions about the interface itself.

use crate::code::{Answer, Code};
use crate::driver::refuse;
use crate::export::{Entry, exports};
use crate::ffi::{Host, Out, Text};

/// All tables.
const TABLES: [&[(&str, Entry)]; 15] = [
    crate::device::EXPORTS,
    crate::context::EXPORTS,
    crate::memory::EXPORTS,
    crate::pool::EXPORTS,
    crate::copy::EXPORTS,
    crate::stream::EXPORTS,
    crate::event::EXPORTS,
    crate::capture::EXPORTS,
    crate::module::EXPORTS,
    crate::launch::EXPORTS,
    crate::graph::EXPORTS,
    crate::exec::EXPORTS,
    crate::node::EXPORTS,
    crate::absent::EXPORTS,
    EXPORTS,
];

/// Versions of CUDA from which on a plain name means a later version of a function than its `_v2` or plain one.
const SINCE: [(&str, i32); 14] = [
    ("cuCtxCreate_v3", 11_040),
    ("cuCtxCreate_v4", 13_000),
    ("cuDeviceGetUuid_v2", 13_000),
    ("cuEventElapsedTime_v2", 13_000),
    ("cuGraphAddKernelNode_v2", 12_000),
    ("cuGraphExecKernelNodeSetParams_v2", 12_000),
    ("cuGraphExecUpdate_v2", 12_000),
    ("cuGraphKernelNodeGetParams_v2", 12_000),
    ("cuGraphKernelNodeSetParams_v2", 12_000),
    ("cuMemAdvise_v2", 13_000),
    ("cuMemPrefetchAsync_v2", 13_000),
    ("cuStreamGetCaptureInfo_v2", 11_030),
    ("cuStreamGetCaptureInfo_v3", 13_000),
    ("cuGetProcAddress_v2", 12_000),
];

/// The exported function that a name means in a version of CUDA.
fn find(name: &str, version: i32) -> Option<Entry> {
    let rows = || TABLES.iter().flat_map(|table| table.iter());
    let of = |name: &str| rows().find(|row| row.0 == name).map(|row| row.1);
    let since = |name: &str| SINCE.iter().find(|row| row.0 == name).map_or(0, |row| row.1);
    let later = ["_v4", "_v3", "_v2", ""].into_iter().map(|suffix| format!("{name}{suffix}"));
    later.filter(|name| since(name) <= version).find_map(|name| of(&name))
}

/// Found; no such function.
const FOUND: u32 = 0;
const MISSING: u32 = 1;

/// Default streams are meant to be each thread's own.
const PER_THREAD: u64 = 2;

fn address(name: Text, out: Out<*const ()>, version: i32, flags: u64, status: Out<u32>) -> Answer {
    out.check()?;
    let name = name.string()?;
    if flags & PER_THREAD != 0 {
        let line = format_args!("cuGetProcAddress: functions with per-thread default streams are not there");
        return refuse(Code::NOT_SUPPORTED, line);
    }
    let found = find(&name, version);
    status.put_if(if found.is_some() { FOUND } else { MISSING });
    out.put(found.map_or(std::ptr::null(), |it| it.0))?;
    // With a status to look at, a missing function is no error.
    if found.is_some() || !status.is_null() { Ok(()) } else { Err(Code::NOT_FOUND) }
}

fn text(code: u32, out: Out<*const i8>, what: fn(Code) -> Option<&'static std::ffi::CStr>) -> Answer {
    let text = what(Code(code));
    out.put(text.map_or(std::ptr::null(), |it| it.as_ptr().cast()))?;
    text.map(drop).ok_or(Code::INVALID_VALUE)
}

exports! {
    FREE cuGetErrorName(code: u32, out: Out<*const i8>) |_| text(code, out, Code::name);
    FREE cuGetErrorString(code: u32, out: Out<*const i8>) |_| text(code, out, Code::text);
    FREE cuGetProcAddress(name: Text, out: Out<*const ()>, version: i32, flags: u64) |_| {
        address(name, out, version, flags, Out::null())
    };
    FREE cuGetProcAddress_v2(name: Text, out: Out<*const ()>, version: i32, flags: u64, status: Out<u32>) |_| {
        address(name, out, version, flags, status)
    };
    // Tools ask for tables that no documentation names, and go on without.
    FREE cuGetExportTable(_table: Host, _id: Host) |_| Err(Code::NOT_SUPPORTED);
    CONTEXT cuProfilerStart() |_| Ok(());
    CONTEXT cuProfilerStop() |_| Ok(());
    CONTEXT cuProfilerInitialize(_config: Text, _output: Text, _mode: u32) |_| Err(Code::PROFILER_DISABLED);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_mean_the_version_that_was_asked_for() {
        let same = |name: &str, version, exact: &str| {
            let of = |name, version| find(name, version).unwrap().0;
            assert_eq!(of(name, version), of(exact, i32::MAX), "{name} {version}");
        };
        same("cuMemAlloc", 12_000, "cuMemAlloc_v2");
        same("cuCtxCreate", 11_000, "cuCtxCreate_v2");
        same("cuCtxCreate", 12_000, "cuCtxCreate_v3");
        same("cuCtxCreate", 13_000, "cuCtxCreate_v4");
        same("cuLaunchKernel", 12_000, "cuLaunchKernel");
        assert!(find("cuNothing", 12_000).is_none());
    }

    /// Any exported function: in C's calling conventions, arguments that a function has not are left alone.
    type Call = unsafe extern "C" fn(u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64) -> u32;

    fn call(entry: Entry, first: u64) -> Code {
        // SAFETY: all exported functions are of the C convention, take numbers and pointers, and answer with a code.
        let function = unsafe { std::mem::transmute::<*const (), Call>(entry.0) };
        // SAFETY: the first argument is zero or a place for an answer; null pointers and unknown handles are refused.
        Code(unsafe { function(first, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) })
    }

    #[test]
    fn null_pointers_and_handles_are_refused_by_all() {
        let named = |name| find(name, i32::MAX).unwrap();
        assert_eq!(call(named("cuInit"), 0), Code::SUCCESS);
        for (name, entry) in TABLES.iter().flat_map(|table| table.iter()) {
            let mut context = 0u64;
            assert_eq!(call(named("cuDevicePrimaryCtxRetain"), &raw mut context as u64), Code::SUCCESS);
            assert_eq!(call(named("cuCtxSetCurrent"), context), Code::SUCCESS);
            let code = call(*entry, 0);
            assert!(code.name().is_some() && code != Code::UNKNOWN, "{name}: {code:?}");
        }
    }

    #[test]
    fn each_name_is_exported_once() {
        let mut names: Vec<_> = TABLES.iter().flat_map(|table| table.iter()).map(|row| row.0).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
