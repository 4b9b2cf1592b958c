"""The work of benches/{gemm,map,pool,reduce,softmax}.rs in PyTorch on a GPU, in the same units.

Prints a line for each: group/name, peer, rate, unit. Inputs lie on the device. A figure is the median of several measurements,
each of many calls that are waited for once, by CUDA events: a call costs its launch only as far as launches do not overlap.
Ours are waited for one by one. `single` figures are measured that way too, by the host's clock.

    python3 benches/peers/gpu_kernels.py [--quick] [--device cuda]
"""

import argparse
import statistics
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("--quick", action="store_true")
arguments.add_argument("--device", default="cuda")
options = arguments.parse_args()

try:
    import torch
except ImportError as why:
    raise SystemExit(f"torch is not installed: {why}")
if options.device == "cuda" and not torch.cuda.is_available():
    raise SystemExit("torch sees no GPU")

torch.manual_seed(0)
torch.backends.cudnn.benchmark = True
on_gpu = options.device == "cuda"
rounds = 5 if options.quick else 20
name = torch.cuda.get_device_name() if on_gpu else "cpu"
print(f"# torch {torch.__version__} on {name}", flush=True)


def wait():
    if on_gpu:
        torch.cuda.synchronize()


def many(call):
    """Seconds of a call among many."""
    call()
    wait()
    start = time.perf_counter()
    call()
    wait()
    calls = max(1, min(1000, int(0.02 / max(time.perf_counter() - start, 1e-7))))
    seconds = []
    for _ in range(rounds):
        if on_gpu:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            for _ in range(calls):
                call()
            end.record()
            wait()
            seconds.append(begin.elapsed_time(end) / 1e3 / calls)
        else:
            start = time.perf_counter()
            for _ in range(calls):
                call()
            seconds.append((time.perf_counter() - start) / calls)
    return statistics.median(seconds)


def single(call):
    """Seconds of a call and of waiting for it."""
    seconds = []
    for _ in range(rounds * 5):
        start = time.perf_counter()
        call()
        wait()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def report(what, peer, call, amount, unit):
    try:
        for how, seconds in (("", many(call)), (", single", single(call))):
            print(f"{what} | torch {peer}{how} | {amount / seconds / 1e9:.2f} {unit}", flush=True)
    except Exception as why:  # What one call cannot do says nothing about the next.
        print(f"{what} | torch {peer} | failed: {type(why).__name__}: {str(why).splitlines()[0]}", flush=True)


def values(*shape):
    return torch.rand(*shape, device=options.device) * 2 - 1


def products():
    sizes = [(512,) * 3, (128, 784, 512), (128, 512, 10), (1024,) * 3, (2048,) * 3, (4096,) * 3]
    for tf32 in (False, True):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        for m, k, n in sizes[: 2 if options.quick else None]:
            a, b = values(m, k), values(k, n)
            out = torch.empty(m, n, device=options.device)
            peer = "tf32" if tf32 else "f32"
            report(f"gemm/{m}x{k}x{n}", peer, lambda: torch.mm(a, b, out=out), 2 * m * k * n, "GFLOP/s")
    torch.backends.cuda.matmul.allow_tf32 = False


def memory():
    for size, elements in [("256K", 256 << 10), ("64M", 64 << 20)][: 1 if options.quick else None]:
        x = values(elements)
        report(f"map/tanh(a x + b) c, {size}", "eager", lambda: torch.tanh(x * 1.5 + 0.5) * 2.0, 8 * elements, "GB/s")
        w = torch.nn.Parameter(torch.zeros(elements, device=options.device))
        w.grad = x
        adam = torch.optim.Adam([w], lr=1e-3, eps=1e-7, fused=True)
        report(f"map/adam in place, {size}", "fused Adam", adam.step, 28 * elements, "GB/s")
    x = values(16 << (10 if options.quick else 20))
    report("reduce/sum of 16M", "eager", x.sum, 4 * x.numel(), "GB/s")
    y = values(128, 512)
    report("reduce/column sums of 128x512", "eager", lambda: y.sum(0), 4 * y.numel(), "GB/s")
    for rows, columns in [(128, 10), (4096, 1000), (65536, 1000)][: 1 if options.quick else None]:
        z = values(rows, columns)
        report(f"softmax/{rows}x{columns}", "eager", lambda: torch.softmax(z, -1), 8 * z.numel(), "GB/s")


def images():
    """Convolutions of benches/conv.rs, and pooling."""
    layers = [(32, 3, 32, 1), (32, 32, 32, 1), (16, 32, 64, 1), (16, 64, 64, 1), (8, 64, 128, 1), (8, 128, 128, 1)]
    layers += [(28, 1, 32, 0), (13, 32, 64, 0)]
    last = torch.channels_last
    for tf32 in (False, True):
        torch.backends.cudnn.allow_tf32 = tf32
        peer = "tf32" if tf32 else "f32"
        for side, channels, filters, padding in layers[: 1 if options.quick else None]:
            x = values(64, channels, side, side).to(memory_format=last)
            w = values(filters, channels, 3, 3).to(memory_format=last)
            result = side + 2 * padding - 2
            g = values(64, filters, result, result).to(memory_format=last)
            # As benches/conv.rs counts: positions of windows, times a window's multiplications and additions.
            work = 2 * 64 * result * result * 9 * channels * filters
            layer = f"{channels} to {filters}, {side}x{side}" + ("" if padding else " valid")
            report(f"conv/{layer}", peer, lambda: torch.nn.functional.conv2d(x, w, padding=padding), work, "GFLOP/s")
            for of, mask in (("input", (True, False, False)), ("weight", (False, True, False))):
                backward = lambda: torch.ops.aten.convolution_backward(
                    g, x, w, None, [1, 1], [padding] * 2, [1, 1], False, [0, 0], 1, mask
                )
                report(f"conv {of} gradient/{layer}", peer, backward, work, "GFLOP/s")
    torch.backends.cudnn.allow_tf32 = False
    sizes = [(64, 32, 32, 32), (64, 16, 16, 64), (64, 8, 8, 128), (64, 26, 26, 32), (128, 11, 11, 64)]
    for n, h, w, c in sizes[: 1 if options.quick else None]:
        x = values(n, c, h, w).to(memory_format=last)
        bytes_moved = 4 * n * c * (h * w + (h // 2) * (w // 2))
        pool = lambda: torch.nn.functional.max_pool2d(x, 2)
        report(f"max pool/{n}x{h}x{w}x{c}", "eager", pool, bytes_moved, "GB/s")


for part in (products, memory, images):
    part()
