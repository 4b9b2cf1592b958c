"""The steps of benches/train_step.rs in PyTorch and JAX, as well as each of them does it.

Prints a line for each: step, peer, samples a second (the median of several measurements). A peer that is not installed is
said so in one line and left out. Seconds for each measurement: BENCH_SECONDS (default 0.8). On a GPU the batches lie on the
device, and PyTorch's steps are measured as CUDA graphs too.

    python3 benches/peers/train_step.py [--device cuda]
"""

import argparse
import os
import statistics
import time
from functools import partial

parser = argparse.ArgumentParser()
parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
DEVICE = parser.parse_args().device
SECONDS = float(os.environ.get("BENCH_SECONDS", "0.8"))
BATCHES, STEPS = 8, 1000

# Name, sizes of the layers, batch, whether Adam (else gradient descent), whether one output (else ten classes).
MLP = ("mlp 784-512-512-10 adam", [784, 512, 512, 10], 128, True, False)
DIGITS = ("mlp 64-32-16-10 sgd", [64, 32, 16, 10], 10, False, False)
XOR = ("xor 2-2-1 sgd", [2, 2, 1], 1, False, True)

# Name, an image's shape with channels last, batch, whether filters reach over the edge, layers: convolutions of so many filters
# of 3 x 3, then dense layers of so many units; all train by Adam.
CIFAR = ("cifar10 cnn adam", (32, 32, 3), 64, True, [32, 32, "pool", 64, 64, "pool", 128, 128, "pool", "flatten", 128, 10])
MNIST = ("mnist cnn adam", (28, 28, 1), 128, False, [32, "pool", 64, "pool", "flatten", "dropout", 10])


def report(name, peer, samples, step):
    """Measures calls of `step`, each of which trains on so many samples."""
    step()
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < 0.3 or calls < 2:
        step()
        calls += 1
    group = max(1, int(calls * SECONDS / 20 / (time.perf_counter() - start)))
    rates = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(group):
            step()
        rates.append(samples * group / (time.perf_counter() - start))
    print(f"{name} | {peer} | {statistics.median(rates):.0f} samples/s", flush=True)


def data(layers, batch, binary, batches):
    """Examples and targets, `batches` of them, as NumPy arrays."""
    import numpy as np

    rows = np.arange(batches * batch)
    if binary:
        x = np.stack([rows & 1, rows >> 1 & 1], axis=1).astype(np.float32)
        y = (rows & 1 ^ rows >> 1 & 1).astype(np.float32).reshape(-1, 1)
    else:
        x = np.random.default_rng(0).uniform(-1, 1, (len(rows), layers[0])).astype(np.float32)
        y = rows % 10
    return x.reshape(batches, batch, -1), y.reshape(batches, *([batch, 1] if binary else [batch]))


def images(shape, batch):
    """As `data` for images, their shape with channels last."""
    x, y = data([shape[0] * shape[1] * shape[2]], batch, False, BATCHES)
    return x.reshape(BATCHES, batch, *shape), y


def limits(layers):
    """Inputs, outputs and the bound of the uniform start of each layer."""
    return [(i, o, (6 / (i + o)) ** 0.5) for i, o in zip(layers, layers[1:])]


