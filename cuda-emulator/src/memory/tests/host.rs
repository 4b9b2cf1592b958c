//! What the host does with memory.

use crate::Finding;
use crate::memory::{FreeError, Memory};

#[test]
fn addresses_are_aligned_and_never_used_twice() {
    let memory = Memory::new(1 << 20);
    let a = memory.allocate(100).unwrap();
    let b = memory.allocate(256).unwrap();
    assert!(a.is_multiple_of(256) && b.is_multiple_of(256) && b >= a + 100 + 256, "{a:#x} {b:#x}");
    let freed = memory.free(a).unwrap();
    assert_eq!((freed.address, freed.bytes, freed.host), (a, 100, false));
    let c = memory.allocate(100).unwrap();
    assert!(c > b);
    assert_eq!((memory.used(), memory.peak(), memory.live()), (356, 356, 2));
    assert_eq!(memory.find(c + 99).unwrap().address, c);
    assert_eq!(memory.find(c + 100), None);
    assert_eq!(memory.find(a), None);
}

#[test]
fn the_limit_counts_live_bytes() {
    let memory = Memory::new(1000);
    let a = memory.allocate(900).unwrap();
    let error = memory.allocate(101).unwrap_err();
    assert_eq!((error.asked, error.free), (101, 100));
    assert!(memory.allocate(u64::MAX).is_err());
    memory.free(a).unwrap();
    memory.allocate(1000).unwrap();
    assert!(memory.allocate_host(1001).is_err());
    assert!(memory.allocate_host(1000).is_ok());
}

#[test]
fn wrong_frees_are_told_apart() {
    let memory = Memory::new(1 << 20);
    let a = memory.allocate(100).unwrap();
    assert!(matches!(memory.free(a + 4), Err(FreeError::Inside(it)) if it.address == a));
    memory.free(a).unwrap();
    assert!(matches!(memory.free(a), Err(FreeError::AlreadyFreed(it)) if it.bytes == 100));
    assert!(matches!(memory.free(a + 4), Err(FreeError::AlreadyFreed(_))));
    assert_eq!(memory.free(a + 100), Err(FreeError::Unknown));
    assert_eq!(memory.free(0), Err(FreeError::Unknown));
}

#[test]
fn bytes_go_in_and_out_at_any_offset() {
    let memory = Memory::new(1 << 20);
    let a = memory.allocate(40_000).unwrap();
    // Across the border of two stretches, from odd to odd.
    let data: Vec<u8> = (0..20_001u32).map(|i| (i * 7) as u8).collect();
    memory.write(a + 3, &data).unwrap();
    let mut back = vec![0; 20_001];
    assert_eq!(memory.read(a + 3, &mut back), Ok(0));
    assert_eq!(back, data);
    let mut more = vec![0; 20_010];
    assert_eq!(memory.read(a, &mut more), Ok(9), "three bytes in front and six behind");
    assert_eq!(more[3..20_004], data);

    let b = memory.allocate(40_000).unwrap();
    memory.copy(b + 2, a, 20_010).unwrap();
    assert_eq!(memory.read(b + 2, &mut more), Ok(9), "bytes that nobody wrote stay so");
    assert_eq!(more[3..20_004], data);
}

#[test]
fn patterns_are_written_in_their_width() {
    let memory = Memory::new(1 << 20);
    let a = memory.allocate(64).unwrap();
    memory.fill(a, 0x0403_0201, 4, 4).unwrap();
    memory.fill(a + 16, 0x0201, 2, 3).unwrap();
    memory.fill(a + 22, 0xFF, 1, 5).unwrap();
    let mut back = [0; 27];
    assert_eq!(memory.read(a, &mut back), Ok(0));
    assert_eq!(back[12..], [1, 2, 3, 4, 1, 2, 1, 2, 1, 2, 255, 255, 255, 255, 255]);
    assert!(memory.fill(a, 0, 4, 17).is_err());
    assert!(memory.fill(a, 0, 4, u64::MAX).is_err());
}

#[test]
fn ranges_must_lie_in_one_live_allocation() {
    let memory = Memory::new(1 << 20);
    let wrong = memory.read(4096, &mut [0]).unwrap_err();
    assert_eq!((wrong.finding, wrong.note.as_str()), (Finding::OutOfBounds, "there are no allocations"));
    let a = memory.allocate(100).unwrap();
    let b = memory.allocate(100).unwrap();
    let note = |address: u64, bytes: usize| memory.write(address, &vec![0; bytes]).unwrap_err().note;
    assert_eq!(note(a + 90, 20), format!("10 bytes past the end of the allocation of 100 bytes at {a:#x}"));
    assert_eq!(note(a + 104, 4), format!("4 bytes behind the end of the allocation of 100 bytes at {a:#x}"));
    assert_eq!(note(b - 4, 8), format!("4 bytes in front of the allocation of 100 bytes at {b:#x}"));
    memory.free(b).unwrap();
    let freed = memory.write(b + 8, &[0; 4]).unwrap_err();
    assert_eq!(freed.finding, Finding::UseAfterFree);
    assert_eq!(freed.note, format!("byte 8 of the allocation of 100 bytes at {b:#x}, which was freed"));
}

#[test]
fn page_locked_memory_counts_as_written() {
    let memory = Memory::new(1 << 20);
    let host = memory.allocate_host(5000).unwrap();
    assert_eq!(host % 256, 0);
    assert!(memory.find(host + 4999).unwrap().host);
    let mut back = vec![1; 5000];
    assert_eq!(memory.read(host, &mut back), Ok(0));
    assert!(back.iter().all(|&byte| byte == 0));
    let device = memory.allocate(5000).unwrap();
    memory.write(host + 1, &[7; 4999]).unwrap();
    memory.copy(device, host, 5000).unwrap();
    assert_eq!(memory.read(device, &mut back), Ok(0));
    assert_eq!((back[0], back[1], back[4999]), (0, 7, 7));
    assert_eq!(memory.used(), 5000);
    memory.free(host).unwrap();
    assert_eq!(memory.read(host, &mut back).unwrap_err().finding, Finding::UseAfterFree);
}
