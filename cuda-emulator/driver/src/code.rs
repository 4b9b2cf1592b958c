//! The driver's result codes with their names and what they say.

use std::ffi::CStr;

/// What a call of the C interface returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Code(pub(crate) u32);

/// What a call does, or the code of why not.
pub(crate) type Answer<T = ()> = Result<T, Code>;

macro_rules! codes {
    ($($name:ident = $number:literal $text:literal;)*) => {
        #[allow(dead_code, reason = "the table is whole, the emulator needs a part of it")]
        impl Code {
            pub(crate) const SUCCESS: Code = Code(0);
            $(pub(crate) const $name: Code = Code($number);)*
        }

        /// Number, name and text of each code.
        const CODES: &[(u32, &CStr, &CStr)] = &[
            (0, c"CUDA_SUCCESS", c"no error"),
            $(($number, c_text(concat!("CUDA_ERROR_", stringify!($name), "\0")), c_text(concat!($text, "\0"))),)*
        ];
    };
}

/// A literal that ends in NUL as a C string; evaluated by the compiler.
const fn c_text(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => c"",
    }
}

codes! {
    INVALID_VALUE = 1 "invalid argument";
    OUT_OF_MEMORY = 2 "out of memory";
    NOT_INITIALIZED = 3 "cuInit has not been called";
    DEINITIALIZED = 4 "the driver is shutting down";
    PROFILER_DISABLED = 5 "the profiler is disabled";
    PROFILER_NOT_INITIALIZED = 6 "the profiler has not been initialised";
    PROFILER_ALREADY_STARTED = 7 "the profiler has been started already";
    PROFILER_ALREADY_STOPPED = 8 "the profiler has been stopped already";
    STUB_LIBRARY = 34 "this library is only a stub";
    CALL_REQUIRES_NEWER_DRIVER = 36 "the call needs a newer driver";
    DEVICE_UNAVAILABLE = 46 "the device is busy or gone";
    NO_DEVICE = 100 "no CUDA device was found";
    INVALID_DEVICE = 101 "no device has this number";
    DEVICE_NOT_LICENSED = 102 "the device is not licensed";
    INVALID_IMAGE = 200 "the image of the module is invalid";
    INVALID_CONTEXT = 201 "no valid context is current";
    CONTEXT_ALREADY_CURRENT = 202 "the context is current already";
    MAP_FAILED = 205 "mapping failed";
    UNMAP_FAILED = 206 "unmapping failed";
    ARRAY_IS_MAPPED = 207 "the array is mapped";
    ALREADY_MAPPED = 208 "the resource is mapped already";
    NO_BINARY_FOR_GPU = 209 "the module holds no code for this device";
    ALREADY_ACQUIRED = 210 "the resource has been acquired already";
    NOT_MAPPED = 211 "the resource is not mapped";
    NOT_MAPPED_AS_ARRAY = 212 "the resource is not mapped as an array";
    NOT_MAPPED_AS_POINTER = 213 "the resource is not mapped as a pointer";
    ECC_UNCORRECTABLE = 214 "a memory error that ECC cannot correct";
    UNSUPPORTED_LIMIT = 215 "the device has no such limit";
    CONTEXT_ALREADY_IN_USE = 216 "another thread uses the context";
    PEER_ACCESS_UNSUPPORTED = 217 "the devices cannot reach each other's memory";
    INVALID_PTX = 218 "the PTX text is invalid";
    INVALID_GRAPHICS_CONTEXT = 219 "the graphics context is invalid";
    NVLINK_UNCORRECTABLE = 220 "an NVLink error that cannot be corrected";
    JIT_COMPILER_NOT_FOUND = 221 "the PTX compiler library was not found";
    UNSUPPORTED_PTX_VERSION = 222 "the PTX version is newer than this driver";
    JIT_COMPILATION_DISABLED = 223 "compiling PTX is disabled";
    UNSUPPORTED_EXEC_AFFINITY = 224 "the device does not support this execution affinity";
    UNSUPPORTED_DEVSIDE_SYNC = 225 "the code synchronises on the device in an unsupported way";
    CONTAINED = 226 "an error was contained";
    INVALID_SOURCE = 300 "the source is invalid";
    FILE_NOT_FOUND = 301 "the file was not found";
    SHARED_OBJECT_SYMBOL_NOT_FOUND = 302 "a shared object lacks a symbol";
    SHARED_OBJECT_INIT_FAILED = 303 "a shared object could not be initialised";
    OPERATING_SYSTEM = 304 "a call of the operating system failed";
    INVALID_HANDLE = 400 "invalid handle";
    ILLEGAL_STATE = 401 "a resource is not in the state that the call needs";
    LOSSY_QUERY = 402 "the query would lose information";
    NOT_FOUND = 500 "the named symbol was not found";
    NOT_READY = 600 "work is not finished yet";
    ILLEGAL_ADDRESS = 700 "a kernel or copy accessed an illegal address";
    LAUNCH_OUT_OF_RESOURCES = 701 "the launch asks for more resources than there are";
    LAUNCH_TIMEOUT = 702 "the launch took too long and was stopped";
    LAUNCH_INCOMPATIBLE_TEXTURING = 703 "the launch uses an incompatible texturing mode";
    PEER_ACCESS_ALREADY_ENABLED = 704 "access to the peer is enabled already";
    PEER_ACCESS_NOT_ENABLED = 705 "access to the peer is not enabled";
    PRIMARY_CONTEXT_ACTIVE = 708 "the primary context is active";
    CONTEXT_IS_DESTROYED = 709 "the context has been destroyed";
    ASSERT = 710 "an assertion failed on the device";
    TOO_MANY_PEERS = 711 "too many peers";
    HOST_MEMORY_ALREADY_REGISTERED = 712 "the host memory is registered already";
    HOST_MEMORY_NOT_REGISTERED = 713 "the host memory is not registered";
    HARDWARE_STACK_ERROR = 714 "a stack error on the device";
    ILLEGAL_INSTRUCTION = 715 "an illegal instruction on the device";
    MISALIGNED_ADDRESS = 716 "a misaligned address on the device";
    INVALID_ADDRESS_SPACE = 717 "an instruction met an address of another space";
    INVALID_PC = 718 "an invalid program counter on the device";
    LAUNCH_FAILED = 719 "the launch failed";
    COOPERATIVE_LAUNCH_TOO_LARGE = 720 "more blocks than can be resident in a cooperative launch";
    TENSOR_MEMORY_LEAK = 721 "a block ended without freeing its tensor memory";
    NOT_PERMITTED = 800 "the operation is not permitted here";
    NOT_SUPPORTED = 801 "the operation is not supported";
    SYSTEM_NOT_READY = 802 "the system is not ready";
    SYSTEM_DRIVER_MISMATCH = 803 "display driver and CUDA driver do not match";
    COMPAT_NOT_SUPPORTED_ON_DEVICE = 804 "forward compatibility is not supported on this device";
    MPS_CONNECTION_FAILED = 805 "the MPS server cannot be reached";
    MPS_RPC_FAILURE = 806 "a call of the MPS server failed";
    MPS_SERVER_NOT_READY = 807 "the MPS server is not ready";
    MPS_MAX_CLIENTS_REACHED = 808 "the MPS server has too many clients";
    MPS_MAX_CONNECTIONS_REACHED = 809 "the MPS server has too many connections";
    MPS_CLIENT_TERMINATED = 810 "the MPS server ended this client";
    CDP_NOT_SUPPORTED = 811 "launches from the device are not supported";
    CDP_VERSION_MISMATCH = 812 "versions of launches from the device differ";
    STREAM_CAPTURE_UNSUPPORTED = 900 "not permitted while a stream is capturing";
    STREAM_CAPTURE_INVALIDATED = 901 "the capture was invalidated by an earlier error";
    STREAM_CAPTURE_MERGE = 902 "the operation would merge two captures";
    STREAM_CAPTURE_UNMATCHED = 903 "the capture was begun in another stream";
    STREAM_CAPTURE_UNJOINED = 904 "the capture forked to a stream that has not joined again";
    STREAM_CAPTURE_ISOLATION = 905 "a dependency would cross the border of the capture";
    STREAM_CAPTURE_IMPLICIT = 906 "the legacy stream would depend on a capture";
    CAPTURED_EVENT = 907 "the event was last recorded in a capturing stream";
    STREAM_CAPTURE_WRONG_THREAD = 908 "the capture was begun by another thread";
    TIMEOUT = 909 "a wait took too long";
    GRAPH_EXEC_UPDATE_FAILURE = 910 "the executable graph cannot take this update";
    EXTERNAL_DEVICE = 911 "an error in a device outside";
    INVALID_CLUSTER_SIZE = 912 "the cluster size is invalid";
    FUNCTION_NOT_LOADED = 913 "the function is not loaded";
    INVALID_RESOURCE_TYPE = 914 "the resource's type is invalid";
    INVALID_RESOURCE_CONFIGURATION = 915 "the resource's configuration is invalid";
    KEY_ROTATION = 916 "a key is being rotated";
    STREAM_DETACHED = 917 "the stream is detached";
    GRAPH_RECAPTURE_FAILURE = 918 "the graph cannot be captured again";
    UNKNOWN = 999 "an error inside of the emulator";
}

impl Code {
    fn row(self) -> Option<&'static (u32, &'static CStr, &'static CStr)> {
        CODES.iter().find(|row| row.0 == self.0)
    }

    /// `CUDA_ERROR_INVALID_VALUE`, or nothing for a number that is no code.
    pub(crate) fn name(self) -> Option<&'static CStr> {
        self.row().map(|row| row.1)
    }

    /// What the code says.
    pub(crate) fn text(self) -> Option<&'static CStr> {
        self.row().map(|row| row.2)
    }
}

impl From<Answer> for Code {
    fn from(answer: Answer) -> Self {
        answer.err().unwrap_or(Code::SUCCESS)
    }
}
