//! The device: what it says of itself, by compute capability.

use crate::code::{Answer, Code};
use crate::driver::Driver;
use crate::export::{Session, exports};
use crate::ffi::{DeviceProps, Host, Out, Text};

/// What real devices of a compute capability report, beyond [`DeviceLimits`](cuda_emulator::machine::DeviceLimits).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    /// kHz.
    clock: i32,
    memory_clock: i32,
    /// Bits.
    bus: i32,
    l2: i32,
    pub(crate) threads_per_multiprocessor: u32,
    pub(crate) blocks_per_multiprocessor: u32,
    pub(crate) shared_per_multiprocessor: u32,
    /// Bytes of shared memory that each block takes for the system.
    pub(crate) reserved_shared: u32,
    /// Single- to double-precision speed.
    ratio: i32,
}

/// Of a T4, an A100 and an H100.
const MODELS: [(u32, Model); 3] = [
    (
        75,
        Model {
            clock: 1_590_000,
            memory_clock: 5_001_000,
            bus: 256,
            l2: 4 << 20,
            threads_per_multiprocessor: 1024,
            blocks_per_multiprocessor: 16,
            shared_per_multiprocessor: 64 << 10,
            reserved_shared: 0,
            ratio: 32,
        },
    ),
    (
        80,
        Model {
            clock: 1_410_000,
            memory_clock: 1_215_000,
            bus: 5120,
            l2: 40 << 20,
            threads_per_multiprocessor: 2048,
            blocks_per_multiprocessor: 32,
            shared_per_multiprocessor: 164 << 10,
            reserved_shared: 1 << 10,
            ratio: 2,
        },
    ),
    (
        90,
        Model {
            clock: 1_980_000,
            memory_clock: 2_619_000,
            bus: 5120,
            l2: 50 << 20,
            threads_per_multiprocessor: 2048,
            blocks_per_multiprocessor: 32,
            shared_per_multiprocessor: 228 << 10,
            reserved_shared: 1 << 10,
            ratio: 2,
        },
    ),
];

/// Threads of a block, and its sides.
pub(crate) const MAX_THREADS: u32 = 1024;
pub(crate) const MAX_BLOCK: [u32; 3] = [1024, 1024, 64];
/// Blocks of a grid.
pub(crate) const MAX_GRID: [u32; 3] = [i32::MAX as u32, 65_535, 65_535];
/// Registers of a multiprocessor, all of which one block may have.
pub(crate) const REGISTERS: u32 = 65_536;

/// The version that the emulated driver is of: 13.0.
const VERSION: i32 = 13_000;

impl Driver {
    /// What the device's model reports.
    pub(crate) fn model(&self) -> Model {
        let [first, ..] = MODELS;
        MODELS.iter().rev().find(|row| row.0 <= self.limits.architecture).unwrap_or(&first).1
    }

    /// There is one device, number 0.
    pub(crate) fn check_device(&self, device: i32) -> Answer {
        if device == 0 { Ok(()) } else { Err(Code::INVALID_DEVICE) }
    }

    /// The value of a device attribute.
    fn attribute(&self, attribute: u32) -> Answer<i32> {
        let (limits, model) = (&self.limits, self.model());
        let hopper = i32::from(limits.architecture >= 90);
        Ok(match attribute {
            1 => MAX_THREADS as i32,
            2..=4 => MAX_BLOCK[attribute as usize - 2] as i32,
            5..=7 => MAX_GRID[attribute as usize - 5] as i32,
            8 => limits.shared_per_block as i32,
            // Constant memory, warp size, the largest pitch.
            9 => 64 << 10,
            10 => 32,
            11 => i32::MAX,
            12 | 82 => REGISTERS as i32,
            13 => model.clock,
            // Alignments: of textures, surfaces, rows of textures.
            14 | 30 => 512,
            51 => 32,
            16 => limits.multiprocessors as i32,
            // Copies beside kernels, mapped host memory, kernels side by side, unified addresses, TCC.
            15 | 19 | 31 | 35 | 41 => 1,
            // No time limit, not integrated, default compute mode, no ECC, place on the bus.
            17 | 18 | 20 | 32 | 33 | 34 | 50 => 0,
            // Textures are not there.
            21..=29 | 42..=49 | 52..=74 | 77 => 0,
            36 => model.memory_clock,
            37 => model.bus,
            38 => model.l2,
            39 => model.threads_per_multiprocessor as i32,
            40 => 2,
            75 => (limits.architecture / 10) as i32,
            76 => (limits.architecture % 10) as i32,
            // Stream priorities, L1 caches, preemption.
            78 | 79 | 80 | 90 => 1,
            81 => model.shared_per_multiprocessor as i32,
            87 => model.ratio,
            // Registered memory has no address that kernels reach.
            91 => 0,
            // Cooperative launches.
            95 => 1,
            97 => limits.shared_per_block_optin as i32,
            // Host memory can be registered, memory comes in pools.
            99 | 115 => 1,
            106 => model.blocks_per_multiprocessor as i32,
            111 => model.reserved_shared as i32,
            // Launches in clusters and tensor maps are not there yet, even where the hardware has them.
            120 | 127 => 0,
            126 => 1 + 3 * hopper,
            // What else there is on some devices is not here: managed memory, peers, stream memory operations, ...
            83..=86 | 88 | 89 | 92..=94 | 96 | 98 | 100..=105 | 107..=110 | 112..=114 | 116..=119 => 0,
            121..=125 | 128..=161 => 0,
            _ => return Err(Code::INVALID_VALUE),
        })
    }
}