def torch_peer():
    """Eager, with fused optimisers: the fastest form of these steps that needs no compiler."""
    import torch
    from torch import nn

    def trainer(model, loss_of, optimizer, batches):
        number = 0

        def step():
            nonlocal number
            x, y = batches[number % BATCHES]
            number += 1
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
            return loss.item()

        return step

    def captured(model, loss_of, optimizer, batches):
        """The same as a CUDA graph, over a batch that each step copies in."""
        x, y = (array.clone() for array in batches[0])

        def one():
            optimizer.zero_grad(set_to_none=False)
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        # Capture wants all memory to have been allocated, on another stream than the default one.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                one()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = one()
        number = 0

        def step():
            nonlocal number
            for own, new in zip((x, y), batches[number % BATCHES]):
                own.copy_(new)
            number += 1
            graph.replay()
            return loss.item()

        return step

    if DEVICE == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
        peer = f"torch {torch.__version__} {torch.cuda.get_device_name()} f32"
    else:
        peer = f"torch {torch.__version__} eager, fused, {torch.get_num_threads()} threads"

    def measure(name, peer, batch, model, loss_of, optimizer, batches):
        if DEVICE == "cpu":
            report(name, peer, batch, trainer(model, loss_of, optimizer, batches))
            return
        for way, make in (("eager, fused", trainer), ("CUDA graph, fused", captured)):
            try:
                report(name, f"{peer}, {way}", batch, make(model, loss_of, optimizer, batches))
            except RuntimeError as why:
                print(f"{name} | {peer}, {way} | failed: {str(why).splitlines()[0]}", flush=True)
    for name, layers, batch, adam, binary in (MLP, DIGITS, XOR):
        model = nn.Sequential()
        for i, o, limit in limits(layers):
            layer = nn.Linear(i, o)
            nn.init.uniform_(layer.weight, -limit, limit)
            nn.init.zeros_(layer.bias)
            model.append(layer).append(nn.Sigmoid() if binary else nn.ReLU())
        if not binary:
            model.pop(-1)
        model.to(DEVICE)
        if adam:
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7, fused=True, capturable=DEVICE == "cuda")
        else:
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01, fused=True)
        loss_of = nn.MSELoss() if binary else nn.CrossEntropyLoss()
        arrays = zip(*data(layers, batch, binary, BATCHES))
        batches = [(torch.from_numpy(x).to(DEVICE), torch.from_numpy(y).to(DEVICE)) for x, y in arrays]
        measure(name, peer, batch, model, loss_of, optimizer, batches)

    for name, shape, batch, same, layers in (CIFAR, MNIST):
        model, dense = nn.Sequential(), False
        for number, layer in enumerate(layers, 1):
            if layer == "pool":
                model.append(nn.MaxPool2d(2))
            elif layer == "flatten":
                model.append(nn.Flatten())
                dense = True
            elif layer == "dropout":
                model.append(nn.Dropout(0.5))
            else:
                model.append(nn.LazyLinear(layer) if dense else nn.LazyConv2d(layer, 3, padding="same" if same else 0))
                if number < len(layers):
                    model.append(nn.ReLU())
        # A permuted array with channels last is in the memory format of that name.
        arrays = zip(*images(shape, batch))
        batches = [(torch.from_numpy(x).to(DEVICE).permute(0, 3, 1, 2), torch.from_numpy(y).to(DEVICE)) for x, y in arrays]
        model.to(DEVICE)
        model(batches[0][0])
        model.to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7, fused=True, capturable=DEVICE == "cuda")
        measure(name, f"{peer}, channels last", batch, model, nn.CrossEntropyLoss(), optimizer, batches)


def jax_peer():
    """The whole step in one jit with donated state; for the small ones also 1000 steps by a scan inside it."""
    os.environ.setdefault("JAX_PLATFORMS", DEVICE)
    # Beside another library that uses the GPU, and without its tensor cores' shorter numbers.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_default_matmul_precision", "highest" if DEVICE == "cuda" else None)
    device = f" {jax.devices()[0].device_kind}" if DEVICE == "cuda" else ""

    def crossentropy(x, y):
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1))

    def dense_loss(parameters, x, y, key, binary):
        for number, (w, b) in enumerate(parameters, 1):
            x = x @ w + b
            if binary:
                x = jax.nn.sigmoid(x)
            elif number < len(parameters):
                x = jax.nn.relu(x)
        return jnp.mean((x - y) ** 2) if binary else crossentropy(x, y)

    def pool(x):
        """The greatest of each 2 x 2, by a reshape: with `reduce_window` the MNIST step is slower on a CPU."""
        n, h, w, c = x.shape
        return x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))

    def convolve(x, w, same):
        axes = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME" if same else "VALID", dimension_numbers=axes)

    def image_loss(parameters, x, y, key, same, layers):
        parameters = iter(parameters)
        for number, layer in enumerate(layers, 1):
            if layer == "pool":
                x = pool(x)
            elif layer == "flatten":
                x = x.reshape(len(x), -1)
            elif layer == "dropout":
                x = jnp.where(jax.random.bernoulli(key, 0.5, x.shape), x * 2, 0)
            else:
                w, b = next(parameters)
                x = (convolve(x, w, same) if w.ndim == 4 else x @ w) + b
                if number < len(layers):
                    x = jax.nn.relu(x)
        return crossentropy(x, y)

    def image_start(shape, same, layers):
        """Weights and biases, the weights uniform by the limits of `limits`."""
        height, width, inputs = shape
        dense, start = False, []
        for layer in layers:
            if layer == "pool":
                height, width = height // 2, width // 2
            elif layer == "flatten":
                dense, inputs = True, height * width * inputs
            elif layer != "dropout":
                taps = () if dense else (3, 3)
                limit = (6 / ((inputs + layer) * (1 if dense else 9))) ** 0.5
                w = jax.random.uniform(jax.random.key(0), (*taps, inputs, layer), minval=-limit, maxval=limit)
                start.append((w, jnp.zeros(layer)))
                if not dense and not same:
                    height, width = height - 2, width - 2
                inputs = layer
        return start

    def adam_step(loss, state, x, y):
        p, m, v, t = state
        # Only dropout draws from it.
        key = jax.random.fold_in(jax.random.key(0, impl="unsafe_rbg"), t.astype(int))
        value, g = jax.value_and_grad(loss)(p, x, y, key)
        t = t + 1
        rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        m = jax.tree.map(lambda m, g: m + 0.1 * (g - m), m, g)
        v = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), v, g)
        p = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-7), p, m, v)
        return (p, m, v, t), value

    def sgd_step(loss, p, x, y):
        value, g = jax.value_and_grad(loss)(p, x, y, None)
        return jax.tree.map(lambda p, g: p - 0.01 * g, p, g), value

    def adam_state(start):
        # Donated buffers must be different ones.
        zeros = lambda: jax.tree.map(jnp.zeros_like, start)
        return start, zeros(), zeros(), jnp.float32(0)

    def measure(name, batch, one, state, arrays):
        jitted = jax.jit(one, donate_argnums=0)
        own = jax.tree.map(jnp.copy, state)
        batches = [(jnp.asarray(x), jnp.asarray(y)) for x, y in zip(*arrays)]
        number = 0

        def step():
            nonlocal own, number
            x, y = batches[number % BATCHES]
            number += 1
            own, value = jitted(own, x, y)
            return value.block_until_ready()

        report(name, f"jax {jax.__version__}{device} jit", batch, step)

    for name, shape, batch, same, layers in (CIFAR, MNIST):
        one = partial(adam_step, partial(image_loss, same=same, layers=layers))
        measure(name, batch, one, adam_state(image_start(shape, same, layers)), images(shape, batch))

    for name, layers, batch, adam, binary in (MLP, DIGITS, XOR):
        key = jax.random.key(0)
        start = [(jax.random.uniform(key, (i, o), minval=-r, maxval=r), jnp.zeros(o)) for i, o, r in limits(layers)]
        one = partial(adam_step if adam else sgd_step, partial(dense_loss, binary=binary))
        measure(name, batch, one, adam_state(start) if adam else start, data(layers, batch, binary, BATCHES))
        if not adam:
            xs, ys = (jnp.asarray(array) for array in data(layers, batch, binary, STEPS))
            many = jax.jit(lambda state, xs, ys: jax.lax.scan(lambda state, xy: one(state, *xy), state, (xs, ys)))
            scan = lambda: jax.block_until_ready(many(start, xs, ys))
            report(f"{name} in one call", f"jax {jax.__version__}{device} jit of a scan", batch * STEPS, scan)


for run in (torch_peer, jax_peer):
    try:
        run()
    except ImportError as why:
        print(f"{run.__name__.split('_')[0]} is not installed: {why}", flush=True)
    except (AssertionError, RuntimeError) as why:
        # What a library built without CUDA says when it is asked for a GPU.
        if DEVICE == "cpu":
            raise
        print(f"{run.__name__.split('_')[0]} failed on the GPU: {type(why).__name__} {why}", flush=True)