fn name(session: &mut Session, name: Out<u8>, room: i32, device: i32) -> Answer {
    session.check_device(device)?;
    let room = usize::try_from(room).ok().filter(|it| *it > 0).ok_or(Code::INVALID_VALUE)?;
    let architecture = session.limits.architecture;
    let text = format!("CUDA emulator, compute capability {}.{}", architecture / 10, architecture % 10);
    name.put_all(room, text.bytes().take(room - 1).chain([0]))
}

fn uuid(session: &mut Session, uuid: Out<[u8; 16]>, device: i32) -> Answer {
    session.check_device(device)?;
    let mut bytes = *b"cuda-emulator-00";
    let digits = session.limits.architecture.to_string();
    bytes[14..].iter_mut().zip(digits.bytes()).for_each(|(to, from)| *to = from);
    uuid.put(bytes)
}

fn properties(session: &mut Session, properties: Out<DeviceProps>, device: i32) -> Answer {
    session.check_device(device)?;
    let attribute = |number| session.attribute(number);
    properties.put(DeviceProps {
        threads: attribute(1)?,
        block: [attribute(2)?, attribute(3)?, attribute(4)?],
        grid: [attribute(5)?, attribute(6)?, attribute(7)?],
        shared: attribute(8)?,
        constant: attribute(9)?,
        lanes: attribute(10)?,
        pitch: attribute(11)?,
        registers: attribute(12)?,
        clock: attribute(13)?,
        texture_align: attribute(14)?,
    })
}

const BUS_ID: &str = "0000:00:00.0";

fn bus_id(session: &mut Session, text: Out<u8>, room: i32, device: i32) -> Answer {
    session.check_device(device)?;
    let room = usize::try_from(room).ok().filter(|it| *it > BUS_ID.len()).ok_or(Code::INVALID_VALUE)?;
    text.put_all(room, BUS_ID.bytes().chain([0]))
}

exports! {
    FREE cuInit(flags: u32) |it| it.initialise(flags);
    FREE cuDriverGetVersion(version: Out<i32>) |_| version.put(VERSION);
    INIT cuDeviceGetCount(count: Out<i32>) |_| count.put(1);
    INIT cuDeviceGet(device: Out<i32>, ordinal: i32) |it| {
        it.check_device(ordinal)?;
        device.put(0)
    };
    INIT cuDeviceGetAttribute(value: Out<i32>, attribute: u32, device: i32) |it| {
        it.check_device(device)?;
        value.put(it.attribute(attribute)?)
    };
    INIT cuDeviceGetName(text: Out<u8>, room: i32, device: i32) |it| name(it, text, room, device);
    INIT cuDeviceGetUuid(bytes: Out<[u8; 16]>, device: i32) |it| uuid(it, bytes, device);
    INIT cuDeviceGetUuid_v2(bytes: Out<[u8; 16]>, device: i32) |it| uuid(it, bytes, device);
    INIT cuDeviceGetLuid(_luid: Host, _mask: Host, _device: i32) |_| Err(Code::NOT_SUPPORTED);
    INIT cuDeviceTotalMem_v2(bytes: Out<usize>, device: i32) |it| {
        it.check_device(device)?;
        bytes.put(it.memory.limit() as usize)
    };
    INIT cuDeviceComputeCapability(major: Out<i32>, minor: Out<i32>, device: i32) |it| {
        it.check_device(device)?;
        major.put(it.attribute(75)?)?;
        minor.put(it.attribute(76)?)
    };
    INIT cuDeviceGetProperties(values: Out<DeviceProps>, device: i32) |it| properties(it, values, device);
    INIT cuDeviceGetPCIBusId(text: Out<u8>, room: i32, device: i32) |it| bus_id(it, text, room, device);
    INIT cuDeviceGetByPCIBusId(device: Out<i32>, text: Text) |_| {
        if text.string()? != BUS_ID {
            return Err(Code::INVALID_DEVICE);
        }
        device.put(0)
    };
    INIT cuDeviceCanAccessPeer(can: Out<i32>, device: i32, peer: i32) |it| {
        it.check_device(device)?;
        it.check_device(peer)?;
        can.put(0)
    };
    INIT cuDeviceGetP2PAttribute(_value: Out<i32>, _attribute: u32, device: i32, peer: i32) |it| {
        it.check_device(device)?;
        it.check_device(peer)?;
        // A device is no peer of itself.
        Err(Code::INVALID_DEVICE)
    };
    INIT cuDeviceGetExecAffinitySupport(value: Out<i32>, _kind: u32, device: i32) |it| {
        it.check_device(device)?;
        value.put(0)
    };
    INIT cuDeviceGraphMemTrim(device: i32) |it| it.check_device(device);
    INIT cuDeviceGetGraphMemAttribute(device: i32, attribute: u32, value: Host) |it| {
        it.check_device(device)?;
        // Graphs do not allocate here.
        if attribute > 3 { Err(Code::INVALID_VALUE) } else { value.write().put(0u64) }
    };
}
